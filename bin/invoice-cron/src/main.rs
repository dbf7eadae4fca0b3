//! The monthly run: bills every account for a month, and finishes what an earlier run left.
//!
//! Exit code 0: everything due is done, by this run or another; 2: some accounts failed; 1: nothing could run.

mod arguments;
mod config;
mod plan;
mod progress;
mod report;
mod run;
mod watermark;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::Arguments;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(message) => return arguments::explain(&message),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return billing_runtime::report("invoice-cron", &error),
    };
    match runtime.block_on(wiring::run(&arguments)) {
        Ok(code) => code,
        Err(error) => billing_runtime::report("invoice-cron", error.as_ref()),
    }
}
