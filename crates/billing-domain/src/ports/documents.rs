//! Documents: rendering them and keeping them.

use std::future::Future;

use jiff::Timestamp;

use crate::invoicing::InvoiceDocument;

use super::PortError;

/// Makes documents.
pub trait InvoiceRenderer {
    /// The template's version: pinned on each invoice.
    const TEMPLATE: &'static str;

    /// The document as PDF bytes and their SHA-256. The same document gives the same bytes.
    fn render(&self, document: InvoiceDocument) -> impl Future<Output = Result<RenderedDocument, PortError>> + Send;
}

/// A document ready to be stored.
#[derive(Clone, PartialEq, Eq)]
pub struct RenderedDocument {
    /// The PDF.
    pub bytes: Vec<u8>,
    /// Of the bytes.
    pub sha256: [u8; 32],
}

/// What became of storing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PutOutcome {
    /// The object is there with these bytes, by this call or an earlier one.
    Stored,
    /// Another object is at the key. Nothing was overwritten.
    OtherObject,
}

/// Keeps documents.
pub trait DocumentStore {
    /// Stores bytes at a key that nothing has been stored at. Ambiguous answers are resolved by comparing what is
    /// there.
    fn put(&self, key: &str, document: &RenderedDocument)
    -> impl Future<Output = Result<PutOutcome, PortError>> + Send;

    /// The bytes at a key.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Vec<u8>>, PortError>> + Send;

    /// A URL at which anybody can fetch the object until the given instant, which is 15 minutes from `now`.
    fn presign(&self, key: &str, now: Timestamp)
    -> impl Future<Output = Result<(String, Timestamp), PortError>> + Send;
}
