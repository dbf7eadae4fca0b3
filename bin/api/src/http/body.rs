//! Reading a JSON body: its media type, at most 64 KiB, within 10 seconds, one flat object without doubled names.

use std::fmt;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::BytesMut;
use futures::StreamExt;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::fields::{Fields, Given};
use super::problem::{Kind, Place, Problem};

/// Bytes.
const BODY_MAX: usize = 64 * 1024;
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// A body as fields, and in the one form that the same content always has.
pub(crate) struct JsonBody {
    /// To be read by the route.
    pub(crate) fields: Fields,
    /// The same fields sorted by name, as JSON without space: what an idempotency key stands for.
    pub(crate) canonical: Vec<u8>,
}

/// Reads the whole body.
///
/// # Errors
/// 415, 413, 408 and 400, in this order.
pub(crate) async fn read_json(headers: &HeaderMap, payload: Payload) -> Result<JsonBody, Problem> {
    if !is_json(headers) {
        return Err(Kind::MediaType.into());
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BODY_MAX) {
        return Err(Kind::TooLarge.into());
    }
    let bytes = tokio::time::timeout(BODY_TIME_MAX, collect(payload)).await.map_err(|_| Kind::Timeout)??;
    let Members(members) = serde_json::from_slice(&bytes).map_err(|error| {
        Problem::with(Kind::Malformed, format!("the body is not a JSON object: {}", place_of(&error)))
    })?;
    let mut sorted: Vec<_> = members.iter().map(|(name, value)| (name, value)).collect();
    sorted.sort_by_key(|(name, _)| *name);
    let canonical = serde_json::to_vec(&sorted).unwrap_or_default();
    let given = members.into_iter().map(|(name, value)| (name, given(value))).collect();
    Ok(JsonBody { fields: Fields::new(Place::Body, given), canonical })
}

/// `application/json`, in UTF-8 if it says in what.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE);
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(text) = value.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    media_type && parts.all(utf8)
}

async fn collect(mut payload: Payload) -> Result<BytesMut, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::with(Kind::Malformed, "the body broke off"))?;
        if bytes.len() + chunk.len() > BODY_MAX {
            return Err(Kind::TooLarge.into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Where a body stops being JSON, without what it holds.
fn place_of(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

fn given(value: Value) -> Given {
    match value {
        Value::String(text) => Given::Text(text),
        Value::Null => Given::Null,
        Value::Number(_) => Given::Other("a number"),
        Value::Bool(_) => Given::Other("a boolean"),
        Value::Array(_) => Given::Other("an array"),
        Value::Object(_) => Given::Other("an object"),
    }
}

/// The members of a JSON object in their order, doubled names included; its depth is bounded by the JSON library.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
