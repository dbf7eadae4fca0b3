//! A large book and events that hit all of it, from a seed: the same in every run and for all who are measured.

use billing_domain::pricing::{
    BookCost, BookPrice, ChargeOn, ChargeUnit, CostKey, OperatorMatch, PriceKey, PriceScope,
};
use billing_domain::usage::{Direction, DlrStatus, SegmentCount, UsageEvent};
use billing_domain::{
    AccountId, CostId, Currency, Day, DayRange, MessageId, Micros, OperatorId, PriceId, TenantId, Tier,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use uuid::Uuid;

pub(crate) const PRICES: usize = 100_000;
pub(crate) const EVENTS: usize = 20_000;

const SEED: u64 = 4;
const TIERS: [&str; 5] = ["STARTER", "GROWTH", "ENTERPRISE", "CUSTOM", "Gold 2"];
const CURRENCIES: [&str; 2] = ["USD", "AFN"];
const DIRECTIONS: [Direction; 2] = [Direction::Mt, Direction::Mo];
/// With prices and costs of their own; events come from ten more.
const OPERATORS: u32 = 60;
/// 2025-01-01, and three years.
const FIRST_DAY: i32 = 20_089;
const DAYS: i32 = 1_095;

/// Prices, costs and events.
pub(crate) struct Sample {
    pub(crate) prices: Vec<BookPrice>,
    pub(crate) costs: Vec<BookCost>,
    pub(crate) events: Vec<UsageEvent>,
}

impl Sample {
    /// [`PRICES`] prices of tiers and accounts, for operators and for any, in one to three periods each; half a thousand
    /// costs; [`EVENTS`] events, three of four of accounts with prices of their own.
    pub(crate) fn new() -> Self {
        let mut random = StdRng::seed_from_u64(SEED);
        let mut sample = Self { prices: Vec::with_capacity(PRICES), costs: Vec::new(), events: Vec::new() };
        for (tier, currency) in TIERS.iter().flat_map(|tier| CURRENCIES.map(|currency| (tier, currency))) {
            let tier = PriceScope::Tier(Tier::new(tier).expect("a tier"));
            sample.add_prices(&mut random, &tier, currency, OPERATORS);
        }
        for (operator, direction) in (1..=OPERATORS).flat_map(|operator| DIRECTIONS.map(|way| (operator, way))) {
            sample.add_costs(&mut random, operator, direction);
        }
        let mut accounts = Vec::new();
        while sample.prices.len() < PRICES {
            let account = AccountId(Uuid::from_u128(random.random()));
            let currency = CURRENCIES[usize::from(random.random_ratio(1, 5))];
            let operators = random.random_range(5..=30);
            sample.add_prices(&mut random, &PriceScope::Account(account), currency, operators);
            accounts.push((account, currency));
        }
        sample.prices.truncate(PRICES);
        sample.events = (0..EVENTS).map(|_| event(&mut random, &accounts)).collect();
        sample
    }

    fn add_prices(&mut self, random: &mut StdRng, scope: &PriceScope, currency: &str, operators: u32) {
        for direction in DIRECTIONS {
            for number in 0..=operators {
                let operator = match number {
                    0 => OperatorMatch::Any,
                    number => OperatorMatch::One(operator(number)),
                };
                let currency = Currency::new(currency).expect("a currency");
                let key = PriceKey { scope: scope.clone(), operator, direction, currency };
                for days in periods(random) {
                    self.prices.push(BookPrice {
                        key: key.clone(),
                        id: PriceId(Uuid::from_u128(random.random())),
                        unit_price: Micros(random.random_range(0..200_000)),
                        days,
                        unit: if random.random_ratio(1, 10) { ChargeUnit::Message } else { ChargeUnit::Segment },
                        charge_on: if random.random_ratio(1, 10) { ChargeOn::Delivered } else { ChargeOn::AnyTerminal },
                    });
                }
            }
        }
    }

    fn add_costs(&mut self, random: &mut StdRng, number: u32, direction: Direction) {
        for currency in CURRENCIES.into_iter().take(random.random_range(0..=2)) {
            let currency = Currency::new(currency).expect("a currency");
            let key = CostKey { operator: operator(number), direction, currency };
            for days in periods(random) {
                let (id, cost_per_segment) =
                    (CostId(Uuid::from_u128(random.random())), Micros(random.random_range(0..9_000)));
                self.costs.push(BookCost { key: key.clone(), id, cost_per_segment, days });
            }
        }
    }
}

/// One to three, some with a gap between, some without an end.
fn periods(random: &mut StdRng) -> Vec<DayRange> {
    let count = random.random_range(1..=3);
    let mut from = FIRST_DAY + random.random_range(0..60);
    let mut periods = Vec::new();
    for number in 1..=count {
        let until = from + random.random_range(100..400);
        let open = number == count && random.random_ratio(3, 4);
        let day = |days| Day::from_epoch_days(days).expect("a day");
        periods.push(DayRange::new(day(from), (!open).then(|| day(until))).expect("a period"));
        from = until + if random.random_ratio(1, 8) { 10 } else { 0 };
    }
    periods
}

/// Every id has a text of its own, as when it was read from a database or a message.
fn operator(number: u32) -> OperatorId {
    OperatorId::new(&format!("412{number:02}")).expect("an operator id")
}

fn event(random: &mut StdRng, accounts: &[(AccountId, &str)]) -> UsageEvent {
    let (account, currency) = match random.random_ratio(3, 4) {
        true => *accounts.choose(random).expect("there are accounts"),
        false => (AccountId(Uuid::from_u128(random.random())), *CURRENCIES.choose(random).expect("a currency")),
    };
    let second = i64::from(FIRST_DAY) * 86_400 + random.random_range(0..i64::from(DAYS) * 86_400);
    UsageEvent {
        message: MessageId(Uuid::from_u128(random.random())),
        tenant: TenantId(Uuid::from_u128(1)),
        account,
        tier: Tier::new(TIERS.choose(random).expect("a tier")).expect("a tier"),
        operator: operator(random.random_range(1..=OPERATORS + 10)),
        direction: if random.random_ratio(1, 10) { Direction::Mo } else { Direction::Mt },
        segments: SegmentCount::new(random.random_range(1..=10)).expect("a count"),
        currency: Currency::new(currency).expect("a currency"),
        charged_at: jiff::Timestamp::from_second(second).expect("an instant"),
        dlr_status: *DlrStatus::ALL.choose(random).expect("a status"),
    }
}
