//! PACKAGE: units are sold in packages, rounded up: one unit more opens the next.

use crate::pricing::price::check_unit_amount;
use crate::{Micros, MicrosSum, MoneyError};

/// A package that cannot be sold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PackageError {
    /// A size outside 1 to 1,000,000,000.
    #[error("a package holds 1 to 1000000000 units")]
    Size,
    /// A price that is negative or too high.
    #[error("a package's price is 0 to 999999.999999")]
    Price,
}

/// So many units for one price.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Package {
    size: u64,
    price: Micros,
}

impl Package {
    /// The largest size.
    pub const MAX_SIZE: u64 = 1_000_000_000;

    /// # Errors
    /// [`PackageError`].
    pub fn new(size: u64, price: Micros) -> Result<Self, PackageError> {
        if !(1..=Self::MAX_SIZE).contains(&size) {
            return Err(PackageError::Size);
        }
        Ok(Self { size, price: check_unit_amount(price).map_err(|_| PackageError::Price)? })
    }

    /// Units in it: 1 to [`Package::MAX_SIZE`].
    #[must_use]
    pub fn size(self) -> u64 {
        self.size
    }

    /// Of one package: 0 to [`MAX_UNIT_PRICE`](crate::pricing::MAX_UNIT_PRICE).
    #[must_use]
    pub fn price(self) -> Micros {
        self.price
    }
}

/// What a month's units cost.
pub(super) fn amount(package: Package, units: u64) -> Result<MicrosSum, MoneyError> {
    MicrosSum::of_units(units.div_ceil(package.size), package.price)
}
