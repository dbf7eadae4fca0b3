//! The rules of money of an SMS gateway: pricing, usage and invoices as plain values and total functions.
//!
//! This crate decides; it never remembers and never talks. It has no I/O, no async runtime, no serialisation and no
//! clock: what the outside must do stands in [`ports`], and [`use_cases`] say in which order.
//!
//! ```
//! use billing_domain::{Micros, Price, PriceBook, pricing::sample_price};
//!
//! // 0.012 USD a segment for the STARTER tier, any operator, from 2026-01-01.
//! let price: Price = sample_price("0.012")?;
//! let book = PriceBook::build(1, vec![price], vec![])?;
//! assert_eq!(book.prices().len(), 1);
//! assert_eq!(Micros::parse("0.012")?.times(3)?.to_string(), "0.036000");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod calendar;
mod currency;
mod ids;
mod money;

pub mod invoicing;
pub mod ports;
pub mod pricing;
pub mod segments;
pub mod usage;
pub mod use_cases;

pub use calendar::{CalendarError, Day, DayRange, Month};
pub use currency::{Currency, UnknownCurrency};
pub use ids::{AccountId, CostId, IdError, InvoiceId, MessageId, OperatorId, PriceId, TenantId, Tier};
pub use money::{Micros, MicrosSum, MinorAmount, MoneyError};
pub use pricing::{OperatorCost, Price, PriceBook};
