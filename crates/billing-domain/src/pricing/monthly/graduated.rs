//! GRADUATED: each unit costs the price of the step that it lies in.

use crate::{Micros, MicrosSum, MoneyError};

use super::step::Steps;

/// What a month's units cost. Never falls when units are added.
pub(super) fn amount(steps: &Steps, first: Micros, units: u64) -> Result<MicrosSum, MoneyError> {
    let (mut sum, mut from, mut price) = (MicrosSum::ZERO, 0, first);
    for step in steps.as_slice() {
        sum = sum.plus(MicrosSum::of_units(units.min(step.above) - units.min(from), price)?)?;
        (from, price) = (step.above, step.unit_price);
    }
    sum.plus(MicrosSum::of_units(units - units.min(from), price)?)
}
