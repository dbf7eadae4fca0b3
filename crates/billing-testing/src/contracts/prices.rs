//! Changing prices and costs, and the book that comes of it.

use billing_domain::ports::{
    Accounts, AdminAction, ChangeOutcome, CostDraft, CostFilter, NewPrice, PriceAdmin, PriceBookStore, PriceFilter,
    Refusal, UsageLedger, UsageReader,
};
use billing_domain::pricing::PriceTerms;
use billing_domain::{AccountId, CostId, DayRange, Micros, OperatorCost, Price, PriceBook, PriceId};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::builders::{PriceBuilder, cost, event, price};

use super::stage::{Stage, action, at, day, done};

fn refusal<T>(outcome: &ChangeOutcome<T>) -> Option<Refusal> {
    match outcome {
        ChangeOutcome::Done(_) => None,
        ChangeOutcome::Refused(refusal) => Some(*refusal),
    }
}

async fn create<S: PriceAdmin>(staff: &S, price: PriceBuilder, action: &AdminAction) -> ChangeOutcome<Price> {
    staff.create_price(&price.draft(), action).await.expect("answered")
}

/// Of the price as it is now.
async fn supersede<S: PriceAdmin>(staff: &S, old: PriceId, new: &PriceBuilder) -> ChangeOutcome<Price> {
    let old = staff.price(old).await.expect("answered").expect("it is there");
    staff.supersede_price(&old, &new.clone().draft(), &action()).await.expect("answered")
}

pub(super) async fn periods_of_one_key_do_not_overlap<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    let mine = AccountId(Uuid::from_u128(7));
    for (new, expected) in [
        (price("0.01").from("2026-02-01").last("2026-02-28"), None),
        (price("0.02").from("2026-02-28"), Some(Refusal::Overlap)),
        (price("0.02").from("2026-01-01").last("2026-02-01"), Some(Refusal::Overlap)),
        (price("0.02").from("2026-02-10").last("2026-02-10"), Some(Refusal::Overlap)),
        (price("0.02").from("2026-03-01"), None),
        (price("0.02").from("2026-01-01").last("2026-01-31"), None),
        (price("0.02").operator("op-20").from("2026-02-01"), None),
        (price("0.02").tier("GROWTH").from("2026-02-01"), None),
        (price("0.02").account(mine).from("2026-02-01"), None),
        (price("0.02").account(mine).tier("GROWTH").from("2026-02-01"), Some(Refusal::Overlap)),
        (price("0.02").currency("AFN").from("2026-02-01"), None),
    ] {
        let outcome = create(stage.staff(), new.clone(), &action()).await;
        assert_eq!(refusal(&outcome), expected, "periods of one key do not overlap: {new:?}");
    }
    assert_eq!(stage.book().await.price_count(), 7, "what is refused is not in the book");
}

pub(super) async fn a_change_closes_the_version_before_it<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    let first = stage.add_price(price("0.01")).await;
    let second = price("0.02").from("2026-12-01");
    let made = done(supersede(stage.staff(), first, &second).await);
    assert_eq!((made.version, made.terms.unit_price), (2, Micros(20_000)), "a change is the next version");
    let closed = stage.staff().price(first).await.expect("answered").expect("the old version is kept");
    assert_eq!(closed.terms.days.last(), Some(day("2026-11-30")), "a change closes the day before it begins");
    let again = supersede(stage.staff(), first, &second).await;
    assert_eq!(again, ChangeOutcome::Done(made.clone()), "a repeated call is the same call");
    let third = price("0.03").from("2026-12-02");
    let outcome = supersede(stage.staff(), first, &third).await;
    assert_eq!(refusal(&outcome), Some(Refusal::Ended), "only the version last made can be changed");
    let nothing = Price { id: PriceId(Uuid::from_u128(404)), ..closed };
    let unknown = stage.staff().supersede_price(&nothing, &third.draft(), &action()).await.expect("answered");
    assert_eq!(refusal(&unknown), Some(Refusal::NotFound), "what is not there cannot be changed");

    // One that never was in force is replaced whole.
    let instead = price("0.04").from("2026-12-01");
    assert_eq!(done(supersede(stage.staff(), made.id, &instead).await).version, 3);
    let replaced = stage.staff().price(made.id).await.expect("answered").expect("it is kept");
    assert!(replaced.cancelled_at.is_some(), "a version that never was in force is cancelled");
    assert_eq!(stage.book().await.price_count(), 2, "and is not in the book");
}

