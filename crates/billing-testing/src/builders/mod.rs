//! Builders: the shortest way to a price, an operator cost, an event and a book. What is not said is a default, which each
//! builder names.

mod cost;
mod event;
mod price;

use std::sync::atomic::{AtomicU64, Ordering};

use billing_domain::{Currency, Day, DayRange, Micros, OperatorCost, Price, PriceBook};
use uuid::Uuid;

pub use cost::{CostBuilder, cost};
pub use event::{EventBuilder, event};
pub use price::{PriceBuilder, price};

/// The book of these prices and costs, at version 1.
///
/// # Panics
/// When two of one key share a day.
#[expect(clippy::expect_used, reason = "a test that builds such a book is wrong")]
pub fn book(prices: impl IntoIterator<Item = Price>, costs: impl IntoIterator<Item = OperatorCost>) -> PriceBook {
    let prices = prices.into_iter().map(|price| (&price).into()).collect();
    let costs = costs.into_iter().map(|cost| (&cost).into()).collect();
    PriceBook::build(1, prices, costs).expect("no two prices or costs of one key share a day")
}

static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// An id that no other builder of this process has; later ones are greater.
fn next_id() -> Uuid {
    Uuid::from_u64_pair(0xb111_1116, LAST_ID.fetch_add(1, Ordering::Relaxed) + 1)
}

/// The days from one to another, both in them.
fn days(first: Day, last: Option<Day>) -> DayRange {
    valid(DayRange::inclusive(first, last), "days")
}

fn day(text: &str) -> Day {
    valid(Day::parse(text), text)
}

fn currency(code: &str) -> Currency {
    valid(Currency::new(code), code)
}

fn unit_amount(text: &str) -> Micros {
    let amount = valid(Micros::parse(text), text);
    valid(billing_domain::pricing::check_unit_amount(amount), text)
}

#[expect(clippy::panic, reason = "a test that says such a thing is wrong")]
fn valid<T, E: std::fmt::Display>(result: Result<T, E>, said: &str) -> T {
    result.unwrap_or_else(|error| panic!("{said:?}: {error}"))
}
