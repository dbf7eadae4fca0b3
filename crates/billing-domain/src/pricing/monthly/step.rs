//! Steps of a graduated or volume price.

use crate::Micros;
use crate::pricing::price::check_unit_amount;

/// From where on another unit price holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The step begins after so many units of the month; from 1.
    pub above: u64,
    /// Of the units in it; 0 to [`MAX_UNIT_PRICE`](crate::pricing::MAX_UNIT_PRICE).
    pub unit_price: Micros,
}

/// Steps that no price can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StepError {
    /// None, or more than [`Steps::MAX`].
    #[error("there are 1 to 20 steps")]
    Count,
    /// A step that does not begin above the one before it, or above 0.
    #[error("each step begins above the one before it")]
    Order,
    /// A unit price that is negative or too high.
    #[error("a step's unit price is 0 to 999999.999999")]
    UnitPrice,
}

/// 1 to 20 steps, ascending. Below the first the price's own unit price holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Steps(Box<[Step]>);

impl Steps {
    /// The most that a price has.
    pub const MAX: usize = 20;

    /// # Errors
    /// [`StepError`].
    pub fn new(steps: Vec<Step>) -> Result<Self, StepError> {
        if !(1..=Self::MAX).contains(&steps.len()) {
            return Err(StepError::Count);
        }
        let mut below = 0;
        for step in &steps {
            if step.above <= below {
                return Err(StepError::Order);
            }
            check_unit_amount(step.unit_price).map_err(|_| StepError::UnitPrice)?;
            below = step.above;
        }
        Ok(Self(steps.into()))
    }

    /// In ascending order.
    #[must_use]
    pub fn as_slice(&self) -> &[Step] {
        &self.0
    }
}
