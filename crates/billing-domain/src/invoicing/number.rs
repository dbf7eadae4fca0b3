//! Numbers of documents: each kind has a series of its own, gapless within an installation and year of issue.
//!
//! Decides how a number is written, not which one comes next: that is the store's, in the transaction that writes it down.

use std::fmt;

/// A text that is no number of the series.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a document number such as INV-2026-000123")]
pub struct NumberError;

macro_rules! series_number {
    ($(#[$doc:meta])* $name:ident, $series:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name {
            year: i16,
            sequence: u32,
        }

        impl $name {
            /// The series that it is of.
            pub const SERIES: &'static str = $series;

            /// The `sequence`-th, from 1, issued in a year.
            #[must_use]
            pub fn new(year: i16, sequence: u32) -> Self {
                Self { year, sequence }
            }

            /// # Errors
            /// [`NumberError`] unless the text is what a number of this series prints.
            pub fn parse(text: &str) -> Result<Self, NumberError> {
                let rest = text.strip_prefix(concat!($series, "-")).ok_or(NumberError)?;
                let (year, sequence) = rest.split_once('-').ok_or(NumberError)?;
                let year = year.parse().map_err(|_| NumberError)?;
                let number = Self { year, sequence: sequence.parse().map_err(|_| NumberError)? };
                if number.to_string() == text { Ok(number) } else { Err(NumberError) }
            }

            /// The year of issue.
            #[must_use]
            pub fn year(self) -> i16 {
                self.year
            }

            /// From 1, without gaps.
            #[must_use]
            pub fn sequence(self) -> u32 {
                self.sequence
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}-{:04}-{:06}", Self::SERIES, self.year, self.sequence)
            }
        }
    };
}

series_number! {
    /// `INV-2026-000123`: of invoices, whatever their total.
    InvoiceNumber, "INV"
}
series_number! {
    /// `CN-2026-000123`: of the documents that cancel issued invoices.
    CreditNoteNumber, "CN"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_they_print() {
        assert_eq!(InvoiceNumber::new(2026, 123).to_string(), "INV-2026-000123");
        assert_eq!(CreditNoteNumber::new(2026, 123).to_string(), "CN-2026-000123");
        for (text, invoice, credit_note) in [
            ("INV-2026-000123", true, false),
            ("INV-2026-1234567", true, false),
            ("CN-2026-000123", false, true),
            ("INV-2026-123", false, false),
            ("CN-2026-0000123", false, false),
            ("INV-2026", false, false),
            ("CN-", false, false),
        ] {
            let read = (InvoiceNumber::parse(text).is_ok(), CreditNoteNumber::parse(text).is_ok());
            assert_eq!(read, (invoice, credit_note), "{text}");
        }
    }
}
