//! The price book: every price and cost at one version, immutable, and the search order of rules.md ("Which price").

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

use crate::usage::Direction;
use crate::{AccountId, CostId, Currency, Day, OperatorCost, Price, PriceId, Tier};

use super::price::{OperatorMatch, PriceScope};

/// Prices that cannot stand in one book.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BookError {
    /// Two prices of one key share a day.
    #[error("prices {0} and {1} of one key are in force on one day")]
    PricesOverlap(PriceId, PriceId),
    /// Two costs of one key share a day.
    #[error("operator costs {0} and {1} of one key are in force on one day")]
    CostsOverlap(CostId, CostId),
    /// More prices than can be numbered.
    #[error("a price book holds at most 2^32 prices")]
    TooMany,
}

/// Every price and operator cost at one version.
///
/// Looking up allocates nothing; names are numbered once, when the book is built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PriceBook {
    version: i64,
    names: HashMap<Box<str>, u32>,
    prices: Vec<Price>,
    price_keys: HashMap<PriceSlot, Range<u32>>,
    costs: Vec<OperatorCost>,
    cost_keys: HashMap<(u32, Direction), Range<u32>>,
}

/// A price key by numbers. An account's 128 bits stand as they are, a tier's number beside a marker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct PriceSlot {
    scope: Scope,
    operator: Option<u32>,
    direction: Direction,
    currency: Currency,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Scope {
    Account(AccountId),
    Tier(u32),
}

/// What a price is looked up by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PriceQuestion<'a> {
    pub(crate) account: AccountId,
    pub(crate) tier: &'a Tier,
    pub(crate) operator: &'a str,
    pub(crate) direction: Direction,
    pub(crate) currency: Currency,
    pub(crate) day: Day,
}

impl PriceBook {
    /// Builds the book of one version.
    ///
    /// # Errors
    /// [`BookError`] when two prices or two costs of one key share a day.
    pub fn build(version: i64, mut prices: Vec<Price>, mut costs: Vec<OperatorCost>) -> Result<Self, BookError> {
        prices.sort_by_key(|price| (price.terms.key(), price.terms.days.from()));
        costs.sort_by(|a, b| {
            (&a.key.operator, a.key.direction, a.key.currency, a.days.from()).cmp(&(
                &b.key.operator,
                b.key.direction,
                b.key.currency,
                b.days.from(),
            ))
        });
        refuse_overlaps(&prices, &costs)?;
        let mut names = Names::default();
        let price_keys = ranges(&prices, |price| {
            let terms = &price.terms;
            let key = terms.key();
            Ok(PriceSlot {
                scope: match key.scope {
                    PriceScope::Account(account) => Scope::Account(account),
                    PriceScope::Tier(tier) => Scope::Tier(names.number(tier.as_str())?),
                },
                operator: match &key.operator {
                    OperatorMatch::Any => None,
                    OperatorMatch::One(operator) => Some(names.number(operator.as_str())?),
                },
                direction: key.direction,
                currency: key.currency,
            })
        })?;
        let cost_keys = ranges(&costs, |cost| Ok((names.number(cost.key.operator.as_str())?, cost.key.direction)))?;
        Ok(Self { version, names: names.0, prices, price_keys, costs, cost_keys })
    }

    /// The version that the database gave it; every change of a price or cost gives the next.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Every price, by key and first day.
    #[must_use]
    pub fn prices(&self) -> &[Price] {
        &self.prices
    }

    /// Every operator cost, by key and first day.
    #[must_use]
    pub fn costs(&self) -> &[OperatorCost] {
        &self.costs
    }

    /// The price in force: account + operator, account + any, tier + operator, tier + any; the first hit wins.
    pub(crate) fn price(&self, q: PriceQuestion<'_>) -> Option<&Price> {
        let operator = self.names.get(q.operator).copied();
        let tier = self.names.get(q.tier.as_str()).copied();
        let scopes = [Some(Scope::Account(q.account)), tier.map(Scope::Tier)];
        scopes.into_iter().flatten().find_map(|scope| {
            let own = operator.and_then(|operator| self.price_in(scope, Some(operator), q));
            own.or_else(|| self.price_in(scope, None, q))
        })
    }

    fn price_in(&self, scope: Scope, operator: Option<u32>, q: PriceQuestion<'_>) -> Option<&Price> {
        let slot = PriceSlot { scope, operator, direction: q.direction, currency: q.currency };
        let prices = within(&self.prices, self.price_keys.get(&slot)?);
        let after = prices.partition_point(|price| price.terms.days.from() <= q.day);
        prices[..after].last().filter(|price| price.covers(q.day))
    }

    /// The cost in force. An operator that charges in several currencies is costed in the price's when it can be,
    /// else in the first by code: then both amounts are kept and the margin is unknown.
    pub(crate) fn cost(
        &self,
        operator: &str,
        direction: Direction,
        currency: Currency,
        day: Day,
    ) -> Option<&OperatorCost> {
        let operator = *self.names.get(operator)?;
        let costs = within(&self.costs, self.cost_keys.get(&(operator, direction))?);
        let mut in_force = costs.iter().filter(|cost| cost.days.contains(day));
        let first = in_force.next()?;
        if first.key.currency == currency {
            return Some(first);
        }
        Some(in_force.find(|cost| cost.key.currency == currency).unwrap_or(first))
    }
}

/// Gives each tier and operator text a number.
#[derive(Default)]
struct Names(HashMap<Box<str>, u32>);

impl Names {
    fn number(&mut self, name: &str) -> Result<u32, BookError> {
        if let Some(number) = self.0.get(name) {
            return Ok(*number);
        }
        let number = u32::try_from(self.0.len()).map_err(|_| BookError::TooMany)?;
        self.0.insert(name.into(), number);
        Ok(number)
    }
}

/// Where each key's rows stand in the sorted rows.
fn ranges<T, K: Hash + Eq>(
    rows: &[T],
    mut key: impl FnMut(&T) -> Result<K, BookError>,
) -> Result<HashMap<K, Range<u32>>, BookError> {
    let mut ranges = HashMap::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let index = u32::try_from(index).map_err(|_| BookError::TooMany)?;
        ranges.entry(key(row)?).or_insert(index..index).end = index + 1;
    }
    Ok(ranges)
}

fn within<'a, T>(rows: &'a [T], range: &Range<u32>) -> &'a [T] {
    let index = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
    rows.get(index(range.start)..index(range.end)).unwrap_or_default()
}

fn refuse_overlaps(prices: &[Price], costs: &[OperatorCost]) -> Result<(), BookError> {
    for pair in prices.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        if a.terms.days.overlaps(b.terms.days) && a.terms.key() == b.terms.key() {
            return Err(BookError::PricesOverlap(a.id, b.id));
        }
    }
    for pair in costs.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        if a.days.overlaps(b.days) && a.key == b.key {
            return Err(BookError::CostsOverlap(a.id, b.id));
        }
    }
    Ok(())
}
