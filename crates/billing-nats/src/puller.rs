//! Pulling: a process's open request for messages, and what comes of it.
//!
//! A request waits for the first messages, another a moment more for company, and as long as more are there they are asked for.
//! Heartbeats tell a quiet stream from a dead server. Nothing is fetched ahead: what is in hand is being worked on.

use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::{Context, Message};
use async_nats::{StatusCode, Subject, Subscriber};
use futures::StreamExt as _;

use crate::batch::{Batch, Messages};
use crate::consumer::ConsumerConfig;
use crate::error::NatsError;

/// How long a request waits on the server for the first message.
const WAIT: Duration = Duration::from_secs(5);
const HEARTBEAT: Duration = Duration::from_millis(500);
/// Without a word for this long, the request is taken for lost.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long the first messages wait for more.
const LINGER: Duration = Duration::from_millis(50);
/// After so long without a message it is asked whether there are none, or none are delivered.
const QUIET_MAX: Duration = Duration::from_secs(30);
/// Asked for at a time. What is on its way takes several times the memory of what is in hand.
const ASKED_MAX: usize = 2_500;
/// Of the messages of one batch: bounds memory however large they are. A single message that is larger is taken alone; servers
/// take 1 MiB by default, and 64 MiB at most.
const BYTES_MAX: usize = 16 * 1024 * 1024;
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Nothing comes of a request any more after so long without a message.
const CLOSE_QUIET: Duration = Duration::from_millis(200);

/// A process's place at the consumer. Dropping it loses nothing; [`Puller::close`] gives back sooner what it holds.
pub struct Puller {
    context: Context,
    consumer: Consumer<pull::Config>,
    inbox: String,
    subscriber: Subscriber,
    batch_size: usize,
    requests: u64,
    in_hand: Messages,
    /// Whether the next message is larger than what is asked for with others.
    is_large: bool,
    /// The last message that was taken. A context of its own for each would cost more than all that is read of it.
    taken: Message,
    last_message: Instant,
}

/// How a request ended.
enum Ended {
    /// All that was asked for, or all there is.
    Served,
    /// The next message has no room.
    Full,
    /// The server has something against it.
    Failed(NatsError),
}

