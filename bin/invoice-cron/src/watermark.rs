//! Waiting until the usage that was on the stream when the run began has been recorded.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use billing_nats::EventConsumer;
use billing_runtime::Shutdown;

use crate::progress::Progress;

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Returns once everything up to the stream's present end is acknowledged, which is after it was committed.
pub(crate) async fn wait(
    consumer: &EventConsumer,
    at_most: Duration,
    shutdown: &Shutdown,
    progress: &Progress,
) -> anyhow::Result<()> {
    let end = consumer.last_sequence().await.context("cannot see how much usage waits on the stream")?;
    let began = Instant::now();
    let mut first = None;
    loop {
        let behind = consumer.unrecorded_until(end).await.context("cannot see how far the consumer is")?;
        if behind == 0 {
            return Ok(());
        }
        let total = *first.get_or_insert(behind);
        progress.waiting(total.saturating_sub(behind), total);
        if began.elapsed() >= at_most {
            bail!("{behind} messages are not recorded yet; see that ingest runs, or use --allow-lag");
        }
        if shutdown.sleep(LOOK_EVERY).await {
            bail!("asked to stop while waiting for usage to be recorded");
        }
    }
}
