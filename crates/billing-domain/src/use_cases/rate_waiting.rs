//! Rating what had to wait: usage without a price or account, and events without an operator cost.

use jiff::Timestamp;

use crate::PriceBook;
use crate::ports::{PortError, RerateOutcome, UsageLedger, WaitingUsage};
use crate::usage::{AccountDirectory, Admitted, RatedUsage, UnratedReason, admit};

const PAGE: u32 = 2_000;

/// Rates every waiting message that a price now covers; the number that this call recorded, or `None` when prices or
/// profiles changed meanwhile and the sweep should begin again.
///
/// `reason` narrows it to what waits for that: a new account changes nothing for usage without a price.
/// A message that was in time when it came stays in time, however long it has waited.
///
/// # Errors
/// When the ledger fails.
pub async fn rate_waiting(
    ledger: &impl UsageLedger,
    reason: Option<UnratedReason>,
    directory: &AccountDirectory,
    book: &PriceBook,
) -> Result<Option<u64>, PortError> {
    let (mut after, mut total) = (0, 0);
    loop {
        let page = ledger.waiting(reason, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(Some(total)) };
        after = last.position;
        let rated: Vec<RatedUsage> = page.iter().filter_map(|waiting| rate(waiting, directory, book)).collect();
        if rated.is_empty() {
            continue;
        }
        match ledger.rerate(book.version(), directory.version(), &rated).await? {
            RerateOutcome::Rated(count) => total += count,
            RerateOutcome::Stale => return Ok(None),
        }
    }
}

fn rate(waiting: &WaitingUsage, directory: &AccountDirectory, book: &PriceBook) -> Option<RatedUsage> {
    let waits = &waiting.usage;
    let as_if_just_charged: Timestamp = waits.usage.charged_at;
    match admit(&waits.usage, as_if_just_charged, directory, book) {
        Ok(Admitted::Rated(event, rated)) => {
            Some(RatedUsage { receipt: waits.receipt, fingerprint: waits.fingerprint, event, rated })
        }
        Ok(Admitted::Unrated(..)) | Err(_) => None,
    }
}

/// Pins costs on rated events that had none, for every cost in the book; the number filled, or `None` when prices or
/// profiles changed meanwhile.
///
/// # Errors
/// When the ledger fails.
pub async fn fill_missing_costs(
    ledger: &impl UsageLedger,
    directory: &AccountDirectory,
    book: &PriceBook,
) -> Result<Option<u64>, PortError> {
    let mut total = 0;
    for cost in book.costs() {
        loop {
            let uncosted = ledger.uncosted(&cost.key, cost.days, PAGE).await?;
            let shares: Vec<_> = uncosted
                .into_iter()
                .filter_map(|usage| Some((usage.clone(), book.cost_share(&usage.event).ok()??)))
                .collect();
            if shares.is_empty() {
                break;
            }
            let filled = ledger.fill_costs(book.version(), directory.version(), &shares).await?;
            let Some(filled) = filled else { return Ok(None) };
            total += filled;
            if filled == 0 {
                break;
            }
        }
    }
    Ok(Some(total))
}
