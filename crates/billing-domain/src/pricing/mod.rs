//! What a customer pays and what an operator charges: prices, operator costs, the book that finds them, and rating.

mod book;
mod cost;
mod price;
mod rating;

pub use book::{BookError, PriceBook};
pub use cost::{CostKey, OperatorCost};
pub use price::{
    ChargeOn, MAX_UNIT_PRICE, OperatorMatch, Price, PriceError, PriceKey, PriceScope, PriceTerms, PricingModel,
    check_unit_amount, sample_price,
};
pub use rating::{CostShare, Rated, Rating};

#[cfg(test)]
mod tests;
