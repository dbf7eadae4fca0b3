//! A monthly minimum: what a month costs at least, for the part of the month that the price is in force.

use crate::{DayRange, ExactAmount, Micros, MoneyError, Month};

/// The amount, or the minimum if that is more.
pub(super) fn apply(
    amount: ExactAmount,
    minimum: Micros,
    in_force: DayRange,
    month: Month,
) -> Result<ExactAmount, MoneyError> {
    amount.max(share_of_month(minimum, in_force, month)?)
}

/// The share of a monthly amount: days in force / days of the month.
pub(super) fn share_of_month(monthly: Micros, in_force: DayRange, month: Month) -> Result<ExactAmount, MoneyError> {
    ExactAmount::from(monthly).times(in_force.days_within(month), month.days().days_within(month))
}
