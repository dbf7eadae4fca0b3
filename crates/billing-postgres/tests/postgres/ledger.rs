//! Exactly once, on a real server.

use crate::support::{TestDatabase, account, day, receipt, tenant, usage};
use billing_domain::ports::{Accounts, Late, PriceBookStore, RecordOutcome, Recorded, UsageLedger, UsageReader};
use billing_domain::usage::{DlrStatus, Granularity, ReportedUsage, SegmentCount, UsageQuestion};
use billing_domain::use_cases::{fill_missing_costs, query_usage, rate_waiting};
use billing_domain::{DayRange, OperatorId, TenantId};

const SUMS: &str = "SELECT format('%s/%s/%s', (SELECT count(*) FROM billing.billing_events),
    (SELECT COALESCE(sum(messages), 0) FROM billing.usage_buckets), (SELECT COALESCE(sum(amount_micros), 0)
    FROM billing.usage_buckets))";

fn question(of: billing_domain::AccountId, granularity: Granularity, tenant: Option<TenantId>) -> UsageQuestion {
    let days = DayRange::inclusive(day("2026-11-01"), Some(day("2026-11-30"))).unwrap();
    UsageQuestion { tenant, account: of, days, granularity, operator: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_delivered_again_changes_nothing() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    let first: Vec<_> = (0..50).map(|_| usage(account(1), "2026-11-10T08:00:00Z")).collect();
    let outcome = db.record(&first).await;
    assert_eq!(outcome, RecordOutcome::Recorded(Recorded { rated: 50, uncosted: 50, ..Recorded::default() }));
    let after_first = db.text(SUMS).await;
    assert_eq!(after_first, "50/50/1000000");

    // The same delivery again, and the same messages published again with the same content.
    let again = db.record(&first).await;
    assert_eq!(again, RecordOutcome::Recorded(Recorded { redelivered: 50, ..Recorded::default() }));
    let republished: Vec<_> = first.iter().map(|(_, usage)| (receipt(), usage.clone())).collect();
    for (duplicates, redelivered) in [(50, 0), (0, 50)] {
        let outcome = db.record(&republished).await;
        assert_eq!(outcome, RecordOutcome::Recorded(Recorded { duplicates, redelivered, ..Recorded::default() }));
    }
    assert_eq!(db.text(SUMS).await, after_first);
    assert_eq!(db.number("SELECT count(*) FROM billing.duplicate_messages").await, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_content_stands_and_the_other_is_quarantined_once() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    let (at, first) = usage(account(1), "2026-11-10T08:00:00Z");
    let mut other = first.clone();
    other.segments = SegmentCount::new(9).unwrap();
    let mut status = first.clone();
    status.dlr_status = DlrStatus::Failed;
    let batch = [(at, first.clone()), (receipt(), other), (receipt(), status), (receipt(), first)];
    let outcome = db.record(&batch).await;
    let expected = Recorded { rated: 1, uncosted: 1, conflicts: 2, duplicates: 1, ..Recorded::default() };
    assert_eq!(outcome, RecordOutcome::Recorded(expected));
    db.record(&batch).await;
    assert_eq!(db.text(SUMS).await, "1/1/20000");
    assert_eq!(db.number("SELECT count(*) FROM billing.quarantined_messages WHERE reason = 'conflict'").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_of_the_same_messages_record_each_once() {
    let db = std::sync::Arc::new(TestDatabase::create().await);
    db.add_price("STARTER", "*", "0.01").await;
    let messages: Vec<_> = (0..600).map(|i| usage(account(i % 7), "2026-11-10T08:00:00Z")).collect();
    db.record(&messages[..7]).await;
    let writers: Vec<_> = (0..6_usize)
        .map(|writer| {
            let (db, mut mine) = (db.clone(), messages.clone());
            mine.rotate_left(writer * 97);
            tokio::spawn(async move {
                for chunk in mine.chunks(100) {
                    db.record(chunk).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(db.text(SUMS).await, "600/600/12000000");
}

/// As after a failover to an asynchronous standby, which gives the last ids out again: what was remembered of the server that is
/// gone would add to a stranger's bucket.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_whose_id_another_one_has_got_since_is_not_added_to() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    let one = || [usage(account(1), "2026-11-10T08:00:00Z")];
    // The second time it is looked up and remembered.
    db.record(&one()).await;
    db.record(&one()).await;
    let (first, second) = (account(1).0, account(2).0);
    let failover = format!(
        "UPDATE billing.usage_buckets SET account_id = '{second}' WHERE account_id = '{first}';
        SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()"
    );
    db.owner.batch_execute(&failover).await.unwrap();
    db.record(&one()).await;
    let of = async |account| {
        let messages = format!("SELECT messages FROM billing.usage_buckets WHERE account_id = '{account}'");
        db.number(&messages).await
    };
    assert_eq!((of(first).await, of(second).await), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_many_buckets_take_turns_and_each_sum_is_whole() {
    let db = std::sync::Arc::new(TestDatabase::create().await);
    db.add_price("STARTER", "*", "0.01").await;
    let batch = || -> Vec<_> {
        let one = |number: u128| {
            let (at, usage) = usage(account(number % 20), "2026-11-10T08:00:00Z");
            (at, ReportedUsage { operator: OperatorId::new(&format!("op-{}", number / 20)).unwrap(), ..usage })
        };
        (0..1_100).map(one).collect()
    };
    db.record(&batch()).await;
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (db, batches) = (db.clone(), [batch(), batch()]);
            tokio::spawn(async move {
                for mine in &batches {
                    db.record(mine).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(db.text(SUMS).await, "9900/9900/198000000");
    let each = "SELECT format('%s/%s/%s', count(*), min(messages), max(messages)) FROM billing.usage_buckets";
    assert_eq!(db.text(each).await, "1100/9/9");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_rated_by_a_past_version_is_not_recorded() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    let book = db.worker.book().await.unwrap();
    db.add_price("STARTER", "op-20", "0.02").await;
    let batch = [usage(account(1), "2026-11-10T08:00:00Z")];
    assert_eq!(db.record_with(&book, &batch).await, RecordOutcome::Stale);
    assert_eq!(db.text(SUMS).await, "0/0/0");
    db.record(&batch).await;
    assert_eq!(db.text(SUMS).await, "1/1/40000");
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_without_a_price_waits_and_is_rated_once_by_whoever_comes_first() {
    let db = TestDatabase::create().await;
    let waiting: Vec<_> = (0..30).map(|_| usage(account(1), "2026-11-10T08:00:00Z")).collect();
    let outcome = db.record(&waiting).await;
    assert_eq!(outcome, RecordOutcome::Recorded(Recorded { unrated: 30, ..Recorded::default() }));
    assert_eq!(db.worker.unrated_count().await.unwrap(), 30);
    db.add_price("STARTER", "*", "0.01").await;
    let (book, directory) = (db.worker.book().await.unwrap(), db.worker.directory().await.unwrap());
    let rate = || rate_waiting(&db.worker, &directory, &book);
    let (a, b) = tokio::join!(rate(), rate());
    assert_eq!(a.unwrap().rated.messages + b.unwrap().rated.messages, 30);
    assert_eq!(db.text(SUMS).await, "30/30/600000");
    // Published again, it is a duplicate of a claim that was made while it waited.
    let again: Vec<_> = waiting.iter().map(|(_, usage)| (receipt(), usage.clone())).collect();
    let outcome = db.record(&again).await;
    assert_eq!(outcome, RecordOutcome::Recorded(Recorded { duplicates: 30, ..Recorded::default() }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_cost_is_missing_until_a_cost_covers_it() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    db.record(&(0..10).map(|_| usage(account(1), "2026-11-10T08:00:00Z")).collect::<Vec<_>>()).await;
    let totals = |report: billing_domain::usage::UsageReport| report.currencies[0].totals;
    let ask = question(account(1), Granularity::Day, None);
    let before = totals(query_usage(&db.api, &ask).await.unwrap());
    assert_eq!((before.uncosted, before.margin()), (10, None));
    db.add_cost("op-20", "0.004").await;
    let (book, directory) = (db.worker.book().await.unwrap(), db.worker.directory().await.unwrap());
    for messages in [10, 0] {
        let filled = fill_missing_costs(&db.worker, &directory, &book).await.unwrap();
        assert_eq!(filled, Some(Late { messages, negative_margin: 0 }));
    }
    let after = totals(query_usage(&db.api, &ask).await.unwrap());
    assert_eq!((after.uncosted, after.margin().unwrap().to_string()), (0, "0.120000".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_reads_the_same_by_hour_day_and_month_and_only_within_its_tenant() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    let batch = [
        usage(account(1), "2026-11-10T23:59:59.999999Z"),
        usage(account(1), "2026-11-11T00:00:00Z"),
        usage(account(2), "2026-11-11T00:00:00Z"),
    ];
    db.record(&batch).await;
    for (granularity, used) in [(Granularity::Hour, 2), (Granularity::Day, 2), (Granularity::Month, 1)] {
        let ask = question(account(1), granularity, Some(tenant(1)));
        let report = query_usage(&db.api, &ask).await.unwrap();
        let figures = &report.currencies[0];
        assert_eq!((figures.totals.messages, figures.totals.amount.0), (2, 40_000), "{granularity:?}");
        assert_eq!(figures.periods.iter().filter(|(_, sums)| sums.messages > 0).count(), used, "{granularity:?}");
    }
    let foreign = question(account(1), Granularity::Day, Some(tenant(2)));
    assert!(!query_usage(&db.api, &foreign).await.unwrap().is_known);
    assert!(db.api.usage(&foreign).await.unwrap().account.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_learned_once_whoever_sees_it_first() {
    let db = TestDatabase::create().await;
    let seen: Vec<_> = (0..20)
        .filter_map(|_| billing_domain::usage::observation(&usage(account(1), "2026-11-10T08:00:00Z").1))
        .collect();
    let before = db.worker.directory().await.unwrap().version();
    let (a, b) = tokio::join!(db.worker.learn(&seen), db.worker.learn(&seen));
    a.unwrap();
    b.unwrap();
    let directory = db.worker.directory().await.unwrap();
    assert_eq!(directory.version(), before + 1);
    assert_eq!(directory.get(account(1)).unwrap().tenant, tenant(1));
}
