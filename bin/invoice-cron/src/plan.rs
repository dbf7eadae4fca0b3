//! What a run has to do: drafts that were left, and the accounts with usage that is due.

use std::collections::{BTreeSet, VecDeque};

use billing_domain::ports::{Billable, DraftRequest, InvoiceStore, PortError};
use billing_domain::use_cases::due;
use billing_domain::{AccountId, InvoiceId, Month};
use jiff::Timestamp;

/// One piece of work, done in its order: what an account is due in one currency, or a draft to finish. Pieces run
/// side by side.
#[derive(Clone, Default, Debug)]
pub(crate) struct Job {
    /// Whose; not known of drafts that an earlier run left.
    pub(crate) account: Option<AccountId>,
    /// Drafts to finish.
    pub(crate) unfinished: VecDeque<InvoiceId>,
    /// Months to draft and finish, oldest first.
    pub(crate) due: VecDeque<DraftRequest>,
}

/// The work, and what a person should know about it.
pub(crate) struct Plan {
    pub(crate) jobs: Vec<Job>,
    /// Invoices that the jobs will issue at most.
    pub(crate) invoices: u64,
    pub(crate) notes: Vec<Note>,
}

/// Something about an account's usage that finance should know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Note {
    pub(crate) account: AccountId,
    pub(crate) unrated: u64,
    pub(crate) uncosted: u64,
    /// Whether its invoice shows its id for want of a legal name.
    pub(crate) is_nameless: bool,
    /// Whether it was left as it is because of its unrated usage.
    pub(crate) is_held: bool,
}

/// Looks at what is due.
pub(crate) async fn plan(
    store: &impl InvoiceStore,
    period: Month,
    account: Option<AccountId>,
    hold_unrated: bool,
    at: Timestamp,
) -> Result<Plan, PortError> {
    let left = store.unfinished(period, account).await?;
    let finish = |invoice| Job { unfinished: [invoice].into(), ..Job::default() };
    let mut plan = Plan { jobs: left.into_iter().map(finish).collect(), invoices: 0, notes: Vec::new() };
    plan.invoices = u64::try_from(plan.jobs.len()).unwrap_or(u64::MAX);
    let mut unrated = store.unrated(period, account).await?;
    let held: BTreeSet<AccountId> = if hold_unrated { unrated.keys().copied().collect() } else { BTreeSet::new() };
    for billable in store.billable(period, account).await? {
        let waiting = unrated.remove(&billable.account).unwrap_or_default();
        let is_held = held.contains(&billable.account);
        note(&mut plan.notes, &billable, waiting, is_held);
        let drafts = due(&billable, period, at);
        if is_held || drafts.is_empty() {
            continue;
        }
        plan.invoices += u64::try_from(drafts.len()).unwrap_or(u64::MAX);
        plan.jobs.push(Job { account: Some(billable.account), due: drafts.into(), ..Job::default() });
    }
    // The worst off: nothing of theirs is rated, so nothing is billed.
    plan.notes.extend(unrated.into_iter().map(|(account, unrated)| Note {
        account,
        unrated,
        uncosted: 0,
        is_nameless: false,
        is_held: hold_unrated,
    }));
    Ok(plan)
}

/// One note for an account, however many currencies it has.
fn note(notes: &mut Vec<Note>, billable: &Billable, unrated: u64, is_held: bool) {
    if unrated == 0 && billable.uncosted == 0 && billable.is_named {
        return;
    }
    match notes.last_mut().filter(|note| note.account == billable.account) {
        Some(note) => note.uncosted += billable.uncosted,
        None => notes.push(Note {
            account: billable.account,
            unrated,
            uncosted: billable.uncosted,
            is_nameless: !billable.is_named,
            is_held,
        }),
    }
}
