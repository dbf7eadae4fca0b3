//! Invoices: drafting, numbering, issuing and voiding, each step a transaction that may be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use jiff::Timestamp;
use uuid::Uuid;

use crate::invoicing::{
    Disposition, Invoice, InvoiceContents, InvoiceDocument, InvoiceNumber, InvoiceStatus, Party, VoidEffect, VoidReason,
};
use crate::{AccountId, Currency, Day, InvoiceId, Month, TenantId};

use super::{AdminAction, ChangeOutcome, PortError};

/// An account and currency with something that no invoice asks for yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Billable {
    /// The account's tenant.
    pub tenant: TenantId,
    /// Who is billed.
    pub account: AccountId,
    /// In which.
    pub currency: Currency,
    /// Months up to the period with something to bill: open usage, corrections, or a fee or minimum that is due without
    /// usage.
    pub open: BTreeSet<Month>,
    /// Months with an invoice that is not void.
    pub invoiced: BTreeSet<Month>,
    /// Open messages without an operator cost.
    pub uncosted: u64,
    /// Whether the account's legal name is known; its id is printed otherwise.
    pub is_named: bool,
}

/// An invoice to draft.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DraftRequest {
    /// Chosen by the caller, so that a repeated call is the same call.
    pub id: InvoiceId,
    /// The account's tenant.
    pub tenant: TenantId,
    /// Who is billed.
    pub account: AccountId,
    /// In which.
    pub currency: Currency,
    /// The month it is for.
    pub month: Month,
    /// Earlier months whose late usage goes on it.
    pub late: Vec<Month>,
    /// Now.
    pub at: Timestamp,
}

/// What became of a draft.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DraftOutcome {
    /// The usage is sealed by this invoice.
    Drafted(InvoiceId),
    /// Another run has drafted the month.
    Taken,
    /// There was no open usage any more.
    NoUsage,
}

/// What is pinned on a draft together with its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PinRequest {
    /// The UTC day of issue; its year names the series.
    pub issue_date: Day,
    /// By which it is to be paid.
    pub due_date: Day,
    /// Who sells.
    pub seller: Party,
    /// The version of the template that renders it.
    pub template: &'static str,
}

/// What became of an issue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FinalizeOutcome {
    /// By this call or an earlier one.
    Finalized,
    /// It was declared void meanwhile.
    Void,
}

/// A draft that could not be finished.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParkedDraft {
    /// Which.
    pub invoice: InvoiceId,
    /// Whose.
    pub account: AccountId,
    /// For which month.
    pub period: Month,
    /// In which.
    pub currency: Currency,
    /// `None` while it has none.
    pub number: Option<InvoiceNumber>,
    /// When it was parked first; `None` when that was not noted yet.
    pub since: Option<Timestamp>,
    /// Why it was parked last.
    pub reason: String,
}

/// What a run of the cron did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RunCounts {
    /// Invoices issued by it.
    pub invoiced: u64,
    /// Accounts that failed and were left as they were, or as DRAFT.
    pub failed: u64,
    /// Accounts that another run had billed, or that were held.
    pub skipped: u64,
}

/// How a run ended; the name is the metric's label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunResult {
    /// Everything due was done.
    Ok,
    /// Some accounts failed.
    Partial,
    /// Nothing could run.
    Error,
}

impl RunResult {
    /// The name in the database and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Error => "error",
        }
    }
}

/// The steps from open usage to an issued invoice.
pub trait InvoiceStore {
    /// Accounts with something to bill up to the period, by account and currency.
    fn billable(
        &self,
        period: Month,
        account: Option<AccountId>,
    ) -> impl Future<Output = Result<Vec<Billable>, PortError>> + Send;

    /// How many messages up to the period wait unrated, by account: accounts without any rated usage too.
    fn unrated(
        &self,
        period: Month,
        account: Option<AccountId>,
    ) -> impl Future<Output = Result<BTreeMap<AccountId, u64>, PortError>> + Send;

    /// Drafts of months up to the period that an earlier run left, oldest month first.
    fn unfinished(
        &self,
        period: Month,
        account: Option<AccountId>,
    ) -> impl Future<Output = Result<Vec<InvoiceId>, PortError>> + Send;

    /// What a draft would ask for, composed but not written.
    fn preview(&self, request: &DraftRequest) -> impl Future<Output = Result<InvoiceContents, PortError>> + Send;

    /// Seals the open buckets of the month, and of the late months that still have an invoice, and writes the draft
    /// with what [`compose`](crate::invoicing::compose) makes of exactly what was sealed, and its taxes.
    fn draft(&self, request: &DraftRequest) -> impl Future<Output = Result<DraftOutcome, PortError>> + Send;

