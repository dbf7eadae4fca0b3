//! Rating: from one usage event to its two amounts. Never rounds, never allocates, never guesses.

use crate::usage::UsageEvent;
use crate::{CostId, Currency, Micros, MoneyError, PriceBook, PriceId};

use super::book::Question;
use super::entry::PriceEntry;
use super::price::ChargeUnit;

/// What rating found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rating {
    /// A price was in force.
    Rated(Rated),
    /// None was: the event waits, unrated, until a price covers it.
    NoPrice,
}

/// The amounts of one event and what they were made of. Pinned: later changes of prices never touch it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rated {
    /// The price in force on the event's UTC day.
    pub price: PriceId,
    /// What is charged of it: its segments, or 1 for a price per message; 0 when the price does not charge its outcome.
    pub units: u8,
    /// Units × unit price: what the customer pays, in the event's currency.
    pub amount: Micros,
    /// What the operator charges; `None` when no cost was in force, which is not the same as 0.
    pub cost: Option<CostShare>,
}

/// The operator's part of one event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CostShare {
    /// The cost in force on the event's UTC day.
    pub cost: CostId,
    /// Segments × cost per segment.
    pub amount: Micros,
    /// The cost's own currency, which may differ from the price's.
    pub currency: Currency,
}

impl Rated {
    /// Price minus cost when both have the event's currency, else unknown. May be negative.
    #[must_use]
    pub fn margin(&self, currency: Currency) -> Option<i64> {
        let cost = self.cost.filter(|cost| cost.currency == currency)?;
        self.amount.0.checked_sub(cost.amount.0)
    }
}

impl PriceBook {
    /// Prices one event by the price in force on the UTC day of its `charged_at`: of account and operator, account and any
    /// operator, tier and operator, tier and any operator the first that is there. A day without a price is
    /// [`Rating::NoPrice`], never 0.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`], which [`MAX_UNIT_PRICE`](super::MAX_UNIT_PRICE) and ten segments cannot reach.
    pub fn rate(&self, event: &UsageEvent) -> Result<Rating, MoneyError> {
        let question = self.ask(event);
        let Some(price) = self.price(event, question) else { return Ok(Rating::NoPrice) };
        let units = units(price, event);
        let amount = price.unit_price.times(u32::from(units))?;
        Ok(Rating::Rated(Rated { price: price.id, units, amount, cost: self.share(event, question)? }))
    }

    /// What the operator charges for one event, when a cost is in force.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`], as for [`PriceBook::rate`].
    pub fn cost_share(&self, event: &UsageEvent) -> Result<Option<CostShare>, MoneyError> {
        self.share(event, self.ask(event))
    }

    fn share(&self, event: &UsageEvent, question: Question) -> Result<Option<CostShare>, MoneyError> {
        let Some((currency, cost)) = self.cost(event, question) else { return Ok(None) };
        let amount = cost.cost_per_segment.times(u32::from(event.segments.get()))?;
        Ok(Some(CostShare { cost: cost.id, amount, currency }))
    }
}

fn units(price: &PriceEntry, event: &UsageEvent) -> u8 {
    if !price.charge_on.charges(event.dlr_status) {
        return 0;
    }
    match price.unit {
        ChargeUnit::Segment => event.segments.get(),
        ChargeUnit::Message => 1,
    }
}
