//! The fake of `DocumentStore`.

use billing_domain::ports::{DocumentStore, PortError, PutOutcome, RenderedDocument};
use jiff::{SignedDuration, Timestamp};

use crate::memory::{Flaw, Memory};

/// How long a URL is good.
const LIFETIME: SignedDuration = SignedDuration::from_mins(15);

impl DocumentStore for Memory {
    async fn put(&self, key: &str, document: &RenderedDocument) -> Result<PutOutcome, PortError> {
        let mut state = self.open("put_document")?;
        if state.has(Flaw::OverwritesDocuments) {
            state.documents.remove(key);
        }
        let stored = state.documents.entry(key.to_owned()).or_insert_with(|| document.bytes.clone());
        Ok(if *stored == document.bytes { PutOutcome::Stored } else { PutOutcome::OtherObject })
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        Ok(self.open("get_document")?.documents.get(key).cloned())
    }

    async fn presign(&self, key: &str, now: Timestamp) -> Result<(String, Timestamp), PortError> {
        drop(self.open("presign_document")?);
        Ok((format!("https://documents.test/{key}?signature=good"), now.checked_add(LIFETIME).unwrap_or(now)))
    }
}
