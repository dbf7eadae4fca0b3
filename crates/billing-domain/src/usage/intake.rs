//! Intake: what becomes of each message of a batch before anything is stored.
//!
//! Admission completes a reported message from its account's profile; rating prices it; what cannot be either waits
//! unrated or is quarantined with a reason. The batch is then recorded whole.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::pricing::{Rated, Rating};
use crate::{AccountId, Day, MessageId, MoneyError, Month, PriceBook, TenantId};

use super::account::{AccountDirectory, Observation};
use super::claim::Fingerprint;
use super::event::{Receipt, ReportedUsage, UsageEvent};

/// An event may be this far ahead of the clock: clocks differ.
const FUTURE_TOLERANCE: SignedDuration = SignedDuration::from_secs(5);
/// Older events may have outlived their claim (14 months), so they are not billed unseen.
const MONTHS_MAX: u32 = 13;
/// How long a claim lives: the month more is for duplicates that name another instant than the first.
const CLAIM_MONTHS: u32 = 14;

/// Why a message is quarantined. The name is the metric's label.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum QuarantineReason {
    /// Cannot be read as usage.
    Malformed,
    /// Larger than a message may be.
    Oversized,
    /// A schema version that is not known.
    UnknownVersion,
    /// Charged more than 5 s after now.
    Future,
    /// Charged more than 13 months ago.
    TooOld,
    /// Names another tenant than the account's.
    TenantMismatch,
    /// A message id that stands with other content.
    Conflict,
    /// Its amount does not fit.
    Overflow,
    /// The database refuses it, for a reason that nobody foresaw.
    Refused,
}

impl QuarantineReason {
    /// Every reason, so that each metric series exists from the start.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::Oversized,
        Self::UnknownVersion,
        Self::Future,
        Self::TooOld,
        Self::TenantMismatch,
        Self::Conflict,
        Self::Overflow,
        Self::Refused,
    ];

    /// The name in the database and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Oversized => "oversized",
            Self::UnknownVersion => "unknown_version",
            Self::Future => "future",
            Self::TooOld => "too_old",
            Self::TenantMismatch => "tenant_mismatch",
            Self::Conflict => "conflict",
            Self::Overflow => "overflow",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for QuarantineReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a message cannot be priced yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum UnratedReason {
    /// No price was in force for its key on its day.
    NoPrice,
    /// It leaves out what only its account's profile could add, and the account is not known.
    UnknownAccount,
}

impl UnratedReason {
    /// The name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoPrice => "no_price",
            Self::UnknownAccount => "unknown_account",
        }
    }
}

/// An event with its amounts, ready to be recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RatedUsage {
    /// Where it stood on the stream.
    pub receipt: Receipt,
    /// Of its content as reported.
    pub fingerprint: Fingerprint,
    /// The event.
    pub event: UsageEvent,
    /// Its amounts.
    pub rated: Rated,
}

impl RatedUsage {
    /// Whether its amount is known to be below the operator's cost.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        self.rated.margin(self.event.currency).is_some_and(|margin| margin < 0)
    }
}

/// A message that waits for a price or for its account to become known. It is claimed like any other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnratedUsage {
    /// Where it stood on the stream.
    pub receipt: Receipt,
    /// Of its content as reported.
    pub fingerprint: Fingerprint,
    /// As reported: completed anew when it is rated.
    pub usage: ReportedUsage,
    /// The tenant, when the message or the account's record names it.
    pub tenant: Option<TenantId>,
    /// What is missing.
    pub reason: UnratedReason,
}

/// A message that is kept aside, whole, for a person to look at.
#[derive(Clone, PartialEq, Eq)]
pub struct QuarantinedMessage<'a> {
    /// Where it stood on the stream.
    pub receipt: Receipt,
    /// Why.
    pub reason: QuarantineReason,
    /// What exactly is wrong, without quoting the message.
    pub detail: String,
    /// Its id, when all of it could be read.
    pub message: Option<MessageId>,
    /// The account, when the message could be read that far.
    pub account: Option<AccountId>,
    /// The message as it came.
    pub raw: &'a [u8],
}

/// The raw bytes may hold personal data: only their number is shown.
impl fmt::Debug for QuarantinedMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuarantinedMessage")
            .field("receipt", &self.receipt)
            .field("reason", &self.reason)
            .field("detail", &self.detail)
            .field("message", &self.message)
            .field("account", &self.account)
            .field("raw_bytes", &self.raw.len())
            .finish()
    }
}

/// Everything that one pull from the stream became; recorded in one transaction.
#[derive(Clone, Debug, Default)]
pub struct UsageBatch<'a> {
    /// The version of the book that rated it: recorded only while it is the current one.
    pub book_version: i64,
    /// The version of the directory that completed it: likewise.
    pub directory_version: i64,
    /// Priced, with the raw message that is quarantined should its id stand with other content.
    pub rated: Vec<(RatedUsage, &'a [u8])>,
    /// Waiting, likewise with the raw message.
    pub unrated: Vec<(UnratedUsage, &'a [u8])>,
    /// Kept aside.
    pub quarantined: Vec<QuarantinedMessage<'a>>,
    /// Whether this replays what was quarantined. Otherwise what is aside stays aside, however often it is delivered.
    pub is_replay: bool,
}

impl UsageBatch<'_> {
    /// The place on the stream of each of its messages.
    pub fn receipts(&self) -> impl Iterator<Item = Receipt> {
        let rated = self.rated.iter().map(|(usage, _)| usage.receipt);
        let unrated = self.unrated.iter().map(|(usage, _)| usage.receipt);
        rated.chain(unrated).chain(self.quarantined.iter().map(|message| message.receipt))
    }
}

