//! Taxes of an invoice: each rate on the subtotal, each rounded by itself ("Amounts" of the rules of money). Which rates an
//! account has, and from which day, is its profile's.

use std::fmt;

use crate::{ExactAmount, MinorAmount, MoneyError};

/// Digits of a percentage after the point.
const DECIMALS: usize = 4;
/// Bytes of a tax's name.
const NAME_MAX: usize = 64;

/// A text or number that cannot be a tax rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TaxError {
    /// Not `digits[.digits]` from 0 to 100 with at most four decimals.
    #[error("a percentage is 0 to 100 with at most four decimals, such as 19 or 7.25")]
    Percentage,
    /// Empty, too long, padded or with control characters.
    #[error("a tax is named by 1 to 64 bytes of text without control characters or surrounding space")]
    Name,
}

/// A percentage from 0 to 100 with four decimals, exact. Prints without trailing zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Percentage(u32);

impl Percentage {
    /// 100 %, in ten-thousandths of a percent.
    const WHOLE: u32 = 1_000_000;

    /// From ten-thousandths of a percent: 190,000 is 19 %.
    ///
    /// # Errors
    /// [`TaxError::Percentage`] beyond 100 %.
    pub fn from_ten_thousandths(parts: u32) -> Result<Self, TaxError> {
        if parts <= Self::WHOLE { Ok(Self(parts)) } else { Err(TaxError::Percentage) }
    }

    /// In ten-thousandths of a percent: 0 to 1,000,000.
    #[must_use]
    pub fn ten_thousandths(self) -> u32 {
        self.0
    }

    /// Reads `19` or `7.25`: 1 to 3 digits, optionally a point and 1 to 4 digits.
    ///
    /// # Errors
    /// [`TaxError::Percentage`], never a rounded value.
    pub fn parse(text: &str) -> Result<Self, TaxError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(TaxError::Percentage),
            Some(parts) => parts,
            None => (text, ""),
        };
        let is_plain = (1..=3).contains(&whole.len())
            && fraction.len() <= DECIMALS
            && [whole, fraction].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()));
        if !is_plain {
            return Err(TaxError::Percentage);
        }
        let digits = whole.bytes().chain(fraction.bytes().chain(std::iter::repeat(b'0')).take(DECIMALS));
        // At most seven digits: it fits.
        Self::from_ten_thousandths(digits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    }
}

impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:04}", self.0 / 10_000, self.0 % 10_000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// One tax: what it is called on the invoice, and its rate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaxRate {
    name: String,
    rate: Percentage,
}

impl TaxRate {
    /// # Errors
    /// [`TaxError::Name`] when the text cannot be a tax's name.
    pub fn new(name: &str, rate: Percentage) -> Result<Self, TaxError> {
        let fits = (1..=NAME_MAX).contains(&name.len()) && name.trim() == name && !name.chars().any(char::is_control);
        if fits { Ok(Self { name: name.to_owned(), rate }) } else { Err(TaxError::Name) }
    }

    /// As invoices print it: `VAT`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Of the subtotal.
    #[must_use]
    pub fn rate(&self) -> Percentage {
        self.rate
    }
}

/// What one tax comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaxLine {
    /// What it is called.
    pub name: String,
    /// Of `base`.
    pub rate: Percentage,
    /// What it is a part of: the subtotal.
    pub base: MinorAmount,
    /// `base` × rate, rounded.
    pub amount: MinorAmount,
}

/// The taxes of a subtotal, in the order of the rates: each on the subtotal, never on another tax. A credit note's
/// subtotal is negative, and so are its taxes.
///
/// ```
/// use billing_domain::invoicing::{Percentage, TaxRate, taxes, total};
/// use billing_domain::{Currency, MinorAmount};
///
/// let subtotal = MinorAmount { minor: 10_50, currency: Currency::new("USD")? };
/// let lines = taxes(subtotal, &[TaxRate::new("VAT", Percentage::parse("19")?)?])?;
/// assert_eq!(lines[0].amount.to_string(), "2.00"); // 1.995, half away from zero
/// assert_eq!(total(subtotal, &lines)?.to_string(), "12.50");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`MoneyError::Overflow`]; not for amounts that people pay.
pub fn taxes(subtotal: MinorAmount, rates: &[TaxRate]) -> Result<Vec<TaxLine>, MoneyError> {
    let line = |tax: &TaxRate| {
        let exact = ExactAmount::from(subtotal.exact()).times(tax.rate.0, Percentage::WHOLE)?;
        let amount = exact.round_to_minor(subtotal.currency)?;
        Ok(TaxLine { name: tax.name.clone(), rate: tax.rate, base: subtotal, amount })
    };
    rates.iter().map(line).collect()
}

