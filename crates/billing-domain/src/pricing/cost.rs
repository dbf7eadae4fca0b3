//! What an operator charges us for a segment. It never decides what a customer pays.

use jiff::Timestamp;

use crate::usage::Direction;
use crate::{CostId, Currency, DayRange, Micros, OperatorId};

/// What two operator costs must not share on any day.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CostKey {
    /// Who charges.
    pub operator: OperatorId,
    /// To or from the mobile.
    pub direction: Direction,
    /// In which it is named.
    pub currency: Currency,
}

/// A stored operator cost, immutable like a price.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OperatorCost {
    /// Pinned on every event that it costs.
    pub id: CostId,
    /// Operator, direction and currency.
    pub key: CostKey,
    /// 0 to [`MAX_UNIT_PRICE`](crate::pricing::MAX_UNIT_PRICE), a segment.
    pub cost_per_segment: Micros,
    /// The days on which it is in force.
    pub days: DayRange,
    /// 1 for the first of its line, one more for each change.
    pub version: u32,
    /// The `sub` of who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was taken out of the book without ever having been in force; `None`: it was not.
    pub cancelled_at: Option<Timestamp>,
}
