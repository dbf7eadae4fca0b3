//! From deliveries to a committed batch: accounts learned, prices current, and tried again until it is done.
//!
//! What each delivery becomes is decided by `billing-domain`; that it happens once, by the ledger.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use billing_domain::ports::{
    Accounts, Clock, PortError, PriceBookCache, PriceBookStore, RecordOutcome, Recorded, UsageLedger,
};
use billing_domain::usage::{Observation, check_age, observation};
use billing_domain::use_cases::{Delivery, prepare_batch, set_refused_aside};
use billing_runtime::{Backoff, Condition, Shutdown, chain, trace_id};
use jiff::Timestamp;
use tracing::Span;

use crate::catalog::{Catalog, Known};
use crate::metrics;

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// A database that has not answered for so long is not well: not even that it refuses, is told by one that hangs, or whose
/// standby confirms no commit.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// Records deliveries.
pub(crate) struct Recorder<D, C, T> {
    pub(crate) database: D,
    pub(crate) catalog: Arc<Catalog<D, C>>,
    pub(crate) clock: T,
    /// Whether the last attempt succeeded.
    pub(crate) healthy: Condition,
}

impl<D, C, T> Recorder<D, C, T>
where
    D: UsageLedger + PriceBookStore + Accounts,
    C: PriceBookCache,
    T: Clock,
{
    /// Records the deliveries, however long it takes; `false` when the process shall stop before it is done, and then
    /// nothing may be acknowledged.
    pub(crate) async fn record(&self, deliveries: &[Delivery<'_>], shutdown: &Shutdown) -> bool {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        let mut failed = false;
        loop {
            let error = match self.unless_it_hangs(self.try_record(deliveries)).await {
                Ok(recorded) => {
                    self.healthy.set(true);
                    self.count(deliveries, &recorded);
                    return true;
                }
                Err(error) => error,
            };
            self.healthy.set(false);
            // What does not pass by itself is narrowed down, so that the neighbours are billed. The message that it comes
            // down to is set aside; if even that fails it is kept and tried again: it must not be lost.
            if let (false, [_, _, ..]) = (error.retryable, deliveries) {
                tracing::error!(error = chain(&error), "a batch cannot be recorded and is halved");
                let (first, second) = deliveries.split_at(deliveries.len() / 2);
                return Box::pin(self.record(first, shutdown)).await && Box::pin(self.record(second, shutdown)).await;
            }
            // Of what is halved only the message that it comes down to: the others are billed.
            if !failed {
                metrics::count_failed(deliveries.len());
                failed = true;
            }
            if let (false, [refused]) = (error.retryable, deliveries) {
                tracing::error!(error = chain(&error), "a message cannot be recorded and is set aside");
                match self.try_set_aside(refused, error.operation).await {
                    Ok(recorded) => {
                        self.healthy.set(true);
                        self.count(deliveries, &recorded);
                        return true;
                    }
                    Err(error) => tracing::error!(error = chain(&error), "nor can it be set aside"),
                }
            }
            let (messages, retryable, trace_id) = (deliveries.len(), error.retryable, trace_id(&Span::current()));
            tracing::error!(
                messages,
                retryable,
                trace_id,
                error = chain(&error),
                "a batch could not be recorded and is kept"
            );
            if shutdown.sleep(backoff.next_wait()).await {
                return false;
            }
        }
    }

    /// Tells in time that there is no answer, and waits for it all the same.
    async fn unless_it_hangs<O>(&self, attempt: impl Future<Output = O>) -> O {
        let mut attempt = pin!(attempt);
        if let Ok(done) = tokio::time::timeout(ANSWERED_WITHIN, &mut attempt).await {
            return done;
        }
        self.healthy.set(false);
        tracing::error!(seconds = ANSWERED_WITHIN.as_secs(), "the database does not answer; the batch is kept");
        attempt.await
    }

    async fn try_record(&self, deliveries: &[Delivery<'_>]) -> Result<Recorded, PortError> {
        let mut known = self.catalog.at_hand().await?;
        let news = news(deliveries, self.clock.now(), &known);
        if !news.is_empty() {
            self.database.learn(&news).await?;
            known = self.catalog.newer_than(Some(&known)).await?;
        }
        loop {
            let began = Instant::now();
            let batch = tracing::info_span!("prepare_batch")
                .in_scope(|| prepare_batch(deliveries, self.clock.now(), &known.directory, &known.book));
            metrics::count_priced(batch.rated.len() + batch.unrated.len(), began.elapsed());
            match self.database.record(&batch).await? {
                RecordOutcome::Recorded(recorded) => return Ok(recorded),
                RecordOutcome::Stale => known = self.catalog.newer_than(Some(&known)).await?,
            }
        }
    }

    async fn try_set_aside(&self, refused: &Delivery<'_>, operation: &str) -> Result<Recorded, PortError> {
        let mut known = self.catalog.at_hand().await?;
        loop {
            let why = format!("the database refuses it in {operation}; the log says why");
            let batch = set_refused_aside(refused, why, &known.directory, &known.book);
            match self.database.record(&batch).await? {
                RecordOutcome::Recorded(recorded) => return Ok(recorded),
                RecordOutcome::Stale => known = self.catalog.newer_than(Some(&known)).await?,
            }
        }
    }

    fn count(&self, deliveries: &[Delivery<'_>], recorded: &Recorded) {
        let now = self.clock.now();
        metrics::count_recorded(recorded);
        metrics::time_ingestion(deliveries.iter().map(|delivery| now.duration_since(delivery.receipt.published_at)));
        tracing::debug!(
            rated = recorded.rated,
            unrated = recorded.unrated,
            duplicates = recorded.duplicates,
            redelivered = recorded.redelivered,
            conflicts = recorded.conflicts,
            quarantined = ?recorded.quarantined,
            "recorded"
        );
    }
}

/// What the deliveries tell of accounts that is not known, each piece once. A message that will be quarantined for
/// its age teaches nothing.
fn news(deliveries: &[Delivery<'_>], now: Timestamp, known: &Known) -> Vec<Observation> {
    let mut seen = HashSet::new();
    let usages = deliveries.iter().filter_map(|delivery| Some((delivery.receipt, delivery.content.as_ref().ok()?)));
    usages
        .filter(|(receipt, usage)| check_age(usage.charged_at, now.max(receipt.published_at)).is_ok())
        .filter_map(|(_, usage)| observation(usage))
        .filter(|observation| known.directory.is_news(observation))
        .filter(|observation| seen.insert((observation.account, observation.day, observation.tier.clone())))
        .collect()
}

#[cfg(test)]
mod tests;
