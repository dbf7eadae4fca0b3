//! Measures: how fast, against what stands beside it in the same run.

mod figures;
mod ingest;
mod invoices;
mod rating;

use std::process::ExitCode;

use anyhow::Result;

/// What to measure.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    /// Finding the price of an event in a large book.
    Rating(rating::Args),
    /// From the stream to committed rows, end to end.
    Ingest(ingest::Args),
    /// The month's invoices: their documents.
    Invoices(invoices::Args),
}

/// Measures, and prints a table.
pub(crate) async fn run(bench: &Bench) -> Result<ExitCode> {
    match bench {
        Bench::Rating(args) => rating::run(args).await,
        Bench::Ingest(args) => ingest::run(args).await,
        Bench::Invoices(args) => invoices::run(args).await,
    }
}
