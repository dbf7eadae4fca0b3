//! A percentage off what a month's units cost; before the minimum and the fee.

use std::fmt;

use crate::{ExactAmount, MoneyError};

/// A percentage that no discount has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a discount is 0 to 100 percent with at most two decimals")]
pub struct DiscountError;

/// 0 to 100 percent, in hundredths of a percent. Prints as `12.50`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Discount(u16);

impl Discount {
    /// Nothing off.
    pub const NONE: Self = Self(0);
    const WHOLE: u16 = 10_000;

    /// From hundredths of a percent: 1,250 is 12.5 %.
    ///
    /// # Errors
    /// [`DiscountError`] above 10,000.
    pub fn from_basis_points(points: u16) -> Result<Self, DiscountError> {
        if points <= Self::WHOLE { Ok(Self(points)) } else { Err(DiscountError) }
    }

    /// Hundredths of a percent.
    #[must_use]
    pub fn basis_points(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Discount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// What remains.
pub(super) fn apply(amount: ExactAmount, discount: Discount) -> Result<ExactAmount, MoneyError> {
    amount.times(u32::from(Discount::WHOLE - discount.0), u32::from(Discount::WHOLE))
}