impl Puller {
    pub(crate) async fn begin(
        context: Context,
        consumer: Consumer<pull::Config>,
        ConsumerConfig { batch_size, is_traced, .. }: ConsumerConfig,
    ) -> Result<Self, NatsError> {
        let client = context.client();
        let inbox = client.new_inbox();
        let subscriber = client.subscribe(format!("{inbox}.*")).await?;
        let last_message = Instant::now();
        let none_yet = async_nats::Message {
            subject: Subject::from_static(""),
            reply: None,
            payload: Vec::new().into(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        };
        Ok(Self {
            taken: Message { message: none_yet, context: context.clone() },
            context,
            consumer,
            inbox,
            subscriber,
            batch_size,
            requests: 0,
            in_hand: Messages::new(is_traced),
            is_large: false,
            last_message,
        })
    }

    /// The next messages, at least one, at most about the batch size. May be cancelled: what has come stays in hand.
    ///
    /// # Errors
    /// [`NatsError`]: this puller is of no more use; close it and open another.
    pub async fn next_batch(&mut self) -> Result<Batch, NatsError> {
        while self.in_hand.len() == 0 {
            let wait =
                pull::BatchConfig { expires: Some(WAIT), no_wait: true, idle_heartbeat: HEARTBEAT, ..self.missing() };
            self.request(wait).await?;
            if self.in_hand.len() == 0 {
                self.check_quiet().await?;
            }
        }
        let linger = pull::BatchConfig { expires: Some(LINGER), ..self.missing() };
        // With messages in hand a failure can wait: the next request will meet it again.
        let mut there_are_more = self.has_room() && self.request(linger).await.unwrap_or(false);
        while there_are_more && self.has_room() {
            // Ends with what is there. Without a limit the server may keep it for ever when there is nothing after all.
            let at_once = pull::BatchConfig { no_wait: true, expires: Some(LINGER), ..self.missing() };
            there_are_more = self.request(at_once).await.unwrap_or(false);
        }
        let room = Messages::like(&self.in_hand);
        Ok(Batch::new(self.context.client(), std::mem::replace(&mut self.in_hand, room)))
    }

    fn has_room(&self) -> bool {
        self.in_hand.len() < self.batch_size && self.in_hand.bytes() < BYTES_MAX / 2
    }

    /// A request for what the batch may still take.
    fn missing(&self) -> pull::BatchConfig {
        if self.is_large {
            return pull::BatchConfig { batch: 1, ..pull::BatchConfig::default() };
        }
        pull::BatchConfig {
            batch: self.batch_size.saturating_sub(self.in_hand.len()).clamp(1, ASKED_MAX),
            max_bytes: BYTES_MAX.saturating_sub(self.in_hand.bytes()),
            ..pull::BatchConfig::default()
        }
    }

    /// Ends the request and gives back what is in hand, so that another process has it at once. A request that was given up
    /// or refused may be served nevertheless, by another node, and that it is served may be told before the messages come: what
    /// is on its way is waited for, or it would arrive where nobody listens, and come again only after half a minute.
    pub async fn close(mut self) {
        let drain = async {
            while let Ok(Some(message)) = tokio::time::timeout(CLOSE_QUIET, self.subscriber.next()).await {
                self.take(message);
            }
            if self.subscriber.drain().await.is_ok() {
                while let Some(message) = self.subscriber.next().await {
                    self.take(message);
                }
            }
        };
        let drained = tokio::time::timeout(CLOSE_TIMEOUT, drain).await;
        tracing::debug!(count = self.in_hand.len(), drained = drained.is_ok(), "giving messages back");
        Batch::new(self.context.client(), std::mem::take(&mut self.in_hand)).give_back().await;
    }

    /// Asks once and takes in what comes until the request has ended; whether all came that was asked for.
    async fn request(&mut self, request: pull::BatchConfig) -> Result<bool, NatsError> {
        self.requests += 1;
        let reply = Subject::from(format!("{}.{}", self.inbox, self.requests));
        let mut missing = request.batch;
        let send = self.consumer.request_batch(request, reply.clone());
        let sent = tokio::time::timeout(SILENCE_MAX, send).await.map_err(|_| NatsError::Silent)?;
        sent.map_err(|error| NatsError::failed("ask for messages", error))?;
        while missing > 0 {
            let next = tokio::time::timeout(SILENCE_MAX, self.subscriber.next()).await;
            let message = next.map_err(|_| NatsError::Silent)?.ok_or(NatsError::Silent)?;
            match message.status {
                None | Some(StatusCode::OK) => {
                    self.take(message);
                    missing -= 1;
                }
                Some(StatusCode::IDLE_HEARTBEAT) => {}
                // Of a request that was given up.
                Some(_) if message.subject != reply => {}
                Some(status) => match ended(status, message.description.as_deref()) {
                    Ended::Served => break,
                    Ended::Full => {
                        self.is_large = self.in_hand.len() == 0;
                        break;
                    }
                    Ended::Failed(error) => return Err(error),
                },
            }
        }
        Ok(missing == 0)
    }

    fn take(&mut self, message: async_nats::Message) {
        if message.status.is_some_and(|status| status != StatusCode::OK) {
            return;
        }
        self.is_large = false;
        self.taken.message = message;
        if !self.in_hand.take(&self.taken) {
            tracing::warn!("a message that no stream has delivered is ignored");
        }
        self.last_message = Instant::now();
    }

    /// A consumer has been seen to wait for ever beside a full stream; a new request from scratch helps.
    async fn check_quiet(&mut self) -> Result<(), NatsError> {
        if self.last_message.elapsed() < QUIET_MAX {
            return Ok(());
        }
        self.last_message = Instant::now();
        match self.consumer.get_info().await?.num_pending {
            0 => Ok(()),
            waiting => Err(NatsError::Stalled(waiting)),
        }
    }
}

fn ended(status: StatusCode, description: Option<&str>) -> Ended {
    let description = description.unwrap_or_default();
    match status {
        StatusCode::TIMEOUT | StatusCode::NOT_FOUND => Ended::Served,
        _ if description.eq_ignore_ascii_case("batch completed") => Ended::Served,
        _ if description.eq_ignore_ascii_case("message size exceeds maxbytes") => Ended::Full,
        _ => Ended::Failed(NatsError::Refused(format!("{} {description}", status.as_u16()))),
    }
}
