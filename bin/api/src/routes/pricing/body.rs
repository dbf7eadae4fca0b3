//! Reading the bodies that make a price or its next version.

use billing_domain::pricing::{ChargeOn, MonthlyTerms, OperatorMatch, PriceTerms};
use billing_domain::{AccountId, Currency, Day, IdError, OperatorId, Tier};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::monthly::{self, PackageView, TierView};
use crate::http::fields::{Fields, one_of, uuid};
use crate::http::problem::Problem;
use crate::routes::terms::{DIRECTIONS, days_of_new, days_of_next};

const CHARGE_ON: [(ChargeOn, &str); 2] = [(ChargeOn::AnyTerminal, "ANY_TERMINAL"), (ChargeOn::Delivered, "DELIVERED")];
/// The tier that an account's own price is listed under, unless it says another.
const ACCOUNT_TIER: &str = "CUSTOM";
/// What a change may touch, besides what a month adds.
const CHANGING: [&str; 4] = ["unitPrice", "pricingModel", "chargeOn", "effectiveTo"];
/// What a change must not touch.
const KEY_FIELDS: [&str; 5] = ["accountTier", "accountId", "operatorId", "direction", "currency"];

/// A price to be made.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PriceDraft {
    /// The tier whose accounts pay it. Required unless `accountId` is given; then it is `CUSTOM` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "GROWTH", min_length = 1, max_length = 64)]
    pub(super) account_tier: Option<String>,
    /// The one account that pays it; it beats the prices of the account's tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account_id: Option<Uuid>,
    /// One operator, or `*` for every operator without a price of its own.
    #[schema(example = "41220", pattern = r"^(\*|[A-Za-z0-9_-]{1,64})$")]
    pub(super) operator_id: String,
    /// `MT` (to the mobile) or `MO` (from it).
    #[schema(example = "MT", pattern = "^(MT|MO)$")]
    pub(super) direction: String,
    /// `PER_SEGMENT`: segments × unit price. `FLAT_PER_MESSAGE`: the unit price. By a month's segments: `GRADUATED`: each
    /// segment costs the price of the tier that it lies in; `VOLUME`: all cost the price of the tier that the month
    /// reaches; `PACKAGE`: they are sold in packages, and the unit price is what usage shows until the invoice.
    #[schema(example = "PER_SEGMENT", pattern = "^(PER_SEGMENT|FLAT_PER_MESSAGE|GRADUATED|VOLUME|PACKAGE)$")]
    pub(super) pricing_model: String,
    /// Of GRADUATED and VOLUME, required there: 1 to 20, ascending. Below the first the price's own unit price holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_items = 1, max_items = 20)]
    pub(super) tiers: Option<Vec<TierView>>,
    /// Of PACKAGE, required there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) package: Option<PackageView>,
    /// `ANY_TERMINAL` (default): every message is charged. `DELIVERED`: delivered messages only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ANY_TERMINAL", pattern = "^(ANY_TERMINAL|DELIVERED)$")]
    pub(super) charge_on: Option<String>,
    /// 0 to 999999.999999, at most six decimals, in quotes.
    #[schema(example = "0.0125", pattern = r"^0*\d{1,6}(\.\d{1,6})?$")]
    pub(super) unit_price: String,
    /// Units of each month that cost nothing, its first ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 100, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub(super) free_units: Option<u64>,
    /// Off what a month's units cost: 0 to 100, at most two decimals, in quotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "12.5", pattern = r"^\d{1,3}(\.\d{1,2})?$")]
    pub(super) discount_percent: Option<String>,
    /// The least that a month costs, before the fee: 0 to 999999999999.999999, in quotes. For a month that the price holds
    /// only in part, its part.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "50", pattern = r"^0*\d{1,12}(\.\d{1,6})?$")]
    pub(super) monthly_minimum: Option<String>,
    /// What each month costs besides, used or not: 0 to 999999999999.999999, in quotes; in part as the minimum.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "9.90", pattern = r"^0*\d{1,12}(\.\d{1,6})?$")]
    pub(super) monthly_fee: Option<String>,
    /// ISO 4217.
    #[schema(example = "USD", pattern = "^[A-Z]{3}$")]
    pub(super) currency: String,
    /// First day, inclusive, UTC.
    #[schema(format = Date, example = "2026-11-01")]
    pub(super) effective_from: String,
    /// Last day, inclusive, UTC; absent or null: no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date, example = "2026-12-31")]
    pub(super) effective_to: Option<String>,
}

