//! Which price, and what it comes to: the rules of money, "Which price", as tables.

mod corrections;
mod laws;

use jiff::Timestamp;
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

fn book(prices: &[Price], costs: &[OperatorCost]) -> Result<PriceBook, BookError> {
    PriceBook::build(1, prices.iter().map(Into::into).collect(), costs.iter().map(Into::into).collect())
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
        let prices = there.iter().map(|(whose, op)| price(&format!("{whose} {op}"), whose, op, "0.01", from));
        let book = book(&prices.collect::<Vec<_>>(), &[]).unwrap();
        let expected = there.first().map(|(whose, op)| PriceId(id(&format!("{whose} {op}"))));
        assert_eq!(winner(&book, &event("GROWTH", "op-20", "2026-10-05T08:00:00Z")), expected, "{there:?}");
    }
}

#[test]
fn only_the_same_tier_operator_direction_currency_and_day_match() {
    let only = price("p", "GROWTH", "op-20", "0.01", days("2026-10-01", Some("2026-10-31")));
    let book = book(&[only], &[]).unwrap();
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
        // The day is the one in UTC.
        (|e| e.charged_at = "2026-10-31T23:00:00-04:00".parse().unwrap(), false),
        (|e| e.charged_at = "2026-11-01T03:00:00+04:30".parse().unwrap(), true),
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
    let book = book(&prices, &[]).unwrap();
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
fn a_gap_between_periods_is_unrated_and_a_price_of_zero_is_not() {
    let prices = [
        price("free", "GROWTH", "*", "0", days("2026-10-01", Some("2026-10-09"))),
        price("later", "GROWTH", "*", "0.01", days("2026-10-12", None)),
    ];
    let book = book(&prices, &[cost("c", "op-20", "USD", "0.004", days("2026-01-01", None))]).unwrap();
    for (at, expected) in
        [("2026-10-05T08:00:00Z", Some(0)), ("2026-10-11T08:00:00Z", None), ("2026-10-12T00:00:00Z", Some(30_000))]
    {
        let amount = match book.rate(&event("GROWTH", "op-20", at)).unwrap() {
            Rating::Rated(rated) => Some(rated.amount.0),
            Rating::NoPrice => None,
        };
        assert_eq!(amount, expected, "{at}");
    }
}

#[test]
fn amounts_follow_the_model_and_charge_on_and_the_cost_always_counts() {
    let step = |above| Step { above, unit_price: Micros(1) };
    let steps = Steps::new(vec![step(1), step(100)]).unwrap();
    let package = Package::new(1_000, Micros(8_000_000)).unwrap();
    let (any, delivered) = (ChargeOn::AnyTerminal, ChargeOn::Delivered);
    for (model, charge_on, status, units, expected) in [
        (PricingModel::PerSegment, any, DlrStatus::Delivered, 3, 37_500),
        (PricingModel::PerSegment, any, DlrStatus::Rejected, 3, 37_500),
        (PricingModel::FlatPerMessage, any, DlrStatus::Failed, 1, 12_500),
        (PricingModel::Graduated(steps.clone()), any, DlrStatus::Delivered, 3, 37_500),
        (PricingModel::Volume(steps), any, DlrStatus::Delivered, 3, 37_500),
        (PricingModel::Package(package), any, DlrStatus::Delivered, 3, 37_500),
        (PricingModel::PerSegment, delivered, DlrStatus::Delivered, 3, 37_500),
        (PricingModel::PerSegment, delivered, DlrStatus::Failed, 0, 0),
        (PricingModel::PerSegment, delivered, DlrStatus::Undelivered, 0, 0),
        (PricingModel::FlatPerMessage, delivered, DlrStatus::Delivered, 1, 12_500),
        (PricingModel::FlatPerMessage, delivered, DlrStatus::Expired, 0, 0),
        (PricingModel::Package(package), delivered, DlrStatus::Rejected, 0, 0),
    ] {
        let mut only = price("p", "GROWTH", "*", "0.0125", days("2026-01-01", None));
        (only.terms.model, only.terms.charge_on) = (model.clone(), charge_on);
        let costs = [cost("c", "op-20", "USD", "0.004", days("2026-01-01", None))];
        let book = book(&[only], &costs).unwrap();
        let event = UsageEvent { dlr_status: status, ..event("GROWTH", "op-20", "2026-10-05T08:00:00Z") };
        let share = CostShare { cost: CostId(id("c")), amount: Micros(12_000), currency: event.currency };
        let rated = Rated { price: PriceId(id("p")), units, amount: Micros(expected), cost: Some(share) };
        assert_eq!(book.rate(&event), Ok(Rating::Rated(rated)), "{model:?} {charge_on:?} {status:?}");
    }
}

#[test]
fn a_cost_is_the_one_in_force_preferably_in_the_currency_of_the_price_and_never_guessed() {
    let always = days("2026-01-01", None);
    let mut incoming = cost("incoming", "op-20", "USD", "0.001", always);
    incoming.key.direction = Direction::Mo;
    let of = |currency: &str| cost(currency, "op-20", currency, "0.5", always);
    for (costs, expected) in [
        (vec![], None),
        (vec![cost("other", "op-21", "USD", "0.001", always)], None),
        (vec![incoming], None),
        (vec![cost("past", "op-20", "USD", "0.001", days("2026-01-01", Some("2026-10-04")))], None),
        (vec![cost("future", "op-20", "USD", "0.001", days("2026-10-06", None))], None),
        (vec![cost("day", "op-20", "USD", "0", days("2026-10-05", Some("2026-10-05")))], Some("day")),
        (vec![of("AFN")], Some("AFN")),
        (vec![of("EUR"), of("AFN")], Some("AFN")),
        (vec![of("AFN"), of("EUR"), of("USD")], Some("USD")),
        (vec![of("USD"), of("AFN")], Some("USD")),
        // An old one in the price's currency is no better than none.
        (vec![cost("past", "op-20", "USD", "1", days("2026-01-01", Some("2026-10-04"))), of("EUR")], Some("EUR")),
    ] {
        let book = book(&[price("p", "GROWTH", "*", "0.01", always)], &costs).unwrap();
        let event = event("GROWTH", "op-20", "2026-10-05T08:00:00Z");
        let Rating::Rated(rated) = book.rate(&event).unwrap() else { panic!("there is a price") };
        assert_eq!(rated.cost.map(|share| share.cost), expected.map(|name| CostId(id(name))), "{costs:?}");
        assert_eq!(book.cost_share(&event).unwrap(), rated.cost);
    }
}

#[test]
fn the_margin_is_price_minus_cost_in_one_currency_and_may_be_negative() {
    for (costs, expected) in [
        (vec![("USD", "0")], Some(30_000)),
        (vec![("USD", "0.004")], Some(18_000)),
        (vec![("USD", "0.011")], Some(-3_000)),
        (vec![("AFN", "0.004")], None),
        (vec![], None),
    ] {
        let always = days("2026-01-01", None);
        let costs: Vec<_> = costs.iter().map(|(code, amount)| cost("c", "op-20", code, amount, always)).collect();
        let book = book(&[price("p", "GROWTH", "*", "0.01", always)], &costs).unwrap();
        let event = event("GROWTH", "op-20", "2026-10-05T08:00:00Z");
        let Rating::Rated(rated) = book.rate(&event).unwrap() else { panic!("there is a price") };
        assert_eq!(rated.margin(event.currency), expected, "{costs:?}");
    }
}

#[test]
fn periods_of_one_key_do_not_overlap() {
    let (january, from_last, from_next) =
        (days("2026-01-01", Some("2026-01-31")), days("2026-01-31", None), days("2026-02-01", None));
    type Change = fn(&mut Price);
    let same: Change = |_| {};
    for (change, period, fits) in [
        (same, from_last, false),
        (same, days("2025-01-01", None), false),
        (same, days("2026-01-10", Some("2026-01-10")), false),
        (same, from_next, true),
        (same, days("2025-01-01", Some("2025-12-31")), true),
        (|p| p.terms.unit_price = Micros(1), from_last, false),
        (|p| p.terms.model = PricingModel::FlatPerMessage, from_last, false),
        (|p| p.terms.tier = Tier::new("STARTER").unwrap(), from_last, true),
        (|p| p.terms.account = Some(mine()), from_last, true),
        (|p| p.terms.operator = OperatorMatch::One(OperatorId::new("op-20").unwrap()), from_last, true),
        (|p| p.terms.direction = Direction::Mo, from_last, true),
        (|p| p.terms.currency = Currency::new("AFN").unwrap(), from_last, true),
    ] {
        let (a, mut b) = (price("a", "GROWTH", "*", "1", january), price("b", "GROWTH", "*", "1", period));
        change(&mut b);
        for both in [[a.clone(), b.clone()], [b.clone(), a]] {
            let built = book(&both, &[]);
            assert_eq!(built.is_ok(), fits, "{b:?}");
            assert!(fits || matches!(built, Err(BookError::PricesOverlap(..))), "{b:?}");
        }
    }
    // Of one account, whatever tier it is listed under.
    let mut listed = [price("a", "mine", "*", "1", january), price("b", "mine", "*", "1", from_last)];
    listed[1].terms.tier = Tier::new("GROWTH").unwrap();
    assert!(matches!(book(&listed, &[]), Err(BookError::PricesOverlap(..))));
    for (currency, period, fits) in [("USD", from_last, false), ("USD", from_next, true), ("AFN", from_last, true)] {
        let costs = [cost("a", "op", "USD", "1", january), cost("b", "op", currency, "1", period)];
        let built = book(&[], &costs);
        assert!(if fits { built.is_ok() } else { matches!(built, Err(BookError::CostsOverlap(..))) }, "{currency}");
    }
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
