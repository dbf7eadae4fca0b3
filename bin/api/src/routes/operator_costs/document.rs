//! What the API's document says of operator costs.

use uuid::Uuid;

use super::body::{ChangeBody, DraftBody};
use super::view::{CostList, CostView};
use crate::http::problem::Kind;
use crate::routes::document::{Operation, flag, operator_id, text, text_of};

const TAG: &str = "Operator costs";

/// `GET /v1/admin/operator-costs`.
pub(crate) fn listing() -> Operation {
    Operation::new("listOperatorCosts", TAG, "Operator costs, by id")
        .says("Every version of every cost, ended ones included unless `activeOnly` is true.")
        .parameter("operatorId", operator_id(), "Of this operator.")
        .parameter("direction", text_of(&["MT", "MO"], "MT"), "In this direction.")
        .parameter("currency", text("USD"), "In this currency.")
        .parameter("activeOnly", flag(), "In force today (UTC) only.")
        .paged()
        .answers(200, "A page of operator costs.", &CostList { data: vec![example()], next_cursor: None })
        .refuses(&[Kind::Malformed, Kind::Invalid])
}

/// `GET /v1/admin/operator-costs/{id}`.
pub(crate) fn showing() -> Operation {
    Operation::new("getOperatorCost", TAG, "One operator cost")
        .id("The `operatorCostId` of a version, in force or not.")
        .answers(200, "The cost.", &example())
        .refuses(&[Kind::Malformed, Kind::NotFound, Kind::Invalid])
}

/// `POST /v1/admin/operator-costs`.
pub(crate) fn creating() -> Operation {
    let draft = DraftBody {
        operator_id: "41220".into(),
        direction: "MT".into(),
        cost_per_segment: "0.0085".into(),
        currency: "USD".into(),
        effective_from: "2026-11-01".into(),
        effective_to: None,
    };
    Operation::new("createOperatorCost", TAG, "Make an operator cost")
        .says(
            "The periods of one key (operator, direction, currency) cannot overlap. Usage that was rated while no cost was \
             known gets it by itself.",
        )
        .idempotent()
        .body(&draft)
        .creates("The cost.", &example())
        .refuses(&[Kind::Invalid, Kind::CostOverlap, Kind::RatedUsage, Kind::KeyReused, Kind::KeyInUse])
}

/// `PATCH /v1/admin/operator-costs/{id}`.
pub(crate) fn changing() -> Operation {
    let change = ChangeBody {
        cost_per_segment: Some("0.0080".into()),
        effective_from: Some("2026-12-01".into()),
        effective_to: None,
    };
    Operation::new("changeOperatorCost", TAG, "Make the next version of an operator cost")
        .says(
            "The cost ends the day before the new version begins, by default today. Operator, direction and currency cannot \
             be changed.",
        )
        .id("The `operatorCostId` of the version in force or to come.")
        .conditional()
        .body(&change)
        .answers(200, "The new version.", &example())
        .refuses(&[Kind::NotFound, Kind::Invalid, Kind::CostOverlap, Kind::RatedUsage, Kind::Ended])
}

/// `DELETE /v1/admin/operator-costs/{id}`.
pub(crate) fn ending() -> Operation {
    Operation::new("endOperatorCost", TAG, "End an operator cost")
        .says("Today (UTC) becomes its last day. A cost that has not begun is cancelled and kept for the record.")
        .id("The `operatorCostId` of the version in force or to come.")
        .conditional()
        .answers(200, "The ended cost.", &example())
        .refuses(&[Kind::Malformed, Kind::NotFound, Kind::Invalid, Kind::Ended])
}

fn example() -> CostView {
    CostView {
        operator_cost_id: Uuid::from_u128(0x0192_8c3e_0000_7000_8000_0000_0000_0002),
        operator_id: "41220".into(),
        direction: "MT".into(),
        cost_per_segment: "0.008500".into(),
        currency: "USD".into(),
        effective_from: "2026-11-01".into(),
        effective_to: None,
        created_by: "pricing@ghasi.example".into(),
        created_at: "2026-10-15T12:00:00Z".into(),
        cancelled_at: None,
        version: 1,
    }
}
