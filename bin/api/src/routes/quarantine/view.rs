//! A quarantined message as JSON, without its bytes.

use billing_domain::ports::{HeldDetails, HeldMessage, ReplayEnd, ReplayRequest, Resolution};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A message that cannot be usage.
#[derive(Serialize, ToSchema)]
#[schema(as = QuarantinedMessage)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageView {
    /// Counted up as they come; the same as on the command line of ingest.
    #[schema(minimum = 1)]
    pub(super) quarantine_id: i64,
    /// Why it is held, as of the last attempt.
    #[schema(example = "malformed")]
    pub(super) reason: &'static str,
    /// What exactly is wrong; never quotes the message.
    pub(super) detail: String,
    /// The account, when the message could be read that far.
    #[schema(required = true)]
    pub(super) account_id: Option<Uuid>,
    /// When it arrived.
    #[schema(format = DateTime)]
    pub(super) arrived_at: String,
    /// When it was published.
    #[schema(format = DateTime)]
    pub(super) published_at: String,
    /// Where it stood on the stream.
    pub(super) stream_sequence: u64,
    /// Its size as it was published.
    pub(super) byte_count: u64,
    /// `open`, `replayed` or `discarded`.
    #[schema(example = "open")]
    pub(super) state: &'static str,
    /// What it became: `recorded`, `duplicate` or `unrated`; only when it was replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) replayed_as: Option<&'static str>,
    /// Why it was discarded; only when it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) discard_reason: Option<String>,
    /// The `sub` of who decided about it, or `cli:` and a name; null while it is open.
    #[schema(required = true)]
    pub(super) resolved_by: Option<String>,
    /// When; null while it is open.
    #[schema(required = true, format = DateTime)]
    pub(super) resolved_at: Option<String>,
}

/// A message, with what may be seen of it.
#[derive(Serialize, ToSchema)]
#[schema(as = QuarantinedMessageDetails)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageDetailsView {
    #[serde(flatten)]
    pub(super) message: MessageView,
    /// Its beginning as text of at most 4 KiB: rows of seven or more digits are masked, control characters and what is no
    /// UTF-8 are written as escapes. Null: its bytes are kept no longer.
    #[schema(required = true)]
    pub(super) content: Option<String>,
    /// The replay that was last asked for here; null: none was.
    #[schema(required = true)]
    pub(super) replay: Option<ReplayView>,
}

/// A replay that was asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = ReplayRequest)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplayView {
    /// When.
    #[schema(format = DateTime)]
    pub(super) requested_at: String,
    /// By whom: a `sub`.
    pub(super) requested_by: String,
    /// Whose the message is said to be; null: nothing was said.
    #[schema(required = true)]
    pub(super) tenant_id: Option<Uuid>,
    /// Whether usage of up to 14 months ago is taken.
    pub(super) allow_old: bool,
    /// When it was carried out; null while it is still to come, which takes seconds.
    #[schema(required = true, format = DateTime)]
    pub(super) ended_at: Option<String>,
    /// What the message became (`recorded`, `duplicate`, `unrated`), or that it `stays`, or that it was `refused` untried; null
    /// while it is still to come.
    #[schema(required = true, example = "recorded")]
    pub(super) outcome: Option<&'static str>,
    /// Why it stays or was refused; null otherwise.
    #[schema(required = true)]
    pub(super) detail: Option<String>,
}

/// A page of messages.
#[derive(Serialize, ToSchema)]
#[schema(as = QuarantinedMessageList)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageList {
    /// Oldest first.
    pub(super) data: Vec<MessageView>,
    /// Where to go on; null on the last page.
    #[schema(required = true)]
    pub(super) next_cursor: Option<String>,
}

impl MessageView {
    /// Of a message.
    pub(super) fn of(held: &HeldMessage) -> Self {
        let resolved = held.resolved.as_ref();
        let (state, replayed_as, discard_reason) = match resolved.map(|(resolution, ..)| resolution) {
            None => ("open", None, None),
            Some(Resolution::Replayed(became)) => ("replayed", Some(became.name()), None),
            Some(Resolution::Discarded(why)) => ("discarded", None, Some(why.clone())),
        };
        Self {
            quarantine_id: held.id,
            reason: held.reason.name(),
            detail: held.detail.clone(),
            account_id: held.account.map(|account| account.0),
            arrived_at: held.arrived_at.to_string(),
            published_at: held.receipt.published_at.to_string(),
            stream_sequence: held.receipt.sequence,
            byte_count: held.bytes,
            state,
            replayed_as,
            discard_reason,
            resolved_by: resolved.map(|(_, by, _)| by.clone()),
            resolved_at: resolved.map(|(.., at)| at.to_string()),
        }
    }
}

impl MessageDetailsView {
    /// Of a message.
    pub(super) fn of(details: &HeldDetails) -> Self {
        Self {
            message: MessageView::of(&details.message),
            content: details.shown.clone(),
            replay: details.replay.as_ref().map(ReplayView::of),
        }
    }
}

impl ReplayView {
    fn of(request: &ReplayRequest) -> Self {
        let ended = request.ended.as_ref();
        let (outcome, detail) = match ended.map(|(end, _)| end) {
            None => (None, None),
            Some(ReplayEnd::Became(became)) => (Some(became.name()), None),
            Some(ReplayEnd::Stays(why)) => (Some("stays"), Some(why.clone())),
            Some(ReplayEnd::Refused(why)) => (Some("refused"), Some(why.clone())),
        };
        Self {
            requested_at: request.at.to_string(),
            requested_by: request.by.clone(),
            tenant_id: request.terms.tenant.map(|tenant| tenant.0),
            allow_old: request.terms.allow_old,
            ended_at: ended.map(|(_, at)| at.to_string()),
            outcome,
            detail,
        }
    }
}
