//! The gateway's side of the stream: publishing with many acknowledgements awaited at once, and how far the consumer is.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_nats::header::{HeaderMap, HeaderName, NATS_MESSAGE_ID};
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::{Context, stream};
use tokio::sync::mpsc;

use super::event::Envelope;

const EVENTS: &str = "BILLING_EVENTS";
const INVOICES: &str = "BILLING_INVOICES";
const CONSUMER: &str = "billing-consumer";
const SUBJECT: &str = "billing.events";
const TENANT: HeaderName = HeaderName::from_static("X-Tenant-Id");
const TRACE: HeaderName = HeaderName::from_static("traceparent");

/// Published and not acknowledged yet; more wait.
const IN_FLIGHT: usize = 4_000;
/// Of one request or acknowledgement, on a machine that is busy with everything else.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to the stream.
#[derive(Clone)]
pub(crate) struct Stream {
    context: Context,
}

impl Stream {
    pub(crate) async fn connect(urls: &[String]) -> Result<Self> {
        let client = async_nats::connect(urls).await.context("cannot connect to NATS")?;
        let context = ContextBuilder::new().timeout(TIMEOUT).max_ack_inflight(IN_FLIGHT).build(client);
        Ok(Self { context })
    }

    /// Publishes everything that comes and waits until the stream has all of it; `progress` is told how much it has.
    pub(crate) async fn publish(
        &self,
        mut envelopes: mpsc::Receiver<Envelope>,
        mut progress: impl FnMut(u64),
    ) -> Result<u64> {
        let (hand, mut published) = mpsc::channel(IN_FLIGHT);
        let send = async move {
            while let Some(envelope) = envelopes.recv().await {
                let ack = self.context.publish_with_headers(SUBJECT, headers(&envelope), envelope.payload.into()).await;
                hand.send(ack.context("cannot publish")?).await.ok().context("nobody waits for acknowledgements")?;
            }
            Ok(())
        };
        let confirm = async {
            let mut confirmed = 0;
            while let Some(ack) = published.recv().await {
                let ack = ack.await.context("the stream did not take a message")?;
                ensure!(!ack.duplicate, "the stream had a message of this id already");
                confirmed += 1;
                progress(confirmed);
            }
            Ok(confirmed)
        };
        let ((), confirmed) = tokio::try_join!(send, confirm)?;
        Ok(confirmed)
    }

    /// How much of the stream is not recorded yet.
    pub(crate) async fn lag(&self) -> Result<u64> {
        let events = self.context.get_stream_no_info(EVENTS).await.context("cannot find the stream")?;
        let info = events.consumer_info(CONSUMER).await.context("cannot look at the consumer")?;
        Ok(info.num_pending + u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX))
    }

    /// How much the stream has ever taken.
    pub(crate) async fn received(&self) -> Result<u64> {
        Ok(self.state(EVENTS).await?.last_sequence)
    }

    /// What the service has announced of its invoices.
    pub(crate) async fn announced(&self) -> Result<u64> {
        Ok(self.state(INVOICES).await?.messages)
    }

    async fn state(&self, name: &str) -> Result<stream::State> {
        let stream = self.context.get_stream(name).await.with_context(|| format!("cannot look at {name}"))?;
        Ok(stream.cached_info().state.clone())
    }
}

fn headers(envelope: &Envelope) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(id) = &envelope.id {
        headers.insert(NATS_MESSAGE_ID, id.as_str());
    }
    headers.insert(TENANT, envelope.tenant.as_str());
    if let Some(trace) = &envelope.traceparent {
        headers.insert(TRACE, trace.as_str());
    }
    headers
}
