//! Messages that were set aside: looked at, replayed and discarded by people. Staff decide, without ever seeing a message's
//! bytes; whoever records usage has the bytes and carries out what was decided. How one is replayed is decided by
//! [`Replayer`](crate::use_cases::Replayer).

use std::future::Future;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::usage::{QuarantineReason, Receipt};
use crate::{AccountId, TenantId};

use super::{AdminAction, ChangeOutcome, PortError};

/// More of a message is not kept: one of this size may have been larger. Bytes.
pub const KEPT_BYTES_MAX: usize = 1 << 20;
/// So long the bytes of a message are kept.
pub(super) const KEPT_TIME_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What has become of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeldState {
    /// Nothing yet.
    Open,
    /// It counts as what it became.
    Replayed,
    /// It was closed for good.
    Discarded,
}

/// Which messages to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct QuarantineFilter {
    /// Set aside for this reason.
    pub reason: Option<QuarantineReason>,
    /// Of this account, as far as it could be read.
    pub account: Option<AccountId>,
    /// Arrived at this instant or later.
    pub since: Option<Timestamp>,
    /// Arrived before this instant.
    pub until: Option<Timestamp>,
    /// Of which that has become; `None`: all.
    pub state: Option<HeldState>,
}

/// What a replayed message became.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplayedAs {
    /// A rated event.
    Recorded,
    /// Another publication of a message that stands.
    Duplicate,
    /// Claimed, and waiting for a price or its account.
    Unrated,
}

impl ReplayedAs {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Recorded, Self::Duplicate, Self::Unrated];

    /// The name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Duplicate => "duplicate",
            Self::Unrated => "unrated",
        }
    }
}

/// What became of a message that is no longer open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Resolution {
    /// It counts as what it became, and no longer as quarantined.
    Replayed(ReplayedAs),
    /// It is no usage and never will be; it stays counted as quarantined. Why, in 1 to 500 characters.
    Discarded(String),
}

/// A message that was set aside, without its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldMessage {
    /// Counted up as they come.
    pub id: i64,
    /// Where it stood on the stream.
    pub receipt: Receipt,
    /// Why it is held, as of the last attempt.
    pub reason: QuarantineReason,
    /// What exactly is wrong; never quotes the message.
    pub detail: String,
    /// The account, when the message could be read that far.
    pub account: Option<AccountId>,
    /// When it arrived.
    pub arrived_at: Timestamp,
    /// Its size as it was published.
    pub bytes: u64,
    /// What became of it, by whom and when; `None` while it is open.
    pub resolved: Option<(Resolution, String, Timestamp)>,
}

impl HeldMessage {
    /// Why there is no use in replaying it, as far as that can be told without its bytes.
    #[must_use]
    pub fn replay_error(&self, terms: ReplayTerms, now: Timestamp) -> Option<ReplayError> {
        let is_cut = usize::try_from(self.bytes).map_or(true, |bytes| bytes >= KEPT_BYTES_MAX);
        if self.resolved.is_some() {
            Some(ReplayError::Resolved)
        } else if is_cut {
            Some(ReplayError::Cut)
        } else if now.duration_since(self.arrived_at) > KEPT_TIME_MAX {
            Some(ReplayError::Gone)
        } else if self.reason == QuarantineReason::TenantMismatch && terms.tenant.is_none() {
            Some(ReplayError::TenantNeeded)
        } else {
            None
        }
    }
}

/// Some messages, oldest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldPage {
    /// The messages.
    pub rows: Vec<HeldMessage>,
    /// The last one's id, when more follow.
    pub next: Option<i64>,
}

/// The bytes that are kept of a message.
#[derive(Clone, PartialEq, Eq)]
pub enum KeptBytes {
    /// All of them.
    Whole(Vec<u8>),
    /// It was so large that only its beginning was kept.
    Cut(Vec<u8>),
    /// Kept no longer.
    Gone,
}

/// What may be decided for a message that its bytes alone do not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReplayTerms {
    /// The tenant that its header should have named. The header is not kept, so a `tenant_mismatch` needs it.
    pub tenant: Option<TenantId>,
    /// Take usage of up to 14 months ago. So long its claim stands, and tells it from usage that was recorded in time.
    pub allow_old: bool,
}

/// Why a message could not be tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReplayError {
    /// No such message.
    #[error("there is no such message")]
    NotFound,
    /// It was replayed or discarded before.
    #[error("it was replayed or discarded before")]
    Resolved,
    /// Only its beginning was kept.
    #[error("only its first mebibyte was kept")]
    Cut,
    /// Its bytes were kept for 30 days.
    #[error("its bytes are kept no longer")]
    Gone,
    /// Nobody has said whose it is.
    #[error("its header named another tenant and is not kept: say which tenant it belongs to")]
    TenantNeeded,
    /// Somebody has asked for it already.
    #[error("its replay was asked for and is still to come")]
    Waiting,
}

/// What a replay came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReplayOutcome {
    /// It is no longer quarantined.
    Became(ReplayedAs),
    /// It was tried, and stays for this reason.
    Stays(QuarantineReason, String),
    /// It was not tried.
    Refused(ReplayError),
}

/// A replay that staff have asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplayRequest {
    /// Chosen by the caller, so that a repeated call is the same call.
    pub id: Uuid,
    /// The message's.
    pub message: i64,
    /// How to replay it.
    pub terms: ReplayTerms,
    /// The `sub` of who asked for it: the replay is theirs in the audit log.
    pub by: String,
    /// Correlates the replay with the request.
    pub trace_id: String,
    /// When it was asked for.
    pub at: Timestamp,
    /// What it came to, and when; `None` while it waits.
    pub ended: Option<(ReplayEnd, Timestamp)>,
}

