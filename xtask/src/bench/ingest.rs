//! `xtask bench ingest`: the hot path, end to end, on servers of its own. This module decides what is measured and in
//! which order; each measurement is a file beside it.

mod accounts;
mod copy;
mod drain;
mod latency;
pub(crate) mod meter;
mod report;
mod service;
pub(crate) mod stage;
mod stored;
mod stream;
mod taken;
pub(crate) mod traffic;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use uuid::Uuid;

use crate::signals::unless_interrupted;
use crate::stack::Stack;
use crate::tree;
use drain::{Drained, drain_and_verify};
use report::Report;
use service::Settings;
use stage::Stage;
use traffic::Traffic;

/// What is measured, and how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Messages of one backlog.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(20_000..=50_000_000))]
    events: u64,
    /// How often each measurement is made, in turn; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Accounts that the messages are of.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    accounts: u32,
    /// Workers of ingest; its own default if not given.
    #[arg(long)]
    workers: Option<u32>,
    /// The most that a worker takes at a time; ingest's own default if not given.
    #[arg(long)]
    batch_size: Option<u32>,
    /// Also measure with so many events stored before. Filling takes a few minutes for each ten million.
    #[arg(long)]
    stored: Option<u64>,
    /// Also measure with a synchronous standby on this machine.
    #[arg(long)]
    standby: bool,
    /// Nodes of the NATS cluster.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
    nats_nodes: u8,
    /// Only the rate end to end, without everything that is measured beside it.
    #[arg(long)]
    quick: bool,
    /// The program to measure; if not given, it is built as it is released.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Where the figures go as JSON.
    #[arg(long, default_value = "target/bench/ingest.json")]
    json: PathBuf,
}

/// Measures. Fails when what was recorded is wrong; a figure that misses its target is only told.
pub(crate) async fn run(args: &Args) -> Result<ExitCode> {
    let program = match &args.program {
        Some(program) => program.clone(),
        None => stage::build("ingest").await?,
    };
    let settings = Settings {
        program,
        dir: stage::dir(),
        password: Uuid::new_v4().simple().to_string(),
        workers: args.workers,
        batch_size: args.batch_size,
    };
    let mut report = Report::new(args);
    measure_on_stack(args, &settings, false, async |stage| without_standby(args, stage, &mut report).await).await?;
    if args.standby {
        measure_on_stack(args, &settings, true, async |stage| with_standby(args, stage, &mut report).await).await?;
    }
    report.print();
    report.save(&tree::root().join(&args.json))?;
    Ok(ExitCode::SUCCESS)
}

/// Measures on a stack of its own, which is gone afterwards whatever happens.
async fn measure_on_stack(
    args: &Args,
    settings: &Settings,
    has_standby: bool,
    measure: impl AsyncFnOnce(&Stage) -> Result<()>,
) -> Result<()> {
    let stack = Stack::up_for_bench(stage::dir(), has_standby, args.nats_nodes.into()).await?;
    let work = async {
        let stage = Stage::set(&stack, settings.clone()).await?;
        measure(&stage).await
    };
    let measured = unless_interrupted(work).await;
    let stopped = stack.down().await;
    measured?;
    stopped
}

async fn without_standby(args: &Args, stage: &Stage, report: &mut Report) -> Result<()> {
    for round in 1..=args.rounds {
        eprintln!("round {round} of {}", args.rounds);
        let drained = drain_round(args, stage).await?;
        report.drained.push(drained);
        let copied = copy::copy(stage).await?;
        eprintln!("  copied by COPY BINARY: {} rows/s", drain::per_second(copied.0, copied.1));
        report.copied.push(copied);
    }
    if !args.quick {
        taken::measure(stage, args.accounts, args.events, report).await?;
        accounts::measure(args, stage, report).await?;
        latency::measure(stage, report).await?;
    }
    if let Some(stored) = args.stored {
        stored::measure(args, stage, stored, report).await?;
    }
    Ok(())
}

async fn with_standby(args: &Args, stage: &Stage, report: &mut Report) -> Result<()> {
    let synchronous = "ALTER SYSTEM SET synchronous_standby_names = 'replica'";
    stage.database.batch_execute(synchronous).await?;
    stage.database.batch_execute("SELECT pg_reload_conf()").await?;
    for round in 1..=args.rounds {
        eprintln!("with a synchronous standby, round {round} of {}", args.rounds);
        report.with_standby.push(drain_round(args, stage).await?);
    }
    Ok(())
}

async fn drain_round(args: &Args, stage: &Stage) -> Result<Drained> {
    let mut traffic = Traffic::new(args.accounts, rand::random());
    let drained = drain_and_verify(stage, &mut traffic, 0, args.events).await?;
    let millis = |ms: u64| ms * 1_000 / (drained.messages / 1_000).max(1);
    eprintln!(
        "  {} events/s; CPU s per million: ingest {}.{:03}, PostgreSQL {}.{:03}, NATS {}.{:03}; peak {} MiB",
        drained.rate(),
        millis(drained.used.program_ms) / 1_000,
        millis(drained.used.program_ms) % 1_000,
        millis(drained.used.postgres_ms) / 1_000,
        millis(drained.used.postgres_ms) % 1_000,
        millis(drained.used.nats_ms) / 1_000,
        millis(drained.used.nats_ms) % 1_000,
        drained.peak_kib / 1_024
    );
    Ok(drained)
}
