//! What a month's total makes of a price, as JSON and from JSON: the model with its tiers or package, free units, discount,
//! minimum and fee.

use std::cell::Cell;

use billing_domain::Micros;
use billing_domain::invoicing::Percentage;
use billing_domain::pricing::{Discount, MAX_MONTHLY_AMOUNT, MonthlyTerms, Package, PricingModel, Step, Steps};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::fields::Fields;

/// The fields that this module reads, besides `pricingModel`.
pub(super) const FIELDS: [&str; 6] =
    ["tiers", "package", "freeUnits", "discountPercent", "monthlyMinimum", "monthlyFee"];
/// The highest number of units: every reader of JSON keeps it exactly.
const UNITS_MAX: u64 = (1 << 53) - 1;

/// From where on another unit price holds.
#[derive(Serialize, ToSchema)]
#[schema(as = PriceTier)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::routes) struct TierView {
    /// The tier begins after so many of the month's segments; above the tier before it.
    #[schema(example = 10_000, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub(in crate::routes) above: u64,
    /// Of a segment in it: 0 to 999999.999999, at most six decimals, in quotes.
    #[schema(example = "0.0100", pattern = r"^0*\d{1,6}(\.\d{1,6})?$")]
    pub(in crate::routes) unit_price: String,
}

/// So many segments for one price; the last package of a month may be half used.
#[derive(Serialize, ToSchema)]
#[schema(as = PricePackage)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::routes) struct PackageView {
    /// Segments in it.
    #[schema(example = 1_000, minimum = 1, maximum = 1_000_000_000)]
    pub(in crate::routes) size: u64,
    /// Of one package: 0 to 999999.999999, at most six decimals, in quotes.
    #[schema(example = "9.50", pattern = r"^0*\d{1,6}(\.\d{1,6})?$")]
    pub(in crate::routes) price: String,
}

/// The tiers of a model that has some.
pub(in crate::routes) fn tiers_of(model: &PricingModel) -> Option<Vec<TierView>> {
    let tier = |step: &Step| TierView { above: step.above, unit_price: step.unit_price.to_string() };
    steps_of(model).map(|steps| steps.as_slice().iter().map(tier).collect())
}

/// The package of a model that has one.
pub(in crate::routes) fn package_of(model: &PricingModel) -> Option<PackageView> {
    match model {
        PricingModel::Package(package) => {
            Some(PackageView { size: package.size(), price: package.price().to_string() })
        }
        _ => None,
    }
}

/// The model that the fields name, or the old one's; its tiers or package likewise, as long as the name stays.
///
/// `None` when something of it was refused.
pub(in crate::routes) fn model(fields: &mut Fields, old: Option<&PricingModel>) -> Option<PricingModel> {
    let [has_tiers, has_package] = ["tiers", "package"].map(|name| fields.has(name));
    let name = match old {
        Some(old) if !fields.has("pricingModel") => Some(old.name()),
        _ => fields.required("pricingModel", name),
    };
    let (steps, package) = (steps(fields), fields.object("package", package));
    let name = name?;
    let old = old.filter(|old| old.name() == name);
    let (is_stepped, is_package) = (matches!(name, "GRADUATED" | "VOLUME"), name == "PACKAGE");
    if has_tiers && !is_stepped {
        fields.refuse("tiers", format!("are for GRADUATED and VOLUME, not for {name}"));
    }
    if has_package && !is_package {
        fields.refuse("package", format!("is for PACKAGE, not for {name}"));
    }
    // What was given and is no good has been refused: the old one does not stand in for it.
    let steps = if has_tiers { steps } else { old.and_then(steps_of).cloned() };
    let package = match old {
        Some(PricingModel::Package(old)) if !has_package => Some(*old),
        _ => package,
    };
    if is_stepped && steps.is_none() && !has_tiers {
        fields.refuse("tiers", format!("are required for {name}"));
    }
    if is_package && package.is_none() && !has_package {
        fields.refuse("package", format!("is required for {name}"));
    }
    match name {
        "PER_SEGMENT" => Some(PricingModel::PerSegment),
        "FLAT_PER_MESSAGE" => Some(PricingModel::FlatPerMessage),
        "GRADUATED" => steps.map(PricingModel::Graduated),
        "VOLUME" => steps.map(PricingModel::Volume),
        _ => package.map(PricingModel::Package),
    }
}

/// What a month adds: the old terms, but for what the fields say.
pub(super) fn terms(fields: &mut Fields, old: MonthlyTerms) -> MonthlyTerms {
    MonthlyTerms {
        free_units: fields.count("freeUnits", 0..=UNITS_MAX).unwrap_or(old.free_units),
        discount: fields.optional("discountPercent", discount).unwrap_or(old.discount),
        minimum: fields.amount_that("monthlyMinimum", monthly_amount).unwrap_or(old.minimum),
        fee: fields.amount_that("monthlyFee", monthly_amount).unwrap_or(old.fee),
    }
}

fn name(text: &str) -> Result<&'static str, String> {
    let known = PricingModel::NAMES.into_iter().find(|name| *name == text);
    known.ok_or_else(|| format!("is one of {}", PricingModel::NAMES.join(", ")))
}

fn steps_of(model: &PricingModel) -> Option<&Steps> {
    match model {
        PricingModel::Graduated(steps) | PricingModel::Volume(steps) => Some(steps),
        PricingModel::PerSegment | PricingModel::FlatPerMessage | PricingModel::Package(_) => None,
    }
}

fn steps(fields: &mut Fields) -> Option<Steps> {
    let below = Cell::new(0);
    let steps = fields.objects("tiers", Steps::MAX, |tier| {
        let above = tier.required_count("above", 1..=UNITS_MAX);
        let unit_price = tier.required_amount("unitPrice");
        let above = above?;
        if above <= below.replace(above) {
            tier.refuse("above", "is not above the tier before it");
        }
        Some(Step { above, unit_price: unit_price? })
    })?;
    if steps.is_empty() {
        fields.refuse("tiers", format!("has 1 to {} entries", Steps::MAX));
    }
    Steps::new(steps).ok()
}

fn package(fields: &mut Fields) -> Option<Package> {
    let size = fields.required_count("size", 1..=Package::MAX_SIZE);
    let price = fields.required_amount("price");
    Package::new(size?, price?).ok()
}

fn discount(text: &str) -> Result<Discount, &'static str> {
    const SAYS: &str = "is 0 to 100 percent with at most two decimals, such as \"12.5\"";
    let is_short = text.split_once('.').is_none_or(|(_, decimals)| decimals.len() <= 2);
    let parts = Percentage::parse(text).ok().filter(|_| is_short).ok_or(SAYS)?.ten_thousandths();
    let points = u16::try_from(parts / 100).map_err(|_| SAYS)?;
    Discount::from_basis_points(points).map_err(|_| SAYS)
}

fn monthly_amount(amount: Micros) -> Result<Micros, &'static str> {
    match amount {
        amount if amount < Micros::ZERO => Err("a monthly amount is not negative"),
        amount if amount > MAX_MONTHLY_AMOUNT => Err("a monthly amount is at most 999999999999.999999"),
        amount => Ok(amount),
    }
}
