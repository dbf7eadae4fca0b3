//! Events about invoices, from the outbox to a stream of their own. Which events there are is decided elsewhere.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use bytes::Bytes;
use uuid::Uuid;

use crate::decode::TENANT_HEADER;
use crate::error::NatsError;

/// The stream of events about invoices.
pub const INVOICE_STREAM: &str = "BILLING_INVOICES";
/// What it takes in.
pub const INVOICE_SUBJECTS: &str = "billing.invoice.*";

const RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// An event that was published and not crossed off is published again once the database is back.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// Of several requests together.
const SET_UP_TIMEOUT: Duration = Duration::from_secs(10);
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);

/// One event as the outbox holds it.
#[derive(Clone, Debug)]
pub struct OutboxMessage {
    /// Such as `billing.invoice.generated`.
    pub subject: String,
    /// Published twice within the stream's window, it is kept once.
    pub message_id: String,
    /// Whose.
    pub tenant: Uuid,
    /// Where it comes from, for tracing.
    pub traceparent: Option<String>,
    /// JSON.
    pub payload: Vec<u8>,
}

/// Publishes events about invoices.
#[derive(Clone)]
pub struct InvoicePublisher(Context);

impl InvoicePublisher {
    pub(crate) fn new(context: Context) -> Self {
        Self(context)
    }

    /// Makes the stream of events about invoices, unless it exists, with as many replicas as the stream of usage events
    /// has. The names are [`INVOICE_STREAM`], [`INVOICE_SUBJECTS`] and [`STREAM`](crate::STREAM) except in tests.
    ///
    /// # Errors
    /// [`NatsError`].
    pub async fn set_up(&self, stream: &str, subjects: &str, like: &str) -> Result<(), NatsError> {
        let set_up = async {
            let model = self.0.get_stream(like).await.map_err(|error| NatsError::no_stream(like, error))?;
            let config = Config {
                name: stream.to_owned(),
                subjects: vec![subjects.to_owned()],
                retention: RetentionPolicy::Limits,
                max_age: RETENTION,
                duplicate_window: DUPLICATE_WINDOW,
                num_replicas: model.cached_info().config.num_replicas,
                ..Config::default()
            };
            self.0.get_or_create_stream(config).await?;
            Ok(())
        };
        tokio::time::timeout(SET_UP_TIMEOUT, set_up).await.map_err(|_| NatsError::TimedOut("make the stream"))?
    }

    /// Publishes one event; returns once the stream has it.
    ///
    /// # Errors
    /// [`NatsError`]: it may have been published or not; publishing it again is harmless.
    pub async fn publish(&self, message: OutboxMessage) -> Result<(), NatsError> {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, message.message_id);
        headers.insert(TENANT_HEADER, message.tenant.to_string());
        if let Some(traceparent) = message.traceparent {
            headers.insert("traceparent", traceparent);
        }
        let failed = |error| NatsError::failed("publish an event", error);
        let publish = async {
            let sent = self.0.publish_with_headers(message.subject, headers, Bytes::from(message.payload));
            sent.await.map_err(failed)?.await.map_err(failed)
        };
        let published = tokio::time::timeout(PUBLISH_TIMEOUT, publish).await;
        published.map_err(|_| NatsError::TimedOut("publish an event"))?.map(|_ack| ())
    }
}
