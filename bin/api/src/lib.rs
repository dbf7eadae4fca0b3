//! The REST API of billing: usage, invoices, prices and operator costs over HTTP.
//!
//! `api` serves, `api migrate` brings the database's schema up to date, `api routes` prints the route table.

mod auth;
mod cli;
mod config;
mod exporting;
mod http;
mod rendering;
mod routes;
mod services;
#[cfg(test)]
mod tests;
mod wiring;

use std::io::Write as _;
use std::process::ExitCode;

use cli::Command;

/// The program: reads its arguments, serves or does what they say.
#[must_use]
pub fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(mistake) => {
            // Nobody is left to be told when even this fails.
            let _unwritten = writeln!(std::io::stderr(), "api: {mistake}\n{}", cli::USAGE);
            return ExitCode::from(2);
        }
    };
    let outcome = match command {
        Command::Serve => wiring::serve(),
        Command::Migrate => wiring::migrate(),
        Command::Routes => wiring::print_routes(),
        Command::Help => wiring::print(cli::USAGE),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => billing_runtime::report("api", error.as_ref()),
    }
}
