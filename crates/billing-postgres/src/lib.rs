//! Billing's memory in PostgreSQL: the adapter of every port that stores.
//!
//! Each port method is one transaction, opened in one place, named, measured and tried again when that can help.
//! What is decided inside a transaction is decided by functions of `billing-domain`.

mod accounts;
mod audit;
mod buckets;
mod columns;
mod connect;
mod door;
mod freshness;
mod idempotency;
mod invoices;
mod landed;
mod ledger;
mod margins;
mod metrics;
mod migrate;
mod partitions;
mod prepared;
mod prices;
mod quarantine;
mod retention;
mod session;
mod start;
mod stream_gaps;
mod tls;
mod transaction;
mod usage_reader;

pub use connect::{CONNECTIONS_MAX, ConnectError, DatabaseConfig, Postgres};
pub use door::{DatabaseCredentials, Logins, OpenError};
pub use metrics::register_metrics;
pub use migrate::{MigrateError, migrate, revert_all};
pub use start::StartError;
pub use tls::ServerError;
