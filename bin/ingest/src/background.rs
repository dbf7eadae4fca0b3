//! What goes on beside the workers: rating what had to wait, preparing partitions, measuring, watching the database.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use billing_domain::ports::{
    Accounts, Clock, EventPartitions, Late, PortError, PriceBookCache, PriceBookStore, UsageLedger,
};
use billing_domain::use_cases::{Swept, fill_missing_costs, rate_waiting};
use billing_nats::EventConsumer;
use billing_postgres::Postgres;
use billing_runtime::{Backoff, Condition, Shutdown, SystemClock, chain};

use crate::catalog::{Catalog, Known};
use crate::metrics;

/// How soon a new price is noticed, and how fresh the gauges are.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A database that takes longer to say that it is there counts as not there.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const PREPARE_EVERY: Duration = Duration::from_secs(60 * 60);
/// Events of one month that are moved unasked: usage and readers of events wait for a second or two.
const MOVED_MAX: u64 = 200_000;
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Follows the prices and accounts; whenever they have changed, and once at the start, rates what waits.
pub(crate) async fn follow_prices<D, C>(database: D, catalog: Arc<Catalog<D, C>>, loaded: Condition, shutdown: Shutdown)
where
    D: UsageLedger + PriceBookStore + Accounts,
    C: PriceBookCache,
{
    let mut swept = None;
    loop {
        match sweep(&database, &catalog, &loaded, swept).await {
            Ok(versions) => swept = versions,
            Err(error) => tracing::warn!(error = chain(&error), "what waits for a price could not be looked at"),
        }
        if shutdown.sleep(LOOK_EVERY).await {
            return;
        }
    }
}

/// Rates what waits by the current versions, unless they are those of the last sweep; the versions swept.
async fn sweep<D, C>(
    database: &D,
    catalog: &Catalog<D, C>,
    loaded: &Condition,
    swept: Option<(i64, i64)>,
) -> Result<Option<(i64, i64)>, PortError>
where
    D: UsageLedger + PriceBookStore + Accounts,
    C: PriceBookCache,
{
    let known = catalog.refresh().await?;
    loaded.set(true);
    let swept = if swept == Some(known.versions()) { swept } else { rate(database, &known, swept).await? };
    metrics::set_unrated(database.unrated_count().await?);
    Ok(swept)
}

/// Rates what waits; the versions it was rated by, or `None` when it must be looked at again: they changed meanwhile, or
/// another pod has messages in hand.
async fn rate<D: UsageLedger>(
    database: &D,
    known: &Known,
    swept: Option<(i64, i64)>,
) -> Result<Option<(i64, i64)>, PortError> {
    let only_accounts = swept.is_some_and(|(book, _)| book == known.book.version());
    let Swept { rated, quarantined, is_complete } = rate_waiting(database, &known.directory, &known.book).await?;
    metrics::count_quarantined(&quarantined);
    metrics::count_losses(rated.negative_margin);
    let costed = if only_accounts {
        Some(Late::default())
    } else {
        fill_missing_costs(database, &known.directory, &known.book).await?
    };
    metrics::count_losses(costed.unwrap_or_default().negative_margin);
    let quarantined: u64 = quarantined.values().sum();
    let (rated, costs) = (rated.messages, costed.map(|late| late.messages));
    if rated + quarantined + costs.unwrap_or_default() > 0 {
        tracing::info!(
            rated,
            quarantined,
            costed = costs,
            "rated what had waited for a price, costed what had waited for a cost"
        );
    }
    Ok((is_complete && costed.is_some()).then(|| known.versions()))
}

/// Prepares partitions for the first time, however long the database is away; or until the process shall stop.
pub(crate) async fn first_partitions(database: &impl UsageLedger, shutdown: &Shutdown) {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    while let Err(error) = database.prepare_partitions(SystemClock.now()).await {
        tracing::warn!(error = chain(&error), "partitions could not be prepared; nothing is consumed before");
        if shutdown.sleep(backoff.next_wait()).await {
            return;
        }
    }
}

/// Keeps partitions ahead of time, and the DEFAULT partition empty.
pub(crate) async fn prepare_partitions(
    database: impl UsageLedger + EventPartitions,
    clock: impl Clock,
    shutdown: Shutdown,
) {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    loop {
        let prepared = match database.prepare_partitions(clock.now()).await {
            Ok(()) => empty_default(&database).await,
            Err(error) => Err(error),
        };
        let wait = match prepared {
            Ok(()) => {
                backoff.reset();
                PREPARE_EVERY
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "partitions could not be prepared");
                backoff.next_wait()
            }
        };
        if shutdown.sleep(wait).await {
            return;
        }
    }
}

/// Gives the months that have events in the DEFAULT partition a partition of their own, unless they have too many.
async fn empty_default(database: &impl EventPartitions) -> Result<(), PortError> {
    let mut left = 0;
    for (month, events) in database.in_default().await? {
        let month_text = month.to_string();
        if let Some(moved) = database.move_from_default(month, MOVED_MAX).await? {
            tracing::info!(month = month_text, moved, "usage of a month without a partition has one now");
        } else {
            left += events;
            tracing::warn!(
                month = month_text,
                events,
                "too many events for moving them unasked: see `partitions move`"
            );
        }
    }
    metrics::set_in_default(left);
    Ok(())
}

/// Measures how far the consumer is behind, and whether that can be asked.
pub(crate) async fn measure_lag(consumer: EventConsumer, clock: impl Clock, shutdown: Shutdown) {
    let mut oldest = None;
    loop {
        let look = consumer.lag().await;
        metrics::set_nats_reachable(look.is_ok());
        match look {
            Ok(lag) => {
                metrics::set_lag(lag.total());
                oldest = lag.oldest;
            }
            Err(error) => tracing::debug!(error = chain(&error), "the lag could not be measured"),
        }
        // What waited when the stream was last seen grows older all the same.
        metrics::set_oldest_pending(oldest.map(|published| clock.now().duration_since(published)));
        if shutdown.sleep(LOOK_EVERY).await {
            return;
        }
    }
}

/// Watches whether the database takes writes, and whether a standby confirms them.
pub(crate) async fn watch_database(postgres: Postgres, writable: Condition, shutdown: Shutdown) {
    let mut told = None;
    loop {
        let mut asked = pin!(postgres.ready());
        // A question that hangs is not dropped, for its connection's sake; but it is no yes either.
        let ready = match tokio::time::timeout(ANSWER_TIMEOUT, &mut asked).await {
            Ok(ready) => ready,
            Err(_) => {
                writable.set(false);
                asked.await
            }
        };
        writable.set(ready.is_ok());
        match ready {
            Err(error) => tracing::warn!(error = chain(&error), "the database takes no writes"),
            Ok(()) => {
                if let Ok(synchronous) = postgres.has_synchronous_standby().await {
                    metrics::set_synchronous_standby(synchronous);
                    if told != Some(synchronous) {
                        tell_standby(synchronous);
                        told = Some(synchronous);
                    }
                }
            }
        }
        if shutdown.sleep(LOOK_EVERY).await {
            return;
        }
    }
}

fn tell_standby(synchronous: bool) {
    if synchronous {
        tracing::info!("a synchronous standby confirms each commit");
    } else {
        tracing::warn!("no synchronous standby: a failover can lose acknowledged messages");
    }
}
