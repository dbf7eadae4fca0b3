//! Takes usage events from the stream, prices them, and records each exactly once.
//!
//! What a message means and costs is decided by `billing-domain`; this program brings the parts together. With a command
//! it does not consume, but looks at or mends what was kept: quarantined messages, partitions, gaps.

mod arguments;
mod background;
mod catalog;
mod commands;
mod config;
mod in_hand;
mod intake;
mod metrics;
mod progress;
mod recorder;
mod relay;
mod upkeep;
mod wiring;
mod worker;

use std::process::ExitCode;

use billing_nats::SUBJECT;
use billing_runtime::{Env, start_telemetry};
use clap::Parser as _;

use arguments::Arguments;
use config::Config;

/// The program: reads its arguments, consumes or does what they say.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(message) => return arguments::explain(&message),
    };
    let mut code = ExitCode::SUCCESS;
    let ended = billing_runtime::run("ingest", async {
        if let Some(command) = &arguments.command {
            code = commands::run(&arguments, command).await?;
            return Ok(());
        }
        let (log, config) = Config::read(Env::of_process())?;
        let telemetry = start_telemetry(log, config.traces.as_ref())?;
        let ended = wiring::run(config, telemetry.message_tracer(SUBJECT)).await;
        telemetry.stop().await;
        ended
    });
    if ended == ExitCode::SUCCESS { code } else { ended }
}
