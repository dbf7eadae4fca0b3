//! What the book takes in and gives out: prices and costs without whatever rating does not need.

use crate::{CostId, DayRange, Micros, OperatorCost, Price, PriceId};

use super::cost::CostKey;
use super::price::{ChargeOn, ChargeUnit, PriceKey};
use super::timetable::InForce;

/// What rating needs of a price.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BookPrice {
    /// Whose and for which traffic.
    pub key: PriceKey,
    /// Pinned on every event that it rates.
    pub id: PriceId,
    /// For one unit, 0 to [`MAX_UNIT_PRICE`](super::MAX_UNIT_PRICE).
    pub unit_price: Micros,
    /// The days on which it is in force.
    pub days: DayRange,
    /// What a unit is.
    pub unit: ChargeUnit,
    /// Which outcome is charged.
    pub charge_on: ChargeOn,
}

impl From<&Price> for BookPrice {
    fn from(price: &Price) -> Self {
        let terms = &price.terms;
        Self {
            key: terms.key(),
            id: price.id,
            unit_price: terms.unit_price,
            days: terms.days,
            unit: terms.model.unit(),
            charge_on: terms.charge_on,
        }
    }
}

/// What rating needs of an operator cost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BookCost {
    /// Operator, direction and currency.
    pub key: CostKey,
    /// Pinned on every event that it costs.
    pub id: CostId,
    /// 0 to [`MAX_UNIT_PRICE`](super::MAX_UNIT_PRICE), a segment.
    pub cost_per_segment: Micros,
    /// The days on which it is in force.
    pub days: DayRange,
}

impl From<&OperatorCost> for BookCost {
    fn from(cost: &OperatorCost) -> Self {
        Self { key: cost.key.clone(), id: cost.id, cost_per_segment: cost.cost_per_segment, days: cost.days }
    }
}

/// A price in the book; its key stands once for all its periods.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PriceEntry {
    pub(super) id: PriceId,
    pub(super) unit_price: Micros,
    pub(super) days: DayRange,
    pub(super) unit: ChargeUnit,
    pub(super) charge_on: ChargeOn,
}

/// A cost in the book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct CostEntry {
    pub(super) id: CostId,
    pub(super) cost_per_segment: Micros,
    pub(super) days: DayRange,
}

const _: () = assert!(size_of::<PriceEntry>() <= 40 && size_of::<CostEntry>() <= 40);

impl InForce for PriceEntry {
    fn days(&self) -> DayRange {
        self.days
    }
}

impl InForce for CostEntry {
    fn days(&self) -> DayRange {
        self.days
    }
}
