//! The explanation says what rating does, in words.

use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::pricing::{ChargeOn, CostKey, PricingModel, Rating, sample_price};
use crate::{CostId, DayRange, MessageId, PriceBook, TenantId};

fn mine() -> AccountId {
    AccountId(Uuid::from_u128(1))
}

fn on(offset: i32) -> Day {
    Day::from_epoch_days(20_000 + offset).unwrap()
}

/// `whose` is a tier or `mine`; in force on `length` days from the day `from`.
fn price(number: usize, whose: &str, operator: &str, from: i32, length: i32) -> Price {
    let mut price = sample_price("0.012").unwrap();
    price.id = PriceId(Uuid::from_u128(1_000 + number as u128));
    price.terms.account = (whose == "mine").then(mine);
    price.terms.tier = Tier::new(if whose == "mine" { "CUSTOM" } else { whose }).unwrap();
    if operator != "*" {
        price.terms.operator = OperatorMatch::One(OperatorId::new(operator).unwrap());
    }
    price.terms.days = DayRange::new(on(from), Some(on(from + length))).unwrap();
    price
}

fn cost(number: usize, operator: &str, currency: &str, from: i32, length: i32) -> OperatorCost {
    let currency = Currency::new(currency).unwrap();
    OperatorCost {
        id: CostId(Uuid::from_u128(2_000 + number as u128)),
        key: CostKey { operator: OperatorId::new(operator).unwrap(), direction: Direction::Mt, currency },
        cost_per_segment: Micros(4_000),
        days: DayRange::new(on(from), Some(on(from + length))).unwrap(),
        version: 1,
        created_by: "test".into(),
        created_at: Timestamp::UNIX_EPOCH,
        cancelled_at: None,
    }
}

fn event(day: i32, operator: &str) -> UsageEvent {
    UsageEvent {
        message: MessageId(Uuid::from_u128(9)),
        tenant: TenantId(Uuid::from_u128(2)),
        account: mine(),
        tier: Tier::new("GROWTH").unwrap(),
        operator: OperatorId::new(operator).unwrap(),
        direction: Direction::Mt,
        segments: SegmentCount::new(3).unwrap(),
        currency: Currency::new("USD").unwrap(),
        charged_at: on(day).start(),
        dlr_status: DlrStatus::Delivered,
    }
}

fn shown(resolution: &Resolution<'_>) -> String {
    let candidates = resolution.candidates.map(|(_, price)| if price.is_some() { 'x' } else { '-' });
    format!("{} {}", String::from_iter(candidates), resolution.reason())
}

#[test]
fn each_rule_shows_its_price_and_the_first_hit_wins() {
    let all = [
        price(0, "mine", "op-1", 0, 10),
        price(1, "mine", "*", 0, 10),
        price(2, "GROWTH", "op-1", 0, 10),
        price(3, "GROWTH", "*", 0, 10),
    ];
    let less = "first hit, nothing more specific has a price on that day";
    let none = "none of the four keys has a price on that day".to_owned();
    for (there, day, operator, expected) in [
        (&all[..], 0, "op-1", "xxxx account + operator: first hit".to_owned()),
        (&all[1..], 9, "op-1", format!("-xxx account + *: {less}")),
        (&all[2..], 5, "op-1", format!("--xx tier + operator: {less}")),
        (&all[..], 5, "op-2", format!("-x-x account + *: {less}")),
        (&all[3..], 5, "op-2", format!("---x tier + *: {less}")),
        (&all[..], 10, "op-1", format!("---- {none}")),
        (&all[..0], 5, "op-1", format!("---- {none}")),
    ] {
        let enquiry = PriceEnquiry::of(&event(day, operator));
        assert_eq!(shown(&resolve(there, &enquiry)), expected, "{operator} on {day}");
        // About the tier alone, no account's own price is a candidate.
        let of_tier = PriceEnquiry { account: None, ..enquiry };
        assert!(shown(&resolve(there, &of_tier)).starts_with("--"));
    }
    let mut cancelled = all.clone();
    cancelled[0].cancelled_at = Some(Timestamp::UNIX_EPOCH);
    let enquiry = PriceEnquiry::of(&event(5, "op-1"));
    assert_eq!(shown(&resolve(&cancelled, &enquiry)), format!("-xxx account + *: {less}"));
    for (price, rule) in all.iter().zip(Rule::ALL) {
        assert_eq!(enquiry.rule_of(&price.terms), Some(rule));
    }
    assert_eq!(enquiry.rule_of(&price(9, "STARTER", "*", 0, 1).terms), None);
}

#[test]
fn the_arithmetic_reads_like_a_sentence() {
    let (per_segment, flat) = (PricingModel::PerSegment, PricingModel::FlatPerMessage);
    for (model, charge_on, segments, status, expected) in [
        (&per_segment, ChargeOn::AnyTerminal, 3, DlrStatus::Failed, "3 segments × 0.012000 USD = 0.036000 USD"),
        (&per_segment, ChargeOn::Delivered, 1, DlrStatus::Delivered, "1 segment × 0.012000 USD = 0.012000 USD"),
        (&flat, ChargeOn::AnyTerminal, 3, DlrStatus::Expired, "1 message × 0.012000 USD = 0.012000 USD"),
        (&per_segment, ChargeOn::Delivered, 3, DlrStatus::Undelivered, "UNDELIVERED is not charged: 0 units"),
        (&flat, ChargeOn::Delivered, 3, DlrStatus::Rejected, "REJECTED is not charged: 0 units"),
    ] {
        let mut terms = price(0, "GROWTH", "*", 0, 10).terms;
        (terms.model, terms.charge_on) = (model.clone(), charge_on);
        let arithmetic = Arithmetic::of(&terms, SegmentCount::new(segments).unwrap(), status).unwrap();
        assert_eq!(arithmetic.to_string(), expected);
        assert_eq!(arithmetic.amount, terms.unit_price.times(u32::from(arithmetic.units)).unwrap());
    }
}