pub(super) async fn what_ends_is_kept<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    let today = day("2026-11-15");
    let (staff, action) = (stage.staff(), action());
    let running = stage.add_price(price("0.01")).await;
    let to_come = stage.add_price(price("0.02").tier("GROWTH").from("2026-11-16")).await;
    let ended = done(staff.end_price(running, None, today, &action).await.expect("answered"));
    assert_eq!(ended.terms.days.last(), Some(today), "today is the last day");
    let cancelled = done(staff.end_price(to_come, None, today, &action).await.expect("answered"));
    assert!(cancelled.cancelled_at.is_some(), "what has not begun is cancelled");
    assert_eq!(staff.price(to_come).await.expect("answered"), Some(cancelled), "and kept for the record");
    for id in [running, to_come] {
        let again = staff.end_price(id, None, today, &action).await.expect("answered");
        assert_eq!(refusal(&again), Some(Refusal::Ended), "what has ended cannot end again");
    }
    let listed = staff.prices(&PriceFilter::default(), None, 10).await.expect("listed").rows;
    let book = stage.book().await;
    assert_eq!((listed.len(), book.price_count()), (2, 1), "the book holds what is not cancelled");
    let standing = listed.iter().filter(|price| price.cancelled_at.is_none()).map(Into::into).collect();
    assert_eq!(PriceBook::build(book.version(), standing, Vec::new()), Ok(book), "word by word");
}

pub(super) async fn one_idempotency_key_has_one_effect<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    let with_key = |hash: u8, actor: &str| AdminAction {
        actor: actor.into(),
        idempotency: Some(("key".into(), [hash; 32])),
        ..action()
    };
    let first = done(create(stage.staff(), price("0.01"), &with_key(1, "a")).await);
    let version = stage.book().await.version();
    // The caller repeats the request; the price's id is another, the key is the same.
    let again = create(stage.staff(), price("0.01"), &with_key(1, "a")).await;
    assert_eq!(again, ChangeOutcome::Done(first), "one key has one effect, shown again");
    let other = price("0.01").tier("GROWTH");
    let reused = create(stage.staff(), other.clone(), &with_key(2, "a")).await;
    assert_eq!(refusal(&reused), Some(Refusal::KeyReused), "a key stands for what it was first used for");
    assert_eq!(stage.book().await.version(), version, "a repeated call changes nothing");
    let outcome = create(stage.staff(), other, &with_key(2, "b")).await;
    assert_eq!(refusal(&outcome), None, "another caller's key is another key");
}

pub(super) async fn an_idempotency_key_holds_for_a_day<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    let after = |time: SignedDuration, hash: u8| AdminAction {
        at: action().at.checked_add(time).expect("an instant"),
        idempotency: Some(("key".into(), [hash; 32])),
        ..action()
    };
    let day = SignedDuration::from_hours(24);
    let second = SignedDuration::from_secs(1);
    done(create(stage.staff(), price("0.01"), &after(SignedDuration::ZERO, 1)).await);
    let other = price("0.01").tier("GROWTH");
    for (time, expected) in [(day - second, Some(Refusal::KeyReused)), (day + second, None)] {
        let outcome = create(stage.staff(), other.clone(), &after(time, 2)).await;
        assert_eq!(refusal(&outcome), expected, "a key is kept for 24 hours and no longer: {time}");
    }
}

