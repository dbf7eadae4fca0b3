//! Price decks on a real server: all or nothing, rated usage, traces, keys, and what an export brings back.

use crate::support::{TestDatabase, account, action, day, price, usage, usd};
use billing_domain::ports::{AdminAction, ChangeOutcome, DeckStore, PriceAdmin, PriceBookStore, PriceFilter, Refusal};
use billing_domain::pricing::deck::{CostTerms, Deck, DeckEntry, DeckLine, DeckPrice, DeckReport, LineRefusal};
use billing_domain::pricing::{CostKey, PriceTerms};
use billing_domain::usage::Direction;
use billing_domain::{AccountId, DayRange, Micros, OperatorId};
use uuid::Uuid;

fn line(tier: &str, operator: &str, unit_price: &str, from: &str, last: Option<&str>) -> DeckPrice {
    let terms = price(tier, operator, unit_price, from, last).terms;
    DeckPrice {
        tier: terms.tier,
        account: None,
        operator: terms.operator,
        direction: terms.direction,
        is_flat: false,
        charge_on: None,
        unit_price: terms.unit_price,
        currency: terms.currency,
        days: terms.days,
    }
}

fn cost(operator: &str, amount: &str, from: &str) -> CostTerms {
    let operator = OperatorId::new(operator).unwrap();
    CostTerms {
        key: CostKey { operator, direction: Direction::Mt, currency: usd() },
        cost_per_segment: Micros::parse(amount).unwrap(),
        days: DayRange::inclusive(day(from), None).unwrap(),
    }
}

fn own(of: AccountId, line: DeckPrice) -> DeckPrice {
    DeckPrice { account: Some(of), ..line }
}

fn deck<E>(entries: Vec<E>) -> Deck<E> {
    let lines = (2..).zip(entries).map(|(number, entry)| DeckLine { number, entry }).collect();
    Deck { id: Uuid::now_v7(), sha256: [7; 32], lines }
}

fn done<E: DeckEntry>(outcome: ChangeOutcome<DeckReport<E>>) -> DeckReport<E> {
    let ChangeOutcome::Done(report) = outcome else { panic!("{outcome:?}") };
    report
}

/// Lines added, changed, unchanged, refused.
fn counts<E: DeckEntry>(report: &DeckReport<E>) -> [usize; 4] {
    let changed = report.plan.made.iter().filter(|made| made.old.is_some()).count();
    [report.plan.made.len() - changed, changed, report.plan.unchanged.len(), report.plan.refused.len()]
}

