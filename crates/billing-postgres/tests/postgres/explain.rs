//! Why this price, what waits and how it stops waiting, on a real server.

use std::collections::BTreeMap;

use crate::support::{PASSWORD, TestDatabase, account, action, day, price, receipt, tenant, usage};
use billing_domain::ports::{
    Accounts, Late, NewPrice, PriceAdmin, PriceAsked, PriceBookStore, PricingReader, RatedFound, UnratedFilter,
    UnratedPage, UsageFound, UsageLedger,
};
use billing_domain::pricing::{PriceEnquiry, Rule, resolve};
use billing_domain::usage::{Direction, QuarantineReason, ReportedUsage, UnratedReason};
use billing_domain::use_cases::{Swept, fill_missing_costs, rate_waiting};
use billing_domain::{Currency, MessageId, OperatorId, Tier};
use billing_postgres::{DatabaseConfig, DatabaseCredentials, Postgres};
use billing_testing::certificates::trusting_nobody;
use uuid::Uuid;

const AT: &str = "2026-11-10T08:00:00Z";

fn late(messages: u64) -> Late {
    Late { messages, negative_margin: 0 }
}

async fn sweep(db: &TestDatabase) -> Swept {
    let (book, directory) = (db.worker.book().await.unwrap(), db.worker.directory().await.unwrap());
    rate_waiting(&db.worker, &directory, &book).await.unwrap()
}

/// Another pod.
fn another_worker(db: &TestDatabase) -> Postgres {
    let config = DatabaseConfig {
        url: db.url.clone(),
        replica_url: None,
        pool_primary: 4,
        pool_replica: 0,
        pool_recording: 2,
        pool_exports: 0,
        application_name: "billing-test",
        tls: trusting_nobody(),
    };
    let login = DatabaseCredentials { username: "billing_test_worker".into(), password: PASSWORD.into() };
    Postgres::connect(&config, &login).unwrap()
}

async fn rated(db: &TestDatabase, message: MessageId) -> RatedFound {
    match db.api.find_usage(message).await.unwrap() {
        Some(UsageFound::Rated(found)) => *found,
        other => panic!("{other:?}"),
    }
}

