//! From usage to invoice: which months are due, what the lines are, what an invoice may become.

mod invoice;
mod lines;
mod plan;
mod void;

pub use invoice::{
    DocumentLine, Invoice, InvoiceDocument, InvoiceNumber, InvoiceStatus, NumberError, Party, PinnedTerms, Voided,
    object_key,
};
pub use lines::{InvoiceLine, compose, subtotal};
pub use plan::{DraftPlan, plan};
pub use void::{Disposition, VoidReason, VoidReasonError};
