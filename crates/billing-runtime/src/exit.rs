//! The end of a process that failed: its error is printed once, with everything that caused it.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

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

/// Tells why the program stops: as a log line once logs are set up, as plain text before that.
pub fn report(program: &str, error: &dyn Error) -> ExitCode {
    let error = chain(error);
    if tracing::dispatcher::has_been_set() {
        tracing::error!(program, error, "stopped by an error");
    } else {
        // Nobody is left to be told when even this fails.
        let _unwritten = writeln!(std::io::stderr(), "{program}: {error}");
    }
    ExitCode::FAILURE
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
}
