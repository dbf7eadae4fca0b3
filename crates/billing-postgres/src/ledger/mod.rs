//! The ledger: claims, rated events and their buckets, what waits and what is kept aside.

mod aside;
mod buckets;
mod claims;
mod costs;
mod events;
mod record;
mod rows;
mod unrated_refuse;
mod unrated_summary;
mod versions;
mod waiting;

use billing_domain::ports::{
    Late, PortError, RecordOutcome, RerateOutcome, UncostedUsage, UnratedGroup, UsageLedger, WaitingUsage,
};
use billing_domain::pricing::{CostKey, CostShare};
use billing_domain::usage::{QuarantineReason, RatedUsage, UsageBatch};
use billing_domain::{Day, DayRange, MessageId};
use jiff::Timestamp;

use crate::Postgres;

pub(crate) use buckets::BucketIds;
pub(crate) use unrated_summary::{SummariseUnrated, find_waiting};
pub(crate) use versions::{Book, bump, hold_exclusive, hold_unchanged};

impl UsageLedger for Postgres {
    async fn record(&self, batch: &UsageBatch<'_>) -> Result<RecordOutcome, PortError> {
        Ok(self.write_in_session(&record::RecordBatch::new(batch)).await?)
    }

    async fn waiting_groups(&self, after: Option<&str>, limit: u32) -> Result<Vec<UnratedGroup>, PortError> {
        Ok(self.write(&unrated_summary::ListGroups { after, limit }).await?)
    }

    async fn waiting(
        &self,
        group: &UnratedGroup,
        days: DayRange,
        after: Option<&WaitingUsage>,
        limit: u32,
    ) -> Result<Vec<WaitingUsage>, PortError> {
        Ok(self.write(&waiting::ListWaiting { group, days, after, limit }).await?)
    }

    async fn rerate(
        &self,
        book_version: i64,
        directory_version: i64,
        rated: &[RatedUsage],
    ) -> Result<RerateOutcome, PortError> {
        Ok(self.write_in_session(&waiting::Rerate { book_version, directory_version, rated }).await?)
    }

    async fn refuse_waiting(
        &self,
        messages: &[MessageId],
        reason: QuarantineReason,
        detail: &str,
    ) -> Result<u64, PortError> {
        Ok(self.write(&unrated_refuse::RefuseWaiting { messages, reason, detail }).await?)
    }

    async fn uncosted(&self, key: &CostKey, days: DayRange, limit: u32) -> Result<Vec<UncostedUsage>, PortError> {
        Ok(self.write(&costs::ListUncosted { key, days, limit }).await?)
    }

    async fn fill_costs(
        &self,
        book_version: i64,
        directory_version: i64,
        costs: &[(UncostedUsage, CostShare)],
    ) -> Result<Option<Late>, PortError> {
        Ok(self.write(&costs::FillCosts { book_version, directory_version, costs }).await?)
    }

    async fn unrated_count(&self) -> Result<u64, PortError> {
        Ok(self.write(&waiting::CountUnrated).await?)
    }

    async fn prepare_partitions(&self, now: Timestamp) -> Result<(), PortError> {
        Ok(self.write(&events::PreparePartitions(Day::of(now))).await?)
    }
}
