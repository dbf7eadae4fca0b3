//! `xtask bench invoices`: a month of buckets, and the run that makes invoices of them, on servers of its own. This
//! module decides what is measured and in which order; each step is a file beside it.
//!
//! PostgreSQL waits for the disk, and it, the object store and the run share the machine. The share of time outside typst
//! and SQL is of the time that the run's accounts took in sum, by its own clocks (`spent` of its report): what is neither
//! rendering nor a transaction. Side by side, each of them also waits for a processor, so shares are of time, not of
//! work; what the work costs say the processor times beside it.

mod fill;
mod report;
mod run;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use super::ingest::stage;
use crate::demo::screen::Screen;
use crate::signals::unless_interrupted;
use crate::stack::Stack;
use crate::tree;

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Accounts, each of which gets one invoice.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    accounts: u32,
    /// Accounts that the run bills side by side; its own default if not given.
    #[arg(long)]
    parallel: Option<u32>,
    /// The program to measure; if not given, it is built as it is released.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Where the figures go as JSON.
    #[arg(long, default_value = "target/bench/invoices.json")]
    json: PathBuf,
}

/// Measures. Fails when what was issued is wrong; a figure that misses its target is only told.
pub(crate) async fn run(args: &Args) -> Result<ExitCode> {
    let program = match &args.program {
        Some(program) => std::path::absolute(program)?,
        None => stage::build("invoice-cron").await?,
    };
    let dir = tree::root().join("target/bench-invoices-stack");
    let stack = Stack::up_for_invoices(dir.clone()).await?;
    let work = async {
        let screen = Screen::new();
        let place = run::Place::prepare(stack.info.clone(), dir, program).await?;
        let month = fill::fill(&place.database, args.accounts, &screen).await?;
        let measured = run::run(&place, &month, args.parallel, &screen).await?;
        let documents = verify::verify(&place, &month).await?;
        Ok((measured, documents))
    };
    let measured = unless_interrupted(work).await;
    let stopped = stack.down().await;
    let (measured, documents) = measured?;
    report::tell(args, &measured, documents, &tree::root().join(&args.json))?;
    stopped?;
    Ok(ExitCode::SUCCESS)
}
