//! The durable consumer: how it is set up on the server, how far it is behind, and how a worker begins to pull.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, FromConsumer, IntoConsumerConfig, pull};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::stream::RetentionPolicy;
use async_nats::jetstream::{Context, stream};

use jiff::Timestamp;

use crate::error::NatsError;
use crate::place::Place;
use crate::puller::Puller;
use crate::watermark::instant;

/// The stream that the gateway publishes chargeable messages on.
pub const STREAM: &str = "BILLING_EVENTS";
/// What it takes in.
pub const SUBJECT: &str = "billing.events";
/// The service's durable consumer on it.
pub const CONSUMER: &str = "billing-consumer";

/// A message that is not acknowledged by then is delivered again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// For ever: a limit would take a message off the stream unbilled.
const MAX_DELIVER: i64 = -1;
/// The limit on unacknowledged messages is shared by every pod; more pods than this wait for each other.
const PODS: usize = 8;
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Which consumer, and how it is pulled from.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// [`STREAM`] except in tests.
    pub stream: String,
    /// [`CONSUMER`] except in tests.
    pub durable: String,
    /// Batches that this process has in hand at most.
    pub batches: usize,
    /// Messages of one batch at most.
    pub batch_size: usize,
    /// Whether messages are traced: whose publishers do is then kept of them.
    pub is_traced: bool,
}

/// How far the consumer is behind, over all pods.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lag {
    /// Not delivered yet.
    pub pending: u64,
    /// Delivered and not acknowledged yet.
    pub unacknowledged: u64,
    /// When the oldest message of the stream was published; `None` when nothing waits. A stream that keeps what is
    /// acknowledged, as ours does not, has older ones.
    pub oldest: Option<Timestamp>,
    /// Whether somebody has told the server to deliver nothing.
    pub paused: bool,
}

impl Lag {
    /// Everything that is not recorded yet.
    #[must_use]
    pub fn total(self) -> u64 {
        self.pending.saturating_add(self.unacknowledged)
    }
}

/// The consumer of usage events.
#[derive(Clone)]
pub struct EventConsumer {
    pub(crate) context: Context,
    pub(crate) config: ConsumerConfig,
    /// Where everything before is acknowledged, as far as this process has seen.
    place: Arc<Mutex<Option<Place>>>,
}

impl EventConsumer {
    pub(crate) fn new(context: Context, config: ConsumerConfig) -> Self {
        Self { context, config, place: Arc::default() }
    }

    /// Sets the consumer up on the server, unless it is set up so already, and begins to pull from it.
    ///
    /// # Errors
    /// [`NatsError`]; the caller tries again.
    pub async fn open(&self) -> Result<Puller, NatsError> {
        let open = async {
            let consumer = self.set_up().await?;
            Puller::begin(self.context.clone(), consumer, self.config.clone()).await
        };
        tokio::time::timeout(OPEN_TIMEOUT, open).await.map_err(|_| NatsError::TimedOut("set up the consumer"))?
    }

    /// How far the consumer is behind, as its leader says. Its place is noted, for the case that it is lost.
    ///
    /// # Errors
    /// [`NatsError`], also when there is no such consumer yet.
    pub async fn lag(&self) -> Result<Lag, NatsError> {
        let look = async {
            let stream = self.context.get_stream(&self.config.stream).await;
            let stream = stream.map_err(|error| NatsError::no_stream(&self.config.stream, error))?;
            // The consumer second: the place on a new stream is never taken for one on the old.
            let info = stream.consumer_info(&self.config.durable).await?;
            let stream = stream.cached_info();
            Ok::<_, NatsError>((stream.created, stream.state.first_timestamp, info))
        };
        let look = tokio::time::timeout(OPEN_TIMEOUT, look).await;
        let (created, first, info) = look.map_err(|_| NatsError::TimedOut("look at the consumer"))??;
        self.note_place(Place { created: created.into(), acknowledged: info.ack_floor.stream_sequence });
        let unacknowledged = u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX);
        let waits = info.num_pending > 0 || unacknowledged > 0;
        let oldest = waits.then(|| instant(first)).flatten();
        Ok(Lag { pending: info.num_pending, unacknowledged, oldest, paused: info.paused })
    }

    /// Notes that everything up to a sequence number of the stream that was made at `created` is recorded, so that a
    /// consumer that is lost can be made anew from there. What is noted from the server does not go back by it.
    pub fn note_recorded(&self, created: Timestamp, sequence: u64) {
        self.note_place(Place { created: created.into(), acknowledged: sequence });
    }

    fn note_place(&self, place: Place) {
        let mut noted = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let place = noted.take().map_or(place, |before| before.or_later(place));
        tracing::debug!(sequence = place.acknowledged, "noted where everything before is acknowledged");
        *noted = Some(place);
    }

    async fn set_up(&self) -> Result<Consumer<pull::Config>, NatsError> {
        let stream = self.context.get_stream(&self.config.stream).await;
        let stream = stream.map_err(|error| NatsError::no_stream(&self.config.stream, error))?;
        let existing = match stream.consumer_info(&self.config.durable).await {
            Ok(info) => info.config,
            Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => {
                let begins = self.begins(stream.cached_info());
                tracing::info!(consumer = self.config.durable, ?begins, "making the consumer");
                return Ok(stream.create_consumer(self.wanted(new_consumer(&self.config.durable, begins))).await?);
            }
            Err(error) => return Err(error.into()),
        };
        let push = |error| NatsError::failed("use the consumer, which is not a pull consumer", error);
        let config = pull::Config::try_from_consumer_config(existing.clone()).map_err(push)?;
        let wanted = self.wanted(config);
        if wanted.clone().into_consumer_config() != existing {
            tracing::info!(consumer = self.config.durable, "changing the consumer");
            return Ok(stream.update_consumer(wanted).await?);
        }
        let found = stream.get_consumer(&self.config.durable).await;
        found.map_err(|error| NatsError::failed("look at the consumer", error))
    }

    /// Where a new consumer begins: never at what is new, which would lose what nobody has seen. On a work queue what is
    /// recorded is gone; any other stream still has it, and all of it again would be right, but take hours.
    fn begins(&self, stream: &stream::Info) -> DeliverPolicy {
        let place = *self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let known = place.and_then(|place| place.on(stream.created.into(), stream.state.last_sequence));
        match known {
            Some(acknowledged) if stream.config.retention != RetentionPolicy::WorkQueue => {
                DeliverPolicy::ByStartSequence { start_sequence: acknowledged.saturating_add(1) }
            }
            _ => DeliverPolicy::All,
        }
    }

    /// The given configuration with what the service needs. The rest, such as where a new consumer begins, cannot be
    /// changed or is nobody's business here.
    fn wanted(&self, config: pull::Config) -> pull::Config {
        let in_hand = self.config.batches.saturating_mul(self.config.batch_size).saturating_mul(PODS);
        pull::Config {
            ack_wait: ACK_WAIT,
            backoff: Vec::new(),
            max_deliver: MAX_DELIVER,
            max_ack_pending: i64::try_from(in_hand).unwrap_or(i64::MAX),
            filter_subject: String::new(),
            filter_subjects: Vec::new(),
            headers_only: false,
            max_batch: 0,
            max_bytes: 0,
            max_expires: Duration::ZERO,
            ..config
        }
    }
}

fn new_consumer(durable: &str, deliver_policy: DeliverPolicy) -> pull::Config {
    pull::Config {
        durable_name: Some(durable.to_owned()),
        name: Some(durable.to_owned()),
        deliver_policy,
        ack_policy: AckPolicy::Explicit,
        ..pull::Config::default()
    }
}
