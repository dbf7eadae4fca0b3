//! Laws of the book: it finds what a search through everything finds, and gives back what it was made of.

use proptest::prelude::*;

use super::*;
use crate::pricing::entry::{BookCost, BookPrice};

/// Prices by index: scope, operator, direction, currency, first day, length (0: without end), unit price, unit, charge rule.
type Drawn = (u8, u8, bool, bool, i32, i32, i64, bool, bool);

fn drawn() -> impl Strategy<Value = Drawn> {
    let (scope, operator) = (0_u8..4, 0_u8..4);
    let prices = prop_oneof![0_i64..100_000, Just(MAX_UNIT_PRICE.0)];
    (scope, operator, any::<bool>(), any::<bool>(), 0_i32..60, 0_i32..25, prices, any::<bool>(), any::<bool>())
}

fn direction(incoming: bool) -> Direction {
    if incoming { Direction::Mo } else { Direction::Mt }
}

fn currency(local: bool) -> Currency {
    Currency::new(if local { "AFN" } else { "USD" }).unwrap()
}

fn operator(number: u8) -> OperatorId {
    OperatorId::new(&format!("op-{number}")).unwrap()
}

fn period(from: i32, length: i32) -> DayRange {
    let day = |days| Day::from_epoch_days(20_000 + days).unwrap();
    DayRange::new(day(from), (length > 0).then(|| day(from + length))).unwrap()
}

/// Prices of which no two of one key overlap.
fn prices(drawn: &[Drawn]) -> Vec<Price> {
    let mut prices: Vec<Price> = Vec::new();
    for (index, draw) in drawn.iter().enumerate() {
        let (scope, op, incoming, local, from, length, unit_price, flat, delivered) = *draw;
        let mut new = price(
            &index.to_string(),
            ["mine", "GROWTH", "STARTER", "CUSTOM"][usize::from(scope)],
            "*",
            "0",
            period(from, length),
        );
        if op > 0 {
            new.terms.operator = OperatorMatch::One(operator(op));
        }
        (new.terms.direction, new.terms.currency) = (direction(incoming), currency(local));
        new.terms.unit_price = Micros(unit_price);
        new.terms.model = if flat { PricingModel::FlatPerMessage } else { PricingModel::PerSegment };
        new.terms.charge_on = if delivered { ChargeOn::Delivered } else { ChargeOn::AnyTerminal };
        if prices.iter().all(|old| old.terms.key() != new.terms.key() || !old.terms.days.overlaps(new.terms.days)) {
            prices.push(new);
        }
    }
    prices
}

fn costs(drawn: &[Drawn]) -> Vec<OperatorCost> {
    let mut costs: Vec<OperatorCost> = Vec::new();
    for (index, draw) in drawn.iter().enumerate() {
        let (_, op, incoming, local, from, length, amount, ..) = *draw;
        let mut new = cost(&index.to_string(), "op-1", "USD", "0", period(from, length));
        new.key = CostKey { operator: operator(op), direction: direction(incoming), currency: currency(local) };
        new.cost_per_segment = Micros(amount);
        if costs.iter().all(|old| old.key != new.key || !old.days.overlaps(new.days)) {
            costs.push(new);
        }
    }
    costs
}

fn events() -> impl Strategy<Value = UsageEvent> {
    let names = (any::<bool>(), 0_usize..4, 0_u8..5);
    (names, any::<bool>(), any::<bool>(), 0_i32..90, 1_i64..=10, 0_usize..5).prop_map(
        |((is_mine, tier, op), incoming, local, day, segments, status)| UsageEvent {
            account: if is_mine { mine() } else { AccountId(Uuid::from_u128(77)) },
            operator: operator(op),
            direction: direction(incoming),
            currency: currency(local),
            segments: SegmentCount::new(segments).unwrap(),
            charged_at: Day::from_epoch_days(20_000 + day).unwrap().start(),
            dlr_status: DlrStatus::ALL[status],
            ..event(["GROWTH", "STARTER", "CUSTOM", "OTHER"][tier], "op-1", "2026-10-05T08:00:00Z")
        },
    )
}

