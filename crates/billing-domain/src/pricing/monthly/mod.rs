//! What a month's total makes of a price: steps, packages, free units, a discount, a minimum, a fee.
//!
//! Rating an event stays free of context: its amount is units × unit price. What is here is evaluated for each account,
//! price and month when an invoice is drafted, always over all units of the month so far, and becomes one adjustment a
//! kind. Nothing here knows what was invoiced before.

mod discount;
mod fee;
mod free_units;
mod graduated;
mod minimum;
mod package;
mod step;
mod volume;

pub use discount::{Discount, DiscountError};
pub use package::{Package, PackageError};
pub use step::{Step, StepError, Steps};

use std::collections::BTreeMap;

use crate::{Day, ExactAmount, Micros, MicrosSum, MoneyError, Month};

use super::correction::{Correction, in_force};
use super::price::{PriceTerms, PricingModel};

/// What a price adds over a month, beside its model. All of it is nothing by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MonthlyTerms {
    /// Units of each month that cost nothing: its first ones.
    pub free_units: u64,
    /// Off what the month's units cost.
    pub discount: Discount,
    /// The least that a month costs, before the fee; 0 to [`MAX_MONTHLY_AMOUNT`].
    pub minimum: Micros,
    /// What each month costs, used or not; 0 to [`MAX_MONTHLY_AMOUNT`].
    pub fee: Micros,
}

/// The highest monthly minimum and fee: 999,999,999,999.999999 units.
pub const MAX_MONTHLY_AMOUNT: Micros = Micros(999_999_999_999_999_999);

/// Why an amount on an invoice is not units × unit price. In the order in which they are evaluated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AdjustmentKind {
    /// The price was wrong.
    Correction,
    /// The month's segments reach higher steps.
    Graduated,
    /// The month's segments all cost the price of the step that they reach.
    Volume,
    /// The month's segments are sold in packages.
    Package,
    /// The month's first units are free.
    FreeUnits,
    /// A percentage off.
    Discount,
    /// The month costs at least so much.
    MonthlyMinimum,
    /// The month costs so much more.
    MonthlyFee,
}

impl AdjustmentKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Correction,
        Self::Graduated,
        Self::Volume,
        Self::Package,
        Self::FreeUnits,
        Self::Discount,
        Self::MonthlyMinimum,
        Self::MonthlyFee,
    ];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Correction => "CORRECTION",
            Self::Graduated => "GRADUATED",
            Self::Volume => "VOLUME",
            Self::Package => "PACKAGE",
            Self::FreeUnits => "FREE_UNITS",
            Self::Discount => "DISCOUNT",
            Self::MonthlyMinimum => "MONTHLY_MINIMUM",
            Self::MonthlyFee => "MONTHLY_FEE",
        }
    }

    /// The kind of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a month costs once everything up to a kind of adjustment is taken into account.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// Which.
    pub kind: AdjustmentKind,
    /// All of the month so far, after it.
    pub after: ExactAmount,
}

