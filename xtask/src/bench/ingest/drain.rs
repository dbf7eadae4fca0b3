//! From a full stream to the last commit: how fast, at what cost, and whether it is right.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::meter::{self, Reading};
use super::service::Service;
use super::stage::Stage;
use super::traffic::Traffic;
use super::verify::verify;

/// The slowest that is waited for, messages a second.
const SLOWEST: u64 = 2_000;

/// One backlog, drained.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drained {
    pub(crate) messages: u64,
    pub(crate) took: Duration,
    pub(crate) used: Reading,
    pub(crate) ready_after: Duration,
    pub(crate) peak_kib: u64,
    /// Tables and indexes that grew with it, in bytes: events, their indexes, claims, their index.
    pub(crate) stored: [u64; 4],
}

impl Drained {
    /// Messages a second.
    pub(crate) fn rate(&self) -> u64 {
        per_second(self.messages, self.took)
    }

    /// Processor time of all three, in milliseconds per million messages.
    pub(crate) fn cost(&self) -> u64 {
        let Reading { program_ms, postgres_ms, nats_ms, .. } = self.used;
        (program_ms + postgres_ms + nats_ms) * 1_000 / (self.messages / 1_000).max(1)
    }
}

/// So many in so long, a second.
pub(crate) fn per_second(count: u64, took: Duration) -> u64 {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    u64::try_from(u128::from(count) * 1_000_000 / u128::from(micros)).unwrap_or(u64::MAX)
}

/// Publishes a backlog, starts the service, lets the stream go, and stops the clock when all is committed. What it
/// recorded stays for who wants to look at it; `warm` messages are recorded before the clock starts.
pub(crate) async fn drain(stage: &Stage, traffic: &mut Traffic, warm: u64, count: u64) -> Result<Drained> {
    stage.reset().await?;
    drain_more(stage, traffic, warm, count, AfterCheckpoint::Yes).await
}

/// Whether the clock starts right after a checkpoint: then each page is logged whole when it is first touched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterCheckpoint {
    Yes,
    No,
}

/// The same on top of what is stored.
pub(crate) async fn drain_more(
    stage: &Stage,
    traffic: &mut Traffic,
    warm: u64,
    count: u64,
    after_checkpoint: AfterCheckpoint,
) -> Result<Drained> {
    let tell = |done: u64| {
        if done.is_multiple_of(250_000) {
            eprintln!("    published {done} of {count}");
        }
    };
    let warmed = if warm > 0 { Some(self::warm(stage, traffic, warm).await?) } else { None };
    stage.stream.publish(traffic, count, tell).await?;
    if after_checkpoint == AfterCheckpoint::Yes {
        stage.settle().await?;
    }
    let service = match warmed {
        Some(service) => service,
        None => stage.start().await?,
    };
    let servers = &stage.info.pids;
    let sizes = sizes(stage).await?;
    let before = meter::read(servers, Some(service.pid), &stage.database).await?;
    let began = Instant::now();
    stage.stream.release().await?;
    service.wait_for(warm + count, limit(count), |_| {}).await?;
    let took = began.elapsed();
    let used = meter::read(servers, Some(service.pid), &stage.database).await?.since(before);
    let (ready_after, peak_kib) = (service.ready_after, service.peak_kib()?);
    service.stop().await?;
    let mut stored = self::sizes(stage).await?;
    stored.iter_mut().zip(sizes).for_each(|(now, then)| *now = now.saturating_sub(then));
    Ok(Drained { messages: count, took, used, ready_after, peak_kib, stored })
}

/// Starts the service and lets it record so many messages; then it waits before a stream that is held back again.
async fn warm(stage: &Stage, traffic: &mut Traffic, count: u64) -> Result<Service> {
    stage.stream.publish(traffic, count, |_| {}).await?;
    let service = stage.start().await?;
    stage.stream.release().await?;
    service.wait_for(count, limit(count), |_| {}).await?;
    stage.stream.hold_back().await?;
    Ok(service)
}

/// Drains and verifies: a fast wrong run fails.
pub(crate) async fn drain_and_verify(stage: &Stage, traffic: &mut Traffic, warm: u64, count: u64) -> Result<Drained> {
    let drained = drain(stage, traffic, warm, count).await?;
    verify(stage, &traffic.model).await.context("the run was fast but wrong")?;
    Ok(drained)
}

fn limit(count: u64) -> Duration {
    Duration::from_secs(30 + count / SLOWEST)
}

async fn sizes(stage: &Stage) -> Result<[u64; 4]> {
    let query = "SELECT
        (SELECT COALESCE(sum(pg_table_size(inhrelid)), 0)::bigint FROM pg_inherits
            WHERE inhparent = 'billing.billing_events'::regclass),
        (SELECT COALESCE(sum(pg_indexes_size(inhrelid)), 0)::bigint FROM pg_inherits
            WHERE inhparent = 'billing.billing_events'::regclass),
        pg_table_size('billing.message_keys'), pg_indexes_size('billing.message_keys')";
    let row = stage.database.query_one(query, &[]).await.context("cannot ask for sizes")?;
    let size = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap_or_default();
    Ok([size(0), size(1), size(2), size(3)])
}
