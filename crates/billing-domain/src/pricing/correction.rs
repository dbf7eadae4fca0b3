//! Corrections: what a price should have said on days that it has already rated. Append-only; rated events and issued
//! invoices stay as they are, and the difference goes on the next invoices.

use jiff::Timestamp;

use crate::{CorrectionId, Day, DayRange, Micros, PriceId};

use super::price::{PriceTerms, PricingModel};

/// One correction of one price.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Correction {
    /// Its id.
    pub id: CorrectionId,
    /// Of which price.
    pub price: PriceId,
    /// The days on which the price was wrong. Of two corrections of a day the later made holds.
    pub days: DayRange,
    /// What it should have been; 0 to [`MAX_UNIT_PRICE`](super::MAX_UNIT_PRICE).
    pub unit_price: Micros,
    /// With which steps or package: the price's own model, or one of the same name.
    pub model: PricingModel,
    /// Why, for whoever reads the invoice; 1 to 500 characters.
    pub reason: String,
    /// The `sub` of who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Why a price cannot be corrected so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CorrectionError {
    /// A day on which the price is not in force.
    #[error("the days to correct lie within the price's own")]
    OutsidePrice,
    /// A day that is not over: a change of the price is what it needs.
    #[error("a correction ends by today; a change of the price is for the days to come")]
    Future,
    /// Steps where the price has a package, or the like.
    #[error("a correction has the price's own model")]
    OtherModel,
}

/// Whether a price may be corrected so, as of `today`.
///
/// # Errors
/// [`CorrectionError`].
pub fn check_correction(correction: &Correction, terms: &PriceTerms, today: Day) -> Result<(), CorrectionError> {
    let last = correction.days.last().ok_or(CorrectionError::Future)?;
    if !terms.days.contains(correction.days.from()) || !terms.days.contains(last) {
        return Err(CorrectionError::OutsidePrice);
    }
    if last > today {
        return Err(CorrectionError::Future);
    }
    if correction.model.name() != terms.model.name() {
        return Err(CorrectionError::OtherModel);
    }
    Ok(())
}

/// The correction that holds on a day, if any: the last one made.
#[must_use]
pub fn in_force(corrections: &[Correction], day: Day) -> Option<&Correction> {
    let of_day = corrections.iter().filter(|correction| correction.days.contains(day));
    of_day.max_by_key(|correction| (correction.created_at, correction.id))
}
