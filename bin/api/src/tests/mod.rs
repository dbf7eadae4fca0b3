//! The whole API over a store in memory, with tokens of an issuer of its own and a clock that stands still.

mod access;
mod bodies;
mod changes;
mod failures;
mod invoices;
mod open_api;
mod tokens;
mod usage;
mod world;
