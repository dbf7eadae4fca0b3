//! Why this price: the four keys that are asked in order, the price that stood for each, the one that won, and the
//! arithmetic.
//!
//! It explains over a handful of prices what [`PriceBook::rate`](crate::PriceBook::rate) decides over all of them, and
//! always agrees with it. It prices nothing: an event's amounts are those that were pinned when it was rated.

use std::fmt;

use crate::usage::{Direction, DlrStatus, SegmentCount, UsageEvent};
use crate::{AccountId, Currency, Day, Micros, MoneyError, OperatorCost, OperatorId, Price, PriceId, Tier};

use super::price::{ChargeUnit, OperatorMatch, PriceKey, PriceScope, PriceTerms};
use super::rating::CostShare;

/// Which of the four keys; in the order in which they are asked, the first that has a price wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rule {
    /// The account's own price for the operator.
    AccountOperator,
    /// The account's own price for any operator.
    AccountAny,
    /// The tier's price for the operator.
    TierOperator,
    /// The tier's price for any operator.
    TierAny,
}

impl Rule {
    /// In the order in which they are asked.
    pub const ALL: [Self; 4] = [Self::AccountOperator, Self::AccountAny, Self::TierOperator, Self::TierAny];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AccountOperator => "ACCOUNT_OPERATOR",
            Self::AccountAny => "ACCOUNT_ANY",
            Self::TierOperator => "TIER_OPERATOR",
            Self::TierAny => "TIER_ANY",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccountOperator => "account + operator",
            Self::AccountAny => "account + *",
            Self::TierOperator => "tier + operator",
            Self::TierAny => "tier + *",
        })
    }
}

/// For whom, for which traffic and for which day a price is looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PriceEnquiry {
    /// `None` asks about the tier alone: then no account's own price is a candidate.
    pub account: Option<AccountId>,
    /// The account's tier on that day, or the event's own.
    pub tier: Tier,
    /// The operator that carries it.
    pub operator: OperatorId,
    /// To or from the mobile.
    pub direction: Direction,
    /// In which the customer pays.
    pub currency: Currency,
    /// In UTC.
    pub day: Day,
}

impl PriceEnquiry {
    /// What rating asks for an event.
    #[must_use]
    pub fn of(event: &UsageEvent) -> Self {
        Self {
            account: Some(event.account),
            tier: event.tier.clone(),
            operator: event.operator.clone(),
            direction: event.direction,
            currency: event.currency,
            day: Day::of(event.charged_at),
        }
    }

    /// The key that a rule asks for; `None` for an account's key when no account was named.
    #[must_use]
    pub fn key(&self, rule: Rule) -> Option<PriceKey> {
        let scope = match rule {
            Rule::AccountOperator | Rule::AccountAny => PriceScope::Account(self.account?),
            Rule::TierOperator | Rule::TierAny => PriceScope::Tier(self.tier.clone()),
        };
        let operator = match rule {
            Rule::AccountOperator | Rule::TierOperator => OperatorMatch::One(self.operator.clone()),
            Rule::AccountAny | Rule::TierAny => OperatorMatch::Any,
        };
        Some(PriceKey { scope, operator, direction: self.direction, currency: self.currency })
    }

    /// The rule under which a price of these terms is a candidate; `None`: under none.
    #[must_use]
    pub fn rule_of(&self, terms: &PriceTerms) -> Option<Rule> {
        let key = terms.key();
        Rule::ALL.into_iter().find(|rule| self.key(*rule).as_ref() == Some(&key))
    }
}

/// The price that stands for each rule, and the one that wins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resolution<'a> {
    /// In the order in which they are asked; `None`: no price stands for that key on that day.
    pub candidates: [(Rule, Option<&'a Price>); 4],
    /// The first hit; `None`: the usage would wait unrated.
    pub winner: Option<(Rule, &'a Price)>,
}

impl Resolution<'_> {
    /// One line for a person: `account + *: first hit`.
    #[must_use]
    pub fn reason(&self) -> String {
        let Some((rule, _)) = self.winner else { return "none of the four keys has a price on that day".to_owned() };
        match rule {
            Rule::AccountOperator => format!("{rule}: first hit"),
            _ => format!("{rule}: first hit, nothing more specific has a price on that day"),
        }
    }
}

/// Finds among some prices what the book that holds them finds. Cancelled prices and those of other keys and days are
/// passed over.
#[must_use]
pub fn resolve<'a>(prices: &'a [Price], enquiry: &PriceEnquiry) -> Resolution<'a> {
    let candidates = Rule::ALL.map(|rule| {
        let stands = |key: &PriceKey, price: &Price| {
            price.cancelled_at.is_none() && price.covers(enquiry.day) && price.terms.key() == *key
        };
        let price = enquiry.key(rule).and_then(|key| prices.iter().find(|price| stands(&key, price)));
        (rule, price)
    });
    Resolution { candidates, winner: candidates.into_iter().find_map(|(rule, price)| Some((rule, price?))) }
}

