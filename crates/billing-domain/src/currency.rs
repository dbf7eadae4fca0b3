//! Currencies of ISO 4217 and the number of their minor digits. Exchange rates are not known here.

use std::fmt;

/// A text that is no ISO 4217 code with a minor unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an ISO 4217 currency with a minor unit")]
pub struct UnknownCurrency;

/// An ISO 4217 currency in which a price can be named: USD, AFN, JPY …
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Currency {
    code: [u8; 3],
    minor_digits: u8,
}

impl Currency {
    /// From the three capital letters of ISO 4217.
    ///
    /// # Errors
    /// [`UnknownCurrency`] for another text, and for codes without a minor unit such as XAU and XTS.
    pub fn new(code: &str) -> Result<Self, UnknownCurrency> {
        let known = iso_currency::Currency::from_code(code).ok_or(UnknownCurrency)?;
        let minor_digits = known.exponent().and_then(|e| u8::try_from(e).ok()).ok_or(UnknownCurrency)?;
        let code: [u8; 3] = code.as_bytes().try_into().map_err(|_| UnknownCurrency)?;
        Ok(Self { code, minor_digits })
    }

    /// The three letters.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or("XXX")
    }

    /// Digits after the point of an amount that can be paid: 0 to 4 (USD 2, AFN 2, JPY 0, KWD 3).
    #[must_use]
    pub fn minor_digits(&self) -> u8 {
        self.minor_digits
    }

    /// How many micros a minor unit has: 10,000 for a cent.
    pub(crate) fn micros_per_minor(self) -> i128 {
        10_i128.pow(6_u32.saturating_sub(u32::from(self.minor_digits)))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_iso_4217() {
        for (code, digits) in [
            ("USD", Some(2)),
            ("AFN", Some(2)),
            ("JPY", Some(0)),
            ("KWD", Some(3)),
            ("CLF", Some(4)),
            ("usd", None),
            ("XAU", None),
            ("ABC", None),
            ("", None),
        ] {
            assert_eq!(Currency::new(code).ok().map(|c| c.minor_digits()), digits, "{code}");
        }
    }
}
