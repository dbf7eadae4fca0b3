//! Recording: once, at the versions that it was prepared with.

use std::collections::BTreeMap;

use billing_domain::ports::{Accounts, PriceAdmin, PriceBookStore, RecordOutcome, Recorded, UsageLedger, UsageReader};
use billing_domain::usage::{DlrStatus, Granularity, QuarantineReason, Receipt, ReportedUsage};
use jiff::Timestamp;

use crate::builders::{event, price};

use super::stage::{Stage, at, now};

pub(super) async fn what_is_delivered_again_changes_nothing<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    stage.add_price(price("0.01")).await;
    let batch: Vec<_> = (1..=20).map(|sequence| (at(sequence), event().segments(2))).collect();
    let new = Recorded { rated: 20, uncosted: 20, ..Recorded::default() };
    assert_eq!(stage.record(&batch).await, new, "what is new is recorded");
    let after = stage.usage().await;
    assert_eq!(after, (20, 40, 400_000), "and summed");
    let again: Vec<_> = batch.iter().map(|(receipt, event)| (*receipt, event.clone().reported())).collect();
    let later: Timestamp = "2027-11-01T00:00:00Z".parse().expect("an instant");
    for instant in [now(), later, later] {
        let (directory, book) = (stage.directory().await, stage.book().await);
        let outcome = stage.record_by(&directory, &book, &again, instant).await;
        let nothing = Recorded { redelivered: 20, ..Recorded::default() };
        assert_eq!(outcome, RecordOutcome::Recorded(nothing), "a redelivery at {instant} is nothing new");
        assert_eq!(stage.usage().await, after, "a redelivery at {instant} changes nothing");
    }
}

pub(super) async fn a_second_publication_is_counted_and_not_recorded<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    stage.add_price(price("0.01")).await;
    let message = event();
    stage.record(&[(at(1), message.clone())]).await;
    let (duplicate, again) = (Recorded { duplicates: 1, ..Recorded::default() }, redelivered());
    for (sequence, expected) in [(2, &duplicate), (3, &duplicate), (3, &again)] {
        let recorded = stage.record(&[(at(sequence), message.clone())]).await;
        assert_eq!(recorded, *expected, "a second publication, at {sequence}, is a duplicate once");
    }
    assert_eq!(stage.usage().await, (1, 1, 10_000), "a second publication is not recorded");
}

pub(super) async fn the_first_content_stands<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    stage.add_price(price("0.01")).await;
    let first = event();
    stage.record(&[(at(1), first.clone())]).await;
    let (conflict, again) = (Recorded { conflicts: 1, ..Recorded::default() }, redelivered());
    for (sequence, other, expected) in [
        (2, first.clone().segments(9), &conflict),
        (3, first.clone().status(DlrStatus::Failed), &conflict),
        (4, first.clone().operator("op-21"), &conflict),
        (4, first.clone().operator("op-21"), &again),
    ] {
        let recorded = stage.record(&[(at(sequence), other)]).await;
        assert_eq!(recorded, *expected, "other content under an id that stands, at {sequence}, is a conflict once");
    }
    assert_eq!(stage.usage().await, (1, 1, 10_000), "the first content stands");
}

fn redelivered() -> Recorded {
    Recorded { redelivered: 1, ..Recorded::default() }
}

