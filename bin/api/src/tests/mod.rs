//! The whole API over a store in memory, with tokens of an issuer of its own and a clock that stands still.

mod access;
mod accounts;
mod bodies;
mod changes;
mod chart;
mod conditions;
mod corrections;
mod decks;
mod docs;
mod edges;
mod failures;
mod furnished;
mod invoices;
mod margins;
mod noted;
mod open_api;
mod pricing_questions;
mod proofs;
mod quarantine;
#[path = "../../tests/service/samples.rs"]
mod samples;
mod tokens;
mod usage;
mod world;
