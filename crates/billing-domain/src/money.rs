//! Amounts: exact integers of a millionth, their text form, and the one place where they are rounded.
//!
//! Prices have at most six decimals and segments are whole, so rating never rounds (rules of money, "Amounts").

use std::fmt;

use crate::Currency;

const MICROS_PER_UNIT: u64 = 1_000_000;
const MICROS_DIGITS: usize = 6;

/// An amount that cannot be read or held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MoneyError {
    /// Not `-?digits[.digits]`.
    #[error("an amount is digits with at most one point, such as 0.0125")]
    NotANumber,
    /// More than six digits after the point.
    #[error("an amount has at most six decimals")]
    TooPrecise,
    /// Outside the range of the integer that holds it.
    #[error("the amount is too large")]
    Overflow,
}

/// Millionths of a currency unit, exact: a unit price or the amount of one event. `-9.2e12` to `9.2e12` units.
///
/// Prints and parses as a decimal with six digits after the point.
///
/// ```
/// use billing_domain::{Micros, MoneyError};
///
/// let price = Micros::parse("0.0125")?;
/// assert_eq!(price, Micros(12_500));
/// assert_eq!(price.times(3)?.to_string(), "0.037500");
/// assert_eq!(Micros::parse("0.01250001"), Err(MoneyError::TooPrecise));
/// assert_eq!(Micros::parse("1e3"), Err(MoneyError::NotANumber));
/// # Ok::<(), MoneyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Micros(pub i64);

impl Micros {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Reads a decimal: optional minus, 1 to 13 digits, optionally a point and 1 to 6 digits. No exponent, no plus,
    /// no spaces, no separators.
    ///
    /// # Errors
    /// [`MoneyError`], never a rounded value.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return Err(MoneyError::NotANumber),
            Some(parts) => parts,
            None => (digits, ""),
        };
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return Err(MoneyError::NotANumber);
        }
        if fraction.len() > MICROS_DIGITS {
            return Err(MoneyError::TooPrecise);
        }
        let scale = fraction.bytes().chain(std::iter::repeat(b'0')).take(MICROS_DIGITS);
        let micros = whole
            .bytes()
            .chain(scale)
            .try_fold(0_i64, |sum, digit| sum.checked_mul(10)?.checked_add(i64::from(digit - b'0')))
            .ok_or(MoneyError::Overflow)?;
        Ok(Self(if negative { -micros } else { micros }))
    }

    /// The amount of `count` segments or messages at this unit price.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn times(self, count: u32) -> Result<Self, MoneyError> {
        self.0.checked_mul(i64::from(count)).map(Self).ok_or(MoneyError::Overflow)
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        MicrosSum::from(*self).fmt(f)
    }
}

/// A sum of [`Micros`], exact: of a bucket, a line, a month.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct MicrosSum(pub i128);

impl MicrosSum {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn plus(self, other: impl Into<Self>) -> Result<Self, MoneyError> {
        self.0.checked_add(other.into().0).map(Self).ok_or(MoneyError::Overflow)
    }

    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn minus(self, other: impl Into<Self>) -> Result<Self, MoneyError> {
        self.0.checked_sub(other.into().0).map(Self).ok_or(MoneyError::Overflow)
    }

    /// Units × unit price.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn of_units(units: u64, unit_price: Micros) -> Result<Self, MoneyError> {
        i128::from(units).checked_mul(i128::from(unit_price.0)).map(Self).ok_or(MoneyError::Overflow)
    }

    /// Rounded to the currency's minor unit, half away from zero: see [`ExactAmount::round_to_minor`].
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] when the rounded amount does not fit 64 bits of minor units.
    pub fn round_to_minor(self, currency: Currency) -> Result<MinorAmount, MoneyError> {
        ExactAmount::from(self).round_to_minor(currency)
    }
}

/// An amount that may be a part of a micro: a percentage, or the share of some days in a month. Exact until it is
/// rounded.
#[derive(Clone, Copy, Debug)]
pub struct ExactAmount {
    /// Micros × `denominator`.
    numerator: i128,
    /// From 1.
    denominator: i128,
}

