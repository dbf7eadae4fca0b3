//! Takes usage events from the stream, prices them, and records each exactly once.
//!
//! What a message means and costs is decided by `billing-domain`; this program brings the parts together.

mod background;
mod catalog;
mod config;
mod metrics;
mod recorder;
mod relay;
mod wiring;
mod worker;

use std::process::ExitCode;

use billing_runtime::{Env, start_telemetry};

use config::Config;

fn main() -> ExitCode {
    billing_runtime::run("ingest", async {
        let (log, config) = Config::read(Env::of_process())?;
        start_telemetry(log)?;
        wiring::run(config).await
    })
}
