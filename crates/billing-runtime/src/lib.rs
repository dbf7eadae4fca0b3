//! What every binary needs and no business noun: environment, credentials, logs, traces, metrics, health, shutdown, the clock.
//!
//! Nothing here knows what billing is; what a variable means is decided by the binary that reads it.

mod backoff;
mod clock;
mod credentials;
mod env;
mod exit;
mod health;
mod listen;
mod metrics_server;
mod run;
mod secret;
mod shutdown;
mod telemetry;
mod traces;
mod trust;

pub use backoff::Backoff;
pub use clock::SystemClock;
pub use credentials::{Credentials, CredentialsError, Followed};
pub use env::{Env, EnvError};
pub use exit::{chain, report};
pub use health::{Condition, Health, serve_health};
pub use listen::{ListenError, listen};
pub use metrics_server::{Histogram, MetricsError, serve_metrics};
pub use run::run;
pub use secret::{Secret, SecretError};
pub use shutdown::{Shutdown, ShutdownTrigger};
pub use telemetry::{LogFilter, Telemetry, TelemetryError, start_telemetry};
pub use traces::{BatchTrace, MessageTracer, Taken, TraceConfig, TraceParent, continue_trace, trace_id};
pub use trust::Trust;
