//! Whether everything that was on the stream at one moment has been recorded.

use std::time::Duration;

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
