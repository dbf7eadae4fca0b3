//! Rating what had to wait: usage without a price or account, and events without an operator cost.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::ports::{Late, PortError, RerateOutcome, UnratedGroup, UsageLedger, WaitingUsage};
use crate::usage::{
    AccountDirectory, Admitted, DlrStatus, IntakeError, QuarantineReason, RatedUsage, ReportedUsage, SegmentCount,
    admit,
};
use crate::{Day, DayRange, MessageId, PriceBook};

const PAGE: u32 = 2_000;
const GROUPS: u32 = 500;

/// What a sweep over what waits came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Swept {
    /// Messages that this call recorded.
    pub rated: Late,
    /// Messages that this call quarantined: they name another tenant than their account turned out to have.
    pub quarantined: BTreeMap<QuarantineReason, u64>,
    /// `false` when prices or profiles changed meanwhile, or when another pod held messages that it may yet leave: then
    /// the sweep should be made again.
    pub is_complete: bool,
}

/// Rates every waiting message that a price now covers.
///
/// What waits is looked at by groups, and messages are read only of groups and days that can be rated: millions that no
/// price covers cost nothing. A message that was in time when it came stays in time, however long it has waited.
///
/// # Errors
/// When the ledger fails.
pub async fn rate_waiting(
    ledger: &impl UsageLedger,
    directory: &AccountDirectory,
    book: &PriceBook,
) -> Result<Swept, PortError> {
    let mut swept = Swept { rated: Late::default(), quarantined: BTreeMap::new(), is_complete: true };
    let mut after: Option<String> = None;
    loop {
        let groups = ledger.waiting_groups(after.as_deref(), GROUPS).await?;
        let Some(last) = groups.last() else { return Ok(swept) };
        after = Some(last.place.clone());
        for group in &groups {
            for days in ratable_days(group, directory, book)? {
                if !move_group(ledger, group, days, (directory, book), &mut swept).await? {
                    swept.is_complete = false;
                    return Ok(swept);
                }
            }
        }
    }
}

/// Moves what waits in a group on some days; `false` when prices or profiles have changed.
async fn move_group(
    ledger: &impl UsageLedger,
    group: &UnratedGroup,
    days: DayRange,
    known: (&AccountDirectory, &PriceBook),
    swept: &mut Swept,
) -> Result<bool, PortError> {
    let (directory, book) = known;
    let mut after: Option<WaitingUsage> = None;
    loop {
        let mut page = ledger.waiting(group, days, after.as_ref(), PAGE).await?;
        let (mut rated, mut refused) = (Vec::new(), Vec::new());
        for waiting in &page {
            match rate(waiting, directory, book) {
                Ok(Some(usage)) => rated.push(usage),
                Ok(None) => {}
                Err(error) => refused.push((waiting.usage.usage.message, error)),
            }
        }
        if !rated.is_empty() {
            match ledger.rerate(book.version(), directory.version(), &rated).await? {
                RerateOutcome::Rated(late) => {
                    swept.rated += late;
                    swept.is_complete &= late.messages == size(&rated);
                }
                RerateOutcome::Stale => return Ok(false),
            }
        }
        refuse(ledger, &refused, swept).await?;
        after = page.pop();
        if after.is_none() {
            return Ok(true);
        }
    }
}

async fn refuse(
    ledger: &impl UsageLedger,
    refused: &[(MessageId, IntakeError)],
    swept: &mut Swept,
) -> Result<(), PortError> {
    for same in refused.chunk_by(|(_, a), (_, b)| a == b) {
        let messages: Vec<MessageId> = same.iter().map(|(message, _)| *message).collect();
        let (reason, detail) = (same[0].1.reason(), same[0].1.to_string());
        let count = ledger.refuse_waiting(&messages, reason, &detail).await?;
        *swept.quarantined.entry(reason).or_default() += count;
        swept.is_complete &= count == size(&messages);
    }
    Ok(())
}

/// The days, in runs, on which a group's messages do not have to wait any more. What decides is the same for all
/// messages of a group and a day.
fn ratable_days(
    group: &UnratedGroup,
    directory: &AccountDirectory,
    book: &PriceBook,
) -> Result<Vec<DayRange>, PortError> {
    let mut runs: Vec<(Day, Day)> = Vec::new();
    let (mut day, last) = (Day::of(group.oldest), Day::of(group.newest));
    let mut sample = sample(group)?;
    while day <= last {
        sample.charged_at = day.start();
        if !matches!(admit(&sample, sample.charged_at, directory, book), Ok(Admitted::Unrated(..))) {
            match runs.last_mut() {
                Some(run) if run.1 == day => run.1 = day.next(),
                _ => runs.push((day, day.next())),
            }
        }
        if day.next() == day {
            break;
        }
        day = day.next();
    }
    let range = |(from, until)| DayRange::new(from, Some(until)).map_err(|error| PortError::permanent("sweep", error));
    runs.into_iter().map(range).collect()
}

fn sample(group: &UnratedGroup) -> Result<ReportedUsage, PortError> {
    let key = &group.key;
    Ok(ReportedUsage {
        message: MessageId(Uuid::nil()),
        tenant: key.tenant,
        account: key.account,
        tier: key.tier.clone(),
        operator: key.operator.clone(),
        direction: key.direction,
        segments: SegmentCount::new(1).map_err(|error| PortError::permanent("sweep", error))?,
        currency: key.currency,
        charged_at: group.oldest,
        dlr_status: DlrStatus::Delivered,
    })
}

/// `None`: it goes on waiting.
fn rate(
    waiting: &WaitingUsage,
    directory: &AccountDirectory,
    book: &PriceBook,
) -> Result<Option<RatedUsage>, IntakeError> {
    let waits = &waiting.usage;
    let as_if_just_charged = waits.usage.charged_at;
    Ok(match admit(&waits.usage, as_if_just_charged, directory, book)? {
        Admitted::Rated(event, rated) => {
            Some(RatedUsage { receipt: waits.receipt, fingerprint: waits.fingerprint, event, rated })
        }
        Admitted::Unrated(..) => None,
    })
}

fn size<T>(messages: &[T]) -> u64 {
    u64::try_from(messages.len()).unwrap_or(u64::MAX)
}

/// Pins costs on rated events that had none, for every cost in the book; what was filled, or `None` when prices or profiles
/// changed meanwhile.
///
/// # Errors
/// When the ledger fails.
pub async fn fill_missing_costs(
    ledger: &impl UsageLedger,
    directory: &AccountDirectory,
    book: &PriceBook,
) -> Result<Option<Late>, PortError> {
    let mut total = Late::default();
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
            if filled.messages == 0 {
                break;
            }
        }
    }
    Ok(Some(total))
}
