//! The ledger: claims, rated events, buckets, what waits and what is kept aside.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::AddAssign;

use jiff::Timestamp;

use crate::pricing::{CostKey, CostShare};
use crate::usage::{QuarantineReason, RatedUsage, UnratedUsage, UsageBatch, UsageEvent};
use crate::{DayRange, MessageId};

use super::{PortError, UnratedGroup};

/// What became of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecordOutcome {
    /// Committed.
    Recorded(Recorded),
    /// Prices or profiles have changed since the batch was prepared: prepare it again. Nothing was written.
    Stale,
}

/// Counts of one recorded batch; but for the two that are parts of `rated`, they sum to its size.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recorded {
    /// Rated events that are new.
    pub rated: u64,
    /// Of these, with an amount below the operator's cost.
    pub negative_margin: u64,
    /// Of these, without an operator cost.
    pub uncosted: u64,
    /// New, and waiting for a price or their account.
    pub unrated: u64,
    /// Published again with the same content: counted once per publication.
    pub duplicates: u64,
    /// Delivered again: nothing was done.
    pub redelivered: u64,
    /// Published again with other content: quarantined.
    pub conflicts: u64,
    /// Quarantined for another reason, by reason.
    pub quarantined: BTreeMap<QuarantineReason, u64>,
}

/// A claimed message that waits to be rated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WaitingUsage {
    /// As it was set aside.
    pub usage: UnratedUsage,
    /// Tells it from another of the same instant, when listing goes on from it.
    pub position: i64,
}

/// Messages whose price, or cost, has come after them, as far as this call was the first to use it: another pod may have been
/// first for the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Late {
    /// Rated, or costed.
    pub messages: u64,
    /// Of these, with an amount below the operator's cost.
    pub negative_margin: u64,
}

impl AddAssign for Late {
    fn add_assign(&mut self, more: Self) {
        self.messages += more.messages;
        self.negative_margin += more.negative_margin;
    }
}

/// What became of waiting usage that a price now covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RerateOutcome {
    /// Recorded by this call.
    Rated(Late),
    /// Prices or profiles have changed: rate them again. Nothing was written.
    Stale,
}

/// A rated event whose operator cost was missing when it was rated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UncostedUsage {
    /// The event.
    pub event: UsageEvent,
    /// The bucket it was summed in.
    pub bucket: i64,
}

/// Records usage exactly once.
pub trait UsageLedger {
    /// Records a batch: claims every message id, and for those that are new writes the event, its bucket's sums or
    /// its place among the unrated; counts duplicates; quarantines the rest. One transaction, under the shared lock
    /// of the price book; [`RecordOutcome::Stale`] unless both versions are current.
    ///
    /// Whatever is delivered again, by whichever pod, at whatever age, changes nothing: even if it were judged otherwise now,
    /// for time has passed or a price has changed.
    fn record(&self, batch: &UsageBatch<'_>) -> impl Future<Output = Result<RecordOutcome, PortError>> + Send;

    /// Up to `limit` groups of what waits, after a place. Its work grows with the groups, not with what waits in them.
    fn waiting_groups(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<UnratedGroup>, PortError>> + Send;

    /// Up to `limit` messages of a group that were charged on these days, oldest first, after one of them.
    fn waiting(
        &self,
        group: &UnratedGroup,
        days: DayRange,
        after: Option<&WaitingUsage>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<WaitingUsage>, PortError>> + Send;

    /// Moves waiting messages to the rated events; those that another pod has moved meanwhile are left out.
    fn rerate(
        &self,
        book_version: i64,
        directory_version: i64,
        rated: &[RatedUsage],
    ) -> impl Future<Output = Result<RerateOutcome, PortError>> + Send;

    /// Quarantines waiting messages that turn out not to be usage, and gives up their claims, so that the right message
    /// can be published under their ids; the number that this call moved. What is kept of each is its fields, for its
    /// bytes are gone.
    fn refuse_waiting(
        &self,
        messages: &[MessageId],
        reason: QuarantineReason,
        detail: &str,
    ) -> impl Future<Output = Result<u64, PortError>> + Send;

    /// Up to `limit` rated events of a cost's operator, direction and days that have no cost.
    fn uncosted(
        &self,
        key: &CostKey,
        days: DayRange,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<UncostedUsage>, PortError>> + Send;

    /// Pins costs on events that have none yet and adds them to their buckets; what this call filled, or `None` when prices
    /// or profiles have changed and nothing was written.
    fn fill_costs(
        &self,
        book_version: i64,
        directory_version: i64,
        costs: &[(UncostedUsage, CostShare)],
    ) -> impl Future<Output = Result<Option<Late>, PortError>> + Send;

    /// How many messages wait unrated, for the gauge; 1,000,000 stands for more.
    fn unrated_count(&self) -> impl Future<Output = Result<u64, PortError>> + Send;

    /// Makes the partitions for the month of `now`, the one before it and the two after it.
    fn prepare_partitions(&self, now: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;
}
