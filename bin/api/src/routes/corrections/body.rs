//! Reading the body that corrects a price.

use billing_domain::invoicing::VoidReason;
use billing_domain::ports::AdminAction;
use billing_domain::pricing::Correction;
use billing_domain::{CorrectionId, DayRange, Price, PriceId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::fields::{Fields, day, uuid};
use crate::http::problem::Problem;
use crate::routes::pricing::monthly::{self, PackageView, TierView};

/// What a price should have said.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CorrectionDraft {
    /// The version that was wrong.
    pub(super) pricing_table_id: Uuid,
    /// First day on which it was, inclusive, UTC.
    #[schema(format = Date, example = "2026-09-01")]
    pub(super) effective_from: String,
    /// Last day on which it was, inclusive, UTC; today at the latest.
    #[schema(format = Date, example = "2026-09-30")]
    pub(super) effective_to: String,
    /// What it should have been: 0 to 999999.999999, at most six decimals, in quotes.
    #[schema(example = "0.0115", pattern = r"^0*\d{1,6}(\.\d{1,6})?$")]
    pub(super) unit_price: String,
    /// With these tiers instead of its own; for GRADUATED and VOLUME.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_items = 1, max_items = 20)]
    pub(super) tiers: Option<Vec<TierView>>,
    /// With this package instead of its own; for PACKAGE.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) package: Option<PackageView>,
    /// Why: customers read it on their invoices. 1 to 500 characters.
    #[schema(example = "The price of the contract is 0.0115", min_length = 1, max_length = 500)]
    pub(super) reason: String,
}

/// The price that the body names; `None` when it names none.
pub(super) fn price(fields: &mut Fields) -> Option<PriceId> {
    fields.required("pricingTableId", uuid).map(PriceId)
}

/// The correction, of the price that the body named.
///
/// # Errors
/// 422.
pub(super) fn correction(
    mut fields: Fields,
    price: Option<&Price>,
    action: &AdminAction,
) -> Result<Correction, Problem> {
    if price.is_none() {
        fields.refuse("pricingTableId", "is no price");
    }
    fields.forbid("pricingModel", "is the price's own: leave it out");
    let from = fields.required("effectiveFrom", day);
    let to = fields.required("effectiveTo", day);
    let unit_price = fields.required_amount("unitPrice");
    let reason = fields.required("reason", VoidReason::new);
    // Without a price there is nothing that its tiers could be compared with.
    let model = price.and_then(|price| monthly::model(&mut fields, Some(&price.terms.model)));
    if price.is_none() {
        for name in ["tiers", "package"] {
            fields.forbid(name, "is for a price that is known");
        }
    }
    let days = from.zip(to).map(|(from, to)| DayRange::inclusive(from, Some(to)));
    if let Some(Err(_)) = days {
        fields.refuse("effectiveTo", "is not before effectiveFrom");
    }
    let made = || {
        Some(Correction {
            id: CorrectionId(Uuid::now_v7()),
            price: price?.id,
            days: days?.ok()?,
            unit_price: unit_price?,
            model: model?,
            reason: reason?.as_str().to_owned(),
            created_by: action.actor.clone(),
            created_at: action.at,
        })
    };
    fields.finish(made())
}
