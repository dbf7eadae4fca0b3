//! A price as JSON.

use billing_domain::pricing::Discount;
use billing_domain::{Micros, Price};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::monthly::{PackageView, TierView, package_of, tiers_of};

/// One version of a price.
#[derive(Serialize, ToSchema)]
#[schema(as = Price)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PriceView {
    /// Of this version.
    pub(super) pricing_table_id: Uuid,
    /// The tier it is for, or is listed under.
    #[schema(example = "GROWTH")]
    pub(super) account_tier: String,
    /// The one account it is for, if any.
    #[schema(required = true)]
    pub(super) account_id: Option<Uuid>,
    /// One operator, or `*` for any.
    #[schema(example = "41220")]
    pub(super) operator_id: String,
    /// `MT` or `MO`.
    #[schema(example = "MT")]
    pub(super) direction: String,
    /// `PER_SEGMENT`, `FLAT_PER_MESSAGE`, `GRADUATED`, `VOLUME` or `PACKAGE`.
    #[schema(example = "PER_SEGMENT")]
    pub(super) pricing_model: String,
    /// Of GRADUATED and VOLUME only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) tiers: Option<Vec<TierView>>,
    /// Of PACKAGE only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) package: Option<PackageView>,
    /// `ANY_TERMINAL` or `DELIVERED`.
    #[schema(example = "ANY_TERMINAL")]
    pub(super) charge_on: String,
    /// Six decimals.
    #[schema(example = "0.012500", pattern = r"^\d+\.\d{6}$")]
    pub(super) unit_price: String,
    /// Units of each month that cost nothing; only if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) free_units: Option<u64>,
    /// Off what a month's units cost, two decimals; only if there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "12.50", pattern = r"^\d{1,3}\.\d{2}$")]
    pub(super) discount_percent: Option<String>,
    /// The least that a month costs, six decimals; only if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "50.000000", pattern = r"^\d+\.\d{6}$")]
    pub(super) monthly_minimum: Option<String>,
    /// What each month costs besides, six decimals; only if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "9.900000", pattern = r"^\d+\.\d{6}$")]
    pub(super) monthly_fee: Option<String>,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub(super) currency: String,
    /// First day, inclusive, UTC.
    #[schema(format = Date)]
    pub(super) effective_from: String,
    /// Last day, inclusive, UTC; null: no end.
    #[schema(required = true, format = Date)]
    pub(super) effective_to: Option<String>,
    /// The `sub` of who made it.
    pub(super) created_by: String,
    /// When it was made.
    #[schema(format = DateTime)]
    pub(super) created_at: String,
    /// When it was cancelled, before it began; null: it was not.
    #[schema(required = true, format = DateTime)]
    pub(super) cancelled_at: Option<String>,
    /// 1 for the first, one more for each change.
    pub(super) version: u32,
}

/// A page of prices.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PriceList {
    /// By id.
    pub(super) data: Vec<PriceView>,
    /// Where to go on; null on the last page.
    #[schema(required = true)]
    pub(super) next_cursor: Option<String>,
}

impl PriceView {
    /// Of a stored price.
    pub(super) fn of(price: &Price) -> Self {
        let terms = &price.terms;
        let monthly = &terms.monthly;
        let set = |amount: Micros| (amount > Micros::ZERO).then(|| amount.to_string());
        Self {
            pricing_table_id: price.id.0,
            account_tier: terms.tier.to_string(),
            account_id: terms.account.map(|account| account.0),
            operator_id: terms.operator.to_string(),
            direction: terms.direction.name().into(),
            pricing_model: terms.model.name().into(),
            tiers: tiers_of(&terms.model),
            package: package_of(&terms.model),
            charge_on: terms.charge_on.name().into(),
            unit_price: terms.unit_price.to_string(),
            free_units: (monthly.free_units > 0).then_some(monthly.free_units),
            discount_percent: (monthly.discount > Discount::NONE).then(|| monthly.discount.to_string()),
            monthly_minimum: set(monthly.minimum),
            monthly_fee: set(monthly.fee),
            currency: terms.currency.to_string(),
            effective_from: terms.days.from().to_string(),
            effective_to: terms.days.last().map(|day| day.to_string()),
            created_by: price.created_by.clone(),
            created_at: price.created_at.to_string(),
            cancelled_at: price.cancelled_at.map(|at| at.to_string()),
            version: price.version,
        }
    }
}
