//! Usage events from JetStream, and events about invoices back to it.
//!
//! A message is read here, and acknowledged when it is said to be recorded; what it means and costs is decided by
//! `billing-domain`. A message is never lost by this crate: what is not acknowledged comes again.

mod batch;
mod connect;
mod consumer;
mod credentials;
mod decode;
mod error;
mod invoice_event;
mod place;
mod publisher;
mod puller;
mod watermark;

pub use batch::{Batch, KeepAlive};
pub use connect::{BoxError, Nats};
pub use consumer::{CONSUMER, ConsumerConfig, EventConsumer, Lag, STREAM, SUBJECT};
pub use decode::decode_stored;
pub use error::NatsError;
pub use publisher::{INVOICE_STREAM, INVOICE_SUBJECTS, InvoicePublisher, OutboxMessage};
pub use puller::Puller;
