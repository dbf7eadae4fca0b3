//! Prices and costs on a real server: versions, overlaps, back-dating, idempotency.

use crate::support::{TestDatabase, account, action, day, price, usage};
use billing_domain::ports::{
    AdminAction, ChangeOutcome, CostFilter, NewPrice, PriceAdmin, PriceBookStore, PriceFilter, Refusal,
};
use billing_domain::pricing::{ChargeOn, PricingModel};
use billing_domain::usage::Direction;
use billing_domain::{Micros, Price, PriceBook, PriceId};
use uuid::Uuid;

fn refusal(outcome: &ChangeOutcome<Price>) -> Option<Refusal> {
    match outcome {
        ChangeOutcome::Done(_) => None,
        ChangeOutcome::Refused(refusal) => Some(*refusal),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn periods_of_one_key_do_not_overlap() {
    let db = TestDatabase::create().await;
    for (new, expected) in [
        (price("STARTER", "*", "0.01", "2026-02-01", Some("2026-02-28")), None),
        (price("STARTER", "*", "0.02", "2026-02-28", None), Some(Refusal::Overlap)),
        (price("STARTER", "*", "0.02", "2026-01-01", Some("2026-02-01")), Some(Refusal::Overlap)),
        (price("STARTER", "*", "0.02", "2026-03-01", None), None),
        (price("STARTER", "*", "0.02", "2026-01-01", Some("2026-01-31")), None),
        (price("STARTER", "op-20", "0.02", "2026-02-01", None), None),
        (price("GROWTH", "*", "0.02", "2026-02-01", None), None),
    ] {
        assert_eq!(refusal(&db.api.create_price(&new, &action("a")).await.unwrap()), expected, "{new:?}");
    }
    let book = db.worker.book().await.unwrap();
    assert_eq!((book.price_count(), book.version()), (5, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_book_holds_what_rating_needs_of_every_price_and_cost() {
    let db = TestDatabase::create().await;
    let mut own = price("STARTER", "op-20", "0.03", "2026-01-01", Some("2026-12-31"));
    (own.terms.account, own.terms.model) = (Some(account(7)), PricingModel::FlatPerMessage);
    (own.terms.direction, own.terms.charge_on) = (Direction::Mo, ChargeOn::Delivered);
    let mut cancelled = price("GROWTH", "*", "0.02", "2026-12-01", None);
    cancelled.terms.model = PricingModel::FlatPerMessage;
    for new in [&own, &cancelled, &price("STARTER", "*", "0.01", "2026-01-01", None)] {
        db.api.create_price(new, &action("a")).await.unwrap();
    }
    db.api.end_price(cancelled.id, None, day("2026-11-15"), &action("a")).await.unwrap();
    db.add_cost("op-20", "0.004").await;

    let listed = db.api.prices(&PriceFilter::default(), None, 10).await.unwrap().rows;
    let costs = db.api.costs(&CostFilter::default(), None, 10).await.unwrap().rows;
    let prices: Vec<_> = listed.iter().filter(|price| price.cancelled_at.is_none()).map(Into::into).collect();
    let costs: Vec<_> = costs.iter().map(Into::into).collect();
    assert_eq!((listed.len(), prices.len(), costs.len()), (3, 2, 1));
    let book = db.worker.book().await.unwrap();
    assert_eq!(book, PriceBook::build(book.version(), prices, costs).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_closes_the_old_version_and_makes_the_next() {
    let db = TestDatabase::create().await;
    let first = price("STARTER", "*", "0.01", "2026-01-01", None);
    db.api.create_price(&first, &action("a")).await.unwrap();
    let old = db.api.price(first.id).await.unwrap().unwrap();
    let second = price("STARTER", "*", "0.02", "2026-12-01", None);
    let ChangeOutcome::Done(made) = db.api.supersede_price(&old, &second, &action("b")).await.unwrap() else {
        panic!("it is changed")
    };
    assert_eq!((made.version, made.created_by.as_str()), (2, "b"));
    let closed = db.api.price(first.id).await.unwrap().unwrap();
    assert_eq!(closed.terms.days.last(), Some(day("2026-11-30")));
    // Only the last version can be changed, and a repeated call is the same call.
    let again = db.api.supersede_price(&old, &second, &action("b")).await.unwrap();
    assert_eq!(again, ChangeOutcome::Done(made));
    let third = price("STARTER", "*", "0.03", "2026-12-02", None);
    assert_eq!(refusal(&db.api.supersede_price(&closed, &third, &action("b")).await.unwrap()), Some(Refusal::Ended));
    // What has not begun is cancelled and kept; what is in force ends today.
    db.api.end_price(second.id, None, day("2026-11-15"), &action("c")).await.unwrap();
    assert!(db.api.price(second.id).await.unwrap().is_some());
    assert_eq!(db.worker.book().await.unwrap().price_count(), 1);
    assert_eq!(db.number("SELECT count(*) FROM billing.audit_log").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_is_not_put_before_usage_that_it_would_have_priced_otherwise() {
    let db = TestDatabase::create().await;
    let base = price("STARTER", "*", "0.01", "2026-01-01", None);
    db.api.create_price(&base, &action("a")).await.unwrap();
    db.record(&[usage(account(1), "2026-11-10T08:00:00Z")]).await;
    let own = |mut new: NewPrice| {
        new.terms.account = Some(account(1));
        new
    };
    for (new, expected) in [
        (price("STARTER", "op-20", "0.02", "2026-11-10", None), Some(Refusal::RatedUsage)),
        (own(price("CUSTOM", "*", "0.02", "2026-11-01", Some("2026-11-10"))), Some(Refusal::RatedUsage)),
        (price("STARTER", "op-20", "0.02", "2026-11-11", None), None),
        (price("STARTER", "op-01", "0.02", "2026-11-01", None), None),
        (price("GROWTH", "op-20", "0.02", "2026-11-01", None), None),
        (own(price("CUSTOM", "op-20", "0.02", "2026-11-11", None)), None),
    ] {
        assert_eq!(refusal(&db.api.create_price(&new, &action("a")).await.unwrap()), expected, "{new:?}");
    }
    let back = price("STARTER", "*", "0.02", "2026-11-10", None);
    let base = db.api.price(base.id).await.unwrap().unwrap();
    assert_eq!(refusal(&db.api.supersede_price(&base, &back, &action("a")).await.unwrap()), Some(Refusal::RatedUsage));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_idempotency_key_has_one_effect() {
    let db = std::sync::Arc::new(TestDatabase::create().await);
    let with_key =
        |hash: u8, actor: &str| AdminAction { idempotency: Some(("key".into(), [hash; 32])), ..action(actor) };
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let (db, action) = (db.clone(), with_key(1, "a"));
            tokio::spawn(async move {
                db.api.create_price(&price("STARTER", "*", "0.01", "2026-01-01", None), &action).await.unwrap()
            })
        })
        .collect();
    let mut made: Vec<PriceId> = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            ChangeOutcome::Done(price) => made.push(price.id),
            refused => assert_eq!(refusal(&refused), Some(Refusal::KeyInUse), "it is made once and shown again"),
        }
    }
    let ChangeOutcome::Done(again) =
        db.api.create_price(&price("STARTER", "*", "0.01", "2026-01-01", None), &with_key(1, "a")).await.unwrap()
    else {
        panic!("once it is made it is shown")
    };
    made.push(again.id);
    made.dedup();
    assert_eq!((made.len(), db.number("SELECT count(*) FROM billing.prices").await), (1, 1));
    let other = price("GROWTH", "*", "0.01", "2026-01-01", None);
    let reused = db.api.create_price(&other, &with_key(2, "a")).await.unwrap();
    assert_eq!(refusal(&reused), Some(Refusal::KeyReused));
    assert_eq!(refusal(&db.api.create_price(&other, &with_key(2, "b")).await.unwrap()), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_in_use_is_told_at_once() {
    let db = TestDatabase::create().await;
    let action = AdminAction { idempotency: Some(("key".into(), [1; 32])), ..action("a") };
    let new = price("STARTER", "*", "0.01", "2026-01-01", None);
    // The first one waits for the table, with its key claimed.
    db.owner.batch_execute("BEGIN; LOCK TABLE billing.prices IN EXCLUSIVE MODE").await.unwrap();
    let first = db.api.create_price(&new, &action);
    let twin = async {
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'billing.prices'::regclass";
        while db.number(waits).await == 0 {}
        let twin = db.api.create_price(&new, &action).await.unwrap();
        db.owner.batch_execute("COMMIT").await.unwrap();
        twin
    };
    let (first, twin) = tokio::join!(first, twin);
    assert_eq!(refusal(&twin), Some(Refusal::KeyInUse));
    assert_eq!(refusal(&first.unwrap()), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_and_by_filter() {
    let db = TestDatabase::create().await;
    for number in 0..5 {
        db.add_price("STARTER", &format!("op-{number}"), "0.01").await;
    }
    let everything = PriceFilter::default();
    let (mut after, mut seen) = (None, 0);
    loop {
        let page = db.api.prices(&everything, after, 2).await.unwrap();
        seen += page.rows.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, 5);
    let none = PriceFilter { active_on: Some(day("2025-12-31")), ..PriceFilter::default() };
    assert!(db.api.prices(&none, None, 10).await.unwrap().rows.is_empty());
    assert_eq!(db.api.price(PriceId(Uuid::nil())).await.unwrap(), None);
    let book = db.worker.book().await.unwrap();
    assert_eq!(book.prices().next().unwrap().unit_price, Micros(10_000));
}
