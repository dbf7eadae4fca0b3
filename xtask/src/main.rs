//! The developer's commands: servers, tests, tokens and the rules of the tree. Decides nothing about billing.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what these commands are for")]

mod bench;
mod canary;
mod ci;
mod conformance;
mod demo;
mod exec;
mod helm;
mod image;
mod sample_invoice;
mod setup;
mod signals;
mod stack;
mod test;
mod tidy;
mod token;
mod tree;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Commands for developers of the billing service.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find the servers that the stack needs and what the API is judged by; install what is missing.
    Setup,
    /// Start the whole stack on free ports under target/stack, or mend what died of it.
    Up,
    /// Stop the stack and remove its data.
    Down {
        /// The demo's stack, if it was kept.
        #[arg(long)]
        demo: bool,
    },
    /// Show the whole service at work: a month of messages, the invoices, and whether it all adds up.
    Demo(demo::Args),
    /// Measure speed and memory against a baseline in the same run.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Render the sample invoices and each of their pages as a picture, to be looked at.
    SampleInvoice(sample_invoice::Args),
    /// Print a signed token that the running stack accepts.
    Token(token::Args),
    /// Run all tests on servers of their own.
    Test(test::Args),
    /// Run what continuous integration runs.
    Ci(ci::Args),
    /// Compare the running API with its document: a generated client performs every operation, and schemathesis asks.
    Conformance(conformance::Args),
    /// Check the rules that the compiler does not know.
    Tidy,
    /// Render the chart with real helm, validate it, and compare it with what the platform asked for.
    Helm(helm::Args),
    /// Build the image, or check it without an engine.
    Image(image::Args),
    /// Serve a folder over the S3 protocol; the stack starts this.
    #[command(hide = true)]
    ServeS3(stack::s3_server::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().command).await {
        Ok(code) => code,
        Err(error) if error.is::<signals::Interrupted>() => {
            eprintln!("{error}");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Setup => setup::run(&tree::root())?,
        Command::Up => stack::up_for_developer().await?,
        Command::Down { demo: true } => stack::down(&demo::dir()).await?,
        Command::Down { demo: false } => stack::down(&stack::developer_dir()).await?,
        Command::Demo(args) => return demo::run(&args).await,
        Command::Bench(args) => return bench::run(&args).await,
        Command::SampleInvoice(args) => sample_invoice::run(&args).await?,
        Command::Token(args) => token::run(&args)?,
        Command::Test(args) => return test::run(&args).await,
        Command::Ci(args) => return ci::run(&args).await,
        Command::Conformance(args) => return conformance::run(&args).await,
        Command::Tidy => return tidy::run(&tree::root()),
        Command::Helm(args) => return helm::run(&args).await,
        Command::Image(args) => return image::run(&args).await,
        Command::ServeS3(args) => stack::s3_server::run(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}