pub(super) async fn what_is_judged_otherwise_later_stays_what_it_was<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    stage.add_price(price("0.01")).await;
    // By which its account is known.
    stage.record(&[(at(9), event())]).await;
    let (directory, book) = (stage.directory().await, stage.book().await);
    // Published before it was charged, by the stream's clock too.
    let published_at: Timestamp = "2026-10-05T11:00:00Z".parse().expect("an instant");
    let at = |sequence| Receipt { sequence, published_at };
    let record = async |sequence, of: &ReportedUsage, instant: &str| {
        let instant = instant.parse().expect("an instant");
        match stage.record_by(&directory, &book, &[(at(sequence), of.clone())], instant).await {
            RecordOutcome::Recorded(recorded) => recorded,
            RecordOutcome::Stale => panic!("nothing has changed since the batch was prepared"),
        }
    };
    let early = event().at("2026-10-05T12:00:00Z").reported();
    let quarantined = |reason| Recorded { quarantined: BTreeMap::from([(reason, 1)]), ..Recorded::default() };
    let recorded = record(1, &early, "2026-10-05T11:00:00Z").await;
    assert_eq!(recorded, quarantined(QuarantineReason::Future), "what is to come is quarantined");
    let recorded = record(1, &early, "2026-10-05T13:00:00Z").await;
    assert_eq!(recorded, redelivered(), "what was quarantined stays so when it is delivered in its time");
    let new = Recorded { rated: 1, uncosted: 1, ..Recorded::default() };
    assert_eq!(record(2, &early, "2026-10-05T13:00:00Z").await, new, "published again, it is new");
    let recorded = record(2, &early, "2028-10-05T13:00:00Z").await;
    assert_eq!(recorded, redelivered(), "what was recorded stays so when it is delivered too late");
    assert_eq!(record(3, &early, "2026-10-05T13:00:00Z").await.duplicates, 1, "once more, it is a duplicate");
    let recorded = record(3, &early, "2028-10-05T13:00:00Z").await;
    assert_eq!(recorded, redelivered(), "a duplicate stays one when it is delivered too late");
    assert_eq!(stage.usage().await.0, 2, "each message is in one place");
}

pub(super) async fn of_one_batch_the_first_publication_stands<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    stage.add_price(price("0.01")).await;
    let first = event();
    let batch =
        [(at(3), first.clone().segments(9)), (at(1), first.clone()), (at(2), first.clone()), (at(1), first.clone())];
    let expected =
        Recorded { rated: 1, uncosted: 1, conflicts: 1, duplicates: 1, redelivered: 1, ..Recorded::default() };
    assert_eq!(stage.record(&batch).await, expected, "a batch is judged in the stream's order");
    assert_eq!(stage.usage().await, (1, 1, 10_000), "of one batch the first publication stands");
}

pub(super) async fn nothing_is_written_at_a_version_that_is_past<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    stage.add_price(price("0.01")).await;
    stage.record(&[(at(1), event())]).await;
    let batch = [(at(2), event().reported())];
    let (directory, book) = (stage.directory().await, stage.book().await);
    stage.add_price(price("0.02").operator("op-20").from("2026-12-01")).await;
    let outcome = stage.record_by(&directory, &book, &batch, now()).await;
    assert_eq!(outcome, RecordOutcome::Stale, "a price has changed since");

    let book = stage.book().await;
    let other = event().account(billing_domain::AccountId(uuid::Uuid::from_u128(7)));
    stage.record(&[(at(3), other)]).await;
    let outcome = stage.record_by(&directory, &book, &batch, now()).await;
    assert_eq!(outcome, RecordOutcome::Stale, "an account has been learned since");
    assert_eq!(stage.usage().await, (1, 1, 10_000), "a stale batch writes nothing");

    let directory = stage.directory().await;
    let expected = Recorded { rated: 1, uncosted: 1, ..Recorded::default() };
    let outcome = stage.record_by(&directory, &book, &batch, now()).await;
    assert_eq!(outcome, RecordOutcome::Recorded(expected), "prepared anew, it is recorded");
}

pub(super) async fn sums_are_those_of_the_events<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    stage.add_price(price("0.0125")).await;
    stage.add_price(price("0.3").operator("op-21")).await;
    let mut sequence = 0;
    let mut next = || {
        sequence += 1;
        at(sequence)
    };
    for _ in 0..3 {
        let batch = [
            (next(), event().segments(3).at("2026-10-05T23:59:59.999999Z")),
            (next(), event().segments(1).at("2026-10-06T00:00:00Z")),
            (next(), event().segments(2).operator("op-21").at("2026-10-06T00:00:00Z")),
        ];
        stage.record(&batch).await;
    }
    for granularity in [Granularity::Hour, Granularity::Day, Granularity::Month] {
        let sums = stage.sums(granularity).await;
        let found = (sums.messages, sums.segments, sums.amount.0, sums.uncosted);
        assert_eq!(found, (9, 18, 3 * (50_000 + 600_000), 9), "sums by {granularity:?} are those of the events");
    }
}
