//! The top level of a message: which known field stands where, as raw JSON, and nothing else remembered.
//!
//! Borrowed from the message; a field's value is understood only when someone asks for it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use billing_domain::AccountId;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::{Read, malformed, values};

/// Fields at the top level, known or not.
const FIELDS_MAX: usize = 64;
/// Lists and objects within each other, in a field that is not known.
const DEPTH_MAX: usize = 16;

/// The fields that are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Field {
    EventType,
    SchemaVersion,
    MessageId,
    TenantId,
    AccountId,
    AccountTier,
    OperatorId,
    Direction,
    SegmentCount,
    Currency,
    ChargedAt,
    OccurredAt,
    DlrStatus,
}

impl Field {
    /// The name on the wire.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::EventType => "eventType",
            Self::SchemaVersion => "schemaVersion",
            Self::MessageId => "messageId",
            Self::TenantId => "tenantId",
            Self::AccountId => "accountId",
            Self::AccountTier => "accountTier",
            Self::OperatorId => "operatorId",
            Self::Direction => "direction",
            Self::SegmentCount => "segmentCount",
            Self::Currency => "currency",
            Self::ChargedAt => "chargedAt",
            Self::OccurredAt => "occurredAt",
            Self::DlrStatus => "dlrStatus",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "eventType" => Self::EventType,
            "schemaVersion" => Self::SchemaVersion,
            "messageId" => Self::MessageId,
            "tenantId" => Self::TenantId,
            "accountId" => Self::AccountId,
            "accountTier" => Self::AccountTier,
            "operatorId" => Self::OperatorId,
            "direction" => Self::Direction,
            "segmentCount" => Self::SegmentCount,
            "currency" => Self::Currency,
            "chargedAt" => Self::ChargedAt,
            "occurredAt" => Self::OccurredAt,
            "dlrStatus" => Self::DlrStatus,
            _ => return None,
        })
    }
}

/// The raw values of the known fields.
#[derive(Default)]
pub(super) struct Fields<'a> {
    values: [Option<&'a str>; 13],
    unknown: HashSet<Cow<'a, str>>,
    problem: Option<Cow<'static, str>>,
}

impl<'a> Fields<'a> {
    /// Takes the fields of a JSON object; what was read before a mistake stays.
    pub(super) fn read(&mut self, text: &'a str) -> Result<(), Cow<'static, str>> {
        let mut json = serde_json::Deserializer::from_str(text);
        let read = (&mut *self).deserialize(&mut json).and_then(|()| json.end());
        match (read, self.problem.take()) {
            (Ok(()), None) => Ok(()),
            (_, Some(problem)) => Err(problem),
            (Err(error), None) => Err(match error.classify() {
                Category::Eof => "not JSON: it ends too early".into(),
                Category::Data => "not a JSON object".into(),
                _ => format!("not JSON at line {}, column {}", error.line(), error.column()).into(),
            }),
        }
    }

    /// A field's raw JSON; `null` counts as absent.
    pub(super) fn raw(&self, field: Field) -> Option<&'a str> {
        self.values[field as usize].filter(|raw| *raw != "null")
    }

    /// A field that must be text, if it is there.
    pub(super) fn text(&self, field: Field) -> Read<Option<Cow<'a, str>>> {
        let Some(raw) = self.raw(field) else { return Ok(None) };
        let quoted = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match quoted {
            None => Err(malformed(format!("{} is not text", field.name()))),
            Some(plain) if !plain.as_bytes().contains(&b'\\') => Ok(Some(Cow::Borrowed(plain))),
            // Escapes are rare, and half a surrogate pair is text to a scanner but to nobody else.
            Some(_) => match serde_json::from_str(raw) {
                Ok(text) => Ok(Some(Cow::Owned(text))),
                Err(_) => Err(malformed(format!("{} is not text", field.name()))),
            },
        }
    }

    /// A field that must be there and be text.
    pub(super) fn required(&self, field: Field) -> Read<Cow<'a, str>> {
        self.text(field)?.ok_or_else(|| malformed(format!("{} is missing", field.name())))
    }

    /// The account, whatever else is wrong.
    pub(super) fn account(&self) -> Option<AccountId> {
        let text = self.text(Field::AccountId).ok()??;
        values::parse_uuid(&text).map(AccountId)
    }

    fn take<M: MapAccess<'a>>(&mut self, map: &mut M) -> Result<(), M::Error> {
        let mut count = 0;
        while let Some(Key(name)) = map.next_key_seed(KeySeed)? {
            let value: &'a RawValue = map.next_value()?;
            count += 1;
            if count > FIELDS_MAX {
                self.problem = Some(format!("has more than {FIELDS_MAX} fields").into());
                return Err(M::Error::custom("refused"));
            }
            // The first mistake is told; reading goes on, for the sake of the account.
            if let Some(problem) = self.put(name, value.get()) {
                self.problem.get_or_insert(problem);
            }
        }
        Ok(())
    }

    /// Takes one field; what is wrong with it.
    fn put(&mut self, name: Cow<'a, str>, json: &'a str) -> Option<Cow<'static, str>> {
        match Field::from_name(&name) {
            Some(field) if self.values[field as usize].is_some() => {
                // Two values: neither can be believed.
                self.values[field as usize] = Some("null");
                Some(format!("{} stands twice", field.name()).into())
            }
            Some(field) => {
                self.values[field as usize] = Some(json);
                None
            }
            None if !self.unknown.insert(name) => Some("a field stands twice".into()),
            None => too_deep(json).then_some("is nested too deeply".into()),
        }
    }
}

impl<'a> DeserializeSeed<'a> for &mut Fields<'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for &mut Fields<'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        self.take(&mut map)
    }
}

/// A field's name, borrowed unless it is written with escapes.
struct Key<'a>(Cow<'a, str>);

struct KeySeed;

impl<'a> DeserializeSeed<'a> for KeySeed {
    type Value = Key<'a>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Key<'a>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for KeySeed {
    type Value = Key<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'a str) -> Result<Key<'a>, E> {
        Ok(Key(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Key<'a>, E> {
        Ok(Key(Cow::Owned(name.to_owned())))
    }
}

/// Whether a valid JSON value has more than [`DEPTH_MAX`] lists and objects within each other.
fn too_deep(json: &str) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}
