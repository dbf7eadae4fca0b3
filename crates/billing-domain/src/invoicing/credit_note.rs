//! The document that cancels an issued invoice.
//!
//! It shows what the invoice shows, which no void invoice ever changes, so that only its number and date are its own.

use crate::{AccountId, CreditNoteId, Day, Month};

use super::number::CreditNoteNumber;

/// A credit note as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreditNote {
    /// Its id, also of its document.
    pub id: CreditNoteId,
    /// Of its own series.
    pub number: CreditNoteNumber,
    /// The UTC day on which the invoice was declared void.
    pub issue_date: Day,
    /// Where its document is or will be.
    pub object_key: String,
    /// SHA-256 of its document, recorded before that is stored.
    pub pdf_sha256: Option<[u8; 32]>,
    /// Whether its document is stored.
    pub is_stored: bool,
}

/// Where a credit note's document is kept: `credit-notes/{account}/{period}/{credit note}.pdf`, with the invoice's period.
#[must_use]
pub fn credit_note_key(account: AccountId, period: Month, credit_note: CreditNoteId) -> String {
    format!("credit-notes/{account}/{period}/{credit_note}.pdf")
}
