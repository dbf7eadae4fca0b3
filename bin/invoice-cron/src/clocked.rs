//! Where the time of a run goes: each port with a clock beside it. A clock decides nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use billing_domain::invoicing::{InvoiceContents, InvoiceDocument};
use billing_domain::ports::{
    Billable, DocumentStore, DraftOutcome, DraftRequest, FinalizeOutcome, InvoiceRenderer, InvoiceStore, ParkedDraft,
    PinRequest, PortError, PutOutcome, RenderedDocument, RunCounts, RunResult,
};
use billing_domain::{AccountId, InvoiceId, Month};
use jiff::Timestamp;
use uuid::Uuid;

/// A port, and the sum of what its calls took; calls side by side are added up.
pub(crate) struct Clocked<T> {
    inner: T,
    clock: Stopwatch,
}

/// A sum of times.
#[derive(Default)]
pub(crate) struct Stopwatch(AtomicU64);

impl Stopwatch {
    /// Adds what a piece of work takes.
    pub(crate) async fn of<O>(&self, work: impl Future<Output = O>) -> O {
        let began = Instant::now();
        let done = work.await;
        self.0.fetch_add(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        done
    }

    /// The sum in milliseconds.
    pub(crate) fn millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed) / 1_000
    }
}

impl<T> Clocked<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, clock: Stopwatch::default() }
    }

    /// What its calls took in sum, in milliseconds.
    pub(crate) fn millis(&self) -> u64 {
        self.clock.millis()
    }
}

impl<R: InvoiceRenderer + Sync> InvoiceRenderer for Clocked<R> {
    const TEMPLATE: &'static str = R::TEMPLATE;

    async fn render(&self, document: InvoiceDocument) -> Result<RenderedDocument, PortError> {
        self.clock.of(self.inner.render(document)).await
    }
}

impl<D: DocumentStore + Sync> DocumentStore for Clocked<D> {
    async fn put(&self, key: &str, document: &RenderedDocument) -> Result<PutOutcome, PortError> {
        self.clock.of(self.inner.put(key, document)).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        self.clock.of(self.inner.get(key)).await
    }

    async fn presign(&self, key: &str, now: Timestamp) -> Result<(String, Timestamp), PortError> {
        self.clock.of(self.inner.presign(key, now)).await
    }
}

impl<S: InvoiceStore + Sync> InvoiceStore for Clocked<S> {
    async fn billable(&self, period: Month, account: Option<AccountId>) -> Result<Vec<Billable>, PortError> {
        self.clock.of(self.inner.billable(period, account)).await
    }

    async fn unrated(&self, period: Month, account: Option<AccountId>) -> Result<BTreeMap<AccountId, u64>, PortError> {
        self.clock.of(self.inner.unrated(period, account)).await
    }

    async fn unfinished(&self, period: Month, account: Option<AccountId>) -> Result<Vec<InvoiceId>, PortError> {
        self.clock.of(self.inner.unfinished(period, account)).await
    }

    async fn preview(&self, request: &DraftRequest) -> Result<InvoiceContents, PortError> {
        self.clock.of(self.inner.preview(request)).await
    }

    async fn draft(&self, request: &DraftRequest) -> Result<DraftOutcome, PortError> {
        self.clock.of(self.inner.draft(request)).await
    }

    async fn pin(&self, invoice: InvoiceId, request: &PinRequest) -> Result<Option<InvoiceDocument>, PortError> {
        self.clock.of(self.inner.pin(invoice, request)).await
    }

    async fn record_pdf(&self, invoice: InvoiceId, sha256: [u8; 32]) -> Result<[u8; 32], PortError> {
        self.clock.of(self.inner.record_pdf(invoice, sha256)).await
    }

    async fn finalize(&self, invoice: InvoiceId, at: Timestamp) -> Result<FinalizeOutcome, PortError> {
        self.clock.of(self.inner.finalize(invoice, at)).await
    }

    async fn park(&self, invoice: InvoiceId, reason: &str, at: Timestamp) -> Result<(), PortError> {
        self.clock.of(self.inner.park(invoice, reason, at)).await
    }

    async fn parked(&self) -> Result<Vec<ParkedDraft>, PortError> {
        self.clock.of(self.inner.parked()).await
    }

    async fn begin_run(&self, run: Uuid, period: Month, at: Timestamp) -> Result<(), PortError> {
        self.clock.of(self.inner.begin_run(run, period, at)).await
    }

    async fn end_run(&self, run: Uuid, at: Timestamp, result: RunResult, counts: RunCounts) -> Result<(), PortError> {
        self.clock.of(self.inner.end_run(run, at, result, counts)).await
    }
}