impl ExactAmount {
    /// This amount × `part` / `whole`. A whole of 0 counts as 1.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn times(self, part: u32, whole: u32) -> Result<Self, MoneyError> {
        let numerator = self.numerator.checked_mul(i128::from(part)).ok_or(MoneyError::Overflow)?;
        let denominator = self.denominator.checked_mul(i128::from(whole.max(1))).ok_or(MoneyError::Overflow)?;
        Ok(Self { numerator, denominator })
    }

    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        let [a, b] = self.over_one_denominator(other)?;
        let numerator = a.checked_add(b).ok_or(MoneyError::Overflow)?;
        let denominator = self.denominator.checked_mul(other.denominator).ok_or(MoneyError::Overflow)?;
        Ok(Self { numerator, denominator })
    }

    /// The greater of two.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn max(self, other: Self) -> Result<Self, MoneyError> {
        let [a, b] = self.over_one_denominator(other)?;
        Ok(if a >= b { self } else { other })
    }

    fn over_one_denominator(self, other: Self) -> Result<[i128; 2], MoneyError> {
        let a = self.numerator.checked_mul(other.denominator).ok_or(MoneyError::Overflow)?;
        let b = other.numerator.checked_mul(self.denominator).ok_or(MoneyError::Overflow)?;
        Ok([a, b])
    }

    /// **The one place where money is rounded**: to the currency's minor unit, half away from zero.
    ///
    /// ```
    /// use billing_domain::{Currency, ExactAmount, Micros};
    ///
    /// let exact = ExactAmount::from(Micros::parse("10.05")?).times(50, 100)?; // 5.025
    /// assert_eq!(exact.round_to_minor(Currency::new("USD")?)?.to_string(), "5.03");
    /// assert_eq!(exact.round_to_minor(Currency::new("JPY")?)?.to_string(), "5");
    /// assert_eq!(exact.round_to_minor(Currency::new("KWD")?)?.to_string(), "5.025");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] when the rounded amount does not fit 64 bits of minor units.
    pub fn round_to_minor(self, currency: Currency) -> Result<MinorAmount, MoneyError> {
        let step = self.denominator.checked_mul(currency.micros_per_minor()).ok_or(MoneyError::Overflow)?;
        let (whole, rest) = (self.numerator / step, self.numerator % step);
        // Twice the rest could overflow; what is missing to the next whole cannot.
        let away = if rest.abs() >= step - rest.abs() { self.numerator.signum() } else { 0 };
        i64::try_from(whole + away).map(|minor| MinorAmount { minor, currency }).map_err(|_| MoneyError::Overflow)
    }
}

impl From<MicrosSum> for ExactAmount {
    fn from(sum: MicrosSum) -> Self {
        Self { numerator: sum.0, denominator: 1 }
    }
}

impl From<Micros> for ExactAmount {
    fn from(amount: Micros) -> Self {
        Self::from(MicrosSum::from(amount))
    }
}

impl From<Micros> for MicrosSum {
    fn from(amount: Micros) -> Self {
        Self(i128::from(amount.0))
    }
}

impl fmt::Display for MicrosSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = u128::from(MICROS_PER_UNIT);
        let (magnitude, sign) = (self.0.unsigned_abs(), if self.0 < 0 { "-" } else { "" });
        write!(f, "{sign}{}.{:06}", magnitude / unit, magnitude % unit)
    }
}

/// An amount that can be paid: whole minor units of its currency (cents, pul, yen, fils).
///
/// Prints with exactly the currency's minor digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MinorAmount {
    /// Cents, or whatever the currency's minor unit is.
    pub minor: i64,
    /// Which currency's.
    pub currency: Currency,
}

impl MinorAmount {
    /// Nothing, in that currency.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// The sum of two amounts of one currency.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`], also when the currencies differ: such a sum does not exist.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Overflow);
        }
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, currency: self.currency })
    }

    /// The difference of two amounts of one currency.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`], as for [`MinorAmount::plus`].
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        let minor = other.minor.checked_neg().ok_or(MoneyError::Overflow)?;
        self.plus(Self { minor, currency: other.currency })
    }

    /// The same amount in micros.
    #[must_use]
    pub fn exact(self) -> MicrosSum {
        MicrosSum(i128::from(self.minor) * self.currency.micros_per_minor())
    }
}