async fn book_version(db: &TestDatabase) -> i64 {
    db.worker.stamp().await.unwrap().version
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deck_is_shown_then_done_then_changes_nothing() {
    let db = TestDatabase::create().await;
    let old = db.add_price("STARTER", "*", "0.01").await;
    db.add_price("STARTER", "op-40", "0.05").await;
    db.add_cost("op-20", "0.015").await;
    db.add_cost("op-40", "0.9").await;
    let deck = deck(vec![
        line("STARTER", "*", "0.012", "2026-12-01", None),
        line("STARTER", "op-01", "0.02", "2026-12-01", Some("2026-12-31")),
        line("STARTER", "op-40", "0.05", "2026-12-01", None),
        own(account(1), line("CUSTOM", "*", "0.5", "2026-12-01", None)),
    ]);
    let before = book_version(&db).await;
    let shown = db.api.preview(&deck).await.unwrap();
    assert_eq!((counts(&shown), book_version(&db).await), ([2, 1, 1, 0], before));
    // STARTER has a price of its own for op-40, so its price for any operator is not paid there.
    let margins: Vec<_> = shown.margins.listed.iter().map(|row| (row.line, row.margin().map(|m| m.0))).collect();
    assert_eq!(margins[..2], [(4, Some(-850_000)), (5, Some(-400_000))]);
    assert_eq!(margins[2..], [(2, Some(-3_000)), (3, None), (5, Some(485_000))]);

    let did = done(db.api.apply(&deck, &action("a")).await.unwrap());
    assert_eq!(did, shown);
    assert_eq!(book_version(&db).await, before + 1);
    let closed = db.api.price(old).await.unwrap().unwrap();
    assert_eq!(closed.terms.days.last(), Some(day("2026-11-30")));
    let made = &did.plan.made[0];
    let next = db.api.price(billing_domain::PriceId(made.id)).await.unwrap().unwrap();
    assert_eq!((next.version, next.created_by.as_str(), &next.terms), (2, "a", &made.terms));
    db.worker.book().await.unwrap();

    // The same call again is the same call; another deck of the same lines finds everything said.
    let told = done(db.api.apply(&deck, &action("a")).await.unwrap());
    assert_eq!(told.plan.made, did.plan.made);
    let again = Deck { id: Uuid::now_v7(), ..deck };
    assert_eq!(counts(&done(db.api.apply(&again, &action("a")).await.unwrap())), [0, 0, 4, 0]);
    assert_eq!((book_version(&db).await, db.number("SELECT count(*) FROM billing.prices").await), (before + 1, 5));

    // Each version has a trace, and each deck.
    let traces = "SELECT string_agg(action || ' ' || n, ', ' ORDER BY action) FROM (SELECT action, count(*) AS n
        FROM billing.audit_log WHERE detail LIKE '%deck%' OR subject LIKE 'deck %' GROUP BY action) counted";
    assert_eq!(db.text(traces).await, "price.change 1, price.create 2, price.import 2");
    let detail = "SELECT detail FROM billing.audit_log WHERE action = 'price.import' ORDER BY id LIMIT 1";
    let expected = format!("sha-256 {}, lines 4, added 2, changed 1, unchanged 1", "07".repeat(32));
    assert_eq!(db.text(detail).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_line_and_nothing_is_done() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    db.api.create_price(&price("GROWTH", "*", "0.01", "2027-01-01", None), &action("a")).await.unwrap();
    let before = book_version(&db).await;
    let deck = deck(vec![
        line("STARTER", "*", "0.012", "2026-12-01", None),
        line("GROWTH", "*", "0.012", "2026-12-01", None),
        line("ENTERPRISE", "*", "0.012", "2026-12-01", None),
        line("ENTERPRISE", "*", "0.013", "2026-12-31", None),
    ]);
    let with_key = AdminAction { idempotency: Some(("key".into(), [1; 32])), ..action("a") };
    let report = done(db.api.apply(&deck, &with_key).await.unwrap());
    let refused: Vec<_> = report.plan.refused.iter().map(|refused| (refused.line, refused.why.clone())).collect();
    assert_eq!(
        refused,
        [(3, LineRefusal::Overlap(day("2027-01-01"))), (4, LineRefusal::Doubled(5)), (5, LineRefusal::Doubled(4)),]
    );
    let written = "SELECT (SELECT count(*) FROM billing.prices) * 10 + (SELECT count(*) FROM billing.idempotency_keys)";
    assert_eq!((book_version(&db).await, db.number(written).await), (before, 20));
    assert_eq!(db.number("SELECT count(*) FROM billing.audit_log").await, 2);
}

/// As single changes are refused: each line alone, and beside one that is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_deck_changes_nothing_that_usage_was_rated_at() {
    let db = TestDatabase::create().await;
    let base = price("STARTER", "*", "0.01", "2026-01-01", None);
    db.api.create_price(&base, &action("a")).await.unwrap();
    db.record(&[usage(account(1), "2026-11-10T08:00:00Z"), usage(account(2), "2026-11-12T08:00:00Z")]).await;
    for (entry, is_refused) in [
        (line("STARTER", "op-20", "0.02", "2026-11-10", None), true),
        (line("STARTER", "op-20", "0.02", "2026-11-11", Some("2026-11-11")), false),
        (line("STARTER", "op-20", "0.02", "2026-11-11", None), true),
        (line("STARTER", "op-20", "0.02", "2026-11-13", None), false),
        (line("STARTER", "op-01", "0.02", "2026-11-01", None), false),
        (line("GROWTH", "op-20", "0.02", "2026-11-01", None), false),
        (line("STARTER", "*", "0.02", "2026-11-12", None), true),
        (line("STARTER", "*", "0.02", "2026-11-13", None), false),
        // An end is a change of what stands: it closes the version that usage was rated at.
        (line("STARTER", "*", "0.01", "2026-01-01", Some("2026-12-31")), true),
        (own(account(1), line("CUSTOM", "*", "0.02", "2026-11-01", Some("2026-11-10"))), true),
        (own(account(1), line("CUSTOM", "op-20", "0.02", "2026-11-11", None)), false),
        (own(account(2), line("CUSTOM", "op-20", "0.02", "2026-11-11", None)), true),
        (own(account(3), line("CUSTOM", "op-20", "0.02", "2026-11-01", None)), false),
        (own(account(1), line("CUSTOM", "op-01", "0.02", "2026-11-01", None)), false),
    ] {
        let report = db.api.preview(&deck(vec![entry.clone()])).await.unwrap();
        let refused: Vec<_> = report.plan.refused.iter().map(|refused| refused.why.clone()).collect();
        assert_eq!(refused, vec![LineRefusal::RatedUsage; usize::from(is_refused)], "{entry:?}");
        // A single change says the same.
        if entry.days.last() != Some(day("2026-12-31")) {
            let mut new = price("X", "*", "1", "2026-01-01", None);
            new.terms = entry.terms(None);
            let is_change = entry.terms(None).key() == base.terms.key();
            let outcome = if is_change && is_refused {
                let stored = db.api.price(base.id).await.unwrap().unwrap();
                db.api.supersede_price(&stored, &new, &action("a")).await.unwrap()
            } else if is_refused {
                db.api.create_price(&new, &action("a")).await.unwrap()
            } else {
                continue;
            };
            assert_eq!(outcome, ChangeOutcome::Refused(Refusal::RatedUsage), "{entry:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decks_of_costs_follow_the_rules_of_costs() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.02").await;
    db.add_cost("op-20", "0.015").await;
    db.record(&[usage(account(1), "2026-11-10T08:00:00Z")]).await;
    let back = deck(vec![cost("op-20", "0.016", "2026-11-10"), cost("op-01", "0.01", "2026-01-01")]);
    let report = done(db.api.apply(&back, &action("a")).await.unwrap());
    assert_eq!((counts(&report), &report.plan.refused[0].why), ([1, 0, 0, 1], &LineRefusal::RatedUsage));
    let next = deck(vec![
        cost("op-20", "0.03", "2026-11-11"),
        cost("op-01", "0.01", "2026-01-01"),
        cost("op-20", "0.03", "2027-01-01"),
    ]);
    assert_eq!(counts(&db.api.preview(&next).await.unwrap()), [1, 0, 0, 2]);
    let next = deck(next.lines.into_iter().take(2).map(|line| line.entry).collect());
    let report = done(db.api.apply(&next, &action("a")).await.unwrap());
    let margins: Vec<_> = report.margins.listed.iter().map(|row| (row.line, row.margin().map(|m| m.0))).collect();
    assert_eq!((counts(&report), margins), ([1, 1, 0, 0], vec![(2, Some(-10_000)), (3, Some(10_000))]));
    assert_eq!(report.plan.made[0].old.unwrap().days.unwrap().last(), Some(day("2026-11-10")));
    let told = done(db.api.apply(&next, &action("a")).await.unwrap());
    assert_eq!(told.plan.made, report.plan.made);
    assert_eq!(db.worker.book().await.unwrap().cost_count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_idempotency_key_imports_once() {
    let db = std::sync::Arc::new(TestDatabase::create().await);
    let with_key = |hash: u8| AdminAction { idempotency: Some(("key".into(), [hash; 32])), ..action("a") };
    let old = db.add_price("STARTER", "*", "0.01").await;
    let entries =
        || vec![line("STARTER", "*", "0.02", "2026-12-01", None), line("STARTER", "op-01", "0.02", "2026-12-01", None)];
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (db, action, deck) = (db.clone(), with_key(1), deck(entries()));
            tokio::spawn(async move {
                // Who comes while the first is at it, is told so and asks again.
                loop {
                    match db.api.apply(&deck, &action).await.unwrap() {
                        ChangeOutcome::Refused(Refusal::KeyInUse) => tokio::task::yield_now().await,
                        outcome => return done(outcome),
                    }
                }
            })
        })
        .collect();
    let mut made = Vec::new();
    for call in calls {
        let report = call.await.unwrap();
        assert_eq!((counts(&report), report.plan.made[0].old.unwrap().id), ([1, 1, 0, 0], old.0));
        made.push(report.plan.made);
    }
    made.dedup();
    assert_eq!((made.len(), db.number("SELECT count(*) FROM billing.prices").await), (1, 3));
    let other = deck(vec![line("GROWTH", "*", "0.02", "2026-12-01", None)]);
    assert_eq!(db.api.apply(&other, &with_key(2)).await.unwrap(), ChangeOutcome::Refused(Refusal::KeyReused));
}

/// Ten thousand lines are as many statements as ten; what stands afterwards says exactly what the deck says.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_lines_are_one_import() {
    let db = TestDatabase::create().await;
    let entries = |amount: &str, from: &str| -> Vec<DeckPrice> {
        (0..10_000).map(|n| line(&format!("T{}", n / 5), &format!("op-{}", n % 5), amount, from, None)).collect()
    };
    let first = done(db.api.apply(&deck(entries("0.01", "2026-01-01")), &action("a")).await.unwrap());
    assert_eq!(counts(&first), [10_000, 0, 0, 0]);
    let second = done(db.api.apply(&deck(entries("0.02", "2026-12-01")), &action("a")).await.unwrap());
    assert_eq!((counts(&second), book_version(&db).await), ([0, 10_000, 0, 0], 3));
    let active = PriceFilter { active_on: Some(day("2026-12-01")), ..PriceFilter::default() };
    let page = db.api.prices(&active, None, 20_000).await.unwrap();
    let mut stands: Vec<String> = page.rows.iter().map(|price| shown(&price.terms)).collect();
    let mut said: Vec<String> = entries("0.02", "2026-12-01").iter().map(|entry| shown(&entry.terms(None))).collect();
    stands.sort();
    said.sort();
    assert_eq!(stands, said);
    assert_eq!(db.worker.book().await.unwrap().price_count(), 20_000);
}

fn shown(terms: &PriceTerms) -> String {
    format!("{} {} {} {:?}", terms.tier, terms.operator, terms.unit_price, terms.days)
}
