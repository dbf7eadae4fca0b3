//! billing-nats.
