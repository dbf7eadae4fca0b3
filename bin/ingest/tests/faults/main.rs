//! The real program against real servers that are killed, stopped, cut off, filled up and lied to, and messages that are
//! doubled, contradicted and poisoned. After each fault an independent journal says what must be recorded: nothing lost,
//! nothing double, every amount to the millionth.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]

#[path = "../../../../crates/billing-postgres/tests/support/mod.rs"]
mod support;

#[path = "../../../../crates/billing-vault/tests/support/mod.rs"]
mod vault;

#[path = "../../../../crates/billing-runtime/tests/collector/mod.rs"]
mod collector;

mod checker;
mod journal;
mod pod;
mod postgres_server;
mod process;
mod proxy;
mod servers;
mod stage;

mod cache;
mod checking;
mod cluster;
mod commands;
mod credentials;
mod database;
mod duplicates;
mod encrypted;
mod gaps;
mod kills;
mod operator;
mod poison;
mod prices;
mod relay;
mod standstill;
mod traces;
