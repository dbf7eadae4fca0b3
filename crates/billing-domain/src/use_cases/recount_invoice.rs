//! Making an invoice again from its events, to see whether it is what is stored. Its document is the caller's to look at.

use std::collections::BTreeMap;

use crate::InvoiceId;
use crate::invoicing::{Difference, Invoice, SealedBucket, differences};
use crate::ports::{InvoiceAudit, PortError};

/// So many messages are added up at a time: it bounds how long one question takes.
const MESSAGES_AT_A_TIME: u64 = 1_000_000;

/// An invoice, and what differs from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recounted {
    /// As it is stored.
    pub invoice: Invoice,
    /// None when it is what its events make of it.
    pub differences: Vec<Difference>,
}

/// Recounts one invoice; `None` when it is not there.
///
/// # Errors
/// When the store fails, or an amount is beyond all bounds.
pub async fn recount_invoice(store: &impl InvoiceAudit, id: InvoiceId) -> Result<Option<Recounted>, PortError> {
    let Some(record) = store.invoice_record(id).await? else { return Ok(None) };
    let mut tallies = BTreeMap::new();
    for some in portions(&record.sealed) {
        tallies.extend(store.tallies(&some).await?);
    }
    let differences = differences(&record, &tallies).map_err(|error| PortError::permanent("recount_invoice", error))?;
    Ok(Some(Recounted { invoice: record.invoice, differences }))
}

/// The buckets in portions of not much more than so many messages; at least one each.
fn portions(sealed: &[SealedBucket]) -> Vec<Vec<i64>> {
    let mut portions: Vec<Vec<i64>> = Vec::new();
    let mut messages = MESSAGES_AT_A_TIME;
    for bucket in sealed {
        match portions.last_mut().filter(|_| messages < MESSAGES_AT_A_TIME) {
            Some(portion) => portion.push(bucket.id),
            None => {
                portions.push(vec![bucket.id]);
                messages = 0;
            }
        }
        messages = messages.saturating_add(bucket.sums.messages);
    }
    portions
}
