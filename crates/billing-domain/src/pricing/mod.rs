//! What a customer pays and what an operator charges: prices, operator costs, the book that finds them, and rating.

mod book;
mod correction;
mod cost;
pub mod deck;
mod entry;
mod explain;
mod monthly;
mod names;
mod numbered;
mod price;
mod rating;
mod timetable;

pub use book::{BookError, PriceBook};
pub use correction::{Correction, CorrectionError, check_correction, in_force};
pub use cost::{CostKey, OperatorCost};
pub use entry::{BookCost, BookPrice};
pub use explain::{
    Arithmetic, Drift, MarginUnknown, PinnedState, PriceEnquiry, Resolution, Rule, cost_share, margin, resolve,
};
pub use monthly::{
    AdjustmentKind, Discount, DiscountError, MAX_MONTHLY_AMOUNT, MonthlyTerms, Package, PackageError, Stage, Step,
    StepError, Steps, month_stages,
};
pub use price::{
    ChargeOn, ChargeUnit, MAX_UNIT_PRICE, OperatorMatch, Price, PriceError, PriceKey, PriceScope, PriceTerms,
    PricingModel, check_unit_amount, sample_price,
};
pub use rating::{CostShare, Rated, Rating};

#[cfg(test)]
mod tests;
