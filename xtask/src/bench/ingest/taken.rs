//! What the stream alone costs: the same messages taken and acknowledged by the same client library, and nothing done with
//! them. No consumer that acknowledges each message is faster on this machine.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::StreamExt as _;

use super::drain::per_second;
use super::meter::{self, Reading};
use super::report::Report;
use super::stage::Stage;
use super::traffic::Traffic;

/// As ingest takes them.
const BATCH: usize = 10_000;

/// Messages that were taken and acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) messages: u64,
    pub(crate) took: Duration,
    /// The client is counted as ingest.
    pub(crate) used: Reading,
}

impl Taken {
    /// Messages a second.
    pub(crate) fn rate(&self) -> u64 {
        per_second(self.messages, self.took)
    }
}

/// Takes and acknowledges a backlog.
pub(crate) async fn measure(stage: &Stage, accounts: u32, count: u64, report: &mut Report) -> Result<()> {
    stage.reset().await?;
    stage.stream.publish(&mut Traffic::new(accounts, rand::random()), count, |_| {}).await?;
    stage.settle().await?;
    let consumer = stage.stream.consumer().await?;
    let (servers, own) = (&stage.info.pids, Some(std::process::id()));
    let before = meter::read(servers, own, &stage.database).await?;
    let began = Instant::now();
    stage.stream.release().await?;
    let mut messages = 0;
    while messages < count {
        let mut batch = consumer.fetch().max_messages(BATCH).messages().await.context("cannot take messages")?;
        while let Some(message) = batch.next().await {
            let message = message.map_err(|error| anyhow::anyhow!("cannot take a message: {error}"))?;
            message.ack().await.map_err(|error| anyhow::anyhow!("cannot acknowledge: {error}"))?;
            messages += 1;
        }
    }
    let took = began.elapsed();
    let used = meter::read(servers, own, &stage.database).await?.since(before);
    let taken = Taken { messages, took, used };
    eprintln!("  {} a second are taken and acknowledged when nothing is done with them", taken.rate());
    report.taken = Some(taken);
    Ok(())
}
