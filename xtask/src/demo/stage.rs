//! What the steps of the story share, and the few things that several of them do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::database::Database;
use super::event::Envelope;
use super::model::{Model, World};
use super::rest::Rest;
use super::screen::Screen;
use super::stream::Stream;
use crate::exec;

/// How often something is looked at that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Ingest is taken for stuck when its lag has not changed for so long.
const STUCK: Duration = Duration::from_secs(60);

/// Who the invoices are from. The stack's own seller is a placeholder; the run is told this one.
const SELLER: [(&str, &str); 3] = [
    ("BILLING_SELLER_NAME", "Ghasi Telecom Gateway Ltd"),
    ("BILLING_SELLER_ADDRESS", "House 12, Street 4|Wazir Akbar Khan|Kabul, Afghanistan"),
    ("BILLING_SELLER_TAX_ID", "1000345678"),
];

/// The service, its surroundings, and what it should come to.
pub(crate) struct Stage {
    pub(crate) screen: Screen,
    pub(crate) world: Arc<World>,
    pub(crate) rest: Rest,
    pub(crate) stream: Stream,
    pub(crate) database: Database,
    /// The stack's folder.
    pub(crate) stack: PathBuf,
    /// Where the service's programs are.
    pub(crate) binaries: PathBuf,
    /// Where the documents go.
    pub(crate) documents: PathBuf,
    /// What the service calls each price of the deck.
    pub(crate) price_ids: Vec<Uuid>,
    /// What should be on invoices.
    pub(crate) model: Model,
    /// What should be recorded and wait for the next month's invoice.
    pub(crate) open: Model,
    /// What was measured, for the closing table.
    pub(crate) rates: Vec<(&'static str, String)>,
}

impl Stage {
    /// Publishes a few messages.
    pub(crate) async fn publish(&self, envelopes: Vec<Envelope>) -> Result<()> {
        let (hand, receiver) = mpsc::channel(envelopes.len().max(1));
        for envelope in envelopes {
            hand.try_send(envelope).ok().context("the channel is as long as the list")?;
        }
        drop(hand);
        self.stream.publish(receiver, |_| {}).await?;
        Ok(())
    }

    /// Waits until everything on the stream is recorded; `progress` is told how much is not.
    pub(crate) async fn catch_up(&self, mut progress: impl FnMut(u64)) -> Result<()> {
        let (mut last, mut changed) = (u64::MAX, Instant::now());
        loop {
            let lag = self.stream.lag().await?;
            progress(lag);
            if lag == 0 {
                return Ok(());
            }
            if lag != last {
                (last, changed) = (lag, Instant::now());
            }
            if changed.elapsed() > STUCK {
                let log = self.stack.join("logs/ingest.log");
                bail!("{lag} messages are not recorded, and nothing moves: see {}", log.display());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Looks until `holds` or `patience` is over; the last that was seen.
    pub(crate) async fn look<T>(
        &self,
        patience: Duration,
        mut look: impl AsyncFnMut(&Self) -> Result<T>,
        mut holds: impl FnMut(&T) -> bool,
    ) -> Result<T> {
        let deadline = Instant::now() + patience;
        loop {
            let seen = look(self).await?;
            if holds(&seen) || Instant::now() >= deadline {
                return Ok(seen);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Runs `invoice-cron` for the month as the scheduler would, with its progress on the terminal; its exit code.
    pub(crate) async fn bill(&self) -> Result<Option<i32>> {
        let file = self.stack.join("env");
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut command = Command::new(self.binaries.join("invoice-cron"));
        command.args(["--period", &self.world.period.to_string()]).current_dir(&self.stack).env_clear();
        command.envs(text.lines().filter_map(|line| line.split_once('='))).envs(SELLER).env("BILLING_LOG", "warn");
        // What a program must know to draw on the terminal.
        command.envs(
            ["TERM", "COLORTERM", "NO_COLOR"].into_iter().filter_map(|name| Some((name, std::env::var(name).ok()?))),
        );
        Ok(exec::on_terminal("invoice-cron", &mut command).await?.code())
    }
}
