//! One chargeable message, and how the two producers write it.

use serde::Serialize;
use uuid::Uuid;

use super::cast::Account;
use super::period::Period;

/// A message that was sent in the month.
#[derive(Clone)]
pub(crate) struct Event {
    pub(crate) id: Uuid,
    /// Its place among the accounts.
    pub(crate) account: usize,
    pub(crate) operator: &'static str,
    pub(crate) direction: &'static str,
    pub(crate) segments: u8,
    pub(crate) status: &'static str,
    pub(crate) currency: &'static str,
    /// Milliseconds into the month.
    pub(crate) at: u64,
}

/// A message as it goes on the stream.
pub(crate) struct Envelope {
    /// `Nats-Msg-Id`, if there is one.
    pub(crate) id: Option<String>,
    pub(crate) tenant: String,
    /// W3C trace context.
    pub(crate) traceparent: Option<String>,
    pub(crate) payload: Vec<u8>,
}

/// Which producer reports it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Shape {
    /// `billing.message.charged.v1`.
    Charged,
    /// `DLR_TERMINAL`.
    Report,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Charged<'a> {
    schema_version: &'a str,
    message_id: Uuid,
    tenant_id: Uuid,
    account_id: Uuid,
    account_tier: &'a str,
    operator_id: &'a str,
    direction: &'a str,
    segment_count: u8,
    currency: &'a str,
    charged_at: String,
    dlr_status: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    event_id: Uuid,
    schema_version: &'a str,
    event_type: &'a str,
    message_id: Uuid,
    account_id: Uuid,
    dlr_status: &'a str,
    segment_count: u8,
    operator_id: &'a str,
    occurred_at: String,
}

impl Event {
    /// As a producer of that shape writes it.
    pub(crate) fn write(&self, shape: Shape, account: &Account, period: Period) -> Envelope {
        let at = period.instant(self.at);
        let payload = match shape {
            Shape::Charged => serde_json::to_vec(&Charged {
                schema_version: "1",
                message_id: self.id,
                tenant_id: account.tenant,
                account_id: account.id,
                account_tier: account.tier,
                operator_id: self.operator,
                direction: self.direction,
                segment_count: self.segments,
                currency: self.currency,
                charged_at: at,
                dlr_status: self.status,
            }),
            Shape::Report => serde_json::to_vec(&Report {
                event_id: Uuid::from_u128(!self.id.as_u128()),
                schema_version: "1.0",
                event_type: "DLR_TERMINAL",
                message_id: self.id,
                account_id: account.id,
                dlr_status: self.status,
                segment_count: self.segments,
                operator_id: self.operator,
                occurred_at: at,
            }),
        };
        let (high, low) = self.id.as_u64_pair();
        Envelope {
            id: Some(self.id.to_string()),
            tenant: account.tenant.to_string(),
            traceparent: Some(format!("00-{:032x}-{:016x}-01", self.id.as_u128(), high ^ low)),
            // Plain text and numbers always become JSON.
            payload: payload.unwrap_or_default(),
        }
    }

    /// Whether the second shape says all of it: the rest is the account's profile.
    pub(crate) fn fits_report(&self, account: &Account) -> bool {
        account.has_reports && self.direction == "MT" && self.currency == account.currency
    }
}