pub(super) async fn every_change_gives_the_book_a_version<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    let first = stage.worker().stamp().await.expect("stamped");
    let running = stage.add_price(price("0.01")).await;
    let made = stage.worker().stamp().await.expect("stamped");
    assert_eq!(made.version, first.version + 1, "a change gives the next version");
    let refused = create(stage.staff(), price("0.02"), &action()).await;
    assert_eq!(refusal(&refused), Some(Refusal::Overlap));
    assert_eq!(stage.worker().stamp().await.expect("stamped"), made, "what is refused gives none");

    for sha256 in [[7; 32], [8; 32]] {
        stage.worker().pin_snapshot(made.version, sha256).await.expect("pinned");
    }
    let pinned = stage.worker().stamp().await.expect("stamped");
    assert_eq!(pinned.snapshot_sha256, Some([7; 32]), "the first hash of a version stands");
    done(supersede(stage.staff(), running, &price("0.02").from("2026-12-01")).await);
    stage.worker().pin_snapshot(made.version, [7; 32]).await.expect("ignored");
    let next = stage.worker().stamp().await.expect("stamped");
    let expected = (made.version + 1, None);
    assert_eq!((next.version, next.snapshot_sha256), expected, "a version that is past has no hash");
    assert_eq!(stage.book().await.version(), next.version, "the book is that of the current version");
}

pub(super) async fn costs_change_like_prices<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    let (staff, action) = (stage.staff(), action());
    let first = cost("0.004").draft();
    let version = stage.book().await.version();
    done(staff.create_cost(&first, &action).await.expect("answered"));
    let overlapping = staff.create_cost(&cost("0.005").from("2026-06-01").draft(), &action).await.expect("answered");
    assert_eq!(refusal(&overlapping), Some(Refusal::Overlap), "costs of one key do not overlap");
    let days = DayRange::new(day("2026-12-01"), None).expect("a period");
    let draft = CostDraft { id: CostId(Uuid::from_u128(2)), cost_per_segment: Micros(5_000), days };
    let old = staff.cost(first.id).await.expect("answered").expect("it is there");
    let made: OperatorCost = done(staff.supersede_cost(&old, &draft, &action).await.expect("answered"));
    assert_eq!((made.version, &made.key), (2, &first.key), "a change is the next version of the key");
    let closed = staff.cost(first.id).await.expect("answered").expect("it is kept");
    assert_eq!(closed.days.last(), Some(day("2026-11-30")), "a change closes the day before it begins");
    let cancelled = done(staff.end_cost(made.id, None, day("2026-11-15"), &action).await.expect("answered"));
    assert!(cancelled.cancelled_at.is_some(), "what has not begun is cancelled");
    let listed = staff.costs(&CostFilter::default(), None, 10).await.expect("listed").rows;
    let book = stage.book().await;
    let found = (listed.len(), book.cost_count(), book.version());
    assert_eq!(found, (2, 1, version + 3), "each change of a cost gives the book a version");
}

pub(super) async fn what_was_seen_otherwise_stays<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    let (staff, action, today) = (stage.staff(), action(), day("2026-11-15"));
    let id = stage.add_price(price("0.01")).await;
    let seen = staff.price(id).await.expect("answered").expect("it is there");
    let until = price("0.01").last("2026-12-31").draft().terms.days;
    let shorter = Price { terms: PriceTerms { days: until, ..seen.terms.clone() }, ..seen.clone() };
    let next = price("0.02").from("2026-12-01").draft();
    for (seen, expected) in [(&shorter, Some(Refusal::Changed)), (&seen, None), (&seen, Some(Refusal::Changed))] {
        // A repeated call is the same call, so each is another.
        let next = NewPrice { id: PriceId(Uuid::now_v7()), ..next.clone() };
        let outcome = staff.supersede_price(seen, &next, &action).await.expect("answered");
        assert_eq!(refusal(&outcome), expected, "what was seen otherwise stays");
    }
    let outcome = staff.end_price(id, Some(&seen), today, &action).await.expect("answered");
    assert_eq!(refusal(&outcome), Some(Refusal::Changed), "and does not end");

    let new = cost("0.004").draft();
    let seen = done(staff.create_cost(&new, &action).await.expect("answered"));
    let other = OperatorCost { cost_per_segment: Micros(1), ..seen.clone() };
    let days = DayRange::new(day("2026-12-01"), None).expect("a period");
    let draft = CostDraft { id: CostId(Uuid::from_u128(2)), cost_per_segment: Micros(5_000), days };
    let refused = staff.supersede_cost(&other, &draft, &action).await.expect("answered");
    assert_eq!(refusal(&refused), Some(Refusal::Changed), "likewise a cost");
    let refused = staff.end_cost(new.id, Some(&other), today, &action).await.expect("answered");
    assert_eq!(refusal(&refused), Some(Refusal::Changed), "which does not end either");
    done(staff.end_cost(new.id, Some(&seen), today, &action).await.expect("answered"));
}

