//! Messages in a worker's hand: read, kept from being delivered again while they are worked on, acknowledged or given
//! back.

use std::time::Duration;

use async_nats::Subject;
use async_nats::jetstream::{AckKind, Context, Message};
use billing_domain::usage::Receipt;
use billing_domain::use_cases::Delivery;
use jiff::Timestamp;
use tokio::task::JoinHandle;

use crate::decode::{TENANT_HEADER, decode};

/// Well within the time after which a message is delivered again.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
/// Acknowledgements that cannot be sent by then are not sent: the messages come again, which changes nothing.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages taken from the stream. What is dropped without a word comes again after half a minute.
pub struct Batch {
    context: Context,
    messages: Vec<(Receipt, Message)>,
}

/// Keeps a batch's messages from being delivered again until it is dropped.
#[derive(Debug)]
pub struct KeepAlive(JoinHandle<()>);

impl Drop for KeepAlive {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Batch {
    pub(crate) fn new(context: Context, messages: Vec<(Receipt, Message)>) -> Self {
        Self { context, messages }
    }

    /// How many messages it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// What the messages say.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery<'_>> {
        self.messages.iter().map(|(receipt, message)| delivery(*receipt, message)).collect()
    }

    /// Tells the stream, from time to time, that the messages are being worked on.
    #[must_use]
    pub fn keep_alive(&self) -> KeepAlive {
        let replies: Vec<Subject> = self.messages.iter().filter_map(|(_, message)| message.reply.clone()).collect();
        let client = self.context.client();
        KeepAlive(tokio::spawn(async move {
            loop {
                tokio::time::sleep(PROGRESS_INTERVAL).await;
                for reply in &replies {
                    if client.publish(reply.clone(), AckKind::Progress.into()).await.is_err() {
                        return;
                    }
                }
            }
        }))
    }

    /// Acknowledges every message: only after they are recorded.
    pub async fn ack(self) {
        self.answer(AckKind::Ack).await;
    }

    /// Gives every message back, to be delivered to another worker at once.
    pub async fn give_back(self) {
        self.answer(AckKind::Nak(None)).await;
    }

    async fn answer(self, kind: AckKind) {
        let count = self.messages.len();
        let send = async {
            for (_, message) in &self.messages {
                message.ack_with(kind).await?;
            }
            Ok::<_, async_nats::Error>(())
        };
        match tokio::time::timeout(SEND_TIMEOUT, send).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(count, error, "answers are lost, the messages will come again"),
            Err(_) => tracing::warn!(count, "answers cannot be sent, the messages will come again"),
        }
    }
}

fn delivery(receipt: Receipt, message: &Message) -> Delivery<'_> {
    let headers = message.headers.as_ref();
    let tenant = headers.and_then(|headers| headers.get(TENANT_HEADER)).map(|value| value.as_str());
    Delivery { receipt, raw: &message.payload, content: decode(tenant, &message.payload) }
}

/// Where the message stood; `None` when it does not come from a stream.
pub(crate) fn receipt(message: &Message) -> Option<Receipt> {
    let info = message.info().ok()?;
    let micros = i64::try_from(info.published.unix_timestamp_nanos().div_euclid(1_000)).ok()?;
    Some(Receipt { sequence: info.stream_sequence, published_at: Timestamp::from_microsecond(micros).ok()? })
}
