//! Recording usage: a pull from the stream becomes one batch, which the ledger then records whole and once.
//!
//! When the ledger finds the batch [`Stale`](crate::ports::RecordOutcome::Stale), it is prepared anew.

use jiff::Timestamp;

use crate::usage::{
    AccountDirectory, Admitted, Fingerprint, QuarantineReason, QuarantinedMessage, RatedUsage, Receipt, ReportedUsage,
    UnratedUsage, UsageBatch, admit,
};
use crate::{AccountId, PriceBook};

/// One message as the stream delivered it and the adapter read it.
#[derive(Clone, Debug)]
pub struct Delivery<'a> {
    /// Where it stood on the stream.
    pub receipt: Receipt,
    /// The bytes, whole, in case that they are quarantined.
    pub raw: &'a [u8],
    /// What they say, or why they say nothing.
    pub content: Result<ReportedUsage, Unreadable>,
}

/// Why a message could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable {
    /// Under which it is quarantined.
    pub reason: QuarantineReason,
    /// What is wrong, without quoting the message.
    pub detail: String,
    /// The account, when it could be read that far.
    pub account: Option<AccountId>,
}

/// Decides what becomes of each delivery, by one version of the prices and accounts. Writes nothing.
#[must_use]
pub fn prepare_batch<'a>(
    deliveries: &[Delivery<'a>],
    now: Timestamp,
    directory: &AccountDirectory,
    book: &PriceBook,
) -> UsageBatch<'a> {
    let mut batch =
        UsageBatch { book_version: book.version(), directory_version: directory.version(), ..UsageBatch::default() };
    for delivery in deliveries {
        place(&mut batch, delivery, now, directory, book);
    }
    batch
}

/// Sets one message aside that the ledger refuses for good. `why` does not quote the message.
#[must_use]
pub fn set_refused_aside<'a>(
    delivery: &Delivery<'a>,
    why: String,
    directory: &AccountDirectory,
    book: &PriceBook,
) -> UsageBatch<'a> {
    let (message, account) = match &delivery.content {
        Ok(usage) => (Some(usage.message), Some(usage.account)),
        Err(unreadable) => (None, unreadable.account),
    };
    let (receipt, raw, reason) = (delivery.receipt, delivery.raw, QuarantineReason::Refused);
    UsageBatch {
        book_version: book.version(),
        directory_version: directory.version(),
        quarantined: vec![QuarantinedMessage { receipt, reason, detail: why, message, account, raw }],
        ..UsageBatch::default()
    }
}

fn place<'a>(
    batch: &mut UsageBatch<'a>,
    delivery: &Delivery<'a>,
    now: Timestamp,
    directory: &AccountDirectory,
    book: &PriceBook,
) {
    let (receipt, raw) = (delivery.receipt, delivery.raw);
    let quarantined =
        |reason, detail, message, account| QuarantinedMessage { receipt, reason, detail, message, account, raw };
    let usage = match &delivery.content {
        Ok(usage) => usage,
        Err(bad) => {
            batch.quarantined.push(quarantined(bad.reason, bad.detail.clone(), None, bad.account));
            return;
        }
    };
    let fingerprint = Fingerprint::of(usage);
    // The stream's clock vouches for the message when this one is behind.
    match admit(usage, now.max(receipt.published_at), directory, book) {
        Ok(Admitted::Rated(event, rated)) => {
            batch.rated.push((RatedUsage { receipt, fingerprint, event, rated }, raw));
        }
        Ok(Admitted::Unrated(tenant, reason)) => {
            batch.unrated.push((UnratedUsage { receipt, fingerprint, usage: usage.clone(), tenant, reason }, raw));
        }
        Err(refused) => {
            let (message, account) = (Some(usage.message), Some(usage.account));
            batch.quarantined.push(quarantined(refused.reason(), refused.to_string(), message, account));
        }
    }
}
