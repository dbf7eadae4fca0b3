//! What an invoice says, as plain values.
//!
//! Decides nothing: whoever fills these fields has numbered, dated and summed the invoice. How numbers and dates are
//! written, and what is done with text that cannot be set as it is, are decided by the renderer.

use billing_domain::pricing::{AdjustmentKind, ChargeUnit};
use jiff::civil::Date;

/// The language and the conventions (labels, dates, separators) that a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Locale {
    /// English: `1,234.50`, `1 November 2026`.
    #[default]
    En,
    /// German: `1.234,50`, `1. November 2026`.
    De,
}

impl Locale {
    /// Every locale.
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    /// That of a language as ISO 639 names it (`en`, `de`); English for any other.
    #[must_use]
    pub fn of(language: &str) -> Self {
        match language {
            "de" => Self::De,
            _ => Self::En,
        }
    }
}

/// One invoice, complete: the PDF is made of this and of nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceDocument {
    /// The invoice's UUID in its usual text form. Printed as text and as a QR code, and the seed of the PDF's identifier.
    pub invoice_id: String,
    /// For instance `INV-2026-000123`.
    pub invoice_number: String,
    /// The number of the void invoice that this one replaces.
    pub replaces: Option<String>,
    /// What it credits, if it is no invoice but a credit note: id, number and date are its own then, amounts are those
    /// credited, and nothing is due.
    pub credits: Option<Credited>,
    /// Also the creation date in the PDF's metadata.
    pub issue_date: Date,
    /// The last day for payment.
    pub due_date: Date,
    /// First day of the billing period.
    pub period_start: Date,
    /// Last day of the billing period, included.
    pub period_end: Date,
    /// ISO 4217 code.
    pub currency: String,
    /// Digits of the currency's minor unit (USD 2, JPY 0, KWD 3), at most 6.
    pub minor_digits: u8,
    /// Who sends the invoice.
    pub seller: Party,
    /// Who pays it.
    pub customer: Party,
    /// Printed in this order, late lines after the others; with the adjustments at most
    /// [`MAX_LINES`](crate::MAX_LINES).
    pub lines: Vec<DocumentLine>,
    /// Printed in this order after the lines, under a heading of their own.
    pub adjustments: Vec<DocumentAdjustment>,
    /// Sum of the lines and adjustments, in minor units.
    pub subtotal_minor: i128,
    /// Printed in this order between subtotal and total; at most 20.
    pub taxes: Vec<TaxLine>,
    /// Subtotal plus taxes, in minor units. If it is negative the document says that it is in the customer's favour, and
    /// unless it is positive it asks for no payment.
    pub total_minor: i128,
    /// The language of the document.
    pub locale: Locale,
    /// Messages by day, for the chart. A day of the period that is missing counts 0, a day outside it is left out; no
    /// chart if this is empty or the period is longer than 62 days.
    pub daily: Vec<(Date, u64)>,
}

/// The invoice that a credit note cancels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credited {
    /// For instance `INV-2026-000123`.
    pub invoice_number: String,
    /// When that was issued.
    pub issue_date: Date,
    /// Why it is cancelled; what is beyond 500 characters is cut off.
    pub reason: String,
}

/// Seller or customer. Texts may be in any script; those that begin with a right-to-left letter are set right to left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Party {
    /// A customer without a profile has its account id here.
    pub name: String,
    /// One entry a line; lines after the eighth are left out.
    pub address: Vec<String>,
    /// As the tax office writes it.
    pub tax_id: Option<String>,
    /// The account's UUID, printed under the address unless it is the name already.
    pub account_id: Option<String>,
}

/// One row of the invoice: a usage month, operator, direction and price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentLine {
    /// Year and month (1 to 12) of the usage.
    pub usage_month: (i16, i8),
    /// Whether the usage belongs to an earlier month than the invoice's, and is printed under a heading that says so.
    pub late: bool,
    /// The operator's id, printed as it is.
    pub operator: String,
    /// `MT` or `MO`.
    pub direction: String,
    /// What the unit price is for.
    pub unit: ChargeUnit,
    /// Price of a segment or message in millionths of the currency unit.
    pub unit_price_micros: i64,
    /// Messages of this row.
    pub messages: u64,
    /// Segments of this row.
    pub segments: u64,
    /// The rounded amount in minor units; negative for a credit.
    pub amount_minor: i128,
}

/// What the total of a month adds to the lines, or takes from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentAdjustment {
    /// Year and month (1 to 12) of the usage.
    pub usage_month: (i16, i8),
    /// Printed in words.
    pub kind: AdjustmentKind,
    /// The operator's id, printed as it is; `None`: any.
    pub operator: Option<String>,
    /// `MT` or `MO`.
    pub direction: String,
    /// What is counted.
    pub unit: ChargeUnit,
    /// How many of them the month has so far.
    pub units: u64,
    /// What the month so far comes to, in minor units.
    pub due_minor: i128,
    /// What this invoice asks for it, in minor units; negative for a credit.
    pub amount_minor: i128,
    /// Printed in a row below.
    pub reason: Option<String>,
}

/// One tax of the invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaxLine {
    /// For instance `VAT`.
    pub label: String,
    /// The rate in percent as a decimal number, for instance `10` or `7.5`.
    pub rate_percent: String,
    /// In minor units.
    pub amount_minor: i128,
}
