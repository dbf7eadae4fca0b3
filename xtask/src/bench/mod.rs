//! Measures: how fast, against what stands beside it in the same run.

mod documents;
mod figures;
pub(crate) mod ingest;
mod invoices;
mod program;
mod rating;
mod rest;

use std::process::ExitCode;

use anyhow::Result;

/// What to measure.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    /// Finding the price of an event in a large book.
    Rating(rating::Args),
    /// From the stream to committed rows, end to end.
    Ingest(ingest::Args),
    /// A month's invoices, from buckets to stored documents.
    Invoices(invoices::Args),
    /// Rendering the documents of invoices, alone.
    Documents(documents::Args),
    /// Usage by day over HTTP, beside the same statements through pgbench.
    Rest(rest::Args),
}

/// Measures, and prints a table.
pub(crate) async fn run(bench: &Bench) -> Result<ExitCode> {
    match bench {
        Bench::Rating(args) => rating::run(args).await,
        Bench::Ingest(args) => ingest::run(args).await,
        Bench::Invoices(args) => invoices::run(args).await,
        Bench::Documents(args) => documents::run(args).await,
        Bench::Rest(args) => rest::run(args).await,
    }
}
