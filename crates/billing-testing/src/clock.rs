//! The fake of `Clock`.

use std::sync::{Arc, Mutex, PoisonError};

use billing_domain::ports::Clock;
use jiff::Timestamp;

/// A clock that stands until it is set. Clones tell the same time.
#[derive(Clone, Debug)]
pub struct StoppedClock(Arc<Mutex<Timestamp>>);

impl StoppedClock {
    /// Stands at an instant.
    #[must_use]
    pub fn at(instant: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(instant)))
    }

    /// Stands at another one from now on, earlier or later.
    pub fn set(&self, instant: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = instant;
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
