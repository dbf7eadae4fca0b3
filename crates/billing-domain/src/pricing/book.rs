//! The price book: what rating needs of every price and cost at one version, immutable, and the search order of rules.md
//! ("Which price").

use crate::usage::UsageEvent;
use crate::{CostId, Currency, Day, PriceId};

use super::entry::{BookCost, BookPrice, CostEntry, PriceEntry};
use super::names::Names;
use super::timetable::{Filed, Timetable, Unfit};

/// Prices that cannot stand in one book.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BookError {
    /// Two prices of one key share a day.
    #[error("prices {0} and {1} of one key are in force on one day")]
    PricesOverlap(PriceId, PriceId),
    /// Two costs of one key share a day.
    #[error("operator costs {0} and {1} of one key are in force on one day")]
    CostsOverlap(CostId, CostId),
    /// More prices or costs, or more operators times currencies, than can be numbered.
    #[error("a price book holds at most 2^32 prices, and 2^31 pairs of operator and currency")]
    TooMany,
}

/// What rating needs of every price and operator cost at one version.
///
/// Looking up allocates nothing: names were numbered when the book was built. Books of the same prices are equal, in
/// whatever order these were given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PriceBook {
    version: i64,
    names: Names,
    prices: Timetable<PriceEntry>,
    costs: Timetable<CostEntry>,
}

impl PriceBook {
    /// Builds the book of one version.
    ///
    /// # Errors
    /// [`BookError`] when two prices or two costs of one key share a day.
    pub fn build(version: i64, prices: Vec<BookPrice>, costs: Vec<BookCost>) -> Result<Self, BookError> {
        let names = Names::of(&prices, &costs).ok_or(BookError::TooMany)?;
        let prices = prices.into_iter().map(|BookPrice { key, id, unit_price, days, unit, charge_on }| {
            let (scope, lane) = names.price_slot(&key)?;
            Some(Filed { scope, lane, row: PriceEntry { id, unit_price, days, unit, charge_on } })
        });
        let prices = prices.collect::<Option<_>>().ok_or(BookError::TooMany)?;
        let prices = Timetable::build(names.price_scopes(), prices).map_err(|unfit| match unfit {
            Unfit::Overlap(a, b) => BookError::PricesOverlap(a.id, b.id),
            Unfit::TooMany => BookError::TooMany,
        })?;
        let costs = costs.into_iter().map(|BookCost { key, id, cost_per_segment, days }| {
            let (scope, lane) = names.cost_slot(&key)?;
            Some(Filed { scope, lane, row: CostEntry { id, cost_per_segment, days } })
        });
        let costs = costs.collect::<Option<_>>().ok_or(BookError::TooMany)?;
        let costs = Timetable::build(names.cost_scopes(), costs).map_err(|unfit| match unfit {
            Unfit::Overlap(a, b) => BookError::CostsOverlap(a.id, b.id),
            Unfit::TooMany => BookError::TooMany,
        })?;
        Ok(Self { version, names, prices, costs })
    }

    /// The version that the database gave it; every change of a price or cost gives the next.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The number of prices.
    #[must_use]
    pub fn price_count(&self) -> usize {
        self.prices.len()
    }

    /// The number of operator costs.
    #[must_use]
    pub fn cost_count(&self) -> usize {
        self.costs.len()
    }

    /// Every price, by key and first day, in an order that depends on nothing but the book.
    pub fn prices(&self) -> impl Iterator<Item = BookPrice> {
        self.prices.iter().filter_map(|(scope, lane, entry)| {
            let PriceEntry { id, unit_price, days, unit, charge_on } = *entry;
            Some(BookPrice { key: self.names.price_key(scope, lane)?, id, unit_price, days, unit, charge_on })
        })
    }

    /// Every operator cost, by key and first day, in an order that depends on nothing but the book.
    pub fn costs(&self) -> impl Iterator<Item = BookCost> {
        self.costs.iter().filter_map(|(scope, lane, entry)| {
            let CostEntry { id, cost_per_segment, days } = *entry;
            Some(BookCost { key: self.names.cost_key(scope, lane)?, id, cost_per_segment, days })
        })
    }

    /// What one event is looked up by: its names are searched for once.
    pub(super) fn ask(&self, event: &UsageEvent) -> Question {
        Question {
            operator: self.names.operator(&event.operator),
            currency: self.names.currency(event.currency),
            day: Day::of(event.charged_at),
        }
    }

    /// The price in force: account + operator, account + any, tier + operator, tier + any; the first hit wins.
    pub(super) fn price(&self, event: &UsageEvent, question: Question) -> Option<&PriceEntry> {
        let Question { operator, currency, day } = question;
        let lane = |operator| Some(self.names.price_lane(operator, currency?, event.direction));
        let (any, own) = (lane(None)?, operator.and_then(|operator| lane(Some(operator))));
        let in_scope = |scope| {
            let own = own.and_then(|lane| self.prices.in_force(scope, lane, day));
            own.or_else(|| self.prices.in_force(scope, any, day))
        };
        let account = self.names.account_scope(event.account);
        account.and_then(in_scope).or_else(|| in_scope(self.names.tier_scope(&event.tier)?))
    }

    /// The cost in force. An operator that charges in several currencies is costed in the event's when it can be,
    /// else in the first by code: then both amounts are kept and the margin is unknown.
    pub(super) fn cost(&self, event: &UsageEvent, question: Question) -> Option<(Currency, &CostEntry)> {
        let Question { operator, currency, day } = question;
        let scope = Names::cost_scope(operator?, event.direction);
        if let Some(cost) = currency.and_then(|lane| self.costs.in_force(scope, lane, day)) {
            return Some((event.currency, cost));
        }
        let (lane, cost) = self.costs.first_in_force(scope, day)?;
        Some((self.names.currency_of(lane)?, cost))
    }
}

/// An event's names as the book numbers them; `None`: no price or cost has that name.
#[derive(Clone, Copy)]
pub(super) struct Question {
    operator: Option<u32>,
    currency: Option<u32>,
    day: Day,
}
