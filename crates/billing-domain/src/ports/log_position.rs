//! Reading one's own writes from a store whose copies lag behind it.

use std::future::Future;

use super::PortError;

/// How far a store's log was written at some moment. Only the store knows what lies there; a later position is greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LogPosition(pub u64);

impl LogPosition {
    /// Beyond every other: no copy is known to have it, so it is read where it is written.
    pub const LATEST: Self = Self(u64::MAX);
}

/// A store that can be asked to show what has been written.
pub trait ReadOwnWrites: Sized {
    /// How far the log is written: everything that was committed before the call lies before it.
    fn log_position(&self) -> impl Future<Output = Result<LogPosition, PortError>> + Send;

    /// The same store, whose reads see everything that was committed before a position.
    #[must_use]
    fn seeing(self, position: LogPosition) -> Self;
}
