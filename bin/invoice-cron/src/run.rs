//! The run: jobs side by side, each isolated; what failed in passing is tried again until the time is up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use billing_domain::InvoiceId;
use billing_domain::ports::{Clock, DocumentStore, InvoiceRenderer, InvoiceStore, RunCounts};
use billing_domain::use_cases::{Finished, IssueTerms, draft_invoice, finish_invoice};
use billing_runtime::{Shutdown, chain};
use tokio::task::JoinSet;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::clocked::{Clocked, Stopwatch};
use crate::plan::Job;
use crate::progress::Progress;

const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// So many failures that may pass, one after the other, for each account side by side, are an outage.
const FAILED_IN_A_ROW: usize = 2;

/// What a run bills with.
pub(crate) struct Tools<S, R, D, C> {
    pub(crate) store: Clocked<S>,
    pub(crate) renderer: Clocked<R>,
    pub(crate) documents: Clocked<D>,
    pub(crate) clock: C,
    pub(crate) terms: IssueTerms,
    pub(crate) progress: Progress,
    /// From the beginning of each job to its end.
    pub(crate) jobs: Stopwatch,
}

/// What a run did.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) counts: RunCounts,
    pub(crate) issued: Vec<InvoiceId>,
    pub(crate) failures: Vec<Failure>,
    /// Whether it was asked to stop before all was done.
    pub(crate) is_cut_short: bool,
}

/// What of a piece of work was not done, and why.
pub(crate) struct Failure {
    pub(crate) job: Job,
    pub(crate) reason: String,
    is_retryable: bool,
}

/// What one job did before it ended or failed.
#[derive(Default)]
struct Done {
    issued: Vec<InvoiceId>,
    elsewhere: u64,
    failure: Option<Failure>,
}

/// Does every job, `parallel` at a time. A failure that may pass parks its job; parked jobs are tried again, with
/// growing pauses, until nothing has been issued for `retry_for`. A signal stops the run between jobs.
pub(crate) async fn run<S, R, D, C>(
    tools: Arc<Tools<S, R, D, C>>,
    jobs: Vec<Job>,
    parallel: u32,
    retry_for: Duration,
    shutdown: &Shutdown,
) -> Outcome
where
    S: InvoiceStore + Send + Sync + 'static,
    R: InvoiceRenderer + Send + Sync + 'static,
    D: DocumentStore + Send + Sync + 'static,
    C: Clock + Send + Sync + 'static,
{
    let mut outcome = Outcome::default();
    let mut waiting = jobs;
    let (mut stuck_since, mut pause) = (Instant::now(), RETRY_FIRST);
    loop {
        let issued = outcome.issued.len();
        let Pass { failures, untried } = pass(&tools, waiting, parallel, shutdown, &mut outcome).await;
        if outcome.issued.len() > issued {
            (stuck_since, pause) = (Instant::now(), RETRY_FIRST);
        }
        let (again, for_good): (Vec<_>, Vec<_>) = failures.into_iter().partition(|failure| failure.is_retryable);
        outcome.failures.extend(for_good);
        let Some(reason) = again.first().map(|failure| failure.reason.clone()) else { break };
        let is_over = stuck_since.elapsed() + pause > retry_for || outcome.is_cut_short;
        if is_over || shutdown.sleep(pause).await {
            let reason = format!("not tried, for others failed: {reason}");
            outcome.failures.extend(again);
            outcome.failures.extend(untried.into_iter().map(|job| Failure {
                job,
                reason: reason.clone(),
                is_retryable: true,
            }));
            break;
        }
        let parked = again.len() + untried.len();
        tools.progress.say(&format!("{parked} parked, tried again: {reason}"));
        // The untried first: what fails by itself must not keep them waiting for ever.
        waiting = untried.into_iter().chain(again.into_iter().map(|failure| failure.job)).collect();
        pause = (pause * 2).min(RETRY_MAX);
    }
    outcome.counts.failed = u64::try_from(outcome.failures.len()).unwrap_or(u64::MAX);
    outcome
}

/// What is left after every job has had its turn.
struct Pass {
    failures: Vec<Failure>,
    /// Had no turn: what others failed of would have failed them.
    untried: Vec<Job>,
}