/// What the next version of a price says otherwise: at least one field besides `effectiveFrom`.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PriceChange {
    /// 0 to 999999.999999, at most six decimals, in quotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "0.0115", pattern = r"^0*\d{1,6}(\.\d{1,6})?$")]
    pub(super) unit_price: Option<String>,
    /// Another one with tiers or a package needs them in the same body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^(PER_SEGMENT|FLAT_PER_MESSAGE|GRADUATED|VOLUME|PACKAGE)$")]
    pub(super) pricing_model: Option<String>,
    /// All of them: 1 to 20, ascending; for GRADUATED and VOLUME.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_items = 1, max_items = 20)]
    pub(super) tiers: Option<Vec<TierView>>,
    /// For PACKAGE.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) package: Option<PackageView>,
    /// Units of each month that cost nothing, its first ones; 0: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 100, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub(super) free_units: Option<u64>,
    /// Off what a month's units cost: 0 to 100, at most two decimals, in quotes; 0: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "12.5", pattern = r"^\d{1,3}(\.\d{1,2})?$")]
    pub(super) discount_percent: Option<String>,
    /// The least that a month costs, before the fee: 0 to 999999999999.999999, in quotes; 0: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "50", pattern = r"^0*\d{1,12}(\.\d{1,6})?$")]
    pub(super) monthly_minimum: Option<String>,
    /// What each month costs besides, used or not: 0 to 999999999999.999999, in quotes; in part as the minimum.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "9.90", pattern = r"^0*\d{1,12}(\.\d{1,6})?$")]
    pub(super) monthly_fee: Option<String>,
    /// `ANY_TERMINAL` or `DELIVERED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^(ANY_TERMINAL|DELIVERED)$")]
    pub(super) charge_on: Option<String>,
    /// First day of the new version, inclusive, UTC; default: tomorrow, or when the price begins if that is later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = Date, example = "2026-12-01")]
    pub(super) effective_from: Option<String>,
    /// Last day, inclusive, UTC; absent: as before; null: no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub(super) effective_to: Option<String>,
}

/// The terms of a new price.
///
/// # Errors
/// 422.
pub(super) fn terms_of_new(mut fields: Fields) -> Result<PriceTerms, Problem> {
    let account = fields.optional("accountId", uuid).map(AccountId);
    let tier = match account {
        Some(_) => fields.optional("accountTier", Tier::new).or_else(|| Tier::new(ACCOUNT_TIER).ok()),
        None => fields.required("accountTier", Tier::new),
    };
    let operator = fields.required("operatorId", operator);
    let direction = fields.required("direction", one_of(&DIRECTIONS));
    let model = monthly::model(&mut fields, None);
    let charge_on = fields.optional("chargeOn", one_of(&CHARGE_ON)).unwrap_or_default();
    let unit_price = fields.required_amount("unitPrice");
    let monthly = monthly::terms(&mut fields, MonthlyTerms::default());
    let currency = fields.required("currency", Currency::new);
    let days = days_of_new(&mut fields);
    let terms = || {
        Some(PriceTerms {
            tier: tier?,
            account,
            operator: operator?,
            direction: direction?,
            model: model?,
            charge_on,
            unit_price: unit_price?,
            monthly,
            currency: currency?,
            days: days?,
        })
    };
    fields.finish(terms())
}

/// The terms of a price's next version: its own, but for what the body says.
///
/// # Errors
/// 422, and 409 when the price has ended.
pub(super) fn terms_of_next(mut fields: Fields, old: &PriceTerms, today: Day) -> Result<PriceTerms, Problem> {
    for name in KEY_FIELDS {
        fields.forbid(name, "cannot be changed: end this price and create another one");
    }
    if !CHANGING.iter().chain(&monthly::FIELDS).any(|name| fields.has(name)) {
        fields.refuse("unitPrice", "is required, or another field besides effectiveFrom: something has to change");
    }
    fields.forbid_null(&["unitPrice", "pricingModel", "chargeOn", "effectiveFrom"]);
    fields.forbid_null(&monthly::FIELDS);
    let unit_price = fields.amount("unitPrice").unwrap_or(old.unit_price);
    let model = monthly::model(&mut fields, Some(&old.model));
    let monthly = monthly::terms(&mut fields, old.monthly);
    let charge_on = fields.optional("chargeOn", one_of(&CHARGE_ON)).unwrap_or(old.charge_on);
    let days = days_of_next(&mut fields, old.days, today)?;
    let terms = || Some(PriceTerms { unit_price, model: model?, monthly, charge_on, days: days?, ..old.clone() });
    fields.finish(terms())
}

/// An operator or any, as prices name it.
pub(super) fn operator(text: &str) -> Result<OperatorMatch, IdError> {
    if text == "*" { Ok(OperatorMatch::Any) } else { OperatorId::new(text).map(OperatorMatch::One) }
}