/// What a month of one account costs by one price, adjustment after adjustment; empty when units × unit price is all.
///
/// `units`: charged so far, by day. `corrections`: all of this price. The order is fixed: right unit prices, steps or
/// packages, free units, discount, minimum, fee. Minimum and fee hold in the proportion of the month's days on which
/// the price is in force, so that two versions in one month ask for them once.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use billing_domain::pricing::{Discount, PricingModel, Step, Steps, month_stages, sample_price};
/// use billing_domain::{Day, Micros, Month};
///
/// // 0.01 a segment, 0.008 above 1,000 of the month; ten percent off.
/// let mut terms = sample_price("0.01")?.terms;
/// let step = Step { above: 1_000, unit_price: Micros::parse("0.008")? };
/// terms.model = PricingModel::Graduated(Steps::new(vec![step])?);
/// terms.monthly.discount = Discount::from_basis_points(1_000)?;
///
/// let units = BTreeMap::from([(Day::parse("2026-10-05")?, 3_000)]);
/// let stages = month_stages(&terms, &[], Month::parse("2026-10")?, &units)?;
/// let shown = |at: usize| {
///     let after = stages[at].after.round_to_minor(terms.currency)?;
///     Ok::<_, billing_domain::MoneyError>(format!("{} {after}", stages[at].kind.name()))
/// };
/// assert_eq!(shown(0)?, "GRADUATED 26.00");
/// assert_eq!(shown(1)?, "DISCOUNT 23.40");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn month_stages(
    terms: &PriceTerms,
    corrections: &[Correction],
    month: Month,
    units: &BTreeMap<Day, u64>,
) -> Result<Vec<Stage>, MoneyError> {
    let parts = parts(terms, corrections, units);
    let mut stages = Vec::new();
    let mut after: ExactAmount = list_amount(&parts)?.into();
    let mut stage = |kind, amount: ExactAmount| stages.push(Stage { kind, after: amount });
    if parts.iter().any(|part| part.is_corrected) {
        stage(AdjustmentKind::Correction, after);
    }
    if let Some(kind) = kind_of(&terms.model) {
        after = model_amount(&parts, 0)?.into();
        stage(kind, after);
    }
    if terms.monthly.free_units > 0 {
        after = model_amount(&parts, terms.monthly.free_units)?.into();
        stage(AdjustmentKind::FreeUnits, after);
    }
    if terms.monthly.discount > Discount::NONE {
        after = discount::apply(after, terms.monthly.discount)?;
        stage(AdjustmentKind::Discount, after);
    }
    if terms.monthly.minimum > Micros::ZERO {
        after = minimum::apply(after, terms.monthly.minimum, terms.days, month)?;
        stage(AdjustmentKind::MonthlyMinimum, after);
    }
    if terms.monthly.fee > Micros::ZERO {
        after = fee::apply(after, terms.monthly.fee, terms.days, month)?;
        stage(AdjustmentKind::MonthlyFee, after);
    }
    Ok(stages)
}

/// Units that are charged alike: by the price as it stands, or by one correction of it.
struct Part<'a> {
    unit_price: Micros,
    model: &'a PricingModel,
    units: u64,
    is_corrected: bool,
}

/// The days of a correction are rated as if another version of the price had stood then: they count their own units.
/// In the order of their first days, which is the order in which free units are used up.
fn parts<'a>(terms: &'a PriceTerms, corrections: &'a [Correction], units: &BTreeMap<Day, u64>) -> Vec<Part<'a>> {
    let mut parts: Vec<(Option<&Correction>, Part<'a>)> = Vec::new();
    for (day, units) in units {
        let correction = in_force(corrections, *day);
        let found = parts.iter_mut().find(|(of, _)| of.map(|c| c.id) == correction.map(|c| c.id));
        match found {
            Some((_, part)) => part.units = part.units.saturating_add(*units),
            None => {
                let (unit_price, model) =
                    correction.map_or((terms.unit_price, &terms.model), |right| (right.unit_price, &right.model));
                let is_corrected = correction.is_some();
                parts.push((correction, Part { unit_price, model, units: *units, is_corrected }));
            }
        }
    }
    parts.into_iter().map(|(_, part)| part).collect()
}

fn list_amount(parts: &[Part<'_>]) -> Result<MicrosSum, MoneyError> {
    parts.iter().try_fold(MicrosSum::ZERO, |sum, part| sum.plus(MicrosSum::of_units(part.units, part.unit_price)?))
}

fn model_amount(parts: &[Part<'_>], free: u64) -> Result<MicrosSum, MoneyError> {
    let charged = free_units::without_first(parts.iter().map(|part| part.units), free);
    parts.iter().zip(charged).try_fold(MicrosSum::ZERO, |sum, (part, units)| {
        sum.plus(match part.model {
            PricingModel::PerSegment | PricingModel::FlatPerMessage => MicrosSum::of_units(units, part.unit_price)?,
            PricingModel::Graduated(steps) => graduated::amount(steps, part.unit_price, units)?,
            PricingModel::Volume(steps) => volume::amount(steps, part.unit_price, units)?,
            PricingModel::Package(package) => package::amount(*package, units)?,
        })
    })
}

fn kind_of(model: &PricingModel) -> Option<AdjustmentKind> {
    match model {
        PricingModel::PerSegment | PricingModel::FlatPerMessage => None,
        PricingModel::Graduated(_) => Some(AdjustmentKind::Graduated),
        PricingModel::Volume(_) => Some(AdjustmentKind::Volume),
        PricingModel::Package(_) => Some(AdjustmentKind::Package),
    }
}

#[cfg(test)]
mod tests;
