//! A price: STARTER, any operator, MT, USD a segment, from 2026-01-01 without end, unless it is said otherwise.

use billing_domain::ports::NewPrice;
use billing_domain::pricing::{ChargeOn, MonthlyTerms, OperatorMatch, PriceTerms, PricingModel};
use billing_domain::usage::Direction;
use billing_domain::{AccountId, Day, OperatorId, Price, PriceId, Tier};
use jiff::Timestamp;
use uuid::Uuid;

use super::{currency, day, days, next_id, unit_amount, valid};

/// Makes a [`Price`].
#[derive(Clone, Debug)]
pub struct PriceBuilder {
    id: Uuid,
    terms: PriceTerms,
    first: Day,
    last: Option<Day>,
}

/// A price of so much a unit: STARTER, any operator, MT, USD a segment, from 2026-01-01.
#[must_use]
pub fn price(unit_price: &str) -> PriceBuilder {
    let first = day("2026-01-01");
    let terms = PriceTerms {
        tier: valid(Tier::new("STARTER"), "STARTER"),
        account: None,
        operator: OperatorMatch::Any,
        direction: Direction::Mt,
        model: PricingModel::PerSegment,
        charge_on: ChargeOn::AnyTerminal,
        unit_price: unit_amount(unit_price),
        monthly: MonthlyTerms::default(),
        currency: currency("USD"),
        days: days(first, None),
    };
    PriceBuilder { id: next_id(), terms, first, last: None }
}

impl PriceBuilder {
    /// With this id instead of a new one.
    #[must_use]
    pub fn id(mut self, id: PriceId) -> Self {
        self.id = id.0;
        self
    }

    /// Of this tier.
    #[must_use]
    pub fn tier(mut self, tier: &str) -> Self {
        self.terms.tier = valid(Tier::new(tier), tier);
        self
    }

    /// Of this account alone.
    #[must_use]
    pub fn account(mut self, account: AccountId) -> Self {
        self.terms.account = Some(account);
        self
    }

    /// For this operator; `*` for any.
    #[must_use]
    pub fn operator(mut self, operator: &str) -> Self {
        self.terms.operator = match operator {
            "*" => OperatorMatch::Any,
            one => OperatorMatch::One(valid(OperatorId::new(one), one)),
        };
        self
    }

    /// To or from the mobile.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.terms.direction = direction;
        self
    }

    /// In this currency, by its ISO 4217 code.
    #[must_use]
    pub fn currency(mut self, code: &str) -> Self {
        self.terms.currency = currency(code);
        self
    }

    /// By this model.
    #[must_use]
    pub fn model(mut self, model: PricingModel) -> Self {
        self.terms.model = model;
        self
    }

    /// For these outcomes only.
    #[must_use]
    pub fn charge_on(mut self, charge_on: ChargeOn) -> Self {
        self.terms.charge_on = charge_on;
        self
    }

    /// With what a whole month adds.
    #[must_use]
    pub fn monthly(mut self, monthly: MonthlyTerms) -> Self {
        self.terms.monthly = monthly;
        self
    }

    /// From this day on.
    #[must_use]
    pub fn from(mut self, first: &str) -> Self {
        self.first = day(first);
        self
    }

    /// To this day, which is its last.
    #[must_use]
    pub fn last(mut self, last: &str) -> Self {
        self.last = Some(day(last));
        self
    }

    /// The price, as version 1.
    ///
    /// # Panics
    /// When it would end before it begins.
    #[must_use]
    pub fn build(self) -> Price {
        let NewPrice { id, terms } = self.draft();
        Price {
            id,
            terms,
            version: 1,
            created_by: "test".into(),
            created_at: Timestamp::UNIX_EPOCH,
            cancelled_at: None,
        }
    }

    /// The price as it is asked for before it is stored.
    ///
    /// # Panics
    /// When it would end before it begins.
    #[must_use]
    pub fn draft(mut self) -> NewPrice {
        self.terms.days = days(self.first, self.last);
        NewPrice { id: PriceId(self.id), terms: self.terms }
    }
}
