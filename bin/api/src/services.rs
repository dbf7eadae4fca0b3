//! What the routes work with: the store, the documents, their renderer, the clock, the token verifier. Store work runs to
//! its end in a task of its own, so that a client that leaves never breaks a transaction off; how much runs at once is
//! bounded, and so is how long anyone waits for it.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use billing_domain::ports::{
    AccountAdmin, CreditNotes, DocumentStore, InvoiceProofs, InvoiceReader, InvoiceRenderer, InvoiceVoider,
    LogPosition, PriceAdmin, PriceCorrections, PriceDecks, PricingReader, QuarantineAdmin, ReadOwnWrites, UsageReader,
};
use billing_runtime::Health;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use crate::auth::Verifier;
use crate::exporting::Exporting;
use crate::http::problem::{Kind, Problem};
use crate::routes::Pages;

/// Requests at once, from their head to the last byte of their answer: what they hold in memory is bounded by it.
pub(crate) const REQUESTS_MAX: usize = 512;
/// Store calls at once; beyond, requests are told to come back. The pools queue what they cannot serve.
const WORK_MAX: u32 = 256;
/// Nobody waits longer for work, which goes on: a server that is silent says nothing of itself, and each call that
/// anything else makes ends before.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(50);
/// Decks at once: each may hold its file, its lines and what they do.
const IMPORTS_MAX: usize = 2;
/// Proofs at once: each may keep a connection busy for as long as it takes to visit a million events.
const PROOFS_MAX: usize = 2;

/// The ports that the routes use, in one handle that is cheap to clone.
pub(crate) trait Store:
    UsageReader
    + ReadOwnWrites
    + PriceAdmin
    + PriceDecks
    + PriceCorrections
    + PricingReader
    + AccountAdmin
    + InvoiceReader
    + InvoiceProofs
    + InvoiceVoider
    + CreditNotes
    + QuarantineAdmin
    + Clone
    + Send
    + Sync
    + 'static
{
    /// Where its invoices' documents are; likewise.
    type Documents: DocumentStore + Clone + Send + Sync + 'static;
    /// What makes documents; likewise.
    type Renderer: InvoiceRenderer + Clone + Send + Sync + 'static;
}

/// Shared by all workers.
pub(crate) struct Services<S: Store> {
    /// Who callers are.
    pub(crate) verifier: Verifier,
    /// Whether the process is ready.
    pub(crate) health: Health,
    /// The API's document.
    pub(crate) pages: Pages,
    /// The clock, read once for each request.
    pub(crate) now: fn() -> Timestamp,
    /// Turns for requests.
    pub(crate) requests: Arc<Semaphore>,
    /// Turns for the import of a deck.
    pub(crate) imports: Semaphore,
    /// Turns for the proof of an invoice.
    pub(crate) proofs: Arc<Semaphore>,
    /// Turns for the export of an account's usage.
    pub(crate) exporting: Exporting,
    /// Invoices' documents.
    pub(crate) documents: S::Documents,
    /// What makes documents that are not there yet.
    pub(crate) renderer: S::Renderer,
    store: S,
    tasks: Handle,
    work: Arc<Semaphore>,
}

impl<S: Store> Services<S> {
    /// `tasks` is where store work runs: a runtime that outlives the workers.
    ///
    /// # Errors
    /// When the API's document cannot be written.
    pub(crate) fn new(
        store: S,
        (documents, renderer): (S::Documents, S::Renderer),
        verifier: Verifier,
        health: Health,
        now: fn() -> Timestamp,
        tasks: Handle,
    ) -> Result<Self, serde_json::Error> {
        let work = Arc::new(Semaphore::new(WORK_MAX as usize));
        let (imports, proofs) = (Semaphore::new(IMPORTS_MAX), Arc::new(Semaphore::new(PROOFS_MAX)));
        let (pages, requests) = (Pages::new::<S>()?, Arc::new(Semaphore::new(REQUESTS_MAX)));
        let exporting = Exporting::default();
        Ok(Self {
            verifier,
            health,
            pages,
            now,
            requests,
            imports,
            proofs,
            exporting,
            documents,
            renderer,
            store,
            tasks,
            work,
        })
    }

    /// Works with the store, to the end, whether or not the caller is still waiting.
    ///
    /// # Errors
    /// 503 when too much is going on already, or when the work takes too long; 500 when it panicked; what it says.
    pub(crate) async fn run<T, E, F>(&self, work: impl FnOnce(S) -> F) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let permit = Arc::clone(&self.work).try_acquire_owned().map_err(|_| Kind::Overloaded)?;
        let work = work(self.store.clone());
        let work = async move {
            let result = work.await;
            drop(permit);
            result
        };
        let task = self.tasks.spawn(work.in_current_span());
        let ended = tokio::time::timeout(ANSWER_TIME_MAX, task).await;
        let ended =
            ended.map_err(|_| Problem::caused(Kind::Unavailable, "the work has not ended in time and goes on"))?;
        ended.map_err(|error| Problem::caused(Kind::Internal, error))?.map_err(Into::into)
    }

    /// Lets work go on by itself that is bounded elsewhere.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work.in_current_span());
    }

    /// Returns when no store work is going on.
    pub(crate) async fn idle(&self) {
        // The semaphore is never closed.
        let _all = self.work.acquire_many(WORK_MAX).await;
    }
}

/// The services as one request uses them: what it reads shows what its caller has written.
pub(crate) struct Seeing<S: Store> {
    services: Data<Services<S>>,
    seen: Option<LogPosition>,
}

impl<S: Store> Seeing<S> {
    /// What was written up to `seen`, if that is said.
    pub(crate) fn new(services: Data<Services<S>>, seen: Option<LogPosition>) -> Self {
        Self { services, seen }
    }

    /// As [`Services::run`].
    ///
    /// # Errors
    /// Likewise.
    pub(crate) async fn run<T, E, F>(&self, work: impl FnOnce(S) -> F) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let seen = self.seen;
        let seeing = |store: S| match seen {
            Some(position) => store.seeing(position),
            None => store,
        };
        self.services.run(move |store| work(seeing(store))).await
    }
}

impl<S: Store> Clone for Seeing<S> {
    fn clone(&self) -> Self {
        Self { services: self.services.clone(), seen: self.seen }
    }
}

impl<S: Store> Deref for Seeing<S> {
    type Target = Services<S>;

    fn deref(&self) -> &Services<S> {
        &self.services
    }
}
