//! What the API's document says of prices.

use super::body::{PriceChange, PriceDraft};
use super::view::{PriceList, PriceView};
use crate::http::problem::Kind;
use crate::routes::document::{Operation, flag, text, uuid};
use uuid::Uuid;

const TAG: &str = "Pricing";

/// `GET /v1/admin/pricing`.
pub(crate) fn listing() -> Operation {
    Operation::new("listPrices", TAG, "Prices, by id")
        .says("Every version of every price, ended ones included unless `activeOnly` is true.")
        .parameter("accountTier", text("GROWTH"), "Of this tier.")
        .parameter("operatorId", text("41220"), "For this operator; `*`: prices for any operator.")
        .parameter("accountId", uuid(), "Of this account.")
        .parameter("activeOnly", flag(), "In force today (UTC) only.")
        .paged()
        .answers(200, "A page of prices.", &PriceList { data: vec![example()], next_cursor: None })
        .refuses(&[Kind::Malformed, Kind::Invalid])
}

/// `GET /v1/admin/pricing/{id}`.
pub(crate) fn showing() -> Operation {
    Operation::new("getPrice", TAG, "One price")
        .id("The `pricingTableId` of a version, in force or not.")
        .answers(200, "The price.", &example())
        .refuses(&[Kind::Malformed, Kind::NotFound, Kind::Invalid])
}

/// `POST /v1/admin/pricing`.
pub(crate) fn creating() -> Operation {
    let draft = PriceDraft {
        account_tier: Some("GROWTH".into()),
        operator_id: "41220".into(),
        direction: "MT".into(),
        pricing_model: "PER_SEGMENT".into(),
        unit_price: "0.0125".into(),
        currency: "USD".into(),
        effective_from: "2026-11-01".into(),
        ..PriceDraft::default()
    };
    Operation::new("createPrice", TAG, "Make a price")
        .says(
            "The periods of one key (account or tier, operator, direction, currency) cannot overlap. A price cannot begin \
             on days for which it would rate usage otherwise that has been rated. What depends on a month's total (tiers, \
             packages, free units, discount, minimum, fee) is not part of the amount of a message: it is an adjustment \
             of its own on the invoice.",
        )
        .idempotent()
        .body(&draft)
        .creates("The price.", &example())
        .refuses(&[Kind::Invalid, Kind::PriceOverlap, Kind::RatedUsage, Kind::KeyReused, Kind::KeyInUse])
}

/// `PATCH /v1/admin/pricing/{id}`.
pub(crate) fn changing() -> Operation {
    let change = PriceChange {
        unit_price: Some("0.0115".into()),
        effective_from: Some("2026-12-01".into()),
        ..PriceChange::default()
    };
    Operation::new("changePrice", TAG, "Make the next version of a price")
        .says(
            "The price ends the day before the new version begins, by default today. Tier, account, operator, direction and \
             currency cannot be changed. What is left out stays as it is; tiers, if given, are all of them.",
        )
        .id("The `pricingTableId` of the version in force or to come.")
        .conditional()
        .body(&change)
        .answers(200, "The new version.", &example())
        .refuses(&[Kind::NotFound, Kind::Invalid, Kind::PriceOverlap, Kind::RatedUsage, Kind::Ended])
}

/// `DELETE /v1/admin/pricing/{id}`.
pub(crate) fn ending() -> Operation {
    Operation::new("endPrice", TAG, "End a price")
        .says("Today (UTC) becomes its last day. A price that has not begun is cancelled and kept for the record.")
        .id("The `pricingTableId` of the version in force or to come.")
        .conditional()
        .answers(200, "The ended price.", &example())
        .refuses(&[Kind::Malformed, Kind::NotFound, Kind::Invalid, Kind::Ended])
}

fn example() -> PriceView {
    PriceView {
        pricing_table_id: Uuid::from_u128(0x0192_8c3e_0000_7000_8000_0000_0000_0001),
        account_tier: "GROWTH".into(),
        account_id: None,
        operator_id: "41220".into(),
        direction: "MT".into(),
        pricing_model: "PER_SEGMENT".into(),
        tiers: None,
        package: None,
        charge_on: "ANY_TERMINAL".into(),
        unit_price: "0.012500".into(),
        free_units: None,
        discount_percent: None,
        monthly_minimum: None,
        monthly_fee: None,
        currency: "USD".into(),
        effective_from: "2026-11-01".into(),
        effective_to: None,
        created_by: "pricing@ghasi.example".into(),
        created_at: "2026-10-15T12:00:00Z".into(),
        cancelled_at: None,
        version: 1,
    }
}
