//! How long to wait before something is tried again: twice as long each time, up to a limit, with jitter.

use std::time::Duration;

/// Growing waits between attempts. Each is between half of its step and the whole of it, so that many processes that
/// failed together do not come back together.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    step: Duration,
}

impl Backoff {
    /// Waits from `first` up to `max`.
    #[must_use]
    pub fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, step: first }
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let whole = self.step.min(self.max);
        self.step = whole.saturating_mul(2);
        rand::random_range(whole / 2..=whole)
    }

    /// After a success: the next wait is short again.
    pub fn reset(&mut self) {
        self.step = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_start_again_after_a_success() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(100), ms(350));
        for whole in [100, 200, 350, 350] {
            let wait = backoff.next_wait();
            assert!((ms(whole / 2)..=ms(whole)).contains(&wait), "{wait:?} of {whole} ms");
        }
        backoff.reset();
        assert!(backoff.next_wait() <= ms(100));
    }
}