/// How an event's amount comes about. Shown as `3 segments × 0.012000 USD = 0.036000 USD`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arithmetic {
    /// What is charged: segments, or 1 message, or 0 when the outcome is not charged.
    pub units: u8,
    /// What the units are.
    pub unit: ChargeUnit,
    /// Of one unit.
    pub unit_price: Micros,
    /// Units × unit price.
    pub amount: Micros,
    /// Of both.
    pub currency: Currency,
    /// The outcome, which may not be charged.
    pub status: DlrStatus,
}

impl Arithmetic {
    /// What a message with so many segments and that outcome comes to by a price.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`], as for [`PriceBook::rate`](crate::PriceBook::rate).
    pub fn of(terms: &PriceTerms, segments: SegmentCount, status: DlrStatus) -> Result<Self, MoneyError> {
        let unit = terms.model.unit();
        let units = match unit {
            _ if !terms.charge_on.charges(status) => 0,
            ChargeUnit::Segment => segments.get(),
            ChargeUnit::Message => 1,
        };
        let (unit_price, currency) = (terms.unit_price, terms.currency);
        Ok(Self { units, unit, unit_price, amount: unit_price.times(u32::from(units))?, currency, status })
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { units, unit_price, amount, currency, .. } = self;
        let unit = match self.unit {
            ChargeUnit::Segment => "segment",
            ChargeUnit::Message => "message",
        };
        match units {
            0 => write!(f, "{} is not charged: 0 units", self.status.name()),
            1 => write!(f, "1 {unit} × {unit_price} {currency} = {amount} {currency}"),
            _ => write!(f, "{units} {unit}s × {unit_price} {currency} = {amount} {currency}"),
        }
    }
}

/// What an operator would charge for so many segments, by the costs in force for its operator and direction on a day: the
/// one in the customer's currency if there is one, else the first by currency code.
///
/// # Errors
/// [`MoneyError::Overflow`], as for [`PriceBook::cost_share`](crate::PriceBook::cost_share).
pub fn cost_share(
    costs: &[OperatorCost],
    enquiry: &PriceEnquiry,
    segments: SegmentCount,
) -> Result<Option<CostShare>, MoneyError> {
    let of_key =
        |cost: &&OperatorCost| cost.key.operator == enquiry.operator && cost.key.direction == enquiry.direction;
    let stands = |cost: &&OperatorCost| cost.cancelled_at.is_none() && cost.days.contains(enquiry.day);
    let in_force = costs.iter().filter(of_key).filter(stands);
    let first = in_force.min_by_key(|cost| (cost.key.currency != enquiry.currency, cost.key.currency.code()));
    let Some(cost) = first else { return Ok(None) };
    let amount = cost.cost_per_segment.times(u32::from(segments.get()))?;
    Ok(Some(CostShare { cost: cost.id, amount, currency: cost.key.currency }))
}

/// Why there is no margin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MarginUnknown {
    /// No operator cost was in force.
    NoCost,
    /// The operator charges in one currency, the customer pays in the other.
    OtherCurrency(Currency, Currency),
}

impl fmt::Display for MarginUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCost => f.write_str("no operator cost is in force on that day"),
            Self::OtherCurrency(cost, price) => {
                write!(f, "the operator charges in {cost}, the customer pays in {price}")
            }
        }
    }
}

/// Amount minus cost when both have one currency, else why not. May be negative.
///
/// # Errors
/// [`MarginUnknown`].
pub fn margin(amount: Micros, currency: Currency, cost: Option<&CostShare>) -> Result<Micros, MarginUnknown> {
    let cost = cost.ok_or(MarginUnknown::NoCost)?;
    if cost.currency != currency {
        return Err(MarginUnknown::OtherCurrency(cost.currency, currency));
    }
    Ok(Micros(amount.0 - cost.amount.0))
}

/// How the prices of today would price a rated event otherwise. The pinned price stays the truth: this only tells that
/// prices were changed after the event was rated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Drift {
    /// What became of the pinned price.
    pub pinned: PinnedState,
    /// What would win today.
    pub today: Option<(Rule, PriceId)>,
}

/// What became of the price by which an event was rated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PinnedState {
    /// It stands, but another one beats it.
    Beaten,
    /// It was taken out of the book.
    Cancelled,
    /// It is not in force on the event's day any more.
    Shortened,
}

impl Drift {
    /// Compares the pinned price with what the prices of today say; `None` when they agree.
    #[must_use]
    pub fn between(pinned: &Price, enquiry: &PriceEnquiry, today: &Resolution<'_>) -> Option<Self> {
        let winner = today.winner.map(|(rule, price)| (rule, price.id));
        if winner.is_some_and(|(_, id)| id == pinned.id) {
            return None;
        }
        let state = match pinned {
            price if price.cancelled_at.is_some() => PinnedState::Cancelled,
            price if !price.covers(enquiry.day) => PinnedState::Shortened,
            _ => PinnedState::Beaten,
        };
        Some(Self { pinned: state, today: winner })
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.pinned {
            PinnedState::Beaten => "the price stands, but was not the first hit of today's prices",
            PinnedState::Cancelled => "the price was cancelled after the message was rated",
            PinnedState::Shortened => "the price was ended before that day after the message was rated",
        })?;
        match self.today {
            Some((rule, id)) => write!(f, "; today's prices would choose {rule}, {id}"),
            None => f.write_str("; today's prices have none for it"),
        }
    }
}

#[cfg(test)]
mod tests;