/// Why a readable message is not admitted as usage.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IntakeError {
    /// See [`QuarantineReason::Future`].
    #[error("charged at {0}, which has not come yet")]
    Future(Timestamp),
    /// See [`QuarantineReason::TooOld`].
    #[error("charged at {0}, more than 13 months ago")]
    TooOld(Timestamp),
    /// See [`QuarantineReason::TenantMismatch`].
    #[error("names another tenant than the account's")]
    TenantMismatch,
    /// See [`QuarantineReason::Overflow`].
    #[error("its amount is too large")]
    Overflow(#[from] MoneyError),
}

impl IntakeError {
    /// The reason under which the message is quarantined.
    #[must_use]
    pub fn reason(&self) -> QuarantineReason {
        match self {
            Self::Future(_) => QuarantineReason::Future,
            Self::TooOld(_) => QuarantineReason::TooOld,
            Self::TenantMismatch => QuarantineReason::TenantMismatch,
            Self::Overflow(_) => QuarantineReason::Overflow,
        }
    }
}

/// What a readable message became.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admitted {
    /// Priced.
    Rated(UsageEvent, Rated),
    /// Waiting.
    Unrated(Option<TenantId>, UnratedReason),
}

/// Completes and prices one reported message.
///
/// The event's own tier and currency win over the profile's; an account's tenant is its record's, and a message that
/// names another one is refused.
///
/// # Errors
/// [`IntakeError`]: the message is quarantined under that reason.
pub fn admit(
    usage: &ReportedUsage,
    now: Timestamp,
    directory: &AccountDirectory,
    book: &PriceBook,
) -> Result<Admitted, IntakeError> {
    check_age(usage.charged_at, now)?;
    let known = directory.get(usage.account);
    if let (Some(record), Some(named)) = (known, usage.tenant)
        && record.tenant != named
    {
        return Err(IntakeError::TenantMismatch);
    }
    let tenant = known.map(|record| record.tenant).or(usage.tenant);
    let Some(event) = complete(usage, tenant, directory) else {
        return Ok(Admitted::Unrated(tenant, UnratedReason::UnknownAccount));
    };
    Ok(match book.rate(&event)? {
        Rating::Rated(rated) => Admitted::Rated(event, rated),
        Rating::NoPrice => Admitted::Unrated(tenant, UnratedReason::NoPrice),
    })
}

/// What a message says of its account, when it says all of it.
#[must_use]
pub fn observation(usage: &ReportedUsage) -> Option<Observation> {
    Some(Observation {
        account: usage.account,
        tenant: usage.tenant?,
        day: Day::of(usage.charged_at),
        tier: usage.tier.clone()?,
        currency: usage.currency?,
    })
}

/// Refuses what has not happened yet or is too old to be told from a duplicate.
///
/// # Errors
/// [`IntakeError::Future`] or [`IntakeError::TooOld`].
pub fn check_age(charged_at: Timestamp, now: Timestamp) -> Result<(), IntakeError> {
    if charged_at.duration_since(now) > FUTURE_TOLERANCE {
        return Err(IntakeError::Future(charged_at));
    }
    // Most are of today: no need to reckon in months.
    if now.duration_since(charged_at) < SignedDuration::from_hours(24 * 365) {
        return Ok(());
    }
    if charged_at < months_before(now, MONTHS_MAX) { Err(IntakeError::TooOld(charged_at)) } else { Ok(()) }
}

/// Claims of messages that were charged and published before this instant have had their time: 14 months.
#[must_use]
pub fn claims_end(now: Timestamp) -> Timestamp {
    months_before(now, CLAIM_MONTHS)
}

/// Whole months back from the month of "now", then the same time within the month.
fn months_before(now: Timestamp, months: u32) -> Timestamp {
    let month = (0..months).fold(Month::of(now), |month, _| month.previous());
    let into_month = now.duration_since(Month::of(now).first_day().start());
    month.first_day().start().checked_add(into_month).unwrap_or(Timestamp::MIN)
}

fn complete(usage: &ReportedUsage, tenant: Option<TenantId>, directory: &AccountDirectory) -> Option<UsageEvent> {
    let profile = directory.get(usage.account).and_then(|record| record.profile_on(Day::of(usage.charged_at)));
    Some(UsageEvent {
        message: usage.message,
        tenant: tenant?,
        account: usage.account,
        tier: usage.tier.clone().or_else(|| profile.map(|p| p.tier.clone()))?,
        operator: usage.operator.clone(),
        direction: usage.direction,
        segments: usage.segments,
        currency: usage.currency.or_else(|| profile.map(|p| p.currency))?,
        charged_at: usage.charged_at,
        dlr_status: usage.dlr_status,
    })
}
