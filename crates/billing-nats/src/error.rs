//! What can go wrong with the stream. All but a wrong URL may pass by itself and is tried again.

use async_nats::SubscribeError;
use async_nats::jetstream::context::{ConsumerInfoError, CreateStreamError, GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::stream::{ConsumerError, ConsumerUpdateError};

use crate::connect::BoxError;

/// An operation on the stream failed.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// One of the addresses, counted from 1, is none. It is not shown.
    #[error("node {0} is not nats://host:port or tls://host:port")]
    Url(usize),
    /// The client cannot be set up.
    #[error("the NATS client cannot be set up")]
    Setup(#[source] BoxError),
    /// Nobody has made the stream.
    #[error("the stream {0} does not exist: the platform has to make it")]
    NoStream(String),
    /// The stream did not answer, or refused.
    #[error("cannot {operation}")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// No answer in time.
    #[error("cannot {0}: no answer in time")]
    TimedOut(&'static str),
    /// The consumer's heartbeats have stopped: its server, or the way there, is gone.
    #[error("the consumer has fallen silent")]
    Silent,
    /// Messages wait, but none is delivered.
    #[error("{0} messages wait, but none is delivered")]
    Stalled(u64),
    /// The server ended the pull.
    #[error("the server ended the pull: {0}")]
    Refused(String),
}

impl NatsError {
    pub(crate) fn failed(operation: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Failed { operation, source: source.into() }
    }

    pub(crate) fn no_stream(name: &str, error: GetStreamError) -> Self {
        match error.kind() {
            GetStreamErrorKind::JetStream(answer) if answer.code() == 404 => Self::NoStream(name.to_owned()),
            _ => Self::failed("find the stream", error),
        }
    }
}

macro_rules! failed_to {
    ($($error:ty => $operation:literal),+ $(,)?) => {
        $(impl From<$error> for NatsError {
            fn from(error: $error) -> Self {
                Self::failed($operation, error)
            }
        })+
    };
}

failed_to! {
    ConsumerInfoError => "look at the consumer",
    ConsumerError => "make the consumer",
    ConsumerUpdateError => "change the consumer",
    CreateStreamError => "make the stream",
    SubscribeError => "listen for messages",
}
