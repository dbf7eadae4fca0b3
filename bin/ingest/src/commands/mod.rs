//! The commands beside consuming: each opens the database, does one thing, prints what it did, and ends.
//!
//! Exit code 0: all of it was done; 2: some of it was not, and the lines say which; 1: nothing could run.

mod actor;
mod gaps;
mod partitions;
mod quarantine;

use std::io::Write as _;
use std::process::ExitCode;

use billing_domain::ports::{AdminAction, Clock as _};
use billing_postgres::{Logins, Postgres};
use billing_runtime::{Env, SystemClock, start_telemetry};
use serde::Serialize;
use uuid::Uuid;

use crate::arguments::{Arguments, Command};
use crate::config::CommandConfig;
use crate::wiring::{LOGIN_FIELDS, login};

/// What a command works with.
struct Session {
    postgres: Postgres,
    action: AdminAction,
    as_json: bool,
}

/// Runs one command.
pub(crate) async fn run(arguments: &Arguments, command: &Command) -> anyhow::Result<ExitCode> {
    let (log, config) = CommandConfig::read(Env::of_process())?;
    start_telemetry(log, None)?;
    let login = config.credentials.obtain("database-worker", LOGIN_FIELDS, login).await?;
    let logins = Logins::following(login.current, login.refused);
    let action = AdminAction {
        actor: actor::name(arguments.actor.as_deref()),
        tenant: None,
        trace_id: Uuid::new_v4().simple().to_string(),
        at: SystemClock.now(),
        reason: None,
        idempotency: None,
    };
    let postgres = Postgres::connect(&config.database, logins)?;
    postgres.check_login("billing_worker").await?;
    let session = Session { postgres, action, as_json: arguments.json };
    let is_done = match command {
        Command::Quarantine(command) => quarantine::run(&session, command).await?,
        Command::Partitions(command) => partitions::run(&session, command).await?,
        Command::Gaps => gaps::run(&session).await?,
    };
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

impl Session {
    /// Prints one thing: as a line for a person, or as one JSON object.
    fn print(&self, line: &str, object: &impl Serialize) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.as_json {
            serde_json::to_writer(&mut out, object)?;
            return Ok(writeln!(out)?);
        }
        Ok(writeln!(out, "{line}")?)
    }
}
