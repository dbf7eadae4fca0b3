//! Messages in a worker's hand: read, kept from being delivered again while they are worked on, acknowledged or given
//! back.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::header::HeaderName;
use async_nats::jetstream::{AckKind, Message};
use async_nats::{Client, PublishError, Subject};
use billing_domain::usage::Receipt;
use billing_domain::use_cases::Delivery;
use jiff::Timestamp;
use tokio::task::JoinHandle;

use tracing::Instrument as _;

use crate::decode::{Names, TENANT_HEADER, decode};

/// W3C trace context.
const TRACE_HEADER: HeaderName = HeaderName::from_static("traceparent");

/// Well within the time after which a message is delivered again.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
/// Acknowledgements that cannot be sent by then are not sent: the messages come again, which changes nothing.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages taken from the stream. What is dropped without a word comes again after half a minute.
pub struct Batch {
    client: Client,
    messages: Arc<Messages>,
    complete_at: Instant,
}

/// What is needed of the messages in hand, in a few large pieces of memory: there are tens of thousands of them, and as the
/// client delivers them each has a dozen small pieces, which other threads free in another order.
#[derive(Default)]
pub(crate) struct Messages {
    all: Vec<Taken>,
    payloads: Vec<u8>,
    /// Where acknowledgements go, and tenants and traces of headers.
    texts: String,
    /// Whose publishers trace them; empty unless that is asked for.
    callers: Vec<Range<usize>>,
    is_traced: bool,
    first_at: Option<Instant>,
}

/// Where a message's pieces are.
struct Taken {
    receipt: Receipt,
    payload: Range<usize>,
    reply: Range<usize>,
    tenant: Option<Range<usize>>,
}

impl Messages {
    /// None yet. Whether they are traced by those who published them, is looked for only if it is asked for.
    pub(crate) fn new(is_traced: bool) -> Self {
        Self { is_traced, ..Self::default() }
    }

    /// None yet, with room for as many as these: what grows piece by piece leaves holes, and keeps twice what it needs.
    pub(crate) fn like(last: &Self) -> Self {
        Self {
            all: Vec::with_capacity(last.all.len()),
            payloads: Vec::with_capacity(last.payloads.len() + last.payloads.len() / 16),
            texts: String::with_capacity(last.texts.len() + last.texts.len() / 16),
            ..Self::new(last.is_traced)
        }
    }

    /// Takes a message in; false when it does not come from a stream.
    pub(crate) fn take(&mut self, message: &Message) -> bool {
        let (Some(receipt), Some(reply)) = (receipt(message), &message.reply) else { return false };
        let tenant = message.headers.as_ref().and_then(|headers| headers.get(TENANT_HEADER));
        if self.is_traced {
            self.keep_caller(message);
        }
        self.first_at.get_or_insert_with(Instant::now);
        let reply = self.keep(reply.as_str());
        let tenant = tenant.map(|tenant| self.keep(tenant.as_str()));
        let start = self.payloads.len();
        self.payloads.extend_from_slice(&message.payload);
        self.all.push(Taken { receipt, payload: start..self.payloads.len(), reply, tenant });
        true
    }

    fn keep(&mut self, text: &str) -> Range<usize> {
        let start = self.texts.len();
        self.texts.push_str(text);
        start..self.texts.len()
    }

    /// Most messages are not recorded by their publisher, which the last digit says; nobody is told of those.
    fn keep_caller(&mut self, message: &Message) {
        let caller = message.headers.as_ref().and_then(|headers| headers.get(TRACE_HEADER));
        let is_sampled = |caller: &str| {
            matches!(caller.as_bytes().last(), Some(b'1' | b'3' | b'5' | b'7' | b'9' | b'b' | b'd' | b'f'))
        };
        if let Some(caller) = caller.map(|caller| caller.as_str()).filter(|caller| is_sampled(caller)) {
            let caller = self.keep(caller);
            self.callers.push(caller);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The bytes of their payloads.
    pub(crate) fn bytes(&self) -> usize {
        self.payloads.len()
    }

    fn delivery<'a>(&'a self, taken: &Taken, names: &mut Names) -> Delivery<'a> {
        let raw = &self.payloads[taken.payload.clone()];
        let tenant = taken.tenant.clone().map(|tenant| &self.texts[tenant]);
        Delivery { receipt: taken.receipt, raw, content: decode(names, tenant, raw) }
    }

    fn replies(&self) -> impl Iterator<Item = Subject> {
        self.all.iter().map(|taken| Subject::from(&self.texts[taken.reply.clone()]))
    }
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
    pub(crate) fn new(client: Client, messages: Messages) -> Self {
        Self { client, messages: Arc::new(messages), complete_at: Instant::now() }
    }

    /// How many messages it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the messages say.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery<'_>> {
        let mut names = Names::default();
        self.messages.all.iter().map(|taken| self.messages.delivery(taken, &mut names)).collect()
    }

    /// The `traceparent` of those messages whose publisher records its trace, if the consumer looks for them.
    pub fn callers(&self) -> impl Iterator<Item = &str> {
        self.messages.callers.iter().map(|caller| &self.messages.texts[caller.clone()])
    }

    /// When the first message came, and when the batch was complete.
    #[must_use]
    pub fn pulled(&self) -> (Instant, Instant) {
        (self.messages.first_at.unwrap_or(self.complete_at), self.complete_at)
    }

    /// Tells the stream, from time to time, that the messages are being worked on.
    #[must_use]
    pub fn keep_alive(&self) -> KeepAlive {
        let (client, messages) = (self.client.clone(), Arc::clone(&self.messages));
        KeepAlive(tokio::spawn(async move {
            loop {
                tokio::time::sleep(PROGRESS_INTERVAL).await;
                for reply in messages.replies() {
                    if client.publish(reply, AckKind::Progress.into()).await.is_err() {
                        return;
                    }
                }
            }
        }))
    }

    /// Acknowledges every message: only after they are recorded.
    pub async fn ack(self) {
        self.answer(AckKind::Ack).instrument(tracing::info_span!("ack", otel.kind = "client")).await;
    }

    /// Gives every message back, to be delivered to another worker at once.
    pub async fn give_back(self) {
        self.answer(AckKind::Nak(None)).instrument(tracing::info_span!("give back", otel.kind = "client")).await;
    }

    async fn answer(self, kind: AckKind) {
        let count = self.messages.len();
        let send = async {
            for reply in self.messages.replies() {
                self.client.publish(reply, kind.into()).await?;
            }
            Ok::<_, PublishError>(())
        };
        match tokio::time::timeout(SEND_TIMEOUT, send).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(count, %error, "answers are lost, the messages will come again"),
            Err(_) => tracing::warn!(count, "answers cannot be sent, the messages will come again"),
        }
    }
}

/// Where the message stood; `None` when it does not come from a stream.
fn receipt(message: &Message) -> Option<Receipt> {
    let info = message.info().ok()?;
    let micros = i64::try_from(info.published.unix_timestamp_nanos().div_euclid(1_000)).ok()?;
    Some(Receipt { sequence: info.stream_sequence, published_at: Timestamp::from_microsecond(micros).ok()? })
}
