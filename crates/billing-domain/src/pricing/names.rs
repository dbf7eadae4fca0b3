//! The keys of prices and costs as pairs of numbers, scope and lane, and back. Which row a pair leads to is the
//! timetable's affair.
//!
//! A price's scope is its account or, counted on after the accounts, its tier; its lane is operator, currency and
//! direction. A cost's scope is operator and direction; its lane is the currency.

use crate::usage::Direction;
use crate::{AccountId, Currency, OperatorId, Tier};

use super::cost::CostKey;
use super::entry::{BookCost, BookPrice};
use super::numbered::Numbered;
use super::price::{OperatorMatch, PriceKey, PriceScope};

/// Every name in a book's keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Names {
    accounts: Numbered<AccountId>,
    tiers: Numbered<Tier>,
    operators: Numbered<OperatorId>,
    /// By code. So few that going through them is the fastest search.
    currencies: Vec<Currency>,
}

impl Names {
    /// `None` when 32 bits do not count the scopes or lanes.
    pub(super) fn of(prices: &[BookPrice], costs: &[BookCost]) -> Option<Self> {
        let of_prices = prices.iter().filter_map(|price| match &price.key.operator {
            OperatorMatch::Any => None,
            OperatorMatch::One(operator) => Some(operator),
        });
        let operators = Numbered::new(of_prices.chain(costs.iter().map(|cost| &cost.key.operator)));
        let accounts = Numbered::new(prices.iter().filter_map(|price| match &price.key.scope {
            PriceScope::Account(account) => Some(account),
            PriceScope::Tier(_) => None,
        }));
        let tiers = Numbered::new(prices.iter().filter_map(|price| match &price.key.scope {
            PriceScope::Account(_) => None,
            PriceScope::Tier(tier) => Some(tier),
        }));
        let mut currencies: Vec<Currency> = Vec::new();
        for currency in prices.iter().map(|price| price.key.currency).chain(costs.iter().map(|cost| cost.key.currency))
        {
            if let Err(at) = currencies.binary_search(&currency) {
                currencies.insert(at, currency);
            }
        }
        let names = Self { accounts, tiers, operators, currencies };
        let lanes = (names.operators.len() + 1).checked_mul(names.currencies.len())?.checked_mul(2)?;
        let highest = lanes.max(names.price_scopes()).max(names.cost_scopes());
        u32::try_from(highest).ok().map(|_| names)
    }

    /// How many scopes prices have.
    pub(super) fn price_scopes(&self) -> usize {
        self.accounts.len() + self.tiers.len()
    }

    /// How many scopes costs have.
    pub(super) fn cost_scopes(&self) -> usize {
        self.operators.len() * 2
    }

    pub(super) fn operator(&self, operator: &OperatorId) -> Option<u32> {
        self.operators.number(operator)
    }

    pub(super) fn account_scope(&self, account: AccountId) -> Option<u32> {
        self.accounts.number(&account)
    }

    pub(super) fn tier_scope(&self, tier: &Tier) -> Option<u32> {
        Some(count(self.accounts.len()) + self.tiers.number(tier)?)
    }

    /// The lane of prices for that operator, or for any.
    pub(super) fn price_lane(&self, operator: Option<u32>, currency: u32, direction: Direction) -> u32 {
        let operator = operator.map_or(0, |operator| operator + 1);
        (operator * count(self.currencies.len()) + currency) * 2 + number(direction)
    }

    pub(super) fn cost_scope(operator: u32, direction: Direction) -> u32 {
        operator * 2 + number(direction)
    }

    /// A currency's number, which is the lane of costs in it.
    pub(super) fn currency(&self, currency: Currency) -> Option<u32> {
        (0..).zip(&self.currencies).find_map(|(number, known)| (*known == currency).then_some(number))
    }

    /// Scope and lane of a price.
    pub(super) fn price_slot(&self, key: &PriceKey) -> Option<(u32, u32)> {
        let scope = match &key.scope {
            PriceScope::Account(account) => self.account_scope(*account)?,
            PriceScope::Tier(tier) => self.tier_scope(tier)?,
        };
        let operator = match &key.operator {
            OperatorMatch::Any => None,
            OperatorMatch::One(operator) => Some(self.operator(operator)?),
        };
        Some((scope, self.price_lane(operator, self.currency(key.currency)?, key.direction)))
    }

    /// Scope and lane of a cost.
    pub(super) fn cost_slot(&self, key: &CostKey) -> Option<(u32, u32)> {
        Some((Self::cost_scope(self.operator(&key.operator)?, key.direction), self.currency(key.currency)?))
    }

    /// What [`Names::price_slot`] was made of.
    pub(super) fn price_key(&self, scope: u32, lane: u32) -> Option<PriceKey> {
        let scope = match self.accounts.value(scope) {
            Some(account) => PriceScope::Account(*account),
            None => PriceScope::Tier(self.tiers.value(scope - count(self.accounts.len()))?.clone()),
        };
        let (market, currencies) = (lane / 2, count(self.currencies.len()));
        let operator = match market / currencies {
            0 => OperatorMatch::Any,
            one => OperatorMatch::One(self.operators.value(one - 1)?.clone()),
        };
        let currency = self.currency_of(market % currencies)?;
        Some(PriceKey { scope, operator, direction: direction(lane % 2), currency })
    }

    /// What [`Names::cost_slot`] was made of.
    pub(super) fn cost_key(&self, scope: u32, lane: u32) -> Option<CostKey> {
        let operator = self.operators.value(scope / 2)?.clone();
        Some(CostKey { operator, direction: direction(scope % 2), currency: self.currency_of(lane)? })
    }

    pub(super) fn currency_of(&self, number: u32) -> Option<Currency> {
        self.currencies.get(usize::try_from(number).ok()?).copied()
    }
}

/// [`Names::of`] has seen that it fits.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn number(direction: Direction) -> u32 {
    match direction {
        Direction::Mt => 0,
        Direction::Mo => 1,
    }
}

fn direction(number: u32) -> Direction {
    if number == 0 { Direction::Mt } else { Direction::Mo }
}
