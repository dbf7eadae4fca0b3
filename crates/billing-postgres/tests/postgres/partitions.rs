//! Every event has a place: its month's partition or the DEFAULT one. Old months are taken off, never dropped.

use crate::support::{TestDatabase, account, action, now, price, usage};
use billing_domain::Month;
use billing_domain::ports::{DetachOutcome, EventPartitions, UsageLedger};

fn month(text: &str) -> Month {
    Month::parse(text).unwrap()
}

async fn priced() -> TestDatabase {
    use billing_domain::ports::PriceAdmin;
    let db = TestDatabase::create().await;
    let long_since = price("STARTER", "*", "0.01", "2020-01-01", None);
    db.api.create_price(&long_since, &action("admin")).await.unwrap();
    db
}

const WHERE: &str = "SELECT COALESCE(string_agg(format('%s=%s', place, events), ' ' ORDER BY place), '') FROM
    (SELECT replace(tableoid::regclass::text, 'billing.billing_events_', '') AS place, count(*) AS events
    FROM billing.billing_events GROUP BY 1) AS places";

#[tokio::test(flavor = "multi_thread")]
async fn late_usage_moves_to_a_partition_of_its_own() {
    let db = priced().await;
    let charged = [
        "2026-11-10T00:00:00Z",
        "2026-02-01T00:00:00Z",
        "2026-02-28T23:59:59.999999Z",
        "2026-03-01T00:00:00Z",
        "2025-12-31T23:59:59Z",
    ];
    db.record(&charged.map(|at| usage(account(1), at))).await;
    assert_eq!(db.text(WHERE).await, "202611=1 default=4");
    let found = [("2025-12", 1), ("2026-02", 2), ("2026-03", 1)].map(|(text, events)| (month(text), events));
    assert_eq!(db.worker.in_default().await.unwrap(), found);
    for (text, rows_max, expected, then) in [
        ("2026-02", 1, None, "202611=1 default=4"),
        ("2026-02", 2, Some(2), "202602=2 202611=1 default=2"),
        ("2026-02", 2, Some(0), "202602=2 202611=1 default=2"),
        ("2026-03", 100, Some(1), "202602=2 202603=1 202611=1 default=1"),
        ("2025-12", 100, Some(1), "202512=1 202602=2 202603=1 202611=1"),
        ("2026-11", 100, Some(0), "202512=1 202602=2 202603=1 202611=1"),
    ] {
        assert_eq!(db.worker.move_from_default(month(text), rows_max).await.unwrap(), expected, "{text}");
        assert_eq!(db.text(WHERE).await, then, "{text}");
    }
    // What comes later goes there at once, and the partition has the indexes of the others.
    db.record(&[usage(account(1), "2026-02-10T00:00:00Z")]).await;
    assert_eq!(db.text(WHERE).await, "202512=1 202602=3 202603=1 202611=1");
    let indexes = |table: &str| {
        format!("SELECT count(*) FROM pg_index WHERE indrelid = 'billing.billing_events_{table}'::regclass")
    };
    assert_eq!(db.number(&indexes("202602")).await, db.number(&indexes("202611")).await);
    assert_eq!(
        db.number("SELECT COALESCE(sum(amount_micros), 0)::bigint FROM billing.usage_buckets").await,
        6 * 20_000
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_goes_on_while_a_month_is_moved() {
    let db = std::sync::Arc::new(priced().await);
    db.record(&(0..200).map(|_| usage(account(1), "2026-02-10T00:00:00Z")).collect::<Vec<_>>()).await;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let db = db.clone();
            tokio::spawn(async move {
                for round in 0..10 {
                    let at = if (writer + round) % 2 == 0 { "2026-02-11T00:00:00Z" } else { "2026-11-11T00:00:00Z" };
                    db.record(&(0..20).map(|_| usage(account(1), at)).collect::<Vec<_>>()).await;
                }
            })
        })
        .collect();
    let moved = db.worker.move_from_default(month("2026-02"), 10_000).await.unwrap().unwrap();
    assert!(moved >= 200, "{moved}");
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(db.text(WHERE).await, "202602=600 202611=400");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_month_that_is_past_and_billed_is_detached() {
    let db = priced().await;
    // Counted from the server's clock, which decides: 12 months back is too young on every day, 14 is not.
    let text_of =
        |months: i32| format!("SELECT to_char(now() AT TIME ZONE 'UTC' - interval '{months} months', 'YYYY-MM')");
    let young = db.text(&text_of(13)).await;
    let (old, billed) = (db.text(&text_of(14)).await, db.text(&text_of(16)).await);
    for text in [&young, &old, &billed] {
        let first_day = format!("{text}-01");
        db.owner.query_one(&format!("SELECT billing.make_event_partitions('{first_day}', 1)"), &[]).await.unwrap();
        let bucket = format!(
            "INSERT INTO billing.usage_buckets (account_id, tenant_id, operator_id, direction, currency, price_id, day,
                messages, segments, amount_micros, cost_micros, uncosted, foreign_cost, sealed_by)
            SELECT gen_random_uuid(), gen_random_uuid(), 'op-20', 'MT', 'USD', id, '{first_day}', 1, 1, 0, 0, 0, 0,
                CASE WHEN '{text}' = '{billed}' THEN gen_random_uuid() END FROM billing.prices LIMIT 1"
        );
        db.owner.batch_execute(&bucket).await.unwrap();
    }
    for (text, expected) in [
        (&young, DetachOutcome::TooYoung),
        (&old, DetachOutcome::Open(1)),
        (&"2001-01".to_owned(), DetachOutcome::NotFound),
    ] {
        assert_eq!(db.worker.detach(month(text), &action("cli:bob")).await.unwrap(), expected, "{text}");
    }
    // Who calls the function beside the service is refused the same.
    let refused = db.owner.query_one(&format!("SELECT billing.detach_event_partition('{young}-01')"), &[]).await;
    assert!(refused.is_err());

    let detached = db.worker.detach(month(&billed), &action("cli:bob")).await.unwrap();
    let DetachOutcome::Detached(table) = detached else { panic!("{detached:?}") };
    let attached = |wanted: bool| {
        format!(
            "SELECT count(*) FROM pg_class WHERE relname = '{table}' AND {wanted} = EXISTS
            (SELECT FROM pg_inherits WHERE inhrelid = pg_class.oid)"
        )
    };
    assert_eq!((db.number(&attached(true)).await, db.number(&attached(false)).await), (0, 1));
    assert_eq!(db.worker.detach(month(&billed), &action("cli:bob")).await.unwrap(), DetachOutcome::NotFound);
    let audited = "SELECT string_agg(actor || ' ' || action || ' ' || subject, ';') FROM billing.audit_log
        WHERE action = 'detach_partition'";
    assert_eq!(db.text(audited).await, format!("cli:bob detach_partition events of {billed}"));
    // Its name is free again.
    db.owner.query_one(&format!("SELECT billing.make_event_partitions('{billed}-01', 1)"), &[]).await.unwrap();
    let listed = db.worker.partitions().await.unwrap();
    let states: Vec<_> =
        listed.iter().filter(|p| p.month == Some(month(&billed))).map(|partition| partition.is_attached).collect();
    assert_eq!(states, [true, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_tells_what_there_is() {
    let db = priced().await;
    db.worker.prepare_partitions(now()).await.unwrap();
    let listed: Vec<_> = db
        .worker
        .partitions()
        .await
        .unwrap()
        .into_iter()
        .map(|partition| format!("{} {}", partition.table, partition.month.map_or("-".into(), |m| m.to_string())))
        .collect();
    let expected = [
        "billing_events_202610 2026-10",
        "billing_events_202611 2026-11",
        "billing_events_202612 2026-12",
        "billing_events_202701 2027-01",
        "billing_events_default -",
    ];
    assert_eq!(listed, expected);
}
