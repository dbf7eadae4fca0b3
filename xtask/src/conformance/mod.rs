//! `xtask conformance`: the running API against its own document. A client generated from the document performs every
//! operation; then schemathesis asks whatever the document allows, and what it does not, and judges what comes back.
//!
//! This module decides the order. What may be asked for is the demo's world on a stack of its own.

mod client;
mod fuzz;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use rand::Rng as _;

use crate::bench::ingest::meter;
use crate::signals::unless_interrupted;
use crate::stack::{self, Options, Purpose, Stack};
use crate::{setup, tree};
use world::Seed;

/// What the api may have resident once it has rendered a credit note.
const PEAK_MIB_MAX: u64 = 192;

/// How long, and with what luck.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seconds that schemathesis asks, as staff and as a customer together.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(20..=36_000))]
    seconds: u32,
    /// The same seed asks the same questions; if not given, one is drawn and printed. CI's is always the same: what it says is
    /// said of the change, and luck is for whoever looks for faults.
    #[arg(long)]
    seed: Option<u32>,
}

impl Args {
    /// What CI asks.
    pub(crate) fn of_ci() -> Self {
        Self { seconds: 200, seed: Some(20_261_101) }
    }
}

/// Where logs and reports go.
pub(crate) fn folder() -> PathBuf {
    tree::root().join("target/conformance")
}

/// Runs both; fails when either finds a fault.
pub(crate) async fn run(args: &Args) -> Result<ExitCode> {
    let tools = setup::conformance(&tree::root())?;
    let dir = tree::root().join("target/conformance-stack");
    // One that was left behind has the last run's data.
    stack::remove(&dir).await?;
    let stack = Stack::up(Options { dir: dir.clone(), purpose: Purpose::Service }).await?;
    let work = async {
        let seed = Seed::sow(&stack, dir).await?;
        let performed = client::perform(&tools, &seed).await?;
        let number = args.seed.unwrap_or_else(|| rand::rng().random());
        let conforms = fuzz::run(&tools, &seed, args.seconds, number).await?;
        let pid = stack.info.pids.get("api").copied().context("the stack has no api")?;
        let peak_mib = meter::peak_kib(pid)? / 1_024;
        println!("api: at most {peak_mib} MiB resident, with a credit note rendered; {PEAK_MIB_MAX} are allowed");
        Ok(performed && conforms && peak_mib <= PEAK_MIB_MAX)
    };
    let outcome = unless_interrupted(work).await;
    let stopped = stack.down().await;
    let holds = outcome?;
    stopped?;
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
