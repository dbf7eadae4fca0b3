//! Messages that were set aside: looked at, replayed and discarded by people. How one is replayed is decided by
//! [`Replayer`](crate::use_cases::Replayer).

use std::future::Future;

use jiff::Timestamp;

use crate::AccountId;
use crate::usage::{QuarantineReason, Receipt};

use super::{AdminAction, PortError};

/// Which messages to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct QuarantineFilter {
    /// Set aside for this reason.
    pub reason: Option<QuarantineReason>,
    /// Of this account, as far as it could be read.
    pub account: Option<AccountId>,
    /// Arrived at this instant or later.
    pub since: Option<Timestamp>,
    /// Also those that were replayed or discarded.
    pub with_resolved: bool,
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

/// Whether an open message could be discarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiscardOutcome {
    /// It is, by this call or by the same one before.
    Discarded,
    /// There is no such message.
    NotFound,
    /// It was replayed or discarded before.
    Resolved,
}

/// The messages that were set aside. Everything done here is audited; bytes are handed out one message at a time.
pub trait Quarantine {
    /// Messages by id, after `after`. The first page is audited.
    fn list_held(
        &self,
        filter: &QuarantineFilter,
        after: Option<i64>,
        limit: u32,
        action: &AdminAction,
    ) -> impl Future<Output = Result<HeldPage, PortError>> + Send;

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

    /// Closes an open message for good. `note` is why, 1 to 500 characters.
    fn discard_held(
        &self,
        id: i64,
        note: &str,
        action: &AdminAction,
    ) -> impl Future<Output = Result<DiscardOutcome, PortError>> + Send;
}
