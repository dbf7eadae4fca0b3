//! What staff ask about prices: why a message costs what it costs, what one would cost, and what waits for a price.

use std::future::Future;

use jiff::Timestamp;

use crate::pricing::{CostShare, PriceEnquiry};
use crate::usage::{Direction, ReportedUsage, UnratedReason, UsageEvent};
use crate::{AccountId, Currency, Day, MessageId, Micros, OperatorCost, OperatorId, Price, TenantId, Tier};

use super::PortError;

/// A message whose price is asked for, with what the answer is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UsageFound {
    /// Recorded with its amounts.
    Rated(Box<RatedFound>),
    /// Claimed, and waiting.
    Waiting(Box<WaitingFound>),
}

/// A rated event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RatedFound {
    /// As it was recorded.
    pub event: UsageEvent,
    /// The price that was pinned on it, as it stands now.
    pub price: Price,
    /// As it was pinned.
    pub amount: Micros,
    /// As it was pinned; `None`: no cost was in force, and none has come since.
    pub cost: Option<CostShare>,
    /// Every price that stands today for one of its four keys on its day.
    pub prices: Vec<Price>,
}

/// A message that waits unrated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WaitingFound {
    /// As it was reported.
    pub usage: ReportedUsage,
    /// What it waits for.
    pub reason: UnratedReason,
    /// Since when.
    pub since: Timestamp,
    /// What its price is looked up by; `None` when the account's profile, which should say, is not known.
    pub enquiry: Option<PriceEnquiry>,
    /// Every price that stands today for one of its four keys on its day.
    pub prices: Vec<Price>,
}

/// A question about a price without an event. What is left out is taken from the account's profile on that day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PriceAsked {
    /// Whose price; `None` asks about a tier.
    pub account: Option<AccountId>,
    /// The tier, when it is not that of the account's profile.
    pub tier: Option<Tier>,
    /// The operator that would carry it.
    pub operator: OperatorId,
    /// To or from the mobile.
    pub direction: Direction,
    /// The currency, when it is not that of the account's profile.
    pub currency: Option<Currency>,
    /// In UTC.
    pub day: Day,
}

/// What stands for a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PricesFound {
    /// The question, completed.
    pub enquiry: PriceEnquiry,
    /// Every price that stands for one of its four keys on its day.
    pub prices: Vec<Price>,
    /// Every operator cost in force for its operator and direction on its day, whatever the currency.
    pub costs: Vec<OperatorCost>,
}

/// What waiting messages have in common: all of it but the day, the segments and the outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnratedKey {
    /// What they wait for.
    pub reason: UnratedReason,
    /// Whose they are.
    pub account: AccountId,
    /// The tenant, when they or the account's record named it.
    pub tenant: Option<TenantId>,
    /// The tier that they name, if they do.
    pub tier: Option<Tier>,
    /// The operator that carried them.
    pub operator: OperatorId,
    /// To or from the mobile.
    pub direction: Direction,
    /// The currency that they name, if they do.
    pub currency: Option<Currency>,
}

/// The messages that wait under one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnratedGroup {
    /// What they have in common.
    pub key: UnratedKey,
    /// The first `charged_at` among them.
    pub oldest: Timestamp,
    /// The last.
    pub newest: Timestamp,
    /// Where to go on listing from, and what the group is called when its messages are asked for. Opaque.
    pub place: String,
}

/// A group and its size.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnratedCount {
    /// The group.
    pub group: UnratedGroup,
    /// Messages; [`UnratedCount::MAX`] stands for more.
    pub messages: u64,
}

impl UnratedCount {
    /// As far as a group is counted.
    pub const MAX: u64 = 1_000_000;
}

/// Which groups to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UnratedFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Of this operator.
    pub operator: Option<OperatorId>,
}

/// A page of groups; by account, operator, direction and currency.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UnratedPage {
    /// Its groups.
    pub rows: Vec<UnratedCount>,
    /// The last group's place, when more groups follow.
    pub next: Option<String>,
}

/// Answers questions about prices. It changes nothing.
pub trait PricingReader {
    /// A message that is recorded or waits; `None` when it was quarantined, is older than what is kept, or never came.
    fn find_usage(&self, message: MessageId) -> impl Future<Output = Result<Option<UsageFound>, PortError>> + Send;

    /// What stands for a question; `None` when the account's profile would have to say the tier or the currency and
    /// is not known.
    fn find_prices(&self, asked: &PriceAsked) -> impl Future<Output = Result<Option<PricesFound>, PortError>> + Send;

    /// What waits unrated, by key, after a place.
    fn unrated(
        &self,
        filter: &UnratedFilter,
        after: Option<&str>,
        limit: u32,
    ) -> impl Future<Output = Result<UnratedPage, PortError>> + Send;
}
