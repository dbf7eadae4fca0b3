//! The fakes of `CreditNotes` and `InvoiceRenderer`. A rendered document is a line of text that names what it shows.

use billing_domain::invoicing::{CreditNote, DocumentKind, Invoice, InvoiceDocument, LanguageTag, Party};
use billing_domain::ports::{CreditNotes, InvoiceRenderer, PortError, RenderedDocument};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::memory::Memory;

impl CreditNotes for Memory {
    async fn credit_note(&self, invoice: &Invoice) -> Result<Option<CreditNote>, PortError> {
        Ok(self.open("find_credit_note")?.credit_notes.get(&invoice.id).cloned())
    }

    async fn credit_note_document(&self, invoice: &Invoice) -> Result<Option<InvoiceDocument>, PortError> {
        let state = self.open("read_credit_note")?;
        let Some(CreditNote { id, number, issue_date, .. }) = state.credit_notes.get(&invoice.id).cloned() else {
            return Ok(None);
        };
        let reason = invoice.voided.as_ref().map(|voided| voided.reason.clone()).unwrap_or_default();
        Ok(invoice.pinned.map(|pinned| InvoiceDocument {
            kind: DocumentKind::CreditNote { id, number, issue_date, reason },
            invoice: invoice.clone(),
            pinned,
            seller: Party { name: "Ghasi".into(), address: Vec::new(), tax_id: None },
            customer: None,
            replaces: None,
            locale: LanguageTag::default(),
            lines: Vec::new(),
            adjustments: Vec::new(),
            taxes: Vec::new(),
            daily_messages: Vec::new(),
        }))
    }

    async fn record_credit_note(
        &self,
        invoice: &Invoice,
        _template: &'static str,
        sha256: [u8; 32],
    ) -> Result<[u8; 32], PortError> {
        let mut state = self.open("record_credit_note")?;
        let note = state.credit_notes.get_mut(&invoice.id);
        Ok(note.map_or(sha256, |note| *note.pdf_sha256.get_or_insert(sha256)))
    }

    async fn mark_credit_note_stored(&self, invoice: &Invoice, _at: Timestamp) -> Result<(), PortError> {
        if let Some(note) = self.open("mark_credit_note_stored")?.credit_notes.get_mut(&invoice.id) {
            note.is_stored = true;
        }
        Ok(())
    }
}

impl InvoiceRenderer for Memory {
    const TEMPLATE: &'static str = "memory";

    async fn render(&self, document: InvoiceDocument) -> Result<RenderedDocument, PortError> {
        drop(self.open("render_invoice")?);
        let of = document.pinned.number;
        let bytes = match document.kind {
            DocumentKind::Invoice => format!("%PDF-1.7 {of}"),
            DocumentKind::CreditNote { number, reason, .. } => format!("%PDF-1.7 {number} credits {of}: {reason}"),
        };
        Ok(RenderedDocument { sha256: Sha256::digest(&bytes).into(), bytes: bytes.into() })
    }
}
