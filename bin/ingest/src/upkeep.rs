//! What every pod offers to do and one does: removing what has had its time, looking for gaps in the stream, and carrying
//! out the replays that staff ask for.

use std::time::Duration;

use billing_domain::ports::{
    Accounts, Clock, PortError, PriceBookStore, Purged, Quarantine, Retention, RetentionLimits, StreamWatch,
    UsageLedger,
};
use billing_domain::use_cases::replay_requested;
use billing_nats::{EventConsumer, decode_stored};
use billing_runtime::{Shutdown, chain};

use crate::metrics;

const EVERY: Duration = Duration::from_secs(60);
/// How soon a replay is carried out that was asked for.
const REPLAY_EVERY: Duration = Duration::from_secs(5);
/// So much is read of the largest tables in a minute: 64 MiB, four times what 10 million messages an hour add.
const STEPS_PER_LOOK: u32 = 32;

/// Removes what has had its time, a little every minute.
pub(crate) async fn purge(store: impl Retention, clock: impl Clock, shutdown: Shutdown) {
    loop {
        match purge_some(&store, &clock, &shutdown).await {
            Ok(purged) => tell(&purged),
            Err(error) => tracing::warn!(error = chain(&error), "what has had its time could not be removed"),
        }
        if shutdown.sleep(EVERY).await {
            return;
        }
    }
}

async fn purge_some(store: &impl Retention, clock: &impl Clock, shutdown: &Shutdown) -> Result<Purged, PortError> {
    let mut sum = Purged::default();
    for _ in 0..STEPS_PER_LOOK {
        let Some(step) = store.purge(&RetentionLimits::at(clock.now())).await? else { break };
        metrics::count_purged(&step);
        sum.claims += step.claims;
        sum.duplicates += step.duplicates;
        sum.raw += step.raw;
        sum.outbox += step.outbox;
        sum.keys += step.keys;
        if !step.is_more || shutdown.is_requested() {
            break;
        }
    }
    Ok(sum)
}

fn tell(purged: &Purged) {
    let Purged { claims, duplicates, raw, outbox, keys, .. } = *purged;
    if claims + duplicates + raw + outbox + keys > 0 {
        tracing::info!(claims, duplicates, quarantined_bytes = raw, outbox, keys, "removed what has had its time");
    }
}

/// Tells the consumer how far the stream was recorded when it was last looked at: should the consumer be gone, it is made
/// anew from there. Without an answer it would begin at the stream's beginning, which is slow and right.
pub(crate) async fn recall_floor(store: &impl StreamWatch, consumer: &EventConsumer) {
    match store.recorded_floor().await {
        Ok(Some((created_at, sequence))) => consumer.note_recorded(created_at, sequence),
        Ok(None) => {}
        Err(error) => tracing::warn!(error = chain(&error), "how far the stream was recorded is not known"),
    }
}

/// Looks every minute for messages that are gone from the stream and were never recorded.
pub(crate) async fn watch_stream(
    store: impl StreamWatch,
    consumer: EventConsumer,
    clock: impl Clock,
    shutdown: Shutdown,
) {
    loop {
        match consumer.floor().await {
            Ok(floor) => match store.check_stream(&floor, clock.now()).await {
                Ok(Some(check)) => {
                    metrics::set_gap_messages(check.missing);
                    for gap in &check.found {
                        tracing::error!(
                            first_sequence = gap.first,
                            last_sequence = gap.last,
                            messages = gap.messages(),
                            published_after = gap.published_after.map(|at| at.to_string()),
                            published_before = gap.published_before.map(|at| at.to_string()),
                            "messages were on the stream and were never recorded"
                        );
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(error = chain(&error), "gaps in the stream could not be looked for"),
            },
            Err(error) => tracing::debug!(error = chain(&error), "the stream could not be looked at"),
        }
        if shutdown.sleep(EVERY).await {
            return;
        }
    }
}

/// Carries out the replays that staff ask for: only here may a message's bytes be read. Two pods that take up the same one
/// record it once.
pub(crate) async fn replay_on_request<S>(store: S, clock: impl Clock, shutdown: Shutdown)
where
    S: Quarantine + UsageLedger + PriceBookStore + Accounts,
{
    loop {
        match replay_requested(&store, decode_stored, clock.now()).await {
            Ok(0) => {}
            Ok(replayed) => tracing::info!(replayed, "replayed what was asked for"),
            Err(error) => tracing::warn!(error = chain(&error), "what was asked for could not be replayed"),
        }
        if shutdown.sleep(REPLAY_EVERY).await {
            return;
        }
    }
}
