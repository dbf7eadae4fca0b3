//! The connection to the cluster. It is made, and made again, in the background; nothing waits for it at the start.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::rustls::ClientConfig;
use async_nats::{AuthError, ConnectOptions, Server, ServerAddr};
use tokio::sync::watch;

use crate::consumer::{ConsumerConfig, EventConsumer};
use crate::credentials;
use crate::error::NatsError;
use crate::publisher::InvoicePublisher;

/// Any error.
pub type BoxError = Box<dyn Error + Send + Sync>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Of one request to JetStream, and of one published message's acknowledgement. Short, because an answer that was lost
/// with a leader does not come later, and the next leader is there within seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection whose other end is gone without a word is found dead after three of these.
const PING_INTERVAL: Duration = Duration::from_secs(2);
const RECONNECT_MS_MAX: u64 = 2_000;
/// Acknowledgements of a batch go through this queue.
const QUEUED_COMMANDS_MAX: usize = 8_192;
/// Of one subscription; a pull asks for fewer.
const QUEUED_MESSAGES_MAX: usize = 65_536;
/// Publications that no answer has come for yet.
const UNANSWERED_MAX: usize = 256;

/// A NATS cluster with JetStream. Clones share one connection.
#[derive(Clone)]
pub struct Nats(Context);

impl Nats {
    /// A client of the cluster that these nodes belong to. `credentials` is asked at every connection for the content
    /// of a credentials file; `None` is a cluster without authentication. One `tls://` among the addresses, and no node is
    /// spoken to in the open; `tls` says whose certificates are trusted.
    ///
    /// # Errors
    /// [`NatsError::Url`] or [`NatsError::Setup`]; that no node can be reached is no error here.
    pub async fn connect<F, Fut>(
        urls: &[String],
        name: &str,
        tls: ClientConfig,
        credentials: F,
    ) -> Result<Self, NatsError>
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<String>, BoxError>> + Send + 'static,
    {
        let mut nodes = Vec::with_capacity(urls.len());
        for (index, url) in urls.iter().enumerate() {
            nodes.push(url.parse::<ServerAddr>().map_err(|_| NatsError::Url(index + 1))?);
        }
        let is_encrypted = nodes.iter().any(ServerAddr::tls_required);
        let told = Arc::new(Mutex::new(String::new()));
        let credentials = Arc::new(credentials);
        let options = ConnectOptions::with_auth_callback(move |nonce| {
            // A task of its own, because the client wants a future that may be shared between threads.
            let read = tokio::spawn(credentials());
            async move {
                let text = read.await.map_err(AuthError::new)?.map_err(|error| AuthError::new(&error))?;
                credentials::answer(text.as_deref(), &nonce)
            }
        });
        let client = options
            .name(name)
            .require_tls(is_encrypted)
            .tls_client_config(tls)
            .retry_on_initial_connect()
            .max_reconnects(None)
            .connection_timeout(CONNECT_TIMEOUT)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .ping_interval(PING_INTERVAL)
            .client_capacity(QUEUED_COMMANDS_MAX)
            .subscription_capacity(QUEUED_MESSAGES_MAX)
            // Subjects are our own or the server's.
            .skip_subject_validation(true)
            .reconnect_delay_callback(|attempts| {
                let doublings = u32::try_from(attempts).unwrap_or(u32::MAX);
                Duration::from_millis(50_u64.saturating_mul(2_u64.saturating_pow(doublings)).min(RECONNECT_MS_MAX))
            })
            .reconnect_to_server_callback(move |nodes, _| {
                tell_once(&told, &nodes);
                // The client chooses by itself.
                std::future::ready(None)
            })
            .connect(nodes)
            .await
            .map_err(|error| NatsError::Setup(error.into()))?;
        let context = ContextBuilder::new().timeout(REQUEST_TIMEOUT).ack_timeout(REQUEST_TIMEOUT);
        Ok(Self(context.max_ack_inflight(UNANSWERED_MAX).build(client)))
    }

    /// Connects anew whenever the credentials change, so that the old ones can be taken back; `None` is that they are not
    /// known. What was on its way and is lost comes again.
    pub fn reconnect_on_change<T: Send + Sync + 'static>(&self, mut credentials: watch::Receiver<Option<T>>) {
        let client = self.0.client().clone();
        tokio::spawn(async move {
            let mut were_known = credentials.borrow_and_update().is_some();
            while credentials.changed().await.is_ok() {
                let are_known = credentials.borrow_and_update().is_some();
                if were_known
                    && are_known
                    && let Err(error) = client.force_reconnect().await
                {
                    tracing::warn!(%error, "cannot connect to NATS anew after its credentials changed");
                }
                were_known |= are_known;
            }
        });
    }

    /// The consumer of usage events.
    #[must_use]
    pub fn consumer(&self, config: ConsumerConfig) -> EventConsumer {
        EventConsumer::new(self.0.clone(), config)
    }

    /// The publisher of events about invoices.
    #[must_use]
    pub fn publisher(&self) -> InvoicePublisher {
        InvoicePublisher::new(self.0.clone())
    }

    /// Waits until everything sent so far has left, but no longer than a few seconds.
    ///
    /// # Errors
    /// [`NatsError`] when it has not.
    pub async fn flush(&self) -> Result<(), NatsError> {
        let flushed = tokio::time::timeout(REQUEST_TIMEOUT, self.0.client().flush()).await;
        flushed
            .map_err(|_| NatsError::TimedOut("send what is queued"))?
            .map_err(|error| NatsError::failed("send what is queued", error))
    }
}

/// Says why nodes could not be connected to when last tried; the client keeps it to itself. Nothing is said twice in a row.
fn tell_once(told: &Mutex<String>, nodes: &[Server]) {
    let failed = nodes.iter().filter_map(|node| Some((&node.addr, node.last_error.as_ref()?)));
    let text =
        failed.map(|(node, error)| format!("{}:{}: {error}", node.host(), node.port())).collect::<Vec<_>>().join("; ");
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    if *told != text {
        if !text.is_empty() {
            tracing::warn!(error = text, "cannot connect to NATS");
        }
        *told = text;
    }
}
