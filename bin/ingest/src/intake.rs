//! What takes messages from the stream, batch after batch, for all workers: so each batch has consecutive messages, and no batch
//! waits for one worker while another has nothing to do.

use std::time::Duration;

use billing_nats::{Batch, EventConsumer, KeepAlive, NatsError, Puller};
use billing_runtime::{Backoff, Condition, Shutdown, chain};
use tokio::sync::mpsc::Sender;

const REOPEN_FIRST: Duration = Duration::from_millis(100);
const REOPEN_MAX: Duration = Duration::from_secs(3);

/// Takes messages from the stream.
pub(crate) struct Intake {
    pub(crate) consumer: EventConsumer,
    /// To whichever worker is free, kept alive from the first moment on, for what is before a batch may take long. Its capacity is
    /// how many batches wait at most, the one that is being taken among them.
    pub(crate) batches: Sender<(Batch, KeepAlive)>,
    /// Whether it can take messages.
    pub(crate) attached: Condition,
    pub(crate) shutdown: Shutdown,
}

impl Intake {
    /// Takes messages until the process shall stop.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new(REOPEN_FIRST, REOPEN_MAX);
        while !self.shutdown.is_requested() {
            let opened = tokio::select! {
                biased;
                () = self.shutdown.requested() => return,
                opened = self.consumer.open() => opened,
            };
            let error = match opened {
                Ok(mut puller) => {
                    self.attached.set(true);
                    let failed = tokio::select! {
                        biased;
                        () = self.shutdown.requested() => None,
                        failed = self.pull(&mut puller, &mut backoff) => failed,
                    };
                    puller.close().await;
                    let Some(error) = failed else { return };
                    error
                }
                Err(error) => error,
            };
            self.attached.set(false);
            tracing::warn!(error = chain(&error), "the stream is of no use at the moment and is opened again");
            self.shutdown.sleep(backoff.next_wait()).await;
        }
    }

    /// Pulls until the stream fails, which is returned, or no worker is left.
    async fn pull(&self, puller: &mut Puller, backoff: &mut Backoff) -> Option<NatsError> {
        // Room first: what has no place here is of more use to another pod.
        while let Ok(room) = self.batches.reserve().await {
            match puller.next_batch().await {
                Ok(batch) => {
                    let keep_alive = batch.keep_alive();
                    room.send((batch, keep_alive));
                }
                Err(error) => return Some(error),
            }
            backoff.reset();
        }
        None
    }
}
