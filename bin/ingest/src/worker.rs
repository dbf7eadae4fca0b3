//! One worker: takes messages from the stream, has them recorded, and acknowledges them; in this order.

use std::sync::Arc;
use std::time::Duration;

use billing_domain::ports::Clock;
use billing_nats::{Batch, EventConsumer, Puller};
use billing_postgres::Postgres;
use billing_redis::RedisCache;
use billing_runtime::{Backoff, Condition, Shutdown, chain};

use crate::recorder::Recorder;

const REOPEN_FIRST: Duration = Duration::from_millis(100);
const REOPEN_MAX: Duration = Duration::from_secs(3);

/// What a worker works with.
pub(crate) struct Worker<T> {
    pub(crate) consumer: EventConsumer,
    pub(crate) recorder: Arc<Recorder<Postgres, RedisCache, T>>,
    /// Whether it can take messages.
    pub(crate) attached: Condition,
    pub(crate) shutdown: Shutdown,
}

impl<T: Clock + Send + Sync> Worker<T> {
    /// Works until the process shall stop.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new(REOPEN_FIRST, REOPEN_MAX);
        while !self.shutdown.is_requested() {
            let opened = tokio::select! {
                biased;
                () = self.shutdown.requested() => return,
                opened = self.consumer.open() => opened,
            };
            let error = match opened {
                Ok(puller) => {
                    self.attached.set(true);
                    match self.work(puller, &mut backoff).await {
                        Some(error) => error,
                        None => return,
                    }
                }
                Err(error) => error,
            };
            self.attached.set(false);
            tracing::warn!(error = chain(&error), "the stream is of no use at the moment and is opened again");
            self.shutdown.sleep(backoff.next_wait()).await;
        }
    }

    /// Works until the stream fails, which is returned, or the process shall stop.
    async fn work(&self, mut puller: Puller, backoff: &mut Backoff) -> Option<billing_nats::NatsError> {
        loop {
            let next = tokio::select! {
                biased;
                () = self.shutdown.requested() => None,
                next = puller.next_batch() => Some(next),
            };
            match next {
                Some(Ok(batch)) => {
                    backoff.reset();
                    self.settle(batch).await;
                }
                Some(Err(error)) => {
                    puller.close().await;
                    return Some(error);
                }
                None => {
                    puller.close().await;
                    return None;
                }
            }
        }
    }

    async fn settle(&self, batch: Batch) {
        let keep_alive = batch.keep_alive();
        let recorded = self.recorder.record(&batch.deliveries(), &self.shutdown).await;
        drop(keep_alive);
        if recorded {
            batch.ack().await;
        } else {
            batch.give_back().await;
        }
    }
}
