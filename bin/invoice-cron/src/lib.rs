//! The monthly run: bills every account for a month, and finishes what an earlier run left.
//!
//! Exit code 0: everything due is done, by this run or another; 2: some accounts failed; 1: nothing could run. `parked`
//! lists what could not be finished. `verify` makes what was issued again: 0: no difference; 2: some; 1: it could not look
//! at everything.

mod arguments;
mod clocked;
mod config;
mod parked;
mod plan;
mod progress;
mod report;
mod run;
mod verify;
mod watermark;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};

/// The program: reads its arguments, runs or does what they say.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(message) => return arguments::explain(&message),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return billing_runtime::report("invoice-cron", &error),
    };
    let done = runtime.block_on(async {
        match &arguments.command {
            None => wiring::run(&arguments).await,
            Some(Command::Parked { json }) => wiring::parked(*json).await,
            Some(Command::Verify(arguments)) => wiring::verify(arguments).await,
        }
    });
    match done {
        Ok(code) => code,
        Err(error) => billing_runtime::report("invoice-cron", error.as_ref()),
    }
}