/// What the rules say, word by word: price, units, amount; cost, amount.
type Expected = Option<(PriceId, i128, i128, Option<(CostId, i128)>)>;

fn by_the_rules(prices: &[Price], costs: &[OperatorCost], event: &UsageEvent) -> Expected {
    let day = Day::of(event.charged_at).epoch_days();
    let holds =
        |days: DayRange| days.from().epoch_days() <= day && days.last().is_none_or(|last| day <= last.epoch_days());
    let steps: [(bool, bool); 4] = [(true, true), (true, false), (false, true), (false, false)];
    let price = steps.into_iter().find_map(|(of_account, of_operator)| {
        prices.iter().find(|price| {
            let terms = &price.terms;
            let scope = match terms.account {
                Some(account) => of_account && account == event.account,
                None => !of_account && terms.tier == event.tier,
            };
            let operator = match &terms.operator {
                OperatorMatch::One(operator) => of_operator && *operator == event.operator,
                OperatorMatch::Any => !of_operator,
            };
            let traffic = terms.direction == event.direction && terms.currency == event.currency;
            scope && operator && traffic && holds(terms.days)
        })
    })?;
    let charged = price.terms.charge_on == ChargeOn::AnyTerminal || event.dlr_status == DlrStatus::Delivered;
    let segments = i128::from(event.segments.get());
    let units = match price.terms.model {
        _ if !charged => 0,
        PricingModel::FlatPerMessage => 1,
        _ => segments,
    };
    let cost_in = |code: &str| {
        costs.iter().find(|cost| {
            let key = &cost.key;
            let traffic = key.operator == event.operator && key.direction == event.direction;
            traffic && key.currency.code() == code && holds(cost.days)
        })
    };
    let cost = [event.currency.code(), "AFN", "USD"].into_iter().find_map(cost_in);
    let cost = cost.map(|cost| (cost.id, segments * i128::from(cost.cost_per_segment.0)));
    Some((price.id, units, units * i128::from(price.terms.unit_price.0), cost))
}

proptest! {
    #[test]
    fn the_book_rates_as_a_search_through_everything_does(
        of_prices in prop::collection::vec(drawn(), 0..60),
        of_costs in prop::collection::vec(drawn(), 0..20),
        events in prop::collection::vec(events(), 1..20),
    ) {
        let (prices, costs) = (prices(&of_prices), costs(&of_costs));
        let book = book(&prices, &costs).unwrap();
        for event in events {
            let found = match book.rate(&event).unwrap() {
                Rating::NoPrice => None,
                Rating::Rated(Rated { price, units, amount, cost }) => {
                    let cost = cost.map(|share| (share.cost, i128::from(share.amount.0)));
                    Some((price, i128::from(units), i128::from(amount.0), cost))
                }
            };
            prop_assert_eq!(found, by_the_rules(&prices, &costs, &event), "{:?}", event);
        }
    }

    #[test]
    fn the_book_gives_back_what_it_was_made_of_whatever_the_order(
        of_prices in prop::collection::vec(drawn(), 0..30),
        of_costs in prop::collection::vec(drawn(), 0..20),
    ) {
        let (mut prices, mut costs) = (prices(&of_prices), costs(&of_costs));
        let forward = book(&prices, &costs).unwrap();
        let mut given: Vec<_> = prices.iter().map(BookPrice::from).collect();
        given.sort_by_key(|price| (price.key.clone(), price.days.from()));
        let mut found: Vec<_> = forward.prices().collect();
        found.sort_by_key(|price| (price.key.clone(), price.days.from()));
        prop_assert_eq!((forward.price_count(), found), (given.len(), given));
        let mut given: Vec<_> = costs.iter().map(BookCost::from).collect();
        given.sort_by_key(|cost| (cost.key.clone(), cost.days.from()));
        prop_assert_eq!((forward.cost_count(), forward.costs().collect::<Vec<_>>()), (given.len(), given));
        prices.reverse();
        costs.reverse();
        let backward = book(&prices, &costs).unwrap();
        prop_assert!(forward.prices().eq(backward.prices()) && forward == backward);
    }
}
