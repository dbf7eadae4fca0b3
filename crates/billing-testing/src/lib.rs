//! Fakes of billing's ports, for tests of whoever uses them.

mod documents;
mod idempotency;
mod invoices;
mod memory;
mod price_admin;
mod usage_reader;

pub use memory::{Memory, NotedRead};
