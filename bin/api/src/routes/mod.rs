//! The routes: one table, and a folder for each resource.

mod access;
mod accounts;
mod call;
mod corrections;
mod decks;
mod dispatch;
mod document;
mod edge;
mod headers;
mod health;
mod invoices;
mod list;
mod margins;
mod operator_costs;
mod outcome;
mod pages;
mod pricing;
mod pricing_questions;
mod quarantine;
mod spreadsheet;
mod table;
mod terms;
mod usage;

#[cfg(test)]
pub(crate) use access::Reach;
pub(crate) use dispatch::app;
pub(crate) use edge::DURATION;
pub(crate) use pages::Pages;
#[cfg(test)]
pub(crate) use table::{Access, Route};
pub(crate) use table::{print, table};
