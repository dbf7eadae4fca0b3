//! Reading a body. JSON: its media type, at most 64 KiB, within 10 seconds, one object. Doubled names stay, to be refused.
//! A CSV file: at most 20 MiB, within a minute; what is in it the route reads as it comes.

use std::fmt;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::BytesMut;
use futures::StreamExt;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Number;

use super::fields::{Fields, Given};
use super::problem::{Kind, Place, Problem};

/// Bytes.
const BODY_MAX: usize = 64 * 1024;
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Of a deck. Bytes.
const DECK_MAX: usize = 20 * 1024 * 1024;
const DECK_TIME_MAX: Duration = Duration::from_secs(60);

/// A body as fields, and in the one form that the same content always has.
pub(crate) struct JsonBody {
    /// To be read by the route.
    pub(crate) fields: Fields,
    /// The same sorted by name, as JSON without space: what an idempotency key stands for.
    pub(crate) canonical: Vec<u8>,
}

/// Reads the whole body.
///
/// # Errors
/// 415, 413, 408 and 400, in this order.
pub(crate) async fn read_json(headers: &HeaderMap, payload: Payload) -> Result<JsonBody, Problem> {
    if !is_of_type(headers, "application/json") {
        return Err(Kind::MediaType.into());
    }
    let mut bytes = BytesMut::new();
    let keep = |chunk: &[u8]| {
        bytes.extend_from_slice(chunk);
        Ok(())
    };
    each_chunk(headers, payload, (BODY_MAX, BODY_TIME_MAX), || Kind::TooLarge.into(), keep).await?;
    let whole: Given = serde_json::from_slice(&bytes).map_err(|error| {
        Problem::with(Kind::Malformed, format!("the body is not a JSON object: {}", place_of(&error)))
    })?;
    let canonical = serde_json::to_vec(&whole).unwrap_or_default();
    let Given::Object(members) = whole else {
        return Err(Problem::with(Kind::Malformed, "the body is JSON, but not an object"));
    };
    Ok(JsonBody { fields: Fields::new(Place::Body, members), canonical })
}

/// Gives out the body of a CSV file, of at most 20 MiB, as it comes.
///
/// # Errors
/// 415, 413 when so much is announced, 413, 408 and 400 as it comes, and what `take` says.
pub(crate) async fn read_csv(
    headers: &HeaderMap,
    payload: Payload,
    take: impl FnMut(&[u8]) -> Result<(), Problem>,
) -> Result<(), Problem> {
    if !is_of_type(headers, "text/csv") {
        return Err(Problem::with(Kind::MediaType, "send the body as text/csv, in UTF-8"));
    }
    let too_large = || Problem::with(Kind::TooLarge, "a deck has at most 20 MiB");
    each_chunk(headers, payload, (DECK_MAX, DECK_TIME_MAX), too_large, take).await
}

/// The media type, in UTF-8 if it says in what.
fn is_of_type(headers: &HeaderMap, media_type: &str) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE);
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(text) = value.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(media_type));
    let utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    is_named && parts.all(utf8)
}

/// Never takes more than so many bytes, nor for longer.
async fn each_chunk(
    headers: &HeaderMap,
    mut payload: Payload,
    (max, time_max): (usize, Duration),
    too_large: fn() -> Problem,
    mut take: impl FnMut(&[u8]) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    let all = async {
        let mut taken = 0;
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Problem::with(Kind::Malformed, "the body broke off"))?;
            taken += chunk.len();
            if taken > max {
                return Err(too_large());
            }
            take(&chunk)?;
        }
        Ok(())
    };
    let late = |_| Problem::with(Kind::Timeout, format!("send the whole body within {} seconds", time_max.as_secs()));
    tokio::time::timeout(time_max, all).await.map_err(late)?
}

/// Where a body stops being JSON, without what it holds.
fn place_of(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

/// Objects sorted by name, so that the same content always is the same text.
impl Serialize for Given {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::List(entries) => entries.serialize(serializer),
            Self::Object(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by_key(|(name, _)| name);
                let mut map = serializer.serialize_map(Some(sorted.len()))?;
                for (name, value) in sorted {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// Keeps the members of objects in their order, doubled names included; the JSON library bounds its depth.
impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Given, E> {
        Ok(Given::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Given, E> {
        Ok(Given::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Given, E> {
        Ok(Given::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Given, E> {
        Ok(Given::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Given, E> {
        Ok(Given::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Given, E> {
        Ok(Number::from_f64(number).map_or(Given::Null, Given::Number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Given, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element()? {
            list.push(entry);
        }
        Ok(Given::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Given, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Given::Object(object))
    }
}
