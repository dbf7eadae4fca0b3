//! VOLUME: every unit costs the price of the highest step that the month reaches. May fall when units are added.

use crate::{Micros, MicrosSum, MoneyError};

use super::step::Steps;

/// What a month's units cost.
pub(super) fn amount(steps: &Steps, first: Micros, units: u64) -> Result<MicrosSum, MoneyError> {
    let reached = steps.as_slice().iter().rev().find(|step| step.above < units);
    MicrosSum::of_units(units, reached.map_or(first, |step| step.unit_price))
}
