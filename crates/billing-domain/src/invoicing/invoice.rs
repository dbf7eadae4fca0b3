//! The invoice, its states and what its document shows.

use jiff::Timestamp;

use crate::pricing::{ChargeUnit, OperatorMatch};
use crate::usage::Direction;
use crate::{AccountId, CreditNoteId, Currency, Day, InvoiceId, Micros, MinorAmount, Month, TenantId};

use super::customer::LanguageTag;
use super::lines::{Adjustment, InvoiceLine};
use super::number::{CreditNoteNumber, InvoiceNumber};
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
    /// The number of the document that cancels it, once it was issued and is void.
    pub credit_note: Option<CreditNoteNumber>,
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

/// What a document is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DocumentKind {
    /// The invoice itself.
    Invoice,
    /// What cancels it: the same lines, taxes and amounts, with the same signs, are credited.
    CreditNote {
        /// Its own.
        id: CreditNoteId,
        /// Of its own series.
        number: CreditNoteNumber,
        /// The UTC day on which the invoice was declared void.
        issue_date: Day,
        /// Why, in the words of who declared the invoice void.
        reason: String,
    },
}

/// Everything that a document shows. The same value gives the same bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvoiceDocument {
    /// What it is.
    pub kind: DocumentKind,
    /// The invoice.
    pub invoice: Invoice,
    /// Number and dates of the invoice.
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
