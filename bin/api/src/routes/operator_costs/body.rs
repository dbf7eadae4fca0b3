//! Reading the bodies that make an operator cost or its next version.

use billing_domain::ports::{CostDraft, NewCost};
use billing_domain::pricing::CostKey;
use billing_domain::{CostId, Currency, Day, OperatorCost, OperatorId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::fields::{Fields, one_of};
use crate::http::problem::Problem;
use crate::routes::terms::{DIRECTIONS, days_of_new, days_of_next};

/// What a change must not touch.
const KEY_FIELDS: [&str; 3] = ["operatorId", "direction", "currency"];

/// An operator cost to be made.
#[derive(Serialize, ToSchema)]
#[schema(as = OperatorCostDraft)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DraftBody {
    /// Who charges it.
    #[schema(example = "41220", pattern = "^[A-Za-z0-9_-]{1,64}$")]
    pub(super) operator_id: String,
    /// `MT` (to the mobile) or `MO` (from it).
    #[schema(example = "MT", pattern = "^(MT|MO)$")]
    pub(super) direction: String,
    /// 0 to 999999.999999, at most six decimals, in quotes.
    #[schema(example = "0.0085", pattern = r"^0*\d{1,6}(\.\d{1,6})?$")]
    pub(super) cost_per_segment: String,
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

/// What the next version of an operator cost says otherwise: at least one field besides `effectiveFrom`.
#[derive(Serialize, ToSchema)]
#[schema(as = OperatorCostChange)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChangeBody {
    /// 0 to 999999.999999, at most six decimals, in quotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "0.0080", pattern = r"^0*\d{1,6}(\.\d{1,6})?$")]
    pub(super) cost_per_segment: Option<String>,
    /// First day of the new version, inclusive, UTC; default: tomorrow, or when the cost begins if that is later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = Date, example = "2026-12-01")]
    pub(super) effective_from: Option<String>,
    /// Last day, inclusive, UTC; absent: as before; null: no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub(super) effective_to: Option<String>,
}

/// A new cost.
///
/// # Errors
/// 422.
pub(super) fn new_cost(mut fields: Fields, id: CostId) -> Result<NewCost, Problem> {
    let operator = fields.required("operatorId", OperatorId::new);
    let direction = fields.required("direction", one_of(&DIRECTIONS));
    let cost_per_segment = fields.required_amount("costPerSegment");
    let currency = fields.required("currency", Currency::new);
    let days = days_of_new(&mut fields);
    let new = || {
        let key = CostKey { operator: operator?, direction: direction?, currency: currency? };
        Some(NewCost { id, key, cost_per_segment: cost_per_segment?, days: days? })
    };
    fields.finish(new())
}

/// A cost's next version: as it is, but for what the body says.
///
/// # Errors
/// 422, and 409 when the cost has ended.
pub(super) fn next_version(
    mut fields: Fields,
    old: &OperatorCost,
    id: CostId,
    today: Day,
) -> Result<CostDraft, Problem> {
    for name in KEY_FIELDS {
        fields.forbid(name, "cannot be changed: end this cost and create another one");
    }
    if !fields.has("costPerSegment") && !fields.has("effectiveTo") {
        fields.refuse("costPerSegment", "is required, or effectiveTo: something has to change");
    }
    fields.forbid_null(&["costPerSegment", "effectiveFrom"]);
    let cost_per_segment = fields.amount("costPerSegment").unwrap_or(old.cost_per_segment);
    let days = days_of_next(&mut fields, old.days, today)?;
    fields.finish(days.map(|days| CostDraft { id, cost_per_segment, days }))
}
