//! Whether this pod still does its work, which `/health/live` follows. What is missing outside of it (database, stream) is
//! no reason to restart it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use billing_nats::EventConsumer;
use billing_runtime::{Condition, Shutdown};

/// Long beyond what reopening the stream, a lost leader and every time limit of the database take together.
const STUCK_AFTER: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Batches that this pod has settled. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    /// A batch is settled.
    pub(crate) fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Since when messages wait that this pod could take, and takes none.
#[derive(Default)]
struct Stillness {
    since: Option<Instant>,
    settled: u64,
}

impl Stillness {
    /// One look; whether the pod is stuck.
    fn is_stuck(&mut self, could_work: bool, settled: u64, now: Instant) -> bool {
        if !could_work || settled != self.settled {
            self.since = None;
        }
        self.settled = settled;
        if !could_work {
            return false;
        }
        now.duration_since(*self.since.get_or_insert(now)) >= STUCK_AFTER
    }
}

/// Watches until the process shall stop. `recording` is whether the last batch could be recorded.
pub(crate) async fn watch_progress(
    consumer: EventConsumer,
    progress: Progress,
    recording: Condition,
    alive: Condition,
    shutdown: Shutdown,
) {
    let mut stillness = Stillness::default();
    while !shutdown.sleep(LOOK_EVERY).await {
        let waits = consumer.lag().await.is_ok_and(|lag| lag.pending > 0 && !lag.paused);
        let stuck = stillness.is_stuck(waits && recording.is_met(), progress.count(), Instant::now());
        if stuck {
            tracing::error!(
                seconds = STUCK_AFTER.as_secs(),
                "messages wait, and this pod has settled none for so long"
            );
        }
        alive.set(!stuck);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_settles_nothing_while_messages_wait_is_stuck() {
        let (start, mut stillness) = (Instant::now(), Stillness::default());
        for (seconds, could_work, settled, expected) in [
            (0, true, 0, false),
            (170, true, 0, false),
            (180, true, 0, true),
            (190, true, 1, false),
            (360, true, 1, false),
            (365, false, 1, false),
            (370, true, 1, false),
            (540, true, 1, false),
            (550, true, 1, true),
        ] {
            let now = start + Duration::from_secs(seconds);
            assert_eq!(stillness.is_stuck(could_work, settled, now), expected, "after {seconds} s");
        }
    }
}
