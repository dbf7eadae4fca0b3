//! The rules of money of an SMS gateway: pricing, usage and invoices as plain values and total functions.
//!
//! This crate decides; it never remembers and never talks. It has no I/O, no async runtime, no serialisation and no
//! clock: what the outside must do stands in [`ports`], and [`use_cases`] say in which order. So whatever it says of money
//! can be asked in a unit test, and is the same there as in production.
//!
//! # From a price to an invoice
//!
//! ```
//! use std::collections::{BTreeMap, BTreeSet};
//!
//! use billing_domain::invoicing::{
//!     InvoiceBasis, InvoicedBefore, Percentage, PriceGroup, SealedUsage, TaxRate, compose, taxes, total,
//! };
//! use billing_domain::pricing::{Rating, sample_price};
//! use billing_domain::usage::{BucketKey, BucketSums, Direction, DlrStatus, SegmentCount, UsageEvent};
//! use billing_domain::{AccountId, Currency, Day, MessageId, OperatorId, PriceBook, TenantId, Tier};
//!
//! // A price: 0.0125 USD a segment for the STARTER tier, any operator, from 2026-01-01.
//! let price = sample_price("0.0125")?;
//!
//! // The book holds every price at one version, and finds the one in force.
//! let book = PriceBook::build(1, vec![(&price).into()], vec![])?;
//!
//! // An event, as the gateway reported it.
//! let event = UsageEvent {
//!     message: MessageId("0199a000-0000-7000-8000-000000000001".parse()?),
//!     tenant: TenantId("0199a000-0000-7000-8000-000000000002".parse()?),
//!     account: AccountId("0199a000-0000-7000-8000-000000000003".parse()?),
//!     tier: Tier::new("STARTER")?,
//!     operator: OperatorId::new("41220")?,
//!     direction: Direction::Mt,
//!     segments: SegmentCount::new(3)?,
//!     currency: Currency::new("USD")?,
//!     charged_at: "2026-10-31T23:59:59Z".parse()?,
//!     dlr_status: DlrStatus::Delivered,
//! };
//!
//! // Rating never rounds: 3 × 0.0125, exact.
//! let Rating::Rated(rated) = book.rate(&event)? else { panic!("a price is in force") };
//! assert_eq!(rated.amount.to_string(), "0.037500");
//!
//! // Its bucket: the sums of a day. Here of a hundred such events.
//! let mut sums = BucketSums::default();
//! for _ in 0..100 {
//!     sums.add(event.segments.get(), &rated, event.currency)?;
//! }
//! let key = BucketKey {
//!     account: event.account,
//!     tenant: event.tenant,
//!     operator: event.operator.clone(),
//!     direction: event.direction,
//!     currency: event.currency,
//!     price: rated.price,
//!     day: Day::of(event.charged_at),
//! };
//!
//! // What the month's invoice asks for: a line, rounded once.
//! let group = PriceGroup { terms: price.terms.clone(), corrections: vec![] };
//! let contents = compose(&InvoiceBasis {
//!     currency: event.currency,
//!     usage: vec![SealedUsage { key, sums, is_new: true }],
//!     before: InvoicedBefore::default(),
//!     prices: BTreeMap::from([(price.id, group)]),
//!     groups: BTreeSet::new(),
//!     waived: BTreeSet::new(),
//! })?;
//! assert_eq!(contents.lines[0].usage_month.to_string(), "2026-10");
//! assert_eq!(contents.lines[0].exact.to_string(), "3.750000");
//!
//! // Taxes are on the subtotal, each rounded by itself.
//! let subtotal = contents.subtotal(event.currency)?;
//! let taxes = taxes(subtotal, &[TaxRate::new("VAT", Percentage::parse("10")?)?])?;
//! assert_eq!(taxes[0].amount.to_string(), "0.38"); // 0.375, half away from zero
//! assert_eq!(total(subtotal, &taxes)?.to_string(), "4.13");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! More of it runs in `examples/`: `rate_an_event` (an account's own price, the operator's cost, the margin),
//! `month_of_an_account` (steps, free units, a fee, usage that comes late) and `count_segments`.
//!
//! # The rules
//!
//! **Amounts.** A unit price and the amount of one event are whole millionths of a currency unit ([`Micros`], 64 bits), sums
//! of them 128 bits wide ([`MicrosSum`]). What does not fit is [`MoneyError::Overflow`]; nothing wraps, nothing is a float.
//! Money is rounded in [`ExactAmount::round_to_minor`] alone, half away from zero, to the minor unit that ISO 4217 gives the
//! currency: 2 digits for USD and AFN, 0 for JPY, 3 for KWD.
//!
//! **Days and months** are those of UTC, half-open: midnight belongs to what begins ([`Day`], [`Month`]). On the wire a
//! period's last day is in it ([`DayRange::inclusive`]).
//!
//! **Which price.** Of the prices in force on the event's day the first wins: account and operator, account and any
//! operator, tier and operator, tier and any operator ([`PriceBook::rate`]). No two periods of one key share a day. A day
//! without a price is [`Rating::NoPrice`](pricing::Rating::NoPrice), which is not a price of zero. A price is immutable: a
//! change is a new version from a day on; one that has rated usage wrongly is mended by a
//! [`Correction`](pricing::Correction).
//!
//! **What it comes to.** Units × unit price, where units are segments, or 1 for a price per message, or 0 when the price does
//! not charge the outcome ([`ChargeOn`](pricing::ChargeOn)). Steps, packages, free units, discount, minimum and fee are a
//! matter of the whole month: [`month_stages`](pricing::month_stages).
//!
//! **Exactly once.** A message is known by its id; [`judge`](usage::judge) tells a redelivery, a second publication and a
//! contradiction apart. Who stores it must keep the promise of [`UsageLedger`](ports::UsageLedger).
//!
//! **Invoices.** Every amount is what is due for all of the month so far, rounded, less what earlier invoices asked for
//! ([`compose`](invoicing::compose)). So splitting, late usage, void and reissue end at one cent, in any order.
//!
//! # Where to look
//!
//! | module | decides |
//! |---|---|
//! | [`pricing`] | prices, operator costs, the book, rating, months, corrections, [decks](pricing::deck), why a price won |
//! | [`usage`] | what a message must say, whom it belongs to, whether it is new, sums, reports |
//! | [`invoicing`] | which months are due, lines, adjustments, taxes, numbers, void |
//! | [`segments`] | how many segments a text has |
//! | [`ports`] | what the outside must do, and what it must promise |
//! | [`use_cases`] | in which order |
//!
//! Fakes of the ports, builders for tests and the ports' contracts are in `billing-testing`.
//!
//! # Versions
//!
//! While the version is 0.x, the second number counts what breaks callers: a removed or renamed item, another signature, a
//! new variant of an enum or field of a struct that callers match or build, a new method of a port, a stricter limit on an
//! input, and any other amount for the same usage. The third counts the rest. `CHANGELOG.md` of the repository names both.

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
pub use ids::{
    AccountId, CorrectionId, CostId, CreditNoteId, IdError, InvoiceId, MessageId, OperatorId, PriceId, TenantId, Tier,
};
pub use money::{ExactAmount, Micros, MicrosSum, MinorAmount, MoneyError};
pub use pricing::{OperatorCost, Price, PriceBook};
