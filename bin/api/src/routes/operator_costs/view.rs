//! An operator cost as JSON.

use billing_domain::OperatorCost;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// One version of an operator cost.
#[derive(Serialize, ToSchema)]
#[schema(as = OperatorCost)]
#[serde(rename_all = "camelCase")]
pub(super) struct CostView {
    /// Of this version.
    pub(super) operator_cost_id: Uuid,
    /// Who charges it.
    #[schema(example = "41220")]
    pub(super) operator_id: String,
    /// `MT` or `MO`.
    #[schema(example = "MT")]
    pub(super) direction: String,
    /// Six decimals.
    #[schema(example = "0.008500", pattern = r"^\d+\.\d{6}$")]
    pub(super) cost_per_segment: String,
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

/// A page of operator costs.
#[derive(Serialize, ToSchema)]
#[schema(as = OperatorCostList)]
#[serde(rename_all = "camelCase")]
pub(super) struct CostList {
    /// By id.
    pub(super) data: Vec<CostView>,
    /// Where to go on; null on the last page.
    #[schema(required = true)]
    pub(super) next_cursor: Option<String>,
}

impl CostView {
    /// Of a stored cost.
    pub(super) fn of(cost: &OperatorCost) -> Self {
        Self {
            operator_cost_id: cost.id.0,
            operator_id: cost.key.operator.to_string(),
            direction: cost.key.direction.name().into(),
            cost_per_segment: cost.cost_per_segment.to_string(),
            currency: cost.key.currency.to_string(),
            effective_from: cost.days.from().to_string(),
            effective_to: cost.days.last().map(|day| day.to_string()),
            created_by: cost.created_by.clone(),
            created_at: cost.created_at.to_string(),
            cancelled_at: cost.cancelled_at.map(|at| at.to_string()),
            version: cost.version,
        }
    }
}
