//! The invoice, its states and its number; what its document shows.

use std::fmt;

use jiff::Timestamp;

use crate::pricing::{ChargeUnit, OperatorMatch};
use crate::usage::Direction;
use crate::{AccountId, Currency, Day, InvoiceId, Micros, MinorAmount, Month, TenantId};

use super::customer::LanguageTag;
use super::lines::{Adjustment, InvoiceLine};
use super::tax::TaxLine;
use super::void::Disposition;

/// What an invoice is worth at present.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum InvoiceStatus {
    /// Its usage is sealed; its document is not yet stored. Customers never see it.
    Draft,
    /// Issued. Never changes again, except to be declared void.
    Finalized,
    /// Declared invalid. Its number stays used.
    Void,
}

impl InvoiceStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Draft, Self::Finalized, Self::Void];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Finalized => "FINALIZED",
            Self::Void => "VOID",
        }
    }

    /// The status of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A text that is no invoice number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an invoice number such as INV-2026-000123")]
pub struct NumberError;

/// `INV-2026-000123`: one gapless series per installation and year of issue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InvoiceNumber {
    year: i16,
    sequence: u32,
}

impl InvoiceNumber {
    /// The series that invoices are numbered in.
    pub const SERIES: &'static str = "INV";

    /// The `sequence`-th invoice, from 1, issued in a year.
    #[must_use]
    pub fn new(year: i16, sequence: u32) -> Self {
        Self { year, sequence }
    }

    /// # Errors
    /// [`NumberError`] unless the text is what [`InvoiceNumber`] prints.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let (year, sequence) = text.strip_prefix("INV-").and_then(|rest| rest.split_once('-')).ok_or(NumberError)?;
        let number =
            Self { year: year.parse().map_err(|_| NumberError)?, sequence: sequence.parse().map_err(|_| NumberError)? };
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

impl fmt::Display for InvoiceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:04}-{:06}", Self::SERIES, self.year, self.sequence)
    }
}

/// Who sells or buys, as a document names them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Party {
    /// Legal name.
    pub name: String,
    /// Lines of the postal address.
    pub address: Vec<String>,
    /// Tax id, if any.
    pub tax_id: Option<String>,
}

/// What is fixed when a draft gets its number: from here it can only be finished or voided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PinnedTerms {
    /// Of the series.
    pub number: InvoiceNumber,
    /// The UTC day on which the number was given.
    pub issue_date: Day,
    /// By which it is to be paid.
    pub due_date: Day,
}

/// An invoice as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invoice {
    /// Its id, also of its document and its event.
    pub id: InvoiceId,
    /// The account's tenant.
    pub tenant: TenantId,
    /// Who owes.
    pub account: AccountId,
    /// Of every amount on it.
    pub currency: Currency,
    /// The month it is for.
    pub period: Month,
    /// Its state.
    pub status: InvoiceStatus,
    /// Number and dates; `None` while it has none.
    pub pinned: Option<PinnedTerms>,
    /// Messages on its lines.
    pub messages: u64,
    /// Segments on its lines.
    pub segments: u64,
    /// The sum of its lines' and adjustments' rounded amounts.
    pub subtotal: MinorAmount,
    /// Subtotal and taxes: what is to be paid.
    pub total: MinorAmount,
    /// When its usage was sealed.
    pub drafted_at: Timestamp,
    /// When it was issued.
    pub finalized_at: Option<Timestamp>,
    /// Where its document is or will be.
    pub object_key: Option<String>,
    /// SHA-256 of its document.
    pub pdf_sha256: Option<[u8; 32]>,
    /// The void invoice that it stands for.
    pub replaces: Option<InvoiceId>,
    /// The issued invoice that stands for this one since it is void.
    pub replaced_by: Option<InvoiceId>,
    /// When, by whom, why, and what became of its usage.
    pub voided: Option<Voided>,
}

/// How an invoice became void.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Voided {
    /// When.
    pub at: Timestamp,
    /// The `sub` of who did it.
    pub by: String,
    /// In their words.
    pub reason: String,
    /// What became of its usage.
    pub disposition: Disposition,
}

/// A line and the price that it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DocumentLine {
    /// The line.
    pub line: InvoiceLine,
    /// What the price counts.
    pub unit: ChargeUnit,
    /// The price's amount a segment or message.
    pub unit_price: Micros,
}

/// An adjustment and what its price is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DocumentAdjustment {
    /// The adjustment.
    pub adjustment: Adjustment,
    /// The price's operator, or any.
    pub operator: OperatorMatch,
    /// To or from the mobile.
    pub direction: Direction,
    /// What the price counts.
    pub unit: ChargeUnit,
}

/// Everything that a document shows. The same value gives the same bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvoiceDocument {
    /// The invoice.
    pub invoice: Invoice,
    /// Number and dates.
    pub pinned: PinnedTerms,
    /// As it was when the number was given.
    pub seller: Party,
    /// As it was when the number was given; `None` prints the account's id.
    pub customer: Option<Party>,
    /// The number of the void invoice that it stands for.
    pub replaces: Option<InvoiceNumber>,
    /// The language of its labels, dates and numbers; as it was when the number was given.
    pub locale: LanguageTag,
    /// In the order in which they are printed.
    pub lines: Vec<DocumentLine>,
    /// After the lines.
    pub adjustments: Vec<DocumentAdjustment>,
    /// After the subtotal.
    pub taxes: Vec<TaxLine>,
    /// Messages a day of the invoice's own month, for the days that had any.
    pub daily_messages: Vec<(Day, u64)>,
}

/// Where an invoice's document is kept: `invoices/{account}/{period}/{invoice}.pdf`.
#[must_use]
pub fn object_key(account: AccountId, period: Month, invoice: InvoiceId) -> String {
    format!("invoices/{account}/{period}/{invoice}.pdf")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_they_print() {
        assert_eq!(InvoiceNumber::new(2026, 123).to_string(), "INV-2026-000123");
        for (text, ok) in [
            ("INV-2026-000123", true),
            ("INV-2026-1234567", true),
            ("INV-2026-123", false),
            ("INV-2026-0000123", false),
            ("CN-2026-000123", false),
            ("INV-2026", false),
        ] {
            assert_eq!(InvoiceNumber::parse(text).is_ok(), ok, "{text}");
        }
    }
}
