//! The adapter on a real server, which `cargo xtask test` starts: a database of its own for each test. One program,
//! because a program for each file is what a small machine spends its time linking.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]

mod accounts;
mod adjustments;
mod contracts;
mod decks;
mod explain;
mod invoices;
mod isolation;
mod ledger;
mod lost;
mod migrations;
mod partitions;
mod prices;
mod proofs;
mod quarantine;
mod retention;
mod stream_gaps;
#[path = "../support/mod.rs"]
mod support;
mod voids;
