//! What the suites of prices and usage have in common: a store that is filled as in production, and its sums.

use billing_domain::ports::{
    Accounts, AdminAction, ChangeOutcome, PriceAdmin, PriceBookStore, RecordOutcome, Recorded, UsageLedger, UsageReader,
};
use billing_domain::usage::{
    AccountDirectory, BucketSums, Granularity, Receipt, ReportedUsage, UsageQuestion, observation,
};
use billing_domain::use_cases::{Delivery, prepare_batch};
use billing_domain::{Day, DayRange, PriceBook, PriceId};
use jiff::Timestamp;

use crate::builders::{CostBuilder, EventBuilder, PriceBuilder, event};

use super::Fresh;

/// A store and what is done with it.
pub(super) struct Stage<S>(pub(super) Fresh<S>);

impl<S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader> Stage<S> {
    pub(super) fn staff(&self) -> &S {
        &self.0.staff
    }

    pub(super) fn worker(&self) -> &S {
        &self.0.worker
    }

    pub(super) async fn add_price(&self, price: PriceBuilder) -> PriceId {
        let made = self.staff().create_price(&price.draft(), &action()).await.expect("a price is made");
        done(made).id
    }

    pub(super) async fn add_cost(&self, cost: CostBuilder) {
        done(self.staff().create_cost(&cost.draft(), &action()).await.expect("a cost is made"));
    }

    pub(super) async fn book(&self) -> PriceBook {
        self.worker().book().await.expect("the book is there")
    }

    pub(super) async fn directory(&self) -> AccountDirectory {
        self.worker().directory().await.expect("the directory is there")
    }

    /// Learns, prepares and records, as ingest does.
    pub(super) async fn record(&self, deliveries: &[(Receipt, EventBuilder)]) -> Recorded {
        let reported: Vec<_> = deliveries.iter().map(|(at, event)| (*at, event.clone().reported())).collect();
        let seen: Vec<_> = reported.iter().filter_map(|(_, usage)| observation(usage)).collect();
        self.worker().learn(&seen).await.expect("accounts are learned");
        self.record_reported(&reported).await
    }

    /// Without learning: what a message leaves out stays out.
    pub(super) async fn record_reported(&self, deliveries: &[(Receipt, ReportedUsage)]) -> Recorded {
        let (directory, book) = (self.directory().await, self.book().await);
        match self.record_by(&directory, &book, deliveries, now()).await {
            RecordOutcome::Recorded(recorded) => recorded,
            RecordOutcome::Stale => panic!("nothing has changed since the batch was prepared"),
        }
    }

    pub(super) async fn record_by(
        &self,
        directory: &AccountDirectory,
        book: &PriceBook,
        deliveries: &[(Receipt, ReportedUsage)],
        at: Timestamp,
    ) -> RecordOutcome {
        self.worker().prepare_partitions(now()).await.expect("there is room");
        let deliveries: Vec<_> = deliveries
            .iter()
            .map(|(receipt, usage)| Delivery { receipt: *receipt, raw: b"{}", content: Ok(usage.clone()) })
            .collect();
        let batch = prepare_batch(&deliveries, at, directory, book);
        self.worker().record(&batch).await.expect("the batch is recorded")
    }

    /// The sums of the account that [`event`] is of, over two months.
    pub(super) async fn sums(&self, granularity: Granularity) -> BucketSums {
        let from = Day::of("2026-10-01T00:00:00Z".parse().expect("an instant"));
        let days = if granularity == Granularity::Hour { 30 } else { 61 };
        let until = Day::from_epoch_days(from.epoch_days() + days).ok();
        let days = DayRange::new(from, until).expect("a period");
        let account = event().build().account;
        let question = UsageQuestion { tenant: None, account, days, granularity, operator: None };
        let answer = self.staff().usage(&question).await.expect("usage is read");
        answer.cells.iter().fold(BucketSums::default(), |mut sums, cell| {
            sums.merge(&cell.sums).expect("sums fit");
            sums
        })
    }

    /// Messages, segments and micros.
    pub(super) async fn usage(&self) -> (u64, u64, i128) {
        let sums = self.sums(Granularity::Day).await;
        (sums.messages, sums.segments, sums.amount.0)
    }
}

/// A place on the stream.
pub(super) fn at(sequence: u64) -> Receipt {
    Receipt { sequence, published_at: now() }
}

/// Now: a moment after the events that [`event`] makes.
pub(super) fn now() -> Timestamp {
    "2026-11-15T12:00:00Z".parse().expect("an instant")
}

pub(super) fn day(text: &str) -> Day {
    Day::parse(text).expect("a day")
}

pub(super) fn action() -> AdminAction {
    AdminAction {
        actor: "staff".into(),
        tenant: None,
        trace_id: "trace".into(),
        at: now(),
        reason: None,
        idempotency: None,
    }
}

pub(super) fn done<T: std::fmt::Debug>(outcome: ChangeOutcome<T>) -> T {
    match outcome {
        ChangeOutcome::Done(made) => made,
        ChangeOutcome::Refused(refusal) => panic!("refused: {refusal:?}"),
    }
}
