//! The request to stop, from a signal to everyone who waits for it. What stopping means is decided there.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

/// Tells when the process shall stop. Clones are told together.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Option<Instant>>);

/// Asks for the stop: the signals, a process that has broken down, and tests.
#[derive(Clone, Debug)]
pub struct ShutdownTrigger(watch::Sender<Option<Instant>>);

impl ShutdownTrigger {
    /// Asks everyone to stop.
    pub fn request(&self) {
        self.0.send_if_modified(|since| since.replace(since.unwrap_or_else(Instant::now)).is_none());
    }
}

impl Shutdown {
    /// Requested by SIGTERM or SIGINT, or by the trigger.
    ///
    /// # Errors
    /// When the signals cannot be listened to.
    pub fn on_signals() -> io::Result<(ShutdownTrigger, Self)> {
        let (trigger, shutdown) = Self::manual();
        let signals = trigger.clone();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tracing::info!(signal = name, "asked to stop");
            signals.request();
            // The sender stays, so that waiting for it never ends otherwise.
            std::future::pending::<()>().await;
        });
        Ok((trigger, shutdown))
    }

    /// Requested by whoever holds the trigger.
    #[must_use]
    pub fn manual() -> (ShutdownTrigger, Self) {
        let (sender, receiver) = watch::channel(None);
        (ShutdownTrigger(sender), Self(receiver))
    }

    /// Whether the stop was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Returns once the stop is requested. A trigger that was dropped counts as a request.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        let _dropped = receiver.wait_for(Option::is_some).await;
    }

    /// Returns once the stop was requested so long ago.
    pub async fn requested_for(&self, time: Duration) {
        self.requested().await;
        let since = *self.0.borrow();
        tokio::time::sleep_until(since.unwrap_or_else(Instant::now) + time).await;
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

    #[tokio::test(start_paused = true)]
    async fn time_runs_from_the_first_request() {
        let (trigger, shutdown) = Shutdown::manual();
        trigger.request();
        let began = Instant::now();
        tokio::time::sleep(Duration::from_secs(5)).await;
        trigger.request();
        shutdown.requested_for(Duration::from_secs(7)).await;
        shutdown.requested_for(Duration::from_secs(7)).await;
        assert_eq!(began.elapsed().as_secs(), 7);
    }
}
