//! What the API's document says of quarantined messages.

use uuid::Uuid;

use super::body::{DiscardRequest, ReplayTermsBody};
use super::question::{STATES, reasons};
use super::view::{MessageDetailsView, MessageList, MessageView, ReplayView};
use crate::http::problem::Kind;
use crate::routes::document::{Operation, day, text_of, uuid};

const TAG: &str = "Quarantine";
const ID: &str = "The `quarantineId`.";

/// `GET /v1/admin/pricing/quarantine`.
pub(crate) fn listing() -> Operation {
    let list = MessageList { data: vec![message()], next_cursor: None };
    Operation::new("listQuarantinedMessages", TAG, "Messages that cannot be usage, oldest first")
        .says("Without their content. Every page is noted in the audit log.")
        .parameter("state", text_of(&STATES.map(|(_, name)| name), "open"), "What became of them; default `open`.")
        .parameter("reason", text_of(&reasons().map(|(_, name)| name), "malformed"), "Held for this reason.")
        .parameter("accountId", uuid(), "Of this account, as far as they could be read.")
        .parameter("from", day(), "That arrived on this day, UTC, or later.")
        .parameter("to", day(), "That arrived on this day, UTC, or earlier.")
        .paged()
        .answers(200, "A page of messages.", &list)
        .refuses(&[Kind::Malformed, Kind::Invalid])
}

/// `GET /v1/admin/pricing/quarantine/{id}`.
pub(crate) fn showing() -> Operation {
    Operation::new("getQuarantinedMessage", TAG, "One quarantined message, redacted")
        .says(
            "What could be a phone number is masked. The bytes themselves may hold personal data and are not to be had \
             here. Every read is noted in the audit log.",
        )
        .number(ID)
        .answers(200, "The message.", &details(message(), None))
        .refuses(&[Kind::Malformed, Kind::NotFound, Kind::Invalid])
}

/// `POST /v1/admin/pricing/quarantine/{id}/replay`.
pub(crate) fn replaying() -> Operation {
    let replay = ReplayView {
        requested_at: "2026-10-06T09:30:00Z".into(),
        requested_by: "finance@ghasi.example".into(),
        tenant_id: None,
        allow_old: false,
        ended_at: None,
        outcome: None,
        detail: None,
    };
    Operation::new("replayQuarantinedMessage", TAG, "Ask for a quarantined message to be replayed")
        .says(
            "Ingest reads its bytes anew within seconds and records what is usage by today's rules, exactly once; `replay` of \
             the message then says what came of it. What stays quarantined may be asked for again.",
        )
        .number(ID)
        .idempotent()
        .body(&ReplayTermsBody::default())
        .answers(202, "It will be replayed.", &details(message(), Some(replay)))
        .refuses(&[Kind::NotFound, Kind::Resolved, Kind::NotReplayable, Kind::Invalid, Kind::KeyReused, Kind::KeyInUse])
}

/// `POST /v1/admin/pricing/quarantine/{id}/discard`.
pub(crate) fn discarding() -> Operation {
    let request = DiscardRequest { reason: "a test of the gateway's new version".into() };
    let discarded = MessageView {
        state: "discarded",
        discard_reason: Some(request.reason.clone()),
        resolved_by: Some("finance@ghasi.example".into()),
        resolved_at: Some("2026-10-06T09:30:00Z".into()),
        ..message()
    };
    Operation::new("discardQuarantinedMessage", TAG, "Close a quarantined message for good")
        .says("It is no usage and never will be; it stays counted as quarantined.")
        .number(ID)
        .idempotent()
        .body(&request)
        .answers(200, "The message.", &details(discarded, None))
        .refuses(&[Kind::NotFound, Kind::Resolved, Kind::Invalid, Kind::KeyReused, Kind::KeyInUse])
}

fn details(message: MessageView, replay: Option<ReplayView>) -> MessageDetailsView {
    let content = r#"{"schemaVersion":"1","segmentCount":"two","to":"+***********"}"#;
    MessageDetailsView { message, content: Some(content.into()), replay }
}

fn message() -> MessageView {
    MessageView {
        quarantine_id: 42,
        reason: "malformed",
        detail: "segmentCount is not a number".into(),
        account_id: Some(Uuid::from_u128(0x0192_8c3e_5a7b_7c1d_9e2f_3a4b_5c6d_7e8f)),
        arrived_at: "2026-10-05T08:00:00.25Z".into(),
        published_at: "2026-10-05T08:00:00Z".into(),
        stream_sequence: 1_204_411,
        byte_count: 412,
        state: "open",
        replayed_as: None,
        discard_reason: None,
        resolved_by: None,
        resolved_at: None,
    }
}
