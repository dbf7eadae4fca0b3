//! What the fakes remember, and how a test puts things there. It keeps the ports' promises, not their speed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use billing_domain::invoicing::{CreditNote, Invoice, InvoiceContents};
use billing_domain::ports::{
    AccountHistory, AccountProfile, AdminAction, PortError, ReplayRequest, Snapshot, WaitingUsage,
};
use billing_domain::pricing::{Correction, CostKey, PriceKey};
use billing_domain::usage::{Claim, QuarantineReason, RatedUsage, Receipt, UnratedUsage, UsageCell};
use billing_domain::{AccountId, Day, DayRange, InvoiceId, MessageId, OperatorCost, OperatorId, Price, PriceBook};
use jiff::Timestamp;
use uuid::Uuid;

use crate::idempotency::IdempotencyKeys;
use crate::proofs::ProvenInvoice;
use crate::quarantine::Held;

/// Everything that billing stores, in memory: prices and their book, accounts, usage, invoices and documents. Clones
/// share what they remember.
///
/// A fake of `UsageLedger`, `Accounts`, `PriceBookStore`, `PriceBookCache`, `PriceAdmin`, `DeckStore`,
/// `PriceCorrections`, `PricingReader`, `AccountAdmin`, `UsageReader`, `ReadOwnWrites`, `QuarantineAdmin`, `Quarantine`,
/// `InvoiceReader`, `InvoiceVoider`, `CreditNotes`, `InvoiceProofs`, `DocumentStore` and `InvoiceRenderer`.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<State>>);

/// The words of a server: an answer that shows them shows too much.
const CAUSE: &str = "SELECT secret FROM billing.prices at 10.0.0.1:5432";

/// A read that was noted in the audit log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotedRead {
    /// Whose data; `None`: every account's.
    pub account: Option<AccountId>,
    /// Which data.
    pub what: &'static str,
    /// By whom and when.
    pub action: AdminAction,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) accounts: HashMap<AccountId, AccountProfile>,
    pub(crate) histories: BTreeMap<AccountId, AccountHistory>,
    pub(crate) usage: Vec<(AccountId, OperatorId, UsageCell)>,
    pub(crate) claims: HashMap<MessageId, Claim>,
    pub(crate) rated: BTreeMap<MessageId, RatedUsage>,
    pub(crate) waiting: Vec<WaitingUsage>,
    /// Of the message that was last set aside.
    position: i64,
    /// Second publications, each once.
    pub(crate) duplicates: BTreeSet<Receipt>,
    /// Each once.
    pub(crate) quarantined: BTreeMap<Receipt, QuarantineReason>,
    /// The same with their bytes, by id.
    pub(crate) held: Vec<Held>,
    /// As they were asked for.
    pub(crate) replays: Vec<ReplayRequest>,
    pub(crate) noted: Vec<NotedRead>,
    pub(crate) prices: Rows<Price>,
    pub(crate) costs: Rows<OperatorCost>,
    pub(crate) directory_version: i64,
    /// The hash on record of the book of a version.
    pub(crate) pinned: Option<(i64, [u8; 32])>,
    /// What the cache was given, by version.
    pub(crate) snapshots: HashMap<i64, Snapshot>,
    /// What bytes of that hash say.
    pub(crate) books: HashMap<[u8; 32], PriceBook>,
    pub(crate) corrections: BTreeMap<Uuid, Correction>,
    pub(crate) invoices: BTreeMap<InvoiceId, (Invoice, InvoiceContents)>,
    /// Drafts that could not be finished.
    pub(crate) parked: BTreeSet<InvoiceId>,
    /// By invoice.
    pub(crate) credit_notes: BTreeMap<InvoiceId, CreditNote>,
    pub(crate) documents: HashMap<String, Vec<u8>>,
    pub(crate) proven: BTreeMap<InvoiceId, ProvenInvoice>,
    pub(crate) exports_are_busy: bool,
    pub(crate) keys: IdempotencyKeys,
    pub(crate) rated_until: Option<Day>,
    pub(crate) flaw: Option<Flaw>,
    failing: Option<bool>,
    is_log_failing: bool,
}

/// What a fake does wrong, so that the contracts can show that they notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    ForgetsClaims,
    ForgetsWhatIsAside,
    RatesAtAnyVersion,
    RatesWhatIsGone,
    CostsTwice,
    OverlapsPrices,
    ForgetsKeys,
    KeepsVersion,
    BelievesTheCache,
    OverwritesDocuments,
    LearnsEverything,
    TakesOtherTenants,
    WritesPreviews,
    TakesCostsForNothing,
    ReopensTheClosed,
    ShowsBytes,
    LosesUpdates,
}

/// Rows by id, and how often they have been changed.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    by_id: BTreeMap<Uuid, Stored<T>>,
    pub(crate) changes: i64,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { by_id: BTreeMap::new(), changes: 0 }
    }
}

impl<T> Deref for Rows<T> {
    type Target = BTreeMap<Uuid, Stored<T>>;

    fn deref(&self) -> &Self::Target {
        &self.by_id
    }
}

impl<T> DerefMut for Rows<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.by_id
    }
}

/// A row and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Stored<T> {
    pub(crate) row: T,
    pub(crate) is_superseded: bool,
}