fn delivery_report(mut usage: ReportedUsage) -> ReportedUsage {
    (usage.tier, usage.currency) = (None, None);
    usage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_found_with_the_prices_that_stand_for_it() {
    let db = TestDatabase::create().await;
    let mut prices = Vec::new();
    for (tier, operator, from, last) in [
        ("STARTER", "*", "2026-01-01", None),
        ("STARTER", "op-20", "2026-01-01", Some("2026-11-09")),
        ("STARTER", "op-20", "2026-11-10", Some("2026-11-10")),
        ("STARTER", "op-01", "2026-01-01", None),
        ("GROWTH", "op-20", "2026-01-01", None),
    ] {
        let new = price(tier, operator, "0.01", from, last);
        db.api.create_price(&new, &action("a")).await.unwrap();
        prices.push(new);
    }
    let own = |operator: &str, from: &str| {
        let mut own = price("CUSTOM", operator, "0.02", from, None);
        own.terms.account = Some(account(1));
        own
    };
    let (standing, future) = (own("*", "2026-11-10"), own("op-20", "2026-11-11"));
    for new in [&standing, &future] {
        db.api.create_price(new, &action("a")).await.unwrap();
    }
    let ours: Vec<_> = (0..40).map(|_| usage(account(1), AT)).collect();
    db.record(&ours).await;
    db.record(&[usage(account(2), AT)]).await;
    let (place, sent) = &ours[7];
    let found = rated(&db, sent.message).await;
    assert_eq!((found.event.message, found.event.segments, found.price.id), (sent.message, sent.segments, standing.id));
    assert_eq!((found.event.charged_at, found.event.tier.as_str()), (sent.charged_at, "STARTER"));
    assert_eq!((found.amount.0, found.cost), (40_000, None));
    let resolution = resolve(&found.prices, &PriceEnquiry::of(&found.event));
    let ids = resolution.candidates.map(|(_, price)| price.map(|price| price.id));
    assert_eq!(ids, [None, Some(standing.id), Some(prices[2].id), Some(prices[0].id)]);
    assert_eq!((resolution.winner.unwrap().0, found.prices.len()), (Rule::AccountAny, 3));
    // A cost that comes later is shown; publications of the message that came later change nothing.
    db.add_cost("op-20", "0.004").await;
    let (book, directory) = (db.worker.book().await.unwrap(), db.worker.directory().await.unwrap());
    fill_missing_costs(&db.worker, &directory, &book).await.unwrap();
    db.record(&[(receipt(), sent.clone()), (*place, sent.clone())]).await;
    assert_eq!(rated(&db, sent.message).await.cost.unwrap().amount.0, 8_000);
    assert_eq!(db.api.find_usage(MessageId(Uuid::new_v4())).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_found_by_a_summary_of_its_partition() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    db.record(&[usage(account(1), AT)]).await;
    // A table of one row is not worth an index.
    db.owner.batch_execute("SET enable_seqscan = off").await.unwrap();
    let rows = db
        .owner
        .query(
            "EXPLAIN SELECT FROM billing.billing_events WHERE stream_sequence = 1 AND charged_at = '2026-11-10T08:00:00Z'",
            &[],
        )
        .await
        .unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("billing_events_202611_stream_sequence_idx") && !plan.contains("202610"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_without_a_message_is_completed_by_the_profile_of_its_day() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    db.add_price("GROWTH", "op-20", "0.02").await;
    db.add_cost("op-20", "0.004").await;
    let mut grown = usage(account(1), "2026-11-12T08:00:00Z");
    grown.1.tier = Some(Tier::new("GROWTH").unwrap());
    db.record(&[usage(account(1), AT), grown]).await;
    let usd = Currency::new("USD").unwrap();
    let asked = |who: Option<u128>, on: &str, tier: Option<&str>, currency| PriceAsked {
        account: who.map(account),
        tier: tier.map(|tier| Tier::new(tier).unwrap()),
        operator: OperatorId::new("op-20").unwrap(),
        direction: Direction::Mt,
        currency,
        day: day(on),
    };
    for (question, expected) in [
        (asked(Some(1), "2026-11-11", None, None), Some(("STARTER", Some(Rule::TierAny)))),
        (asked(Some(1), "2026-11-12", None, None), Some(("GROWTH", Some(Rule::TierOperator)))),
        (asked(Some(1), "2026-01-01", None, Some(usd)), Some(("STARTER", Some(Rule::TierAny)))),
        (asked(Some(1), "2025-12-31", None, None), Some(("STARTER", None))),
        (asked(Some(1), "2026-11-11", Some("GROWTH"), None), Some(("GROWTH", Some(Rule::TierOperator)))),
        (asked(Some(9), "2026-11-11", Some("STARTER"), Some(usd)), Some(("STARTER", Some(Rule::TierAny)))),
        (asked(None, "2026-11-11", Some("STARTER"), Some(usd)), Some(("STARTER", Some(Rule::TierAny)))),
        (asked(Some(9), "2026-11-11", None, Some(usd)), None),
        (asked(Some(9), "2026-11-11", Some("STARTER"), None), None),
    ] {
        let found = db.api.find_prices(&question).await.unwrap();
        let told = found.as_ref().map(|found| {
            let rule = resolve(&found.prices, &found.enquiry).winner.map(|(rule, _)| rule);
            (found.enquiry.tier.as_str(), rule)
        });
        assert_eq!(told, expected, "{question:?}");
        let costs = found.map(|found| found.costs.len());
        assert_eq!(costs, expected.map(|_| usize::from(question.day >= day("2026-01-01"))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_summarised_by_key_and_page() {
    let db = TestDatabase::create().await;
    let mut waiting = Vec::new();
    for (who, operator, count) in [(1, "op-20", 3), (1, "op-2", 2), (2, "op-20", 1)] {
        for minute in 0..count {
            let (place, mut sent) = usage(account(who), &format!("2026-11-10T08:{minute:02}:00Z"));
            sent.operator = OperatorId::new(operator).unwrap();
            waiting.push((place, sent));
        }
    }
    let (place, unknown) = usage(account(3), AT);
    waiting.push((place, ReportedUsage { tenant: None, ..delivery_report(unknown) }));
    db.record(&waiting).await;
    let shown = |page: &UnratedPage| -> Vec<String> {
        let row = |row: &billing_domain::ports::UnratedCount| {
            let (key, group) = (&row.group.key, &row.group);
            let who = key.account.0.as_u128() & 0xFF;
            format!(
                "{who} {} {} {}..{}",
                key.operator,
                row.messages,
                &group.oldest.to_string()[14..16],
                &group.newest.to_string()[14..16]
            )
        };
        page.rows.iter().map(row).collect()
    };
    let everything = UnratedFilter::default();
    let all = db.api.unrated(&everything, None, 50).await.unwrap();
    assert_eq!(shown(&all), ["1 op-2 2 00..01", "1 op-20 3 00..02", "2 op-20 1 00..00", "3 op-20 1 00..00"]);
    assert_eq!(all.next, None);
    let (known, unknown) = (&all.rows[0].group.key, &all.rows[3].group.key);
    assert_eq!((known.reason, known.tenant), (UnratedReason::NoPrice, Some(tenant(1))));
    assert_eq!((unknown.reason, unknown.tenant, &unknown.tier), (UnratedReason::UnknownAccount, None, &None));
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = db.api.unrated(&everything, after.as_deref(), 1).await.unwrap();
        seen.extend(shown(&page));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, shown(&all));
    for (who, operator, expected) in [
        (Some(1), None, &["1 op-2 2 00..01", "1 op-20 3 00..02"][..]),
        (Some(1), Some("op-2"), &["1 op-2 2 00..01"]),
        (None, Some("op-20"), &["1 op-20 3 00..02", "2 op-20 1 00..00", "3 op-20 1 00..00"]),
        (Some(3), Some("op-2"), &[]),
    ] {
        let operator = operator.map(|operator| OperatorId::new(operator).unwrap());
        let filter = UnratedFilter { account: who.map(account), operator };
        let page = db.api.unrated(&filter, None, 50).await.unwrap();
        assert_eq!(shown(&page), expected);
        // A place of before the filter's first, as a forged cursor may name it.
        assert_eq!(shown(&db.api.unrated(&filter, Some("0"), 50).await.unwrap()), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sweeps_at_once_rate_each_message_once() {
    let db = TestDatabase::create().await;
    let waiting: Vec<_> =
        (0..5_000).map(|i| usage(account(i % 3), if i % 2 == 0 { AT } else { "2026-11-12T08:00:00Z" })).collect();
    for batch in waiting.chunks(1_000) {
        db.record(batch).await;
    }
    let second = another_worker(&db);
    // The first price covers one of the two days, and not the one of the other tier.
    let half = price("STARTER", "*", "0.01", "2026-11-10", Some("2026-11-11"));
    let rest = price("STARTER", "op-20", "0.01", "2026-11-12", None);
    for (new, expected) in [(half, 2_500_u64), (rest, 2_500)] {
        db.api.create_price(&new, &action("a")).await.unwrap();
        let (book, directory) = (db.worker.book().await.unwrap(), db.worker.directory().await.unwrap());
        let one = rate_waiting(&db.worker, &directory, &book);
        let other = rate_waiting(&second, &directory, &book);
        let (one, other) = tokio::join!(one, other);
        assert_eq!(one.unwrap().rated.messages + other.unwrap().rated.messages, expected);
        // Who left messages to the other looks again, and finds nothing to do.
        assert_eq!(sweep(&db).await, Swept { rated: late(0), quarantined: BTreeMap::new(), is_complete: true });
    }
    let sums = "SELECT format('%s/%s/%s/%s', count(*), count(DISTINCT message_id), sum(amount_micros),
        (SELECT sum(messages) FROM billing.usage_buckets)) FROM billing.billing_events";
    assert_eq!(db.text(sums).await, "5000/5000/100000000/5000");
    assert_eq!(db.worker.unrated_count().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_can_be_rated_is_read() {
    let db = TestDatabase::create().await;
    let uncovered: Vec<_> = (0..500).map(|i| usage(account(i % 5), AT)).collect();
    let (place, mut covered) = usage(account(1), AT);
    covered.operator = OperatorId::new("op-40").unwrap();
    db.record(&uncovered).await;
    db.record(&[(place, covered.clone())]).await;
    db.add_price("STARTER", "op-40", "0.01").await;
    // Whoever reads one of the others fails.
    let spoil = "UPDATE billing.unrated_events SET dlr_status = 'SPOILT' WHERE operator_id = 'op-20'";
    db.owner.batch_execute(spoil).await.unwrap();
    assert_eq!(sweep(&db).await, Swept { rated: late(1), quarantined: BTreeMap::new(), is_complete: true });
    assert_eq!(db.worker.unrated_count().await.unwrap(), 500);
    assert_eq!(rated(&db, covered.message).await.amount.0, 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_under_the_wrong_tenant_is_quarantined_and_can_be_published_again() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    let (place, sent) = usage(account(1), AT);
    let wrong = ReportedUsage { tenant: Some(tenant(2)), ..delivery_report(sent.clone()) };
    let right = delivery_report(usage(account(1), AT).1);
    db.record(&[(place, wrong.clone()), (receipt(), right.clone())]).await;
    assert_eq!(db.worker.unrated_count().await.unwrap(), 2);
    // The account becomes known, with another tenant.
    db.record(&[usage(account(1), AT)]).await;
    let mismatch = BTreeMap::from([(QuarantineReason::TenantMismatch, 1)]);
    assert_eq!(sweep(&db).await, Swept { rated: late(1), quarantined: mismatch, is_complete: true });
    assert_eq!(sweep(&db).await, Swept { rated: late(0), quarantined: BTreeMap::new(), is_complete: true });
    assert_eq!(db.worker.unrated_count().await.unwrap(), 0);
    assert_eq!(db.api.find_usage(sent.message).await.unwrap(), None);
    let kept = db
        .text(
            "SELECT format('%s|%s|%s|%s', reason, detail, raw_bytes = octet_length(raw), convert_from(raw, 'UTF8'))
            FROM billing.quarantined_messages",
        )
        .await;
    let expected = format!(
        "tenant_mismatch|names another tenant than the account's; found while it waited, these are its fields|t|\
         {{\"schemaVersion\":\"1\",\"messageId\":\"{}\",\"tenantId\":\"{}\",\"accountId\":\"{}\",\"operatorId\":\"op-20\",\
         \"direction\":\"MT\",\"segmentCount\":2,\"chargedAt\":\"2026-11-10T08:00:00.000000Z\",\"dlrStatus\":\"DELIVERED\"}}",
        sent.message,
        tenant(2),
        account(1)
    );
    assert_eq!(kept, expected);
    // Delivered again it is quarantined as it was; published with the right tenant it is new.
    db.record(&[(place, wrong)]).await;
    db.record(&[(receipt(), sent.clone())]).await;
    assert_eq!(db.number("SELECT count(*) FROM billing.quarantined_messages").await, 1);
    assert_eq!(rated(&db, sent.message).await.amount.0, 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_message_is_found_with_what_it_waits_for() {
    let db = TestDatabase::create().await;
    let (place, sent) = usage(account(1), AT);
    let unknown = delivery_report(usage(account(2), AT).1);
    db.record(&[(place, sent.clone()), (receipt(), unknown.clone())]).await;
    let waiting = async |message| match db.api.find_usage(message).await.unwrap() {
        Some(UsageFound::Waiting(found)) => *found,
        other => panic!("{other:?}"),
    };
    let found = waiting(sent.message).await;
    assert_eq!((found.reason, found.since, found.prices), (UnratedReason::NoPrice, place.published_at, vec![]));
    assert_eq!((&found.usage, found.enquiry.unwrap().tier.as_str()), (&sent, "STARTER"));
    let found = waiting(unknown.message).await;
    assert_eq!((found.reason, found.enquiry), (UnratedReason::UnknownAccount, None));
    let new: NewPrice = price("STARTER", "*", "0.01", "2026-11-10", None);
    db.api.create_price(&new, &action("a")).await.unwrap();
    assert_eq!(waiting(sent.message).await.prices[0].id, new.id);
}
