//! `xtask bench documents`: rendering alone, without servers. This module decides what is measured; each part is a file
//! beside it.

mod pdf;
mod pdfkit;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::signals::unless_interrupted;
use crate::tree;

/// What is measured, and how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often each measurement is made, in turn; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Documents of each size in a round.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(5..=10_000))]
    documents: u32,
    /// Documents rendered one after the other while memory is watched; none with 0.
    #[arg(long, default_value_t = 10_000)]
    soak: u32,
    /// The program that renders; if not given, it is built as it is released.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Where the figures go as JSON.
    #[arg(long, default_value = "target/bench/documents.json")]
    json: PathBuf,
}

/// Measures. A figure that misses its target is only told.
pub(crate) async fn run(args: &Args) -> Result<ExitCode> {
    let report = unless_interrupted(pdf::measure(args)).await?;
    report.print();
    report.save(&tree::root().join(&args.json))?;
    Ok(ExitCode::SUCCESS)
}
