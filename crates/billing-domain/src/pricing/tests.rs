//! Which price, and what it comes to: the rules of money, "Which price", as tables and laws.

use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::usage::{Direction, DlrStatus, SegmentCount, UsageEvent};
use crate::{AccountId, CostId, Currency, Day, DayRange, MessageId, Micros, OperatorId, PriceId, TenantId, Tier};

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn days(from: &str, last: Option<&str>) -> DayRange {
    DayRange::inclusive(day(from), last.map(day)).unwrap()
}

fn id(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

fn mine() -> AccountId {
    AccountId(Uuid::from_u128(1))
}

/// A price by name; `whose` is a tier or `mine`.
fn price(name: &str, whose: &str, operator: &str, unit_price: &str, period: DayRange) -> Price {
    let mut price = sample_price(unit_price).unwrap();
    price.id = PriceId(id(name));
    price.terms.account = (whose == "mine").then(mine);
    price.terms.tier = Tier::new(if whose == "mine" { "CUSTOM" } else { whose }).unwrap();
    if operator != "*" {
        price.terms.operator = OperatorMatch::One(OperatorId::new(operator).unwrap());
    }
    price.terms.days = period;
    price
}

fn cost(name: &str, operator: &str, currency: &str, amount: &str, period: DayRange) -> OperatorCost {
    OperatorCost {
        id: CostId(id(name)),
        key: CostKey {
            operator: OperatorId::new(operator).unwrap(),
            direction: Direction::Mt,
            currency: Currency::new(currency).unwrap(),
        },
        cost_per_segment: Micros::parse(amount).unwrap(),
        days: period,
        version: 1,
        created_by: "test".into(),
        created_at: Timestamp::UNIX_EPOCH,
        cancelled_at: None,
    }
}

fn event(tier: &str, operator: &str, charged_at: &str) -> UsageEvent {
    UsageEvent {
        message: MessageId(Uuid::from_u128(9)),
        tenant: TenantId(Uuid::from_u128(2)),
        account: mine(),
        tier: Tier::new(tier).unwrap(),
        operator: OperatorId::new(operator).unwrap(),
        direction: Direction::Mt,
        segments: SegmentCount::new(3).unwrap(),
        currency: Currency::new("USD").unwrap(),
        charged_at: charged_at.parse().unwrap(),
        dlr_status: DlrStatus::Delivered,
    }
}

fn winner(book: &PriceBook, event: &UsageEvent) -> Option<PriceId> {
    match book.rate(event).unwrap() {
        Rating::Rated(rated) => Some(rated.price),
        Rating::NoPrice => None,
    }
}

#[test]
fn the_first_hit_wins_account_and_operator_account_tier_and_operator_tier() {
    let all = [("mine", "op-20"), ("mine", "*"), ("GROWTH", "op-20"), ("GROWTH", "*")];
    let from = days("2026-01-01", None);
    for present in 0..16_usize {
        let there: Vec<_> = all.iter().enumerate().filter(|(i, _)| present & (1 << i) != 0).map(|(_, p)| *p).collect();
        let prices = there.iter().map(|(whose, op)| price(&format!("{whose} {op}"), whose, op, "0.01", from)).collect();
        let book = PriceBook::build(1, prices, vec![]).unwrap();
        let expected = there.first().map(|(whose, op)| PriceId(id(&format!("{whose} {op}"))));
        assert_eq!(winner(&book, &event("GROWTH", "op-20", "2026-10-05T08:00:00Z")), expected, "{there:?}");
    }
}

#[test]
fn only_the_same_tier_operator_direction_currency_and_day_match() {
    let book = PriceBook::build(
        1,
        vec![price("p", "GROWTH", "op-20", "0.01", days("2026-10-01", Some("2026-10-31")))],
        vec![],
    );
    let book = book.unwrap();
    type Change = fn(&mut UsageEvent);
    let same: Change = |_| {};
    for (change, found) in [
        (same, true),
        (|e| e.tier = Tier::new("STARTER").unwrap(), false),
        (|e| e.operator = OperatorId::new("op-21").unwrap(), false),
        (|e| e.direction = Direction::Mo, false),
        (|e| e.currency = Currency::new("AFN").unwrap(), false),
        (|e| e.account = AccountId(Uuid::from_u128(7)), true),
        (|e| e.charged_at = "2026-10-01T00:00:00Z".parse().unwrap(), true),
        (|e| e.charged_at = "2026-10-31T23:59:59.999999Z".parse().unwrap(), true),
        (|e| e.charged_at = "2026-09-30T23:59:59.999999Z".parse().unwrap(), false),
        (|e| e.charged_at = "2026-11-01T00:00:00Z".parse().unwrap(), false),
    ] {
        let mut event = event("GROWTH", "op-20", "2026-10-05T08:00:00Z");
        change(&mut event);
        assert_eq!(winner(&book, &event).is_some(), found, "{event:?}");
    }
}

#[test]
fn the_version_in_force_at_charged_at_wins_never_the_latest() {
    let prices = vec![
        price("third", "GROWTH", "*", "0.03", days("2026-10-20", None)),
        price("first", "GROWTH", "*", "0.01", days("2026-10-01", Some("2026-10-09"))),
        price("second", "GROWTH", "*", "0.02", days("2026-10-10", Some("2026-10-14"))),
    ];
    let book = PriceBook::build(1, prices, vec![]).unwrap();
    for (at, expected) in [
        ("2026-10-09T23:59:59Z", Some("first")),
        ("2026-10-10T00:00:00Z", Some("second")),
        ("2026-10-15T00:00:00Z", None),
        ("2026-10-19T23:59:59Z", None),
        ("2027-01-01T00:00:00Z", Some("third")),
    ] {
        let found = winner(&book, &event("GROWTH", "op-20", at));
        assert_eq!(found, expected.map(|name| PriceId(id(name))), "{at}");
    }
}

#[test]
fn amounts_follow_the_model_and_what_is_charged() {
    for (model, charge_on, status, expected) in [
        (PricingModel::PerSegment, ChargeOn::AnyTerminal, DlrStatus::Delivered, 37_500),
        (PricingModel::PerSegment, ChargeOn::AnyTerminal, DlrStatus::Rejected, 37_500),
        (PricingModel::FlatPerMessage, ChargeOn::AnyTerminal, DlrStatus::Failed, 12_500),
        (PricingModel::PerSegment, ChargeOn::Delivered, DlrStatus::Delivered, 37_500),
        (PricingModel::PerSegment, ChargeOn::Delivered, DlrStatus::Undelivered, 0),
        (PricingModel::FlatPerMessage, ChargeOn::Delivered, DlrStatus::Expired, 0),
    ] {
        let mut only = price("p", "GROWTH", "*", "0.0125", days("2026-01-01", None));
        (only.terms.model, only.terms.charge_on) = (model, charge_on);
        let costs = vec![cost("c", "op-20", "USD", "0.004", days("2026-01-01", None))];
        let book = PriceBook::build(1, vec![only], costs).unwrap();
        let event = UsageEvent { dlr_status: status, ..event("GROWTH", "op-20", "2026-10-05T08:00:00Z") };
        let Rating::Rated(rated) = book.rate(&event).unwrap() else { panic!("there is a price") };
        assert_eq!(rated.amount.0, expected, "{model:?} {charge_on:?} {status:?}");
        // Whether the customer pays or not, the operator does not carry it for nothing.
        assert_eq!(rated.cost.unwrap().amount.0, 12_000);
        assert_eq!(rated.margin(event.currency), Some(expected - 12_000));
    }
}

#[test]
fn a_cost_is_missing_foreign_or_known_and_never_guessed() {
    let always = days("2026-01-01", None);
    for (costs, expected, has_margin) in [
        (vec![], None, false),
        (vec![cost("other", "op-21", "USD", "0.001", always)], None, false),
        (vec![cost("over", "op-20", "USD", "0.001", days("2026-01-01", Some("2026-10-04")))], None, false),
        (vec![cost("foreign", "op-20", "AFN", "0.5", always)], Some("foreign"), false),
        (
            vec![cost("foreign", "op-20", "AFN", "0.5", always), cost("own", "op-20", "USD", "0.1", always)],
            Some("own"),
            true,
        ),
        (vec![cost("zero", "op-20", "USD", "0", always)], Some("zero"), true),
    ] {
        let book = PriceBook::build(1, vec![price("p", "GROWTH", "*", "0.01", always)], costs).unwrap();
        let event = event("GROWTH", "op-20", "2026-10-05T08:00:00Z");
        let Rating::Rated(rated) = book.rate(&event).unwrap() else { panic!("there is a price") };
        assert_eq!(rated.cost.map(|share| share.cost), expected.map(|name| CostId(id(name))));
        assert_eq!(rated.margin(event.currency).is_some(), has_margin, "{expected:?}");
    }
}

#[test]
fn prices_of_one_key_on_one_day_make_no_book() {
    let (a, b) = (days("2026-01-01", Some("2026-01-31")), days("2026-01-31", None));
    let prices = vec![price("a", "GROWTH", "*", "1", a), price("b", "GROWTH", "*", "1", b)];
    assert!(matches!(PriceBook::build(1, prices, vec![]), Err(BookError::PricesOverlap(..))));
    let costs = vec![cost("a", "op", "USD", "1", a), cost("b", "op", "USD", "1", b)];
    assert!(matches!(PriceBook::build(1, vec![], costs), Err(BookError::CostsOverlap(..))));
    let apart = vec![price("a", "GROWTH", "*", "1", a), price("b", "STARTER", "*", "1", b)];
    assert!(PriceBook::build(1, apart, vec![]).is_ok());
}

#[test]
fn unit_amounts_have_limits_within_which_rating_cannot_overflow() {
    for (text, expected) in [
        ("0", Ok(())),
        ("999999.999999", Ok(())),
        ("1000000", Err(PriceError::TooHigh)),
        ("-0.000001", Err(PriceError::Negative)),
    ] {
        assert_eq!(check_unit_amount(Micros::parse(text).unwrap()).map(|_| ()), expected, "{text}");
    }
    assert!(MAX_UNIT_PRICE.times(10).is_ok());
}

proptest! {
    /// The book finds what a search through every price finds.
    #[test]
    fn the_book_agrees_with_a_linear_search(
        starts in prop::collection::vec((0_i32..60, 1_i32..20, 0_u8..4, 0_usize..3), 0..40),
        asked in 0_i32..80,
        operator in 0_usize..4,
    ) {
        let operators = ["*", "op-1", "op-2", "op-3"];
        let mut prices: Vec<Price> = Vec::new();
        for (index, (from, length, scope, op)) in starts.into_iter().enumerate() {
            let whose = ["mine", "GROWTH", "STARTER", "CUSTOM"][usize::from(scope)];
            let from = Day::from_epoch_days(20_000 + from).unwrap();
            let until = Day::from_epoch_days(from.epoch_days() + length).unwrap();
            let new = price(&index.to_string(), whose, operators[op], "0.01", DayRange::new(from, Some(until)).unwrap());
            if prices.iter().all(|old| old.terms.key() != new.terms.key() || !old.terms.days.overlaps(new.terms.days)) {
                prices.push(new);
            }
        }
        let on = Day::from_epoch_days(20_000 + asked).unwrap();
        let mut event = event("GROWTH", if operator == 0 { "op-9" } else { operators[operator] }, "2026-10-05T08:00:00Z");
        event.charged_at = on.start();
        let rank = |price: &Price| {
            let whose = match &price.terms.key().scope {
                PriceScope::Account(account) => (*account == event.account).then_some(0),
                PriceScope::Tier(tier) => (*tier == event.tier).then_some(2),
            }?;
            let op = match &price.terms.operator {
                OperatorMatch::One(operator) => (*operator == event.operator).then_some(0),
                OperatorMatch::Any => Some(1),
            }?;
            price.covers(on).then_some(whose + op)
        };
        let expected = prices.iter().filter_map(|price| Some((rank(price)?, price.id))).min_by_key(|(rank, _)| *rank);
        let book = PriceBook::build(1, prices.clone(), vec![]).unwrap();
        prop_assert_eq!(winner(&book, &event), expected.map(|(_, id)| id));
    }
}
