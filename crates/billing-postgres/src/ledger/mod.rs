//! The ledger: claims, rated events and their buckets, what waits and what is kept aside.

mod buckets;
mod claims;
mod costs;
mod events;
mod record;
mod versions;
mod waiting;

use billing_domain::ports::{PortError, RecordOutcome, RerateOutcome, UncostedUsage, UsageLedger, WaitingUsage};
use billing_domain::pricing::{CostKey, CostShare};
use billing_domain::usage::{RatedUsage, UnratedReason, UsageBatch};
use billing_domain::{Day, DayRange};
use jiff::Timestamp;

use crate::Postgres;

pub(crate) use versions::{Book, bump, hold_exclusive};

impl UsageLedger for Postgres {
    async fn record(&self, batch: &UsageBatch<'_>) -> Result<RecordOutcome, PortError> {
        Ok(self.write(&record::RecordBatch(batch)).await?)
    }

    async fn waiting(
        &self,
        reason: Option<UnratedReason>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<WaitingUsage>, PortError> {
        Ok(self.write(&waiting::ListWaiting { reason, after, limit }).await?)
    }

    async fn rerate(
        &self,
        book_version: i64,
        directory_version: i64,
        rated: &[RatedUsage],
    ) -> Result<RerateOutcome, PortError> {
        Ok(self.write(&waiting::Rerate { book_version, directory_version, rated }).await?)
    }

    async fn uncosted(&self, key: &CostKey, days: DayRange, limit: u32) -> Result<Vec<UncostedUsage>, PortError> {
        Ok(self.write(&costs::ListUncosted { key, days, limit }).await?)
    }

    async fn fill_costs(
        &self,
        book_version: i64,
        directory_version: i64,
        costs: &[(UncostedUsage, CostShare)],
    ) -> Result<Option<u64>, PortError> {
        Ok(self.write(&costs::FillCosts { book_version, directory_version, costs }).await?)
    }

    async fn unrated_count(&self) -> Result<u64, PortError> {
        Ok(self.write(&waiting::CountUnrated).await?)
    }

    async fn prepare_partitions(&self, now: Timestamp) -> Result<(), PortError> {
        Ok(self.write(&events::PreparePartitions(Day::of(now))).await?)
    }
}