#[test]
fn a_margin_is_known_or_says_why_not() {
    let [usd, afn] = ["USD", "AFN"].map(|code| Currency::new(code).unwrap());
    let cost = |currency| CostShare { cost: CostId(Uuid::nil()), amount: Micros(50_000), currency };
    for (cost, expected) in [
        (Some(cost(usd)), Ok(Micros(-14_000))),
        (Some(cost(afn)), Err("the operator charges in AFN, the customer pays in USD".to_owned())),
        (None, Err("no operator cost is in force on that day".to_owned())),
    ] {
        assert_eq!(margin(Micros(36_000), usd, cost.as_ref()).map_err(|unknown| unknown.to_string()), expected);
    }
}

#[test]
fn what_was_changed_after_rating_is_told() {
    let enquiry = PriceEnquiry::of(&event(5, "op-1"));
    let pinned = price(0, "GROWTH", "*", 0, 10);
    let later = price(1, "mine", "*", 0, 10);
    let cancelled = Price { cancelled_at: Some(Timestamp::UNIX_EPOCH), ..pinned.clone() };
    let shortened = price(0, "GROWTH", "*", 0, 5);
    let other = format!("today's prices would choose account + *, {}", later.id);
    for (pinned, today, expected) in [
        (&pinned, vec![pinned.clone()], None),
        (
            &pinned,
            vec![pinned.clone(), later.clone()],
            Some(format!("the price stands, but was not the first hit of today's prices; {other}")),
        ),
        (
            &cancelled,
            vec![later.clone()],
            Some(format!("the price was cancelled after the message was rated; {other}")),
        ),
        (
            &cancelled,
            vec![],
            Some("the price was cancelled after the message was rated; today's prices have none for it".to_owned()),
        ),
        (
            &shortened,
            vec![shortened.clone()],
            Some(
                "the price was ended before that day after the message was rated; today's prices have none for it"
                    .to_owned(),
            ),
        ),
    ] {
        let drift = Drift::between(pinned, &enquiry, &resolve(&today, &enquiry));
        assert_eq!(drift.map(|drift| drift.to_string()), expected);
    }
}

proptest! {
    /// Price, units, amount and cost are those of the book that holds the same prices and costs.
    #[test]
    fn the_explanation_agrees_with_rating(
        priced in prop::collection::vec((0_i32..40, 1_i32..20, 0_usize..4, 0_usize..3, any::<[bool; 2]>()), 0..30),
        costed in prop::collection::vec((0_i32..40, 1_i32..20, 0_usize..3, 0_usize..3), 0..12),
        asked in 0_i32..60,
        operator in 0_usize..4,
        segments in 1_i64..=10,
        status in 0_usize..5,
    ) {
        let operators = ["*", "op-1", "op-2", "op-3"];
        let mut prices: Vec<Price> = Vec::new();
        for (number, (from, length, whose, operator, [flat, delivered])) in priced.into_iter().enumerate() {
            let whose = ["mine", "GROWTH", "STARTER", "CUSTOM"][whose];
            let mut new = price(number, whose, operators[operator], from, length);
            if flat {
                new.terms.model = PricingModel::FlatPerMessage;
            }
            if delivered {
                new.terms.charge_on = ChargeOn::Delivered;
            }
            if prices.iter().all(|old| old.terms.key() != new.terms.key() || !old.terms.days.overlaps(new.terms.days)) {
                prices.push(new);
            }
        }
        let mut costs: Vec<OperatorCost> = Vec::new();
        for (number, (from, length, operator, currency)) in costed.into_iter().enumerate() {
            let new = cost(number, operators[operator + 1], ["USD", "AFN", "EUR"][currency], from, length);
            if costs.iter().all(|old| old.key != new.key || !old.days.overlaps(new.days)) {
                costs.push(new);
            }
        }
        let mut event = event(asked, if operator == 0 { "op-9" } else { operators[operator] });
        event.segments = SegmentCount::new(segments).unwrap();
        event.dlr_status = DlrStatus::ALL[status];
        let (book_prices, book_costs) = (prices.iter().map(Into::into).collect(), costs.iter().map(Into::into).collect());
        let book = PriceBook::build(1, book_prices, book_costs).unwrap();

        let enquiry = PriceEnquiry::of(&event);
        let resolution = resolve(&prices, &enquiry);
        prop_assert_eq!(cost_share(&costs, &enquiry, event.segments).unwrap(), book.cost_share(&event).unwrap());
        match (book.rate(&event).unwrap(), resolution.winner) {
            (Rating::NoPrice, None) => {}
            (Rating::Rated(rated), Some((rule, price))) => {
                let arithmetic = Arithmetic::of(&price.terms, event.segments, event.dlr_status).unwrap();
                prop_assert_eq!((rated.price, rated.units, rated.amount), (price.id, arithmetic.units, arithmetic.amount));
                prop_assert_eq!(enquiry.rule_of(&price.terms), Some(rule));
                let known = margin(rated.amount, event.currency, rated.cost.as_ref());
                prop_assert_eq!(known.ok().map(|margin| margin.0), rated.margin(event.currency));
            }
            (rating, winner) => prop_assert!(false, "{:?} is not {:?}", rating, winner),
        }
    }
}