/// What a replay that was asked for came to, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReplayEnd {
    /// It is no longer quarantined.
    Became(ReplayedAs),
    /// It was tried, and stays: why.
    Stays(String),
    /// It was not tried: why.
    Refused(String),
}

impl From<ReplayOutcome> for ReplayEnd {
    fn from(outcome: ReplayOutcome) -> Self {
        match outcome {
            ReplayOutcome::Became(became) => Self::Became(became),
            ReplayOutcome::Stays(reason, detail) => Self::Stays(format!("{reason}: {detail}")),
            ReplayOutcome::Refused(error) => Self::Refused(error.to_string()),
        }
    }
}

/// A message as staff see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldDetails {
    /// The message.
    pub message: HeldMessage,
    /// Its bytes as [`redacted`](crate::usage::redacted) when it arrived; `None` when they are kept no longer.
    pub shown: Option<String>,
    /// The replay that was last asked for.
    pub replay: Option<ReplayRequest>,
}

/// The messages that were set aside, for whoever decides about them. Bytes are not to be had here. Everything done is
/// audited.
pub trait QuarantineAdmin {
    /// Messages by id, after `after`. Every page is audited, with the account that is asked for.
    fn list_held(
        &self,
        filter: &QuarantineFilter,
        after: Option<i64>,
        limit: u32,
        action: &AdminAction,
    ) -> impl Future<Output = Result<HeldPage, PortError>> + Send;

    /// Whether there is such a message; not audited, for it shows nothing.
    fn knows_held(&self, id: i64) -> impl Future<Output = Result<bool, PortError>> + Send;

    /// One message.
    fn show_held(
        &self,
        id: i64,
        action: &AdminAction,
    ) -> impl Future<Output = Result<Option<HeldDetails>, PortError>> + Send;

    /// Asks for a replay, which is carried out soon after by whoever records usage. `id` is the request's.
    fn request_replay(
        &self,
        message: i64,
        terms: ReplayTerms,
        id: Uuid,
        action: &AdminAction,
    ) -> impl Future<Output = Result<ChangeOutcome<HeldDetails>, PortError>> + Send;

    /// Closes an open message for good. `note` is why, 1 to 500 characters.
    fn discard_held(
        &self,
        id: i64,
        note: &str,
        action: &AdminAction,
    ) -> impl Future<Output = Result<ChangeOutcome<HeldDetails>, PortError>> + Send;
}

/// The messages that were set aside, for whoever records usage. Everything done here is audited; bytes are handed out one
/// message at a time.
pub trait Quarantine {
    /// One message and its bytes; `purpose` is what the audit log says it was for.
    fn open_held(
        &self,
        id: i64,
        purpose: &'static str,
        action: &AdminAction,
    ) -> impl Future<Output = Result<Option<(HeldMessage, KeptBytes)>, PortError>> + Send;

    /// Notes what a message became, once the ledger has it. Nothing changes when that is noted already.
    fn settle_replay(
        &self,
        id: i64,
        became: ReplayedAs,
        action: &AdminAction,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Notes why an open message is still held.
    fn keep_held(
        &self,
        id: i64,
        reason: QuarantineReason,
        detail: &str,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Replays that were asked for and are still to come, oldest first.
    fn waiting_replays(&self, limit: u32) -> impl Future<Output = Result<Vec<ReplayRequest>, PortError>> + Send;

    /// Notes what a replay came to that was asked for. Nothing changes when that is noted already.
    fn end_replay(
        &self,
        id: Uuid,
        end: &ReplayEnd,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_replay_could_mend_is_told_at_once() {
        let now: Timestamp = "2026-11-15T12:00:00Z".parse().unwrap();
        let held = HeldMessage {
            id: 1,
            receipt: Receipt { sequence: 1, published_at: now },
            reason: QuarantineReason::Malformed,
            detail: String::new(),
            account: None,
            arrived_at: now,
            bytes: 2,
            resolved: None,
        };
        let resolved = Some((Resolution::Replayed(ReplayedAs::Recorded), "alice".to_owned(), now));
        let month_ago = |seconds| now.checked_sub(KEPT_TIME_MAX + SignedDuration::from_secs(seconds)).unwrap();
        let mismatch = HeldMessage { reason: QuarantineReason::TenantMismatch, ..held.clone() };
        let with_tenant = ReplayTerms { tenant: Some(TenantId(Uuid::from_u128(1))), allow_old: false };
        let plain = ReplayTerms::default();
        for (message, terms, expected) in [
            (held.clone(), plain, None),
            (HeldMessage { bytes: (1 << 20) - 1, ..held.clone() }, plain, None),
            (HeldMessage { bytes: 1 << 20, ..held.clone() }, plain, Some(ReplayError::Cut)),
            (HeldMessage { arrived_at: month_ago(0), ..held.clone() }, plain, None),
            (HeldMessage { arrived_at: month_ago(1), ..held.clone() }, plain, Some(ReplayError::Gone)),
            (mismatch.clone(), plain, Some(ReplayError::TenantNeeded)),
            (mismatch, with_tenant, None),
            (HeldMessage { resolved, bytes: 1 << 20, ..held }, plain, Some(ReplayError::Resolved)),
        ] {
            assert_eq!(message.replay_error(terms, now), expected, "{message:?}");
        }
    }
}
