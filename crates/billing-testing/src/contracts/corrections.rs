//! Corrections: what they tell, and what they leave alone.

use billing_domain::ports::{
    Accounts, ChangeOutcome, CorrectionEffect, PriceAdmin, PriceBookStore, PriceCorrections, Refusal, UsageLedger,
    UsageReader,
};
use billing_domain::pricing::{Correction, CorrectionError, PricingModel};
use billing_domain::{CorrectionId, DayRange, Micros, PriceId};
use uuid::Uuid;

use crate::builders::{event, price};

use super::stage::{Stage, action, at, day, done, now};

fn correction(of: PriceId, last: &str, unit_price: i64) -> Correction {
    Correction {
        id: CorrectionId(Uuid::from_u128(1)),
        price: of,
        days: DayRange::inclusive(day("2026-10-01"), Some(day(last))).expect("a period"),
        unit_price: Micros(unit_price),
        model: PricingModel::PerSegment,
        reason: "typed wrongly".into(),
        created_by: action().actor,
        created_at: now(),
    }
}

/// Ten segments at 0.01 on a day of October, and ten on one of November.
async fn used<S>(stage: &Stage<S>) -> PriceId
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    let price = stage.add_price(price("0.01")).await;
    let november = event().segments(10).at("2026-11-02T08:00:00Z");
    stage.record(&[(at(1), event().segments(10)), (at(2), november)]).await;
    price
}

async fn listed<S: PriceCorrections>(staff: &S, price: PriceId) -> usize {
    staff.corrections(Some(price), None, 10).await.expect("listed").rows.len()
}

fn shown(effect: &CorrectionEffect) -> Vec<String> {
    let show = |delta: &billing_domain::ports::CorrectionDelta| {
        format!("{} {} {} {}", delta.month, delta.units, delta.before, delta.after)
    };
    effect.deltas.iter().map(show).collect()
}

pub(super) async fn a_preview_writes_nothing<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader + PriceCorrections,
{
    let price = used(stage).await;
    let asked = correction(price, "2026-10-31", 8_000);
    for _ in 0..2 {
        let told = done(stage.staff().preview_correction(&asked).await.expect("answered"));
        assert_eq!(shown(&told), ["2026-10 10 0.10 0.08"], "a preview tells what would change");
    }
    assert_eq!(listed(stage.staff(), price).await, 0, "a preview writes nothing");
    let same =
        done(stage.staff().preview_correction(&correction(price, "2026-10-31", 10_000)).await.expect("answered"));
    assert!(same.deltas.is_empty(), "what comes to the same is no change");
}

pub(super) async fn a_correction_changes_no_rated_event<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader + PriceCorrections,
{
    let price = used(stage).await;
    let before = stage.usage().await;
    let asked = correction(price, "2026-11-10", 8_000);
    let told = done(stage.staff().preview_correction(&asked).await.expect("answered"));
    let made = done(stage.staff().correct_price(&asked, &action()).await.expect("answered"));
    assert_eq!(shown(&made), ["2026-10 10 0.10 0.08", "2026-11 10 0.10 0.08"], "each month changes by itself");
    assert_eq!(made, told, "a correction does what its preview told");
    let again = stage.staff().correct_price(&asked, &action()).await.expect("answered");
    assert_eq!(again, ChangeOutcome::Done(made), "a repeated call is the same call");
    assert_eq!(listed(stage.staff(), price).await, 1, "and is made once");
    assert_eq!(stage.usage().await, before, "rated usage stays as it is");
    let standing = stage.staff().price(price).await.expect("answered").expect("there");
    assert_eq!(standing.terms.unit_price, Micros(10_000), "and so does the price");
}

pub(super) async fn what_does_not_fit_its_price_is_refused<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader + PriceCorrections,
{
    let standing = used(stage).await;
    let ended = stage.add_price(price("0.02").tier("GROWTH").last("2026-10-15")).await;
    for (asked, expected) in [
        (correction(PriceId(Uuid::from_u128(404)), "2026-10-31", 1), Refusal::NotFound),
        (correction(ended, "2026-10-31", 1), Refusal::Correction(CorrectionError::OutsidePrice)),
        (correction(standing, "2026-11-16", 1), Refusal::Correction(CorrectionError::Future)),
        (
            Correction { model: PricingModel::FlatPerMessage, ..correction(standing, "2026-10-31", 1) },
            Refusal::Correction(CorrectionError::OtherModel),
        ),
    ] {
        let outcome = stage.staff().correct_price(&asked, &action()).await.expect("answered");
        assert_eq!(outcome, ChangeOutcome::Refused(expected), "{asked:?}");
    }
    assert_eq!(listed(stage.staff(), standing).await, 0, "what is refused is not made");
}
