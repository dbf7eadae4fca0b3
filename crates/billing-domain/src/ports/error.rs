//! Failure of what lies outside. Never an expected outcome, never bad input.

use std::error::Error;

/// An operation on the outside failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct PortError {
    /// What was tried: a fixed name, fit for a metric's label.
    pub operation: &'static str,
    /// Whether the same call may succeed later. A batch is kept and tried again; a person is told otherwise.
    pub retryable: bool,
    /// Why. Printed once, at the edge.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

impl PortError {
    /// A failure that may pass: the network, a time-out, a server that restarts.
    pub fn transient(operation: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { operation, retryable: true, source: source.into() }
    }

    /// A failure that stays until someone mends it: a row that cannot be read back, a missing table.
    pub fn permanent(operation: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { operation, retryable: false, source: source.into() }
    }
}
