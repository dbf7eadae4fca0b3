//! The monthly partitions of rated events: what there is, what is in none of them, and taking old ones off.

use std::future::Future;

use crate::Month;

use super::{AdminAction, PortError};

/// One partition, or what was one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventPartition {
    /// The table's name.
    pub table: String,
    /// Its month; `None` of the DEFAULT partition.
    pub month: Option<Month>,
    /// Whether its events are still seen by anyone.
    pub is_attached: bool,
    /// Events, as the database last estimated them; 0 while it has not.
    pub rows_estimate: u64,
    /// With indexes.
    pub bytes: u64,
}

/// What became of a month that should be detached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DetachOutcome {
    /// Its table is on its own now, under this name. Nothing was dropped.
    Detached(String),
    /// It has no partition.
    NotFound,
    /// Its last day is not 13 months past.
    TooYoung,
    /// So many of its buckets wait for an invoice.
    Open(u64),
}

/// The partitions of rated events. Those of the months ahead are made by
/// [`UsageLedger::prepare_partitions`](super::UsageLedger::prepare_partitions).
pub trait EventPartitions {
    /// Every partition, and every table that was one.
    fn partitions(&self) -> impl Future<Output = Result<Vec<EventPartition>, PortError>> + Send;

    /// How many events of which months are in the DEFAULT partition.
    fn in_default(&self) -> impl Future<Output = Result<Vec<(Month, u64)>, PortError>> + Send;

    /// Makes the partition of a month and moves its events from the DEFAULT partition there, in one transaction;
    /// how many, or `None` when there are more than `rows_max` and nothing was done. Usage waits meanwhile to be
    /// recorded, and so does who reads events: a second or two for 200,000.
    fn move_from_default(
        &self,
        month: Month,
        rows_max: u64,
    ) -> impl Future<Output = Result<Option<u64>, PortError>> + Send;

    /// Takes a month's partition off. Its table is kept under another name.
    fn detach(
        &self,
        month: Month,
        action: &AdminAction,
    ) -> impl Future<Output = Result<DetachOutcome, PortError>> + Send;
}
