//! Messages that cannot be usage, each with the reason under which it must be set aside.

use serde_json::{Value, json};

use super::cast::Account;
use super::event::{Envelope, Event, Shape};
use super::period::Period;

/// More than a message may have.
const TOO_LARGE: usize = 70_000;
const DEPTH: usize = 20_000;

type Spoil = fn(&mut Value);

/// Charged events with one thing wrong.
const SPOILT: [(&str, Spoil); 15] = [
    ("malformed", |m| m["segmentCount"] = json!(0)),
    ("malformed", |m| m["segmentCount"] = json!(11)),
    ("malformed", |m| m["segmentCount"] = json!("2")),
    ("malformed", |m| m["segmentCount"] = json!(1.5)),
    ("malformed", |m| m["accountId"] = json!(null)),
    ("malformed", |m| m["messageId"] = json!("not-an-id")),
    ("malformed", |m| m["operatorId"] = json!("41201'; DROP TABLE billing.billing_events; --")),
    ("malformed", |m| m["operatorId"] = json!("412\u{0}01")),
    ("malformed", |m| m["dlrStatus"] = json!("ACCEPTED")),
    ("malformed", |m| m["currency"] = json!("ZZZ")),
    ("malformed", |m| m["chargedAt"] = json!("yesterday")),
    ("unknown_version", |m| m["schemaVersion"] = json!("2")),
    ("future", |m| m["chargedAt"] = json!("2199-01-01T00:00:00Z")),
    ("too_old", |m| m["chargedAt"] = json!("2001-01-01T00:00:00Z")),
    ("oversized", |m| m["note"] = json!("A".repeat(TOO_LARGE))),
];

/// How many kinds there are.
pub(crate) const KINDS: u64 = 20;

/// The n-th hostile message, made of an event that is otherwise good, with the reason.
pub(crate) fn message(n: u64, event: &Event, account: &Account, period: Period) -> (&'static str, Envelope) {
    let mut envelope = event.write(Shape::Charged, account, period);
    envelope.id = Some(format!("hostile-{}", event.id));
    let kind = usize::try_from(n % KINDS).unwrap_or_default();
    if let Some((reason, spoil)) = SPOILT.get(kind) {
        let mut message: Value = serde_json::from_slice(&envelope.payload).unwrap_or_default();
        spoil(&mut message);
        envelope.payload = message.to_string().into_bytes();
        return (reason, envelope);
    }
    let whole = String::from_utf8_lossy(&envelope.payload).into_owned();
    let reason = match kind - SPOILT.len() {
        0 => {
            envelope.tenant = uuid::Uuid::from_u128(event.id.as_u128() | 1 << 76).to_string();
            "tenant_mismatch"
        }
        1 => {
            envelope.payload.truncate(100);
            "malformed"
        }
        2 => {
            envelope.payload = vec![0xff, 0xfe, b'{', 0x00];
            "malformed"
        }
        3 => {
            envelope.payload = whole.replacen('{', "{\"direction\":\"MO\",", 1).into_bytes();
            "malformed"
        }
        _ => {
            let deep = format!("{{\"x\":{}{},", "[".repeat(DEPTH), "]".repeat(DEPTH));
            envelope.payload = whole.replacen('{', &deep, 1).into_bytes();
            "malformed"
        }
    };
    (reason, envelope)
}
