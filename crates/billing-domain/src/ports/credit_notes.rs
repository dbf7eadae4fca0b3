//! Credit notes: what their documents show, and how far they have got.

use std::future::Future;

use jiff::Timestamp;

use crate::invoicing::{CreditNote, Invoice, InvoiceDocument};

use super::PortError;

/// The credit notes of void invoices. Each is written by [`InvoiceVoider::void`](super::InvoiceVoider::void), in the
/// transaction that declares the invoice void; its document is made when it is first asked for.
pub trait CreditNotes {
    /// An invoice's credit note, if it has one.
    fn credit_note(&self, invoice: &Invoice) -> impl Future<Output = Result<Option<CreditNote>, PortError>> + Send;

    /// What an invoice's credit note shows, if it has one. The same at any time.
    fn credit_note_document(
        &self,
        invoice: &Invoice,
    ) -> impl Future<Output = Result<Option<InvoiceDocument>, PortError>> + Send;

    /// Records the hash of the document, and the template that it was made by, before it is stored; the hash on record,
    /// which an earlier call may have set.
    fn record_credit_note(
        &self,
        invoice: &Invoice,
        template: &'static str,
        sha256: [u8; 32],
    ) -> impl Future<Output = Result<[u8; 32], PortError>> + Send;

    /// Notes that the document with the hash on record is stored.
    fn mark_credit_note_stored(
        &self,
        invoice: &Invoice,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}
