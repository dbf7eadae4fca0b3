//! Questions about prices: why a message costs what it costs, what one would cost, and what waits for a price. Nothing is
//! changed here, and nothing is priced: amounts are those that were recorded, and rules are the domain's.

mod explain;
mod grounds;
mod resolve;
mod unrated;

pub(crate) use explain::{explain, explaining};
pub(crate) use resolve::{resolve, resolving};
pub(crate) use unrated::{list_unrated, listing_unrated};

/// Of the API's document.
const TAG: &str = "Pricing";