    /// Gives the draft the next number and pins what its document shows, unless that was done before; the document.
    /// `None` when it is not a draft any more.
    fn pin(
        &self,
        invoice: InvoiceId,
        request: &PinRequest,
    ) -> impl Future<Output = Result<Option<InvoiceDocument>, PortError>> + Send;

    /// Records the hash of the document before it is stored; the hash on record, which an earlier run may have set.
    fn record_pdf(
        &self,
        invoice: InvoiceId,
        sha256: [u8; 32],
    ) -> impl Future<Output = Result<[u8; 32], PortError>> + Send;

    /// Issues the invoice and puts its event into the outbox.
    fn finalize(
        &self,
        invoice: InvoiceId,
        at: Timestamp,
    ) -> impl Future<Output = Result<FinalizeOutcome, PortError>> + Send;

    /// Notes why a draft could not be finished, and since when.
    fn park(
        &self,
        invoice: InvoiceId,
        reason: &str,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Drafts that could not be finished, oldest month first.
    fn parked(&self) -> impl Future<Output = Result<Vec<ParkedDraft>, PortError>> + Send;

    /// Notes that a run began.
    fn begin_run(&self, run: Uuid, period: Month, at: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Notes how it ended.
    fn end_run(
        &self,
        run: Uuid,
        at: Timestamp,
        result: RunResult,
        counts: RunCounts,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Which invoices to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InvoiceFilter {
    /// The only tenant whose rows may be seen; `None` for staff.
    pub tenant: Option<TenantId>,
    /// Of this account.
    pub account: Option<AccountId>,
    /// In this state.
    pub status: Option<InvoiceStatus>,
    /// For months that begin on this day or later.
    pub from: Option<Day>,
    /// For months that begin on this day or earlier.
    pub to: Option<Day>,
    /// Whether DRAFTs are shown.
    pub with_drafts: bool,
}

/// A page of invoices, latest month first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvoicePage {
    /// Its rows.
    pub rows: Vec<Invoice>,
    /// Month and id of the last row, when more follow.
    pub next: Option<(Month, InvoiceId)>,
    /// How many the filter matches in all.
    pub total: u64,
}

/// Reads invoices.
pub trait InvoiceReader {
    /// A page of invoices after a month and id.
    fn invoices(
        &self,
        filter: &InvoiceFilter,
        after: Option<(Month, InvoiceId)>,
        limit: u32,
    ) -> impl Future<Output = Result<InvoicePage, PortError>> + Send;

    /// One invoice and what it is made of, if it exists within the tenant that may be seen.
    fn invoice(
        &self,
        id: InvoiceId,
        tenant: Option<TenantId>,
    ) -> impl Future<Output = Result<Option<(Invoice, InvoiceContents)>, PortError>> + Send;
}

/// Declares invoices void.
pub trait InvoiceVoider {
    /// Declares an invoice void and releases or waives its usage: its sums are added to the open bucket of the same
    /// key, or become it, and the old buckets stay as its history. Refused with `Ended` unless
    /// [`InvoiceStatus::can_be_voided`]; of many at once, one wins. Its credit note is written with it, numbered and
    /// dated, if [`Invoice::is_credited_when_void`].
    fn void(
        &self,
        id: InvoiceId,
        reason: &VoidReason,
        disposition: Disposition,
        action: &AdminAction,
    ) -> impl Future<Output = Result<ChangeOutcome<Invoice>, PortError>> + Send;

    /// What [`Self::void`] would do now, refused alike; nothing is written.
    fn preview_void(
        &self,
        id: InvoiceId,
        disposition: Disposition,
    ) -> impl Future<Output = Result<ChangeOutcome<VoidEffect>, PortError>> + Send;
}

/// What an outbox entry tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvoiceEventKind {
    /// It was issued.
    Generated,
    /// It was declared void.
    Voided,
}

/// An event that waits to be published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboxEntry {
    /// Its place in the outbox.
    pub position: i64,
    /// What it tells.
    pub kind: InvoiceEventKind,
    /// Of which invoice.
    pub invoice: Invoice,
    /// The trace of the cause.
    pub traceparent: Option<String>,
}

/// A run of the cron, for its metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RunTotals {
    /// Runs that ended ok, partial and in error.
    pub runs: [u64; 3],
    /// What their accounts became.
    pub accounts: RunCounts,
    /// Seconds that the last ended run took, rounded down; 0 before the first.
    pub last_seconds: u64,
}

/// Events to publish, and what the cron left behind for its metrics.
pub trait Outbox {
    /// Up to `limit` entries that are not published, oldest first.
    fn unpublished(&self, limit: u32) -> impl Future<Output = Result<Vec<OutboxEntry>, PortError>> + Send;

    /// Notes that entries were taken by the stream.
    fn mark_published(&self, positions: &[i64], at: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;

    /// All runs of the cron, summed.
    fn run_totals(&self) -> impl Future<Output = Result<RunTotals, PortError>> + Send;
}
