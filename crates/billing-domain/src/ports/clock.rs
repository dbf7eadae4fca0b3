//! The only way by which time comes in.

use jiff::Timestamp;

/// Tells the time.
pub trait Clock {
    /// The present instant, UTC.
    fn now(&self) -> Timestamp;
}
