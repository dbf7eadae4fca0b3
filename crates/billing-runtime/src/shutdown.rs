//! The request to stop, from a signal to everyone who waits for it. What stopping means is decided there.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Tells when the process shall stop. Clones are told together.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Asks for the stop; used by the signals, and by tests.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

impl ShutdownTrigger {
    /// Asks everyone to stop.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Requested by SIGTERM or SIGINT.
    ///
    /// # Errors
    /// When the signals cannot be listened to.
    pub fn on_signals() -> io::Result<Self> {
        let (trigger, shutdown) = Self::manual();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tracing::info!(signal = name, "asked to stop");
            trigger.request();
            // The sender stays, so that waiting for it never ends otherwise.
            std::future::pending::<()>().await;
        });
        Ok(shutdown)
    }

    /// Requested by whoever holds the trigger.
    #[must_use]
    pub fn manual() -> (ShutdownTrigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (ShutdownTrigger(sender), Self(receiver))
    }

    /// Whether the stop was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the stop is requested. A trigger that was dropped counts as a request.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        let _dropped = receiver.wait_for(|requested| *requested).await;
    }

    /// Sleeps, but no longer than until the stop; whether it was requested.
    pub async fn sleep(&self, duration: Duration) -> bool {
        tokio::time::timeout(duration, self.requested()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_ends_every_sleep_at_once() {
        let (trigger, shutdown) = Shutdown::manual();
        assert!(!shutdown.sleep(Duration::ZERO).await);
        assert!(!shutdown.is_requested());
        trigger.request();
        assert!(shutdown.clone().sleep(Duration::from_secs(3600)).await);
        assert!(shutdown.is_requested());
    }
}
