//! The gateway's side: publishing as fast as the stream takes it, or at a fixed rate; and holding the consumer back until
//! the clock starts.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use async_nats::header::{HeaderMap, HeaderName, NATS_MESSAGE_ID};
use async_nats::jetstream::consumer::{AckPolicy, Consumer, pull};
use async_nats::jetstream::context::{Context, ContextBuilder, PublishAckFuture};
use async_nats::jetstream::stream::Stream as JetStream;
use jiff::Timestamp;

use super::traffic::{Publication, Traffic};

const STREAM: &str = "BILLING_EVENTS";
const CONSUMER: &str = "billing-consumer";
const SUBJECT: &str = "billing.events";
const TENANT: HeaderName = HeaderName::from_static("X-Tenant-Id");
const TRACE: HeaderName = HeaderName::from_static("traceparent");
/// Every so many publications the stream is asked whether it has them.
const ASK_EVERY: u64 = 1_000;
const TIMEOUT: Duration = Duration::from_secs(60);
/// How often a fixed rate publishes its share.
const TICK: Duration = Duration::from_millis(5);
const TICKS_A_SECOND: u64 = 200;

/// A connection to the stream.
pub(crate) struct Stream {
    context: Context,
}

impl Stream {
    pub(crate) async fn connect(urls: &[String]) -> Result<Self> {
        let client = async_nats::connect(urls).await.context("cannot connect to NATS")?;
        Ok(Self { context: ContextBuilder::new().timeout(TIMEOUT).build(client) })
    }

    /// An empty stream with a consumer that nothing is delivered from.
    pub(crate) async fn reset(&self) -> Result<()> {
        let stream = self.stream().await?;
        let _there_may_be_none = stream.delete_consumer(CONSUMER).await;
        stream.purge().await.context("cannot empty the stream")?;
        let config = pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            name: Some(CONSUMER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            pause_until: Some(in_an_hour()?),
            ..pull::Config::default()
        };
        stream.create_consumer(config).await.context("cannot make the consumer")?;
        Ok(())
    }

    /// Lets the consumer deliver nothing more.
    pub(crate) async fn hold_back(&self) -> Result<()> {
        let paused = self.stream().await?.pause_consumer(CONSUMER, in_an_hour()?).await;
        paused.context("cannot hold the consumer back")?;
        Ok(())
    }

    /// Lets the consumer deliver.
    pub(crate) async fn release(&self) -> Result<()> {
        self.stream().await?.resume_consumer(CONSUMER).await.context("cannot release the consumer")?;
        Ok(())
    }

    /// The consumer, to take messages from.
    pub(crate) async fn consumer(&self) -> Result<Consumer<pull::Config>> {
        self.stream().await?.get_consumer(CONSUMER).await.map_err(|error| anyhow::anyhow!("no consumer: {error}"))
    }

    /// Publishes `count` messages and returns when the stream has them.
    pub(crate) async fn publish(&self, traffic: &mut Traffic, count: u64, mut progress: impl FnMut(u64)) -> Result<()> {
        let before = self.last_sequence().await?;
        let charged_at = Timestamp::now();
        let mut asked: Option<PublishAckFuture> = None;
        for number in 1..=count {
            let publication = traffic.next(charged_at);
            if !number.is_multiple_of(ASK_EVERY) && number != count {
                self.send(&publication).await?;
                continue;
            }
            let headers = headers(&publication);
            let ask = self.context.publish_with_headers(SUBJECT, headers, publication.payload.into());
            if let Some(asked) = asked.replace(ask.await.context("cannot publish")?) {
                asked.await.context("the stream did not take a message")?;
            }
            progress(number);
        }
        if let Some(asked) = asked {
            asked.await.context("the stream did not take a message")?;
        }
        let taken = self.last_sequence().await? - before;
        ensure!(taken == count, "the stream has taken {taken} of {count} messages");
        Ok(())
    }

    /// Publishes `a_second` messages every second for so long.
    pub(crate) async fn publish_at(&self, traffic: &mut Traffic, a_second: u64, seconds: u64) -> Result<u64> {
        let (began, share) = (Instant::now(), a_second / TICKS_A_SECOND);
        for tick in 0..seconds * TICKS_A_SECOND {
            tokio::time::sleep_until((began + TICK * u32::try_from(tick).unwrap_or(u32::MAX)).into()).await;
            let charged_at = Timestamp::now();
            for _ in 0..share {
                self.send(&traffic.next(charged_at)).await?;
            }
        }
        Ok(share * seconds * TICKS_A_SECOND)
    }

    async fn send(&self, publication: &Publication) -> Result<()> {
        let payload = publication.payload.clone().into();
        let sent = self.context.client().publish_with_headers(SUBJECT, headers(publication), payload).await;
        sent.context("cannot publish")
    }

    async fn last_sequence(&self) -> Result<u64> {
        Ok(self.stream().await?.cached_info().state.last_sequence)
    }

    async fn stream(&self) -> Result<JetStream> {
        self.context.get_stream(STREAM).await.context("cannot look at the stream")
    }
}

fn in_an_hour() -> Result<async_nats::datetime::DateTime> {
    let then = (Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string();
    async_nats::datetime::parse_rfc3339(&then).map_err(|error| anyhow::anyhow!("not an instant: {error}"))
}

fn headers(publication: &Publication) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(id) = publication.id {
        headers.insert(NATS_MESSAGE_ID, id.to_string());
    }
    headers.insert(TENANT, publication.tenant.to_string());
    let (high, low) = publication.message.as_u64_pair();
    headers.insert(TRACE, format!("00-{:032x}-{:016x}-01", publication.message.as_u128(), high ^ low));
    headers
}
