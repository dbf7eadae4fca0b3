//! `/v1/admin/pricing/corrections`: mending prices that have already rated usage. Nothing that was rated or issued
//! changes: the difference goes on the next invoices.

mod body;
mod document;
mod view;

use actix_web::HttpResponse;
use billing_domain::PriceId;
use billing_domain::ports::{ChangeOutcome, Refusal};
use billing_domain::pricing::CorrectionError;
use uuid::Uuid;

use crate::http::answer;
use crate::http::fields::uuid;
use crate::http::problem::{FieldError, Kind, Place as FieldPlace, Problem};
use crate::routes::call::Call;
use crate::routes::list::{Place, flag};
use crate::routes::outcome::done;
use crate::services::Store;

pub(crate) use document::{creating, listing};
use view::{CorrectionList, CorrectionView, EffectView};

/// Where corrections are.
pub(crate) const PATH: &str = "/v1/admin/pricing/corrections";

/// A page of corrections, by id.
pub(crate) async fn list<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let mut query = call.query()?;
    let place = Place::<Uuid>::read(PATH, &call, &mut query)?;
    let price = query.optional("pricingTableId", uuid).map(PriceId);
    query.finish(Some(()))?;
    let (after, limit) = (place.after, place.limit);
    let page = call.services.run(async move |store: S| store.corrections(price, after, limit).await).await?;
    let next_cursor = place.next(page.next);
    answer::ok(&CorrectionList { data: page.rows.iter().map(CorrectionView::of).collect(), next_cursor })
}

/// Makes a correction, or says what it would change.
pub(crate) async fn create<S: Store>(mut call: Call<S>) -> Result<HttpResponse, Problem> {
    let mut query = call.query()?;
    let is_dry_run = query.optional("dryRun", flag).unwrap_or(false);
    query.finish(Some(()))?;
    let body = call.body().await?;
    let mut fields = body.fields;
    let price = match body::price(&mut fields) {
        Some(id) => call.services.run(async move |store: S| store.price(id).await).await?,
        None => None,
    };
    let action = call.action_once(&body.canonical)?;
    let correction = body::correction(fields, price.as_ref(), &action)?;
    let outcome = if is_dry_run {
        call.services.run(async move |store: S| store.preview_correction(&correction).await).await?
    } else {
        call.services.run(async move |store: S| store.correct_price(&correction, &action).await).await?
    };
    if let ChangeOutcome::Refused(Refusal::Correction(error)) = outcome {
        return Err(misfit(error));
    }
    let effect = EffectView::of(&done(outcome, Kind::RatedUsage)?, is_dry_run)?;
    if is_dry_run {
        // It names every account that was rated by the price.
        call.note_read(None, "correction preview").await?;
        return answer::ok(&effect);
    }
    answer::created(format!("{PATH}?pricingTableId={}", effect.correction.pricing_table_id), &effect)
}

fn misfit(error: CorrectionError) -> Problem {
    let (pointer, detail) = match error {
        CorrectionError::OutsidePrice => ("/effectiveFrom", "the days to correct lie within the price's own"),
        CorrectionError::Future => {
            ("/effectiveTo", "is today (UTC) at the latest: for the days to come, change the price")
        }
        CorrectionError::OtherModel => ("/pricingModel", "is the price's own"),
    };
    let error = FieldError { place: FieldPlace::Body, pointer: pointer.into(), detail: detail.into() };
    Problem::refused(Kind::Invalid, vec![error])
}