async fn pass<S, R, D, C>(
    tools: &Arc<Tools<S, R, D, C>>,
    jobs: Vec<Job>,
    parallel: u32,
    shutdown: &Shutdown,
    outcome: &mut Outcome,
) -> Pass
where
    S: InvoiceStore + Send + Sync + 'static,
    R: InvoiceRenderer + Send + Sync + 'static,
    D: DocumentStore + Send + Sync + 'static,
    C: Clock + Send + Sync + 'static,
{
    let parallel = usize::try_from(parallel).unwrap_or(1);
    let mut failures = Vec::new();
    let mut under_way = JoinSet::new();
    let mut jobs = jobs.into_iter();
    // An outage may cost every try its time limit: the rest had better wait for its end.
    let (mut in_a_row, enough) = (0, parallel * FAILED_IN_A_ROW);
    loop {
        while under_way.len() < parallel && in_a_row < enough && !shutdown.is_requested() {
            let Some(job) = jobs.next() else { break };
            let tools = Arc::clone(tools);
            // A trace of its own, linked to the run's: one of ten thousand accounts would be of no use.
            let span = tracing::info_span!(parent: None, "bill", otel.name = "bill account", otel.status_code = Empty);
            span.follows_from(Span::current());
            let work = async move {
                let done = tools.jobs.of(bill(&tools, job)).await;
                if done.failure.is_some() {
                    Span::current().record("otel.status_code", "ERROR");
                }
                done
            };
            under_way.spawn(work.instrument(span));
        }
        let Some(ended) = under_way.join_next().await else { break };
        let done = ended.unwrap_or_else(|error| {
            let reason = format!("the work broke down: {error}");
            Done { failure: Some(Failure { job: Job::default(), reason, is_retryable: false }), ..Done::default() }
        });
        in_a_row = if done.failure.as_ref().is_some_and(|failure| failure.is_retryable) { in_a_row + 1 } else { 0 };
        outcome.counts.invoiced += u64::try_from(done.issued.len()).unwrap_or(u64::MAX);
        outcome.counts.skipped += done.elsewhere;
        outcome.issued.extend(done.issued);
        failures.extend(done.failure);
    }
    let untried: Vec<Job> = jobs.collect();
    outcome.is_cut_short |= shutdown.is_requested() && !untried.is_empty();
    // Who was asked to stop has not failed at what it did not begin.
    Pass { failures, untried: if outcome.is_cut_short { Vec::new() } else { untried } }
}

/// Does a job until it is done or a step fails; what is left is in the failure. The months after a failed one wait.
async fn bill<S, R, D, C>(tools: &Tools<S, R, D, C>, mut job: Job) -> Done
where
    S: InvoiceStore + Sync,
    R: InvoiceRenderer + Sync,
    D: DocumentStore + Sync,
    C: Clock,
{
    let mut done = Done::default();
    loop {
        if let Some(invoice) = job.unfinished.front() {
            let Tools { store, renderer, documents, clock, terms, .. } = tools;
            let finish = finish_invoice(store, renderer, documents, clock, terms, *invoice);
            match finish.instrument(tracing::info_span!("finish_invoice")).await {
                Ok(Finished::Issued(invoice)) => done.issued.push(invoice),
                Ok(Finished::Elsewhere) => done.elsewhere += 1,
                Err(error) => {
                    let trace_id = billing_runtime::trace_id(&Span::current());
                    tracing::warn!(%invoice, trace_id, error = chain(&error), "an invoice stays a draft");
                    let (reason, is_retryable) = (chain(&error), error.is_retryable());
                    done.failure = Some(Failure { job, reason, is_retryable });
                    return done;
                }
            }
            job.unfinished.pop_front();
            tools.progress.step();
        } else if let Some(draft) = job.due.front() {
            let drafted = draft_invoice(&tools.store, draft).instrument(tracing::info_span!("draft_invoice"));
            match drafted.await {
                Ok(Some(invoice)) => job.unfinished.push_back(invoice),
                Ok(None) => {
                    done.elsewhere += 1;
                    tools.progress.step();
                }
                Err(error) => {
                    let (reason, is_retryable) = (chain(&error), error.retryable);
                    done.failure = Some(Failure { job, reason, is_retryable });
                    return done;
                }
            }
            job.due.pop_front();
        } else {
            return done;
        }
    }
}
