//! One worker: has the messages that were taken recorded, and acknowledges them; in this order.

use std::sync::Arc;
use std::time::Duration;

use billing_domain::ports::Clock;
use billing_nats::{Batch, KeepAlive};
use billing_postgres::Postgres;
use billing_redis::RedisCache;
use billing_runtime::{BatchTrace, MessageTracer, Shutdown, Taken};
use tokio::sync::Mutex;
use tokio::sync::mpsc::Receiver;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::in_hand::InHand;
use crate::progress::Progress;
use crate::recorder::Recorder;

/// What is in hand when the process shall stop has this long to be recorded; the rest is given back.
const RECORDED_WITHIN: Duration = Duration::from_secs(7);

/// What a worker works with.
pub(crate) struct Worker<T> {
    pub(crate) recorder: Arc<Recorder<Postgres, RedisCache, T>>,
    /// Shared by the workers: what was taken from the stream, each with what keeps it alive.
    pub(crate) batches: Arc<Mutex<Receiver<(Batch, KeepAlive)>>>,
    /// Shared by the workers: what each is recording.
    pub(crate) in_hand: Arc<InHand>,
    pub(crate) progress: Progress,
    /// Whether the publishers' traces are continued.
    pub(crate) tracer: Option<MessageTracer>,
    pub(crate) shutdown: Shutdown,
}

impl<T: Clock + Send + Sync> Worker<T> {
    /// Works until nothing more is taken.
    pub(crate) async fn run(self) {
        while let Some((batch, keep_alive)) = self.next().await {
            self.settle(batch, keep_alive).await;
        }
    }

    async fn next(&self) -> Option<(Batch, KeepAlive)> {
        self.batches.lock().await.recv().await
    }

    async fn settle(&self, batch: Batch, keep_alive: KeepAlive) {
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