pub(super) async fn what_has_ended_meanwhile_does_not_come_back<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    let (staff, action, today) = (stage.staff(), action(), day("2026-11-15"));
    let id = stage.add_price(price("0.01")).await;
    let read = staff.price(id).await.expect("answered").expect("it is there");
    done(staff.end_price(id, None, today, &action).await.expect("answered"));
    let next = price("0.02").from("2026-11-16").draft();
    let outcome = staff.supersede_price(&read, &next, &action).await.expect("answered");
    assert_eq!(refusal(&outcome), Some(Refusal::Changed), "a price that has ended meanwhile does not come back");

    let new = cost("0.004").draft();
    let read = done(staff.create_cost(&new, &action).await.expect("answered"));
    done(staff.end_cost(new.id, None, today, &action).await.expect("answered"));
    let days = DayRange::new(day("2026-11-16"), None).expect("a period");
    let draft = CostDraft { id: CostId(Uuid::from_u128(2)), cost_per_segment: Micros(5_000), days };
    let outcome = staff.supersede_cost(&read, &draft, &action).await.expect("answered");
    assert_eq!(refusal(&outcome), Some(Refusal::Changed), "nor does a cost");
}

pub(super) async fn rated_usage_is_not_priced_otherwise<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    let base = stage.add_price(price("0.01")).await;
    stage.add_cost(cost("0.004")).await;
    stage.record(&[(at(1), event().at("2026-11-10T08:00:00Z"))]).await;
    let mine = event().build().account;
    for (new, expected) in [
        (price("0.02").operator("op-20").from("2026-11-10"), Some(Refusal::RatedUsage)),
        (price("0.02").account(mine).from("2026-11-01").last("2026-11-10"), Some(Refusal::RatedUsage)),
        (price("0.02").operator("op-20").from("2026-11-11"), None),
        (price("0.02").operator("op-01").from("2026-11-01"), None),
        (price("0.02").tier("GROWTH").from("2026-11-01"), None),
        (price("0.02").account(mine).from("2026-11-11"), None),
    ] {
        let outcome = create(stage.staff(), new.clone(), &action()).await;
        assert_eq!(refusal(&outcome), expected, "rated usage is not priced otherwise: {new:?}");
    }
    for (from, expected) in [("2026-11-10", Some(Refusal::RatedUsage)), ("2026-11-11", None)] {
        let outcome = supersede(stage.staff(), base, &price("0.02").from(from)).await;
        assert_eq!(refusal(&outcome), expected, "nor by a new version from {from}");
    }
    let standing = stage.staff().costs(&CostFilter::default(), None, 1).await.expect("listed").rows;
    for (number, from, expected) in [(1, "2026-11-10", Some(Refusal::RatedUsage)), (2, "2026-11-11", None)] {
        let days = DayRange::new(day(from), None).expect("a period");
        let draft = CostDraft { id: CostId(Uuid::from_u128(number)), cost_per_segment: Micros(1), days };
        let outcome = stage.staff().supersede_cost(&standing[0], &draft, &action()).await.expect("answered");
        assert_eq!(refusal(&outcome), expected, "a cost that was pinned is not taken back from {from}");
    }
}
