//! Corrections and what they change, as JSON.

use billing_domain::ports::{CorrectionDelta, CorrectionEffect};
use billing_domain::pricing::Correction;
use billing_domain::{MinorAmount, MoneyError};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::problem::{Kind, Problem};
use crate::routes::pricing::monthly::{PackageView, TierView, package_of, tiers_of};

/// More are counted and summed, and not listed.
const DELTAS_MAX: usize = 1_000;

/// A correction of a price.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Correction)]
pub(crate) struct CorrectionView {
    pub(super) correction_id: Uuid,
    /// The version that was wrong.
    pub(super) pricing_table_id: Uuid,
    /// First day, inclusive, UTC.
    #[schema(format = Date)]
    pub(super) effective_from: String,
    /// Last day, inclusive, UTC.
    #[schema(format = Date)]
    pub(super) effective_to: String,
    /// What it should have been.
    #[schema(example = "0.011500")]
    pub(super) unit_price: String,
    /// Of GRADUATED and VOLUME.
    pub(super) tiers: Option<Vec<TierView>>,
    /// Of PACKAGE.
    pub(super) package: Option<PackageView>,
    /// Why, as invoices show it.
    pub(super) reason: String,
    /// The `sub` of who made it.
    pub(super) created_by: String,
    #[schema(format = DateTime)]
    pub(super) created_at: String,
}

/// A page of corrections.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CorrectionList {
    pub(super) data: Vec<CorrectionView>,
    /// Of the next page; null on the last.
    pub(super) next_cursor: Option<String>,
}

/// What a correction changes for one account and month.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CorrectionDelta)]
pub(crate) struct DeltaView {
    pub(super) account_id: Uuid,
    #[schema(example = "2026-10")]
    pub(super) month: String,
    /// Units charged by the price in the month so far: segments, or messages where the price is per message.
    pub(super) units: u64,
    /// What the month comes to by this price without the correction.
    #[schema(example = "125.00")]
    pub(super) before: String,
    /// What it comes to with it.
    #[schema(example = "115.00")]
    pub(super) after: String,
    /// The difference, which goes on the account's next invoice; before taxes.
    #[schema(example = "-10.00")]
    pub(super) delta: String,
}

/// A correction and what it changes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CorrectionEffect)]
pub(crate) struct EffectView {
    /// Whether nothing was written.
    pub(super) dry_run: bool,
    #[serde(flatten)]
    pub(super) correction: CorrectionView,
    /// ISO 4217; null when nothing changes.
    pub(super) currency: Option<String>,
    /// How many pairs of account and month change.
    pub(super) changes: usize,
    /// The sum of all differences; null when nothing changes.
    #[schema(example = "-10.00")]
    pub(super) total_delta: Option<String>,
    /// By account and month; the first 1,000.
    pub(super) deltas: Vec<DeltaView>,
}

impl CorrectionView {
    pub(super) fn of(correction: &Correction) -> Self {
        Self {
            correction_id: correction.id.0,
            pricing_table_id: correction.price.0,
            effective_from: correction.days.from().to_string(),
            effective_to: correction.days.last().unwrap_or(correction.days.from()).to_string(),
            unit_price: correction.unit_price.to_string(),
            tiers: tiers_of(&correction.model),
            package: package_of(&correction.model),
            reason: correction.reason.clone(),
            created_by: correction.created_by.clone(),
            created_at: correction.created_at.to_string(),
        }
    }
}

impl EffectView {
    /// # Errors
    /// 500 when a sum does not fit.
    pub(super) fn of(effect: &CorrectionEffect, dry_run: bool) -> Result<Self, Problem> {
        let overflow = |error: MoneyError| Problem::caused(Kind::Internal, error);
        let mut total: Option<MinorAmount> = None;
        for delta in &effect.deltas {
            let difference = delta.after.minus(delta.before).map_err(overflow)?;
            total = Some(total.map_or(Ok(difference), |sum| sum.plus(difference)).map_err(overflow)?);
        }
        let listed = effect.deltas.iter().take(DELTAS_MAX).map(delta);
        Ok(Self {
            dry_run,
            correction: CorrectionView::of(&effect.correction),
            currency: total.map(|total| total.currency.to_string()),
            changes: effect.deltas.len(),
            total_delta: total.map(|total| total.to_string()),
            deltas: listed.collect::<Result<_, _>>().map_err(overflow)?,
        })
    }
}

fn delta(delta: &CorrectionDelta) -> Result<DeltaView, MoneyError> {
    Ok(DeltaView {
        account_id: delta.account.0,
        month: delta.month.to_string(),
        units: delta.units,
        before: delta.before.to_string(),
        after: delta.after.to_string(),
        delta: delta.after.minus(delta.before)?.to_string(),
    })
}
