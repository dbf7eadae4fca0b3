//! What a test needs of billing: builders of prices, costs and events; every port in memory; and the contracts that a port's
//! adapter must keep, whatever it is made of.
//!
//! ```
//! use billing_domain::pricing::Rating;
//! use billing_testing::{book, cost, event, price};
//!
//! let book = book([price("0.0125").tier("GROWTH").build()], [cost("0.004").operator("op-20").build()]);
//! let event = event().tier("GROWTH").operator("op-20").segments(3).build();
//! let Rating::Rated(rated) = book.rate(&event)? else { panic!("a price is in force") };
//! assert_eq!(rated.amount.to_string(), "0.037500");
//! # Ok::<(), billing_domain::MoneyError>(())
//! ```
//!
//! A builder panics at what no price, cost or event can have: a test that says so is wrong.
//!
//! [`Memory`] stands for every store at once and keeps the promises of its ports, so that a use case runs against it as it
//! runs in production. [`contracts`] says what these promises are; who writes an adapter calls them with it.

mod account_admin;
mod accounts;
mod builders;
pub mod certificates;
mod clock;
pub mod contracts;
mod corrections;
mod credit_notes;
mod decks;
mod documents;
mod idempotency;
mod invoices;
mod ledger;
mod memory;
mod price_admin;
mod price_book;
mod pricing_reader;
pub mod programs;
mod proofs;
mod quarantine;
mod usage_reader;

pub use builders::{CostBuilder, EventBuilder, PriceBuilder, book, cost, event, price};
pub use clock::StoppedClock;
pub use memory::{Memory, NotedRead};
pub use proofs::{ProvenInvoice, RememberedRows};
