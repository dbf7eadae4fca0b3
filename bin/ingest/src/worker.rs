//! One worker: takes messages from the stream, has them recorded, and acknowledges them; in this order.

use std::sync::Arc;
use std::time::Duration;

use billing_domain::ports::Clock;
use billing_nats::{Batch, EventConsumer, KeepAlive, NatsError, Puller};
use billing_postgres::Postgres;
use billing_redis::RedisCache;
use billing_runtime::{Backoff, BatchTrace, Condition, MessageTracer, Shutdown, Taken, chain};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::in_hand::InHand;
use crate::progress::Progress;
use crate::recorder::Recorder;

const REOPEN_FIRST: Duration = Duration::from_millis(100);
const REOPEN_MAX: Duration = Duration::from_secs(3);
/// What is in hand when the process shall stop has this long to be recorded; the rest is given back.
const RECORDED_WITHIN: Duration = Duration::from_secs(7);

/// What a worker works with.
pub(crate) struct Worker<T> {
    pub(crate) consumer: EventConsumer,
    pub(crate) recorder: Arc<Recorder<Postgres, RedisCache, T>>,
    /// Shared by the workers: whose turn it is to take messages.
    pub(crate) turn: Arc<Mutex<()>>,
    /// Shared by the workers: room for one batch more than they are. So the next is there when one of them needs it, without
    /// memory for each to have two.
    pub(crate) room: Arc<Semaphore>,
    /// Shared by the workers: what each is recording.
    pub(crate) in_hand: Arc<InHand>,
    /// Whether it can take messages.
    pub(crate) attached: Condition,
    pub(crate) progress: Progress,
    /// Whether the publishers' traces are continued.
    pub(crate) tracer: Option<MessageTracer>,
    pub(crate) shutdown: Shutdown,
}

/// A batch that was taken, and its place among those that may be in hand.
struct Taking {
    batch: Batch,
    keep_alive: KeepAlive,
    _room: Option<OwnedSemaphorePermit>,
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
    async fn work(&self, mut puller: Puller, backoff: &mut Backoff) -> Option<NatsError> {
        let mut in_hand = None;
        loop {
            // While one batch is recorded, the next one is taken.
            let (next, ()) = tokio::join!(self.next(&mut puller), self.settle(in_hand.take()));
            match next {
                Some(Ok(taken)) => {
                    backoff.reset();
                    in_hand = Some(taken);
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

    /// The next batch, or `None` when the process shall stop. It is kept alive from the first moment on, for the one before
    /// it may take long. The workers take in turn: so each has a row of consecutive messages, and the stream gives each
    /// message away once and not crosswise.
    async fn next(&self, puller: &mut Puller) -> Option<Result<Taking, NatsError>> {
        tokio::select! {
            biased;
            () = self.shutdown.requested() => None,
            next = async {
                let _turn = self.turn.lock().await;
                // Never closed.
                let room = Arc::clone(&self.room).acquire_owned().await.ok();
                let batch = puller.next_batch().await?;
                let keep_alive = batch.keep_alive();
                Ok(Taking { batch, keep_alive, _room: room })
            } => Some(next),
        }
    }

    async fn settle(&self, in_hand: Option<Taking>) {
        let Some(Taking { batch, keep_alive, _room }) = in_hand else { return };
        let work = tracing::info_span!("record", otel.name = "record batch", otel.status_code = Empty);
        let trace = self.trace(&batch, &work);
        // In a box, for the compiler follows futures in futures only so far.
        let recorded = Box::pin(self.record(batch, keep_alive)).instrument(work.clone()).await;
        if !recorded {
            work.record("otel.status_code", "ERROR");
        }
        trace.end(recorded);
    }

    /// Records the messages and acknowledges them; `false` when they are given back instead.
    async fn record(&self, batch: Batch, keep_alive: KeepAlive) -> bool {
        let recording = async {
            let mut deliveries = batch.deliveries();
            let (held, elsewhere) = self.in_hand.hold(&mut deliveries);
            let mut recorded = self.recorder.record(&deliveries, &self.shutdown).await;
            drop(held);
            if recorded && !elsewhere.is_empty() {
                recorded = self.recorder.record(&elsewhere, &self.shutdown).await;
            }
            recorded
        };
        let recorded = tokio::select! {
            recorded = recording => recorded,
            // Whether a commit that was asked for happens is not known then, and does not matter: it comes again, and is known.
            () = self.shutdown.requested_for(RECORDED_WITHIN) => {
                tracing::warn!(messages = batch.len(), "not recorded in time before the end, and given back");
                false
            }
        };
        drop(keep_alive);
        if recorded {
            batch.ack().await;
            self.progress.note();
        } else {
            batch.give_back().await;
        }
        recorded
    }

    fn trace(&self, batch: &Batch, work: &Span) -> BatchTrace {
        let Some(tracer) = &self.tracer else { return BatchTrace::default() };
        let (first_at, complete_at) = batch.pulled();
        let taken = Taken { messages: batch.len(), first_ago: first_at.elapsed(), complete_ago: complete_at.elapsed() };
        tracer.begin(work, taken, batch.callers())
    }
}
