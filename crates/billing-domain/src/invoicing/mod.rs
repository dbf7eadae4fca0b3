//! From usage to invoice: which months are due, what the lines are, what an invoice may become.

mod credit_note;
mod customer;
mod invoice;
mod lines;
mod number;
mod plan;
mod proof;
mod recount;
mod tax;
mod void;

pub use credit_note::{CreditNote, credit_note_key};
pub use customer::{ADDRESS_LINES_MAX, LanguageTag, PartyError, PartyVersion, TAX_RATES_MAX, party_line, party_tax_id};
pub use invoice::{
    DocumentAdjustment, DocumentKind, DocumentLine, Invoice, InvoiceDocument, InvoiceStatus, Party, PinnedTerms,
    Voided, object_key,
};
pub use lines::{
    Adjustment, AdjustmentKey, InvoiceBasis, InvoiceContents, InvoiceLine, InvoicedBefore, LineKey, PriceGroup,
    SealedUsage, compose, month_total,
};
pub use number::{CreditNoteNumber, InvoiceNumber, NumberError};
pub use plan::{DraftPlan, plan};
pub use proof::{EventTally, InvoiceProof, LineProof, Receipts};
pub use recount::{Difference, InvoiceRecord, Part, SealedBucket, differences, prices_named};
pub use tax::{Percentage, TaxError, TaxLine, TaxRate, taxes, total};
pub use void::{Disposition, Reissue, ReleasedUsage, VoidEffect, VoidReason, VoidReasonError};
