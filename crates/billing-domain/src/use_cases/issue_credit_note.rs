//! Making the document of a credit note, when it is first asked for.
//!
//! Number and date were given with the void invoice. Every step may be repeated: killed anywhere, the next who asks gets the
//! same bytes.

use jiff::Timestamp;

use crate::invoicing::{CreditNote, Invoice};
use crate::ports::{CreditNotes, DocumentStore, InvoiceRenderer};

use super::bill_account::{BillingError, keep};

/// An invoice's credit note with its document stored; `None` when it has none.
///
/// # Errors
/// [`BillingError`]: there is no document yet.
pub async fn issue_credit_note<R: InvoiceRenderer>(
    store: &impl CreditNotes,
    renderer: &R,
    documents: &impl DocumentStore,
    invoice: &Invoice,
    at: Timestamp,
) -> Result<Option<CreditNote>, BillingError> {
    let Some(note) = store.credit_note(invoice).await? else { return Ok(None) };
    if note.is_stored {
        return Ok(Some(note));
    }
    let Some(document) = store.credit_note_document(invoice).await? else { return Ok(None) };
    let rendered = renderer.render(document).await?;
    let recorded = store.record_credit_note(invoice, R::TEMPLATE, rendered.sha256).await?;
    keep(documents, &note.object_key, rendered, recorded).await?;
    store.mark_credit_note_stored(invoice, at).await?;
    Ok(Some(CreditNote { pdf_sha256: Some(recorded), is_stored: true, ..note }))
}
