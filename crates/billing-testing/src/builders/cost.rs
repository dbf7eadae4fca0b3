//! An operator cost: op-20, MT, USD, from 2026-01-01 without end, unless it is said otherwise.

use billing_domain::ports::NewCost;
use billing_domain::pricing::CostKey;
use billing_domain::usage::Direction;
use billing_domain::{CostId, Day, Micros, OperatorCost, OperatorId};
use jiff::Timestamp;
use uuid::Uuid;

use super::{currency, day, days, next_id, unit_amount, valid};

/// Makes an [`OperatorCost`].
#[derive(Clone, Debug)]
pub struct CostBuilder {
    id: Uuid,
    key: CostKey,
    cost_per_segment: Micros,
    first: Day,
    last: Option<Day>,
}

/// An operator's cost of so much a segment: op-20, MT, USD, from 2026-01-01.
#[must_use]
pub fn cost(cost_per_segment: &str) -> CostBuilder {
    let operator = valid(OperatorId::new("op-20"), "op-20");
    CostBuilder {
        id: next_id(),
        key: CostKey { operator, direction: Direction::Mt, currency: currency("USD") },
        cost_per_segment: unit_amount(cost_per_segment),
        first: day("2026-01-01"),
        last: None,
    }
}

impl CostBuilder {
    /// Of this operator.
    #[must_use]
    pub fn operator(mut self, operator: &str) -> Self {
        self.key.operator = valid(OperatorId::new(operator), operator);
        self
    }

    /// To or from the mobile.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.key.direction = direction;
        self
    }

    /// In this currency, by its ISO 4217 code.
    #[must_use]
    pub fn currency(mut self, code: &str) -> Self {
        self.key.currency = currency(code);
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

    /// The cost, as version 1.
    ///
    /// # Panics
    /// When it would end before it begins.
    #[must_use]
    pub fn build(self) -> OperatorCost {
        let NewCost { id, key, cost_per_segment, days } = self.draft();
        OperatorCost {
            id,
            key,
            cost_per_segment,
            days,
            version: 1,
            created_by: "test".into(),
            created_at: Timestamp::UNIX_EPOCH,
            cancelled_at: None,
        }
    }

    /// The cost as it is asked for before it is stored.
    ///
    /// # Panics
    /// When it would end before it begins.
    #[must_use]
    pub fn draft(self) -> NewCost {
        let days = days(self.first, self.last);
        NewCost { id: CostId(self.id), key: self.key, cost_per_segment: self.cost_per_segment, days }
    }
}