/// Subtotal plus taxes.
///
/// # Errors
/// [`MoneyError::Overflow`], also when a line has another currency.
pub fn total(subtotal: MinorAmount, taxes: &[TaxLine]) -> Result<MinorAmount, MoneyError> {
    taxes.iter().try_fold(subtotal, |sum, line| sum.plus(line.amount))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Currency;

    fn rate(percent: &str) -> TaxRate {
        TaxRate::new("VAT", Percentage::parse(percent).unwrap()).unwrap()
    }

    #[test]
    fn percentages_are_read_exactly_or_not_at_all() {
        for (text, expected) in [
            ("0", Some("0")),
            ("19", Some("19")),
            ("7.25", Some("7.25")),
            ("7.2500", Some("7.25")),
            ("0.0001", Some("0.0001")),
            ("007", Some("7")),
            ("10", Some("10")),
            ("100", Some("100")),
            ("100.0000", Some("100")),
            ("100.0001", None),
            ("999", None),
            ("1000", None),
            ("7.25000", None),
            ("7.", None),
            (".5", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1e1", None),
            ("1,5", None),
            ("1.2.3", None),
            (" 1", None),
            ("٣", None),
        ] {
            assert_eq!(Percentage::parse(text).ok().map(|p| p.to_string()).as_deref(), expected, "{text:?}");
        }
        assert_eq!(Percentage::from_ten_thousandths(1_000_001), Err(TaxError::Percentage));
    }

    #[test]
    fn taxes_have_names() {
        let long = "a".repeat(65);
        for (name, ok) in
            [("VAT", true), ("مالیات", true), ("", false), (" VAT", false), ("V\nAT", false), (&long, false)]
        {
            assert_eq!(TaxRate::new(name, Percentage(1)).is_ok(), ok, "{name:?}");
        }
    }

    /// rules.md, "Amounts": per rate, each on the subtotal, rounded once, half away from zero; total = subtotal + taxes.
    #[test]
    fn each_rate_is_on_the_subtotal_and_rounded_by_itself() {
        for (currency, subtotal, percents, amounts, expected_total) in [
            ("USD", 10_000, &["10"][..], &["10.00"][..], "110.00"),
            ("USD", 10_000, &[], &[], "100.00"),
            ("USD", 10_000, &["0"], &["0.00"], "100.00"),
            ("USD", 0, &["19"], &["0.00"], "0.00"),
            ("USD", 10_000, &["100"], &["100.00"], "200.00"),
            // Half a cent goes away from zero, less does not.
            ("USD", 50, &["1"], &["0.01"], "0.51"),
            ("USD", 49, &["1"], &["0.00"], "0.49"),
            ("USD", -50, &["1"], &["-0.01"], "-0.51"),
            ("USD", -49, &["1"], &["0.00"], "-0.49"),
            ("USD", -10_000, &["19"], &["-19.00"], "-119.00"),
            // Neither rate is on the other, and their halves are not added before they are rounded.
            ("USD", 10_000, &["10", "5"], &["10.00", "5.00"], "115.00"),
            ("USD", 50, &["1", "1"], &["0.01", "0.01"], "0.52"),
            ("USD", 1_000_000, &["0.0001"], &["0.01"], "10000.01"),
            ("AFN", 123_456, &["7.25"], &["89.51"], "1324.07"),
            ("JPY", 105, &["10"], &["11"], "116"),
            ("JPY", 104, &["10"], &["10"], "114"),
            ("KWD", 1_010, &["5"], &["0.051"], "1.061"),
            ("KWD", 1_009, &["5"], &["0.050"], "1.059"),
            ("CLF", 1_234_567, &["19"], &["23.4568"], "146.9135"),
        ] {
            let subtotal = MinorAmount { minor: subtotal, currency: Currency::new(currency).unwrap() };
            let rates: Vec<_> = percents.iter().map(|percent| rate(percent)).collect();
            let lines = taxes(subtotal, &rates).unwrap();
            let found: Vec<_> = lines.iter().map(|line| line.amount.to_string()).collect();
            assert_eq!(found, amounts, "{subtotal} {percents:?}");
            assert!(lines.iter().all(|line| line.base == subtotal), "{subtotal} {percents:?}");
            assert_eq!(total(subtotal, &lines).unwrap().to_string(), expected_total, "{subtotal} {percents:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let most = MinorAmount { minor: i64::MAX, currency: Currency::new("USD").unwrap() };
        let lines = taxes(most, &[rate("100")]).unwrap();
        assert_eq!(total(most, &lines), Err(MoneyError::Overflow));
    }

    proptest! {
        #[test]
        fn it_is_what_plain_integers_say(minor in any::<i64>(), parts in 0..=1_000_000_u32, code in 0..4_usize) {
            let currency = Currency::new(["USD", "JPY", "KWD", "CLF"][code]).unwrap();
            let rates = [TaxRate::new("VAT", Percentage(parts)).unwrap()];
            let line = &taxes(MinorAmount { minor, currency }, &rates).unwrap()[0];
            // The model: minor × parts / 10⁶ with half added before the floor, the sign put aside.
            let product = i128::from(minor).abs() * i128::from(parts);
            let rounded = (2 * product + 1_000_000).div_euclid(2_000_000) * i128::from(minor.signum());
            prop_assert_eq!(i128::from(line.amount.minor), rounded);
        }

        #[test]
        fn what_is_printed_is_read_back(parts in 0..=1_000_000_u32) {
            prop_assert_eq!(Percentage::parse(&Percentage(parts).to_string()), Ok(Percentage(parts)));
        }
    }
}
