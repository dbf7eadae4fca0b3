//! What is earned on a segment of each key of a deck, on the first day of its line.
//!
//! Price minus cost, when both have one currency. Of a price for each message: on a message of one segment. A price for
//! any operator earns what it earns with each operator that charges something and has no price of its own there.

use std::collections::{HashMap, HashSet};

use crate::pricing::{CostKey, OperatorMatch, PriceKey, PriceScope, PriceTerms};
use crate::usage::Direction;
use crate::{Currency, Day, Micros};

use super::{CostTerms, DeckPlan, DeckPrice};

/// So many margins are listed; all are counted.
pub const MARGINS_LISTED_MAX: usize = 10_000;

/// What is earned on one key with one operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyMargin {
    /// The line that is about it.
    pub line: u32,
    /// Whose price, and for which operator: any only when no operator charges anything.
    pub key: PriceKey,
    /// The first day of the line.
    pub day: Day,
    /// What the customer pays.
    pub unit_price: Micros,
    /// What the operator charges; `None`: no cost in this currency is known.
    pub cost: Option<Micros>,
}

impl KeyMargin {
    /// Price minus cost, if there is one.
    #[must_use]
    pub fn margin(&self) -> Option<Micros> {
        // Both are at least 0, so nothing overflows.
        self.cost.map(|cost| Micros(self.unit_price.0 - cost.0))
    }

    /// Whether each segment costs more than it brings.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        self.cost.is_some_and(|cost| cost > self.unit_price)
    }
}

/// The margins of a deck.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Margins {
    /// All of them.
    pub count: usize,
    /// Those below zero.
    pub losses: usize,
    /// Those without a cost.
    pub unknown: usize,
    /// Losses first, the greatest on top; then what is not known; then the rest by line. At most
    /// [`MARGINS_LISTED_MAX`].
    pub listed: Vec<KeyMargin>,
}

/// Of the lines of a deck of prices, at these costs.
#[must_use]
pub fn price_margins(plan: &DeckPlan<DeckPrice>, costs: &[CostTerms]) -> Margins {
    let mut lanes: HashMap<(Direction, Currency), Vec<&CostTerms>> = HashMap::new();
    let mut by_key: HashMap<&CostKey, Vec<&CostTerms>> = HashMap::new();
    for cost in costs {
        lanes.entry((cost.key.direction, cost.key.currency)).or_default().push(cost);
        by_key.entry(&cost.key).or_default().push(cost);
    }
    let mut collector = Collector::default();
    for (line, terms) in plan.lines() {
        let (key, day, unit_price) = (terms.key(), terms.days.from(), terms.unit_price);
        let row = |key, cost| KeyMargin { line, key, day, unit_price, cost };
        if let OperatorMatch::One(operator) = &key.operator {
            let cost_key = CostKey { operator: operator.clone(), direction: key.direction, currency: key.currency };
            let costs = by_key.get(&cost_key).into_iter().flatten();
            let cost = costs.copied().find_map(|cost| in_force(cost, day));
            collector.add(unit_price, cost, || row(key, cost));
            continue;
        }
        let mut charges_any = false;
        for cost in lanes.get(&(key.direction, key.currency)).into_iter().flatten() {
            let Some(amount) = in_force(cost, day) else { continue };
            charges_any = true;
            let own = PriceKey { operator: OperatorMatch::One(cost.key.operator.clone()), ..key.clone() };
            let has_own = plan.after.get(&own).is_some_and(|terms| terms.iter().any(|own| own.days.contains(day)));
            if !has_own {
                collector.add(unit_price, Some(amount), || row(own, Some(amount)));
            }
        }
        if !charges_any {
            collector.add(unit_price, None, || row(key, None));
        }
    }
    collector.finish()
}

/// What prices share that one operator cost bears on.
type Lane<'a> = (Direction, Currency, &'a OperatorMatch);

/// Of the prices that a deck of costs is about.
#[must_use]
pub fn cost_margins(plan: &DeckPlan<CostTerms>, prices: &[PriceTerms]) -> Margins {
    let mut lanes: HashMap<Lane<'_>, Vec<(PriceScope, &PriceTerms)>> = HashMap::new();
    for price in prices {
        let lane = lanes.entry((price.direction, price.currency, &price.operator)).or_default();
        lane.push((price.key().scope, price));
    }
    let mut collector = Collector::default();
    for (line, terms) in plan.lines() {
        let (CostKey { operator, direction, currency }, day) = (&terms.key, terms.days.from());
        let (operator, amount) = (OperatorMatch::One(operator.clone()), terms.cost_per_segment);
        let in_force = |asked| {
            let lane = lanes.get(&(*direction, *currency, asked)).into_iter().flatten();
            lane.filter(|(_, price)| price.days.contains(day))
        };
        let own: HashSet<&PriceScope> = in_force(&operator).map(|(scope, _)| scope).collect();
        let others = in_force(&OperatorMatch::Any).filter(|(scope, _)| own.is_empty() || !own.contains(scope));
        for (scope, price) in in_force(&operator).chain(others) {
            collector.add(price.unit_price, Some(amount), || KeyMargin {
                line,
                key: PriceKey { scope: scope.clone(), operator: operator.clone(), ..price.key() },
                day,
                unit_price: price.unit_price,
                cost: Some(amount),
            });
        }
    }
    collector.finish()
}

fn in_force(cost: &CostTerms, day: Day) -> Option<Micros> {
    cost.days.contains(day).then_some(cost.cost_per_segment)
}

/// Counts everything and keeps what is to be listed.
#[derive(Default)]
struct Collector {
    margins: Margins,
    losses: Vec<KeyMargin>,
    unknown: Vec<KeyMargin>,
    rest: Vec<KeyMargin>,
}

impl Collector {
    /// `row` is made only if it is to be listed.
    fn add(&mut self, unit_price: Micros, cost: Option<Micros>, row: impl FnOnce() -> KeyMargin) {
        self.margins.count += 1;
        let list = match cost {
            None => {
                self.margins.unknown += 1;
                &mut self.unknown
            }
            Some(cost) if cost > unit_price => {
                self.margins.losses += 1;
                &mut self.losses
            }
            Some(_) => &mut self.rest,
        };
        if list.len() < MARGINS_LISTED_MAX {
            list.push(row());
        }
    }

    fn finish(mut self) -> Margins {
        self.losses.sort_by_key(|row| (row.margin(), row.line));
        for list in [&mut self.unknown, &mut self.rest] {
            list.sort_by_key(|row| row.line);
        }
        let mut listed = self.losses;
        listed.append(&mut self.unknown);
        listed.append(&mut self.rest);
        listed.truncate(MARGINS_LISTED_MAX);
        Margins { listed, ..self.margins }
    }
}
