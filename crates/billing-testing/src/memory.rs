//! What the fakes remember, and how a test puts things there. It keeps the ports' promises, not their speed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use billing_domain::invoicing::{Invoice, InvoiceLine};
use billing_domain::ports::{AccountProfile, AdminAction, PortError};
use billing_domain::pricing::{CostKey, PriceKey};
use billing_domain::usage::UsageCell;
use billing_domain::{AccountId, Day, DayRange, InvoiceId, OperatorCost, OperatorId, Price};
use jiff::Timestamp;
use uuid::Uuid;

use crate::idempotency::IdempotencyKeys;

/// A store in memory: a fake of `UsageReader`, `PriceAdmin`, `InvoiceReader`, `InvoiceVoider` and `DocumentStore`. Clones
/// share what they remember.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<State>>);

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
    pub(crate) usage: Vec<(AccountId, OperatorId, UsageCell)>,
    pub(crate) noted: Vec<NotedRead>,
    pub(crate) prices: BTreeMap<Uuid, Stored<Price>>,
    pub(crate) costs: BTreeMap<Uuid, Stored<OperatorCost>>,
    pub(crate) invoices: BTreeMap<InvoiceId, (Invoice, Vec<InvoiceLine>)>,
    pub(crate) documents: HashMap<String, Vec<u8>>,
    pub(crate) keys: IdempotencyKeys,
    pub(crate) rated_until: Option<Day>,
    failing: Option<bool>,
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
pub(crate) trait Dated {
    type Key: PartialEq;
    fn key(&self) -> Self::Key;
    fn days(&self) -> DayRange;
    fn set_days(&mut self, days: DayRange);
    fn is_cancelled(&self) -> bool;
    fn cancel(&mut self, at: Timestamp);
}

impl Dated for Price {
    type Key = PriceKey;

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

    /// Usage of an account with an operator: an hour or a day of it.
    pub fn put_usage(&self, account: AccountId, operator: OperatorId, cell: UsageCell) {
        self.remembered().usage.push((account, operator, cell));
    }

    /// An invoice and its lines, in the place of one with its id.
    pub fn put_invoice(&self, invoice: Invoice, lines: Vec<InvoiceLine>) {
        self.remembered().invoices.insert(invoice.id, (invoice, lines));
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

    /// The reads that were noted, oldest first.
    #[must_use]
    pub fn noted_reads(&self) -> Vec<NotedRead> {
        self.remembered().noted.clone()
    }

    /// What is remembered, unless the store is to fail.
    pub(crate) fn open(&self, operation: &'static str) -> Result<MutexGuard<'_, State>, PortError> {
        let state = self.remembered();
        // The words of a server: an answer that shows them shows too much.
        const CAUSE: &str = "SELECT secret FROM billing.prices at 10.0.0.1:5432";
        match state.failing {
            None => Ok(state),
            Some(true) => Err(PortError::transient(operation, CAUSE)),
            Some(false) => Err(PortError::permanent(operation, CAUSE)),
        }
    }

    fn remembered(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
