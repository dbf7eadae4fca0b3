//! The run: jobs side by side, each isolated; what failed in passing is tried again until the time is up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use billing_domain::InvoiceId;
use billing_domain::ports::{Clock, DocumentStore, InvoiceRenderer, InvoiceStore, RunCounts};
use billing_domain::use_cases::{Finished, IssueTerms, draft_invoice, finish_invoice};
use billing_runtime::{Shutdown, chain};
use tokio::task::JoinSet;

use crate::plan::Job;
use crate::progress::Progress;

const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What a run bills with.
pub(crate) struct Tools<S, R, D, C> {
    pub(crate) store: S,
    pub(crate) renderer: R,
    pub(crate) documents: D,
    pub(crate) clock: C,
    pub(crate) terms: IssueTerms,
    pub(crate) progress: Progress,
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
/// growing pauses, for at most `retry_for`. A signal stops the run between jobs; so does, once that time is up, that as
/// many in a row have failed in passing as are done side by side: what they all need is away.
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
    let began = Instant::now();
    let mut outcome = Outcome::default();
    let mut waiting = jobs;
    let mut pause = RETRY_FIRST;
    loop {
        let over = began + retry_for;
        let parked = pass(&tools, std::mem::take(&mut waiting), parallel, over, shutdown, &mut outcome).await;
        let (again, for_good): (Vec<_>, Vec<_>) = parked.into_iter().partition(|failure| failure.is_retryable);
        outcome.failures.extend(for_good);
        let is_over = began.elapsed() + pause > retry_for || outcome.is_cut_short;
        if again.is_empty() || is_over || shutdown.sleep(pause).await {
            outcome.failures.extend(again);
            break;
        }
        tools.progress.say(&format!("{} parked, tried again: {}", again.len(), again[0].reason));
        waiting = again.into_iter().map(|failure| failure.job).collect();
        pause = (pause * 2).min(RETRY_MAX);
    }
    outcome.counts.failed = u64::try_from(outcome.failures.len()).unwrap_or(u64::MAX);
    outcome
}

async fn pass<S, R, D, C>(
    tools: &Arc<Tools<S, R, D, C>>,
    jobs: Vec<Job>,
    parallel: u32,
    over: Instant,
    shutdown: &Shutdown,
    outcome: &mut Outcome,
) -> Vec<Failure>
where
    S: InvoiceStore + Send + Sync + 'static,
    R: InvoiceRenderer + Send + Sync + 'static,
    D: DocumentStore + Send + Sync + 'static,
    C: Clock + Send + Sync + 'static,
{
    let parallel = usize::try_from(parallel).unwrap_or(1);
    let mut failures: Vec<Failure> = Vec::new();
    let mut in_a_row = 0;
    let mut under_way = JoinSet::new();
    let mut jobs = jobs.into_iter();
    loop {
        let is_in_vain = in_a_row >= parallel && Instant::now() >= over;
        while under_way.len() < parallel && !is_in_vain && !shutdown.is_requested() {
            let Some(job) = jobs.next() else { break };
            let tools = Arc::clone(tools);
            under_way.spawn(async move { bill(&tools, job).await });
        }
        let Some(ended) = under_way.join_next().await else { break };
        let done = ended.unwrap_or_else(|error| {
            let reason = format!("the work broke down: {error}");
            Done { failure: Some(Failure { job: Job::default(), reason, is_retryable: false }), ..Done::default() }
        });
        outcome.counts.invoiced += u64::try_from(done.issued.len()).unwrap_or(u64::MAX);
        outcome.counts.skipped += done.elsewhere;
        outcome.issued.extend(done.issued);
        let may_pass = done.failure.as_ref().is_some_and(|failure| failure.is_retryable);
        in_a_row = if may_pass { in_a_row + 1 } else { 0 };
        failures.extend(done.failure);
    }
    if shutdown.is_requested() {
        outcome.is_cut_short |= jobs.len() > 0;
        return failures;
    }
    let last = failures.last().map(|failure| failure.reason.clone()).unwrap_or_default();
    let untried = |job| Failure { job, reason: format!("not tried, as others failed: {last}"), is_retryable: true };
    failures.extend(jobs.map(untried));
    failures
}

/// Does a job until it is done or a step fails; what is left is in the failure. The months after a failed one wait.
async fn bill<S, R, D, C>(tools: &Tools<S, R, D, C>, mut job: Job) -> Done
where
    S: InvoiceStore,
    R: InvoiceRenderer,
    D: DocumentStore,
    C: Clock,
{
    let mut done = Done::default();
    loop {
        if let Some(invoice) = job.unfinished.front() {
            let Tools { store, renderer, documents, clock, terms, .. } = tools;
            match finish_invoice(store, renderer, documents, clock, terms, *invoice).await {
                Ok(Finished::Issued(invoice)) => done.issued.push(invoice),
                Ok(Finished::Elsewhere) => done.elsewhere += 1,
                Err(error) => {
                    tracing::warn!(%invoice, error = chain(&error), "an invoice stays a draft");
                    let (reason, is_retryable) = (chain(&error), error.is_retryable());
                    done.failure = Some(Failure { job, reason, is_retryable });
                    return done;
                }
            }
            job.unfinished.pop_front();
            tools.progress.step();
        } else if let Some(draft) = job.due.front() {
            match draft_invoice(&tools.store, draft).await {
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