impl<T> Stored<T> {
    pub(crate) fn new(row: T) -> Self {
        Self { row, is_superseded: false }
    }
}

/// A row with a key and days, which may be cancelled: a price or a cost.
pub(crate) trait Dated: Clone + PartialEq {
    type Key: PartialEq;
    fn rows(state: &State) -> &Rows<Self>;
    fn rows_mut(state: &mut State) -> &mut Rows<Self>;
    fn key(&self) -> Self::Key;
    fn days(&self) -> DayRange;
    fn set_days(&mut self, days: DayRange);
    fn is_cancelled(&self) -> bool;
    fn cancel(&mut self, at: Timestamp);
}

impl Dated for Price {
    type Key = PriceKey;

    fn rows(state: &State) -> &Rows<Self> {
        &state.prices
    }

    fn rows_mut(state: &mut State) -> &mut Rows<Self> {
        &mut state.prices
    }

    fn key(&self) -> PriceKey {
        self.terms.key()
    }

    fn days(&self) -> DayRange {
        self.terms.days
    }

    fn set_days(&mut self, days: DayRange) {
        self.terms.days = days;
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled_at.is_some()
    }

    fn cancel(&mut self, at: Timestamp) {
        self.cancelled_at = Some(at);
    }
}

impl Dated for OperatorCost {
    type Key = CostKey;

    fn rows(state: &State) -> &Rows<Self> {
        &state.costs
    }

    fn rows_mut(state: &mut State) -> &mut Rows<Self> {
        &mut state.costs
    }

    fn key(&self) -> CostKey {
        self.key.clone()
    }

    fn days(&self) -> DayRange {
        self.days
    }

    fn set_days(&mut self, days: DayRange) {
        self.days = days;
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled_at.is_some()
    }

    fn cancel(&mut self, at: Timestamp) {
        self.cancelled_at = Some(at);
    }
}

impl Memory {
    /// An account that has been seen.
    pub fn put_account(&self, account: AccountId, profile: AccountProfile) {
        self.remembered().accounts.insert(account, profile);
    }

    /// An account with everything that staff may see of it, in the place of one with its id.
    pub fn put_history(&self, history: AccountHistory) {
        self.remembered().histories.insert(history.account, history);
    }

    /// Usage of an account with an operator: an hour or a day of it.
    pub fn put_usage(&self, account: AccountId, operator: OperatorId, cell: UsageCell) {
        self.remembered().usage.push((account, operator, cell));
    }

    /// A message that was rated by a price that is there.
    pub fn put_rated(&self, usage: RatedUsage) {
        self.remembered().rated.insert(usage.event.message, usage);
    }

    /// A message that waits.
    pub fn put_waiting(&self, usage: UnratedUsage) {
        self.remembered().set_aside(usage);
    }

    /// An invoice and what it is made of, in the place of one with its id.
    pub fn put_invoice(&self, invoice: Invoice, contents: InvoiceContents) {
        self.remembered().invoices.insert(invoice.id, (invoice, contents));
    }

    /// A draft could not be finished.
    pub fn park(&self, invoice: InvoiceId) {
        self.remembered().parked.insert(invoice);
    }

    /// A document, whatever was at its key.
    pub fn put_document(&self, key: &str, bytes: &[u8]) {
        self.remembered().documents.insert(key.to_owned(), bytes.to_vec());
    }

    /// Usage has been rated up to and with this day: no price can begin on it or before.
    pub fn rate_until(&self, day: Day) {
        self.remembered().rated_until = Some(day);
    }

    /// From now on every call fails, in a way that may pass or not; `None`: no more.
    pub fn fail(&self, retryable: Option<bool>) {
        self.remembered().failing = retryable;
    }

    /// From now on no read can be noted in the audit log, and all else goes on.
    pub fn fail_to_note(&self) {
        self.remembered().is_log_failing = true;
    }

    /// The reads that were noted, oldest first.
    #[must_use]
    pub fn noted_reads(&self) -> Vec<NotedRead> {
        self.remembered().noted.clone()
    }

    /// What is remembered, unless the store is to fail.
    pub(crate) fn open(&self, operation: &'static str) -> Result<MutexGuard<'_, State>, PortError> {
        let state = self.remembered();
        match state.failing {
            None => Ok(state),
            Some(true) => Err(PortError::transient(operation, CAUSE)),
            Some(false) => Err(PortError::permanent(operation, CAUSE)),
        }
    }

    pub(crate) fn remembered(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A store that does one thing wrong.
    #[cfg(test)]
    pub(crate) fn flawed(flaw: Flaw) -> Self {
        let memory = Self::default();
        memory.remembered().flaw = Some(flaw);
        memory
    }
}

impl State {
    /// Notes a read in the audit log, unless that is to fail.
    pub(crate) fn note(&mut self, read: NotedRead) -> Result<(), PortError> {
        if self.is_log_failing {
            return Err(PortError::transient("note_read", CAUSE));
        }
        self.noted.push(read);
        Ok(())
    }

    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    pub(crate) fn set_aside(&mut self, usage: UnratedUsage) {
        self.position += 1;
        self.waiting.push(WaitingUsage { usage, position: self.position });
    }
}
