//! What the lines of the two sorts of decks say, and what becomes of it in a version.

use crate::pricing::monthly::MonthlyTerms;
use crate::pricing::{ChargeOn, CostKey, OperatorMatch, PriceKey, PriceTerms, PricingModel};
use crate::usage::Direction;
use crate::{AccountId, Currency, DayRange, Micros, Tier};

use super::DeckEntry;

/// A line of a deck of prices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeckPrice {
    /// The tier, or what an account's own price is listed under.
    pub tier: Tier,
    /// The one account it is for, if any.
    pub account: Option<AccountId>,
    /// One operator or any.
    pub operator: OperatorMatch,
    /// To or from the mobile.
    pub direction: Direction,
    /// Whether messages rather than segments are counted: the two models that a line can say.
    pub is_flat: bool,
    /// Which outcome is charged; `None`: as in the version that is superseded, else any.
    pub charge_on: Option<ChargeOn>,
    /// Per segment or per message, 0 to [`MAX_UNIT_PRICE`](crate::pricing::MAX_UNIT_PRICE).
    pub unit_price: Micros,
    /// ISO 4217.
    pub currency: Currency,
    /// The days on which it is in force.
    pub days: DayRange,
}

impl DeckEntry for DeckPrice {
    type Key = PriceKey;
    type Terms = PriceTerms;

    fn terms(&self, old: Option<&PriceTerms>) -> PriceTerms {
        PriceTerms {
            tier: self.tier.clone(),
            account: self.account,
            operator: self.operator.clone(),
            direction: self.direction,
            model: if self.is_flat { PricingModel::FlatPerMessage } else { PricingModel::PerSegment },
            charge_on: self.charge_on.or(old.map(|old| old.charge_on)).unwrap_or_default(),
            unit_price: self.unit_price,
            monthly: MonthlyTerms::default(),
            currency: self.currency,
            days: self.days,
        }
    }

    fn key(terms: &PriceTerms) -> PriceKey {
        terms.key()
    }

    fn days(terms: &PriceTerms) -> DayRange {
        terms.days
    }

    fn on(terms: &PriceTerms, days: DayRange) -> PriceTerms {
        PriceTerms { days, ..terms.clone() }
    }

    fn unit_amount(terms: &PriceTerms) -> Micros {
        terms.unit_price
    }

    fn fits_a_line(terms: &PriceTerms) -> bool {
        matches!(terms.model, PricingModel::PerSegment | PricingModel::FlatPerMessage)
            && terms.monthly == MonthlyTerms::default()
    }
}

/// What an operator cost says, as a line and as a version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CostTerms {
    /// Operator, direction and currency.
    pub key: CostKey,
    /// 0 to [`MAX_UNIT_PRICE`](crate::pricing::MAX_UNIT_PRICE), a segment.
    pub cost_per_segment: Micros,
    /// The days on which it is in force.
    pub days: DayRange,
}

impl DeckEntry for CostTerms {
    type Key = CostKey;
    type Terms = Self;

    fn terms(&self, _old: Option<&Self>) -> Self {
        self.clone()
    }

    fn key(terms: &Self) -> CostKey {
        terms.key.clone()
    }

    fn days(terms: &Self) -> DayRange {
        terms.days
    }

    fn on(terms: &Self, days: DayRange) -> Self {
        Self { days, ..terms.clone() }
    }

    fn unit_amount(terms: &Self) -> Micros {
        terms.cost_per_segment
    }

    fn fits_a_line(_terms: &Self) -> bool {
        true
    }
}
