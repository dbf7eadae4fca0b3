//! Logs and traces. Logs: one JSON object a line on standard error, filtered by one variable. What is worth a line is
//! decided elsewhere.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::traces::{MessageTracer, TraceConfig, Traces};

/// Libraries whose own lines only repeat, in other words, what is reported anyway.
const SILENCED: [&str; 4] = ["actix_http=off", "actix_server=warn", "rustify=off", "vaultrs=off"];

/// Logs or traces cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A second call.
    #[error("logs are set up already")]
    Logs(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The client that sends them cannot be made.
    #[error("traces cannot be sent")]
    Traces(#[source] reqwest::Error),
}

/// What was started.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<Traces>,
}

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

/// Sends logs to standard error from now on, and traces to their collector, if there is one; panics become log lines too.
///
/// # Errors
/// [`TelemetryError`]. With traces it must be called within a Tokio runtime.
pub fn start_telemetry(filter: LogFilter, traces: Option<&TraceConfig>) -> Result<Telemetry, TelemetryError> {
    let traces = traces.map(Traces::start).transpose().map_err(TelemetryError::Traces)?;
    // Spans are for traces only: without traces nothing wants them, and they cost nothing.
    let events = filter_fn(|metadata| metadata.is_event());
    let logs = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(io::stderr)
        .with_filter(filter.0.and(events));
    tracing_subscriber::registry()
        .with(traces.as_ref().map(Traces::layer))
        .with(logs)
        .try_init()
        .map_err(|error| TelemetryError::Logs(error.into()))?;
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(reason = panic.payload_as_str(), location, "panicked");
    }));
    Ok(Telemetry { traces })
}

impl Telemetry {
    /// What makes spans of messages from `source`; `None` when traces are off.
    #[must_use]
    pub fn message_tracer(&self, source: &'static str) -> Option<MessageTracer> {
        self.traces.as_ref().map(|traces| MessageTracer::new(traces.tracer.clone(), source))
    }

    /// Sends what is left of traces, within bounds.
    pub async fn stop(self) {
        if let Some(traces) = self.traces {
            traces.exporter.stop().await;
        }
    }
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
