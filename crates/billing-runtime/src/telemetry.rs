//! Logs: one JSON object a line on standard error, filtered by one variable. What is worth a line is decided elsewhere.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Libraries whose own lines only repeat, in other words, what is reported anyway.
const SILENCED: [&str; 4] = ["actix_http=off", "actix_server=warn", "rustify=off", "vaultrs=off"];

/// Logs cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("logs are set up already")]
pub struct TelemetryError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// What is logged: `info`, `warn,billing_nats=debug` and the like.
#[derive(Debug)]
pub struct LogFilter(EnvFilter);

impl LogFilter {
    /// What may stand in the variable, for its error.
    pub const ALLOWED: &str = "a level (error, warn, info, debug, trace) or directives such as info,billing_nats=debug";

    /// `None` when the text is no filter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut filter = EnvFilter::builder().parse(text).ok()?;
        for directive in SILENCED {
            filter = filter.add_directive(directive.parse().ok()?);
        }
        Some(Self(filter))
    }
}

impl Default for LogFilter {
    /// `info`.
    fn default() -> Self {
        Self(EnvFilter::new(format!("info,{}", SILENCED.join(","))))
    }
}

/// Sends logs to standard error from now on; panics become log lines too.
///
/// # Errors
/// [`TelemetryError`] when it was called before.
pub fn start_telemetry(filter: LogFilter) -> Result<(), TelemetryError> {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(io::stderr)
        .with_env_filter(filter.0)
        .finish()
        .try_init()
        .map_err(|error| TelemetryError(error.into()))?;
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(reason = panic.payload_as_str(), location, "panicked");
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_strictly() {
        for (text, ok) in [("info", true), ("warn,billing_nats=debug", true), ("a=b=c", false), ("x=loud", false)] {
            assert_eq!(LogFilter::parse(text).is_some(), ok, "{text}");
        }
    }
}
