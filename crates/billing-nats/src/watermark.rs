//! Whether everything that was on the stream at one moment has been recorded, and how far nothing is left to come.

use std::time::Duration;

use async_nats::datetime::DateTime;
use billing_domain::ports::StreamFloor;
use jiff::Timestamp;

use crate::{EventConsumer, NatsError};

const LOOK_TIMEOUT: Duration = Duration::from_secs(10);

impl EventConsumer {
    /// The sequence number of the last message that the stream has taken, 0 when it has taken none.
    ///
    /// # Errors
    /// [`NatsError`].
    pub async fn last_sequence(&self) -> Result<u64, NatsError> {
        let look = async {
            let stream = self.context.get_stream(&self.config.stream).await;
            let stream = stream.map_err(|error| NatsError::no_stream(&self.config.stream, error))?;
            Ok(stream.cached_info().state.last_sequence)
        };
        tokio::time::timeout(LOOK_TIMEOUT, look).await.map_err(|_| NatsError::TimedOut("look at the stream"))?
    }

    /// How far the stream has been dealt with: acknowledged, or gone from it without ever having been.
    ///
    /// # Errors
    /// [`NatsError`], also when there is no such consumer yet.
    pub async fn floor(&self) -> Result<StreamFloor, NatsError> {
        let look = async {
            let stream = self.context.get_stream(&self.config.stream).await;
            let stream = stream.map_err(|error| NatsError::no_stream(&self.config.stream, error))?;
            // The consumer second: what it says nothing of any more was there before.
            let consumer = stream.consumer_info(&self.config.durable).await?;
            Ok::<_, NatsError>((stream.cached_info().clone(), consumer))
        };
        let look = tokio::time::timeout(LOOK_TIMEOUT, look).await;
        let (stream, consumer) = look.map_err(|_| NatsError::TimedOut("look at the stream"))??;
        let last = stream.state.last_sequence;
        // The consumer's own floor stays where it is when messages behind it are gone from the stream.
        let is_idle = consumer.num_pending == 0 && consumer.num_ack_pending == 0;
        let settled = if is_idle { last } else { consumer.ack_floor.stream_sequence.min(last) };
        let created_at = instant(stream.created)
            .ok_or_else(|| NatsError::failed("look at the stream", "it was made at no instant that can be told"))?;
        let base = stream.config.first_sequence.unwrap_or(1).saturating_sub(1);
        Ok(StreamFloor { created_at, base, settled, last })
    }

    /// How many messages up to a sequence number are not acknowledged yet: 0 once all are. A message is acknowledged
    /// only after its usage was committed.
    ///
    /// # Errors
    /// [`NatsError`], also when there is no such consumer.
    pub async fn unrecorded_until(&self, sequence: u64) -> Result<u64, NatsError> {
        let look = async {
            let stream = self.context.get_stream_no_info(&self.config.stream).await;
            let stream = stream.map_err(|error| NatsError::no_stream(&self.config.stream, error))?;
            Ok::<_, NatsError>(stream.consumer_info(&self.config.durable).await?)
        };
        let look = tokio::time::timeout(LOOK_TIMEOUT, look).await;
        let info = look.map_err(|_| NatsError::TimedOut("look at the consumer"))??;
        let unacknowledged = u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX);
        let behind = info.num_pending.saturating_add(unacknowledged);
        // Below the floor all is acknowledged, and later messages may be pending while those up to it are not.
        Ok(behind.min(sequence.saturating_sub(info.ack_floor.stream_sequence)))
    }
}

pub(crate) fn instant(at: DateTime) -> Option<Timestamp> {
    let micros = i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000)).ok()?;
    Timestamp::from_microsecond(micros).ok()
}
