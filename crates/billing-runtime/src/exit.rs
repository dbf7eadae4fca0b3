//! The end of a process that failed: its error is printed once, with everything that caused it.

use std::error::Error;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use billing_domain::ports::Clock as _;
use serde_json::json;

use crate::SystemClock;

/// An error and its causes in one line: `cannot open the ledger: connection refused`.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Tells why the program stops: as a log line once logs are set up. Before that as a line of the same form, unless a person
/// reads it.
pub fn report(program: &str, error: &dyn Error) -> ExitCode {
    let error = chain(error);
    if tracing::dispatcher::has_been_set() {
        tracing::error!(program, error, "stopped by an error");
    } else {
        let mut stderr = std::io::stderr();
        let line = if stderr.is_terminal() { format!("{program}: {error}") } else { log_line(program, &error) };
        // Nobody is left to be told when even this fails.
        let _unwritten = writeln!(stderr, "{line}");
    }
    ExitCode::FAILURE
}

fn log_line(program: &str, error: &str) -> String {
    let line = json!({"timestamp": SystemClock.now().to_string(), "level": "ERROR", "message": "stopped by an error",
        "program": program, "error": error, "target": module_path!()});
    line.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer failed")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn the_chain_is_one_line() {
        let inner = std::io::Error::other("inner is gone");
        assert_eq!(chain(&Outer(inner)), "outer failed: inner is gone");
    }

    #[test]
    fn before_there_are_logs_the_line_is_one_of_them() {
        let line = log_line("ingest", "BILLING_X is \"a\nb\"");
        assert_eq!(line.lines().count(), 1, "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        let told = ["level", "message", "program", "error"].map(|field| read[field].as_str().unwrap());
        assert_eq!(told, ["ERROR", "stopped by an error", "ingest", "BILLING_X is \"a\nb\""]);
        let at: jiff::Timestamp = read["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(at <= SystemClock.now());
    }
}