impl fmt::Display for MinorAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = usize::from(self.currency.minor_digits());
        let (magnitude, sign) = (self.minor.unsigned_abs(), if self.minor < 0 { "-" } else { "" });
        if digits == 0 {
            return write!(f, "{sign}{magnitude}");
        }
        let unit = 10_u64.pow(u32::from(self.currency.minor_digits()));
        write!(f, "{sign}{}.{:0digits$}", magnitude / unit, magnitude % unit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_read_exactly_or_not_at_all() {
        let long = "9".repeat(1_000_000);
        for (text, expected) in [
            ("0", Ok(0)),
            ("0.0125", Ok(12_500)),
            ("12", Ok(12_000_000)),
            ("-0.000001", Ok(-1)),
            ("007.5", Ok(7_500_000)),
            ("9223372036854.775807", Ok(i64::MAX)),
            ("9223372036854.775808", Err(MoneyError::Overflow)),
            (&long, Err(MoneyError::Overflow)),
            ("0.1234567", Err(MoneyError::TooPrecise)),
            ("", Err(MoneyError::NotANumber)),
            ("-", Err(MoneyError::NotANumber)),
            (".5", Err(MoneyError::NotANumber)),
            ("5.", Err(MoneyError::NotANumber)),
            ("1e3", Err(MoneyError::NotANumber)),
            ("NaN", Err(MoneyError::NotANumber)),
            ("+1", Err(MoneyError::NotANumber)),
            (" 1", Err(MoneyError::NotANumber)),
            ("1,5", Err(MoneyError::NotANumber)),
            ("1.2.3", Err(MoneyError::NotANumber)),
        ] {
            let shown = &text[..text.len().min(30)];
            assert_eq!(Micros::parse(text).map(|m| m.0), expected, "{shown:?}");
        }
    }

    #[test]
    fn amounts_are_rounded_half_away_from_zero_to_the_minor_unit() {
        for (micros, currency, expected) in [
            (4_999, "USD", "0.00"),
            (5_000, "USD", "0.01"),
            (-5_000, "USD", "-0.01"),
            (-4_999, "USD", "0.00"),
            (1_015_000, "AFN", "1.02"),
            (1_500_000, "JPY", "2"),
            (1_499_999, "JPY", "1"),
            (1_000_500, "KWD", "1.001"),
            (12_345_678_905_000, "USD", "12345678.91"),
        ] {
            let currency = Currency::new(currency).unwrap();
            assert_eq!(MicrosSum(micros).round_to_minor(currency).unwrap().to_string(), expected, "{micros}");
        }
        let usd = Currency::new("USD").unwrap();
        assert_eq!(MicrosSum(i128::MAX).round_to_minor(usd), Err(MoneyError::Overflow));
    }

    #[test]
    fn arithmetic_that_does_not_fit_is_an_error() {
        assert_eq!(Micros(i64::MAX).times(2), Err(MoneyError::Overflow));
        assert_eq!(MicrosSum(i128::MAX).plus(Micros(1)), Err(MoneyError::Overflow));
        assert_eq!(MicrosSum(i128::MIN).minus(Micros(1)), Err(MoneyError::Overflow));
        let (usd, afn) = (Currency::new("USD").unwrap(), Currency::new("AFN").unwrap());
        assert_eq!(MinorAmount::zero(usd).plus(MinorAmount::zero(afn)), Err(MoneyError::Overflow));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(micros in -i64::MAX..=i64::MAX) {
            prop_assert_eq!(Micros::parse(&Micros(micros).to_string()), Ok(Micros(micros)));
        }

        #[test]
        fn rounding_moves_an_amount_by_at_most_half_a_minor_unit(micros in any::<i64>()) {
            let usd = Currency::new("USD").unwrap();
            let rounded = MicrosSum(i128::from(micros)).round_to_minor(usd).unwrap();
            let moved = i128::from(rounded.minor) * 10_000 - i128::from(micros);
            prop_assert!(moved.abs() <= 5_000);
        }
    }
}
