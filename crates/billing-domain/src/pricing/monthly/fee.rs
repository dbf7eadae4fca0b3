//! A monthly fee: on top of everything, used or not, for the part of the month that the price is in force.

use crate::{DayRange, ExactAmount, Micros, MoneyError, Month};

use super::minimum::share_of_month;

/// The amount and the fee.
pub(super) fn apply(
    amount: ExactAmount,
    fee: Micros,
    in_force: DayRange,
    month: Month,
) -> Result<ExactAmount, MoneyError> {
    amount.plus(share_of_month(fee, in_force, month)?)
}
