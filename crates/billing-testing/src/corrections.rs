//! The fake of `PriceCorrections`. It knows the price and the usage that was put there as rated.

use std::collections::BTreeMap;

use billing_domain::invoicing::{PriceGroup, month_total};
use billing_domain::ports::{
    AdminAction, ChangeOutcome, CorrectionDelta, CorrectionEffect, Page, PortError, PriceCorrections, Refusal,
};
use billing_domain::pricing::{Correction, check_correction};
use billing_domain::{AccountId, Day, MicrosSum, Month, PriceId};
use uuid::Uuid;

use crate::idempotency::{earlier, remember};
use crate::memory::{Flaw, Memory, State};

impl PriceCorrections for Memory {
    async fn preview_correction(&self, correction: &Correction) -> Result<ChangeOutcome<CorrectionEffect>, PortError> {
        let mut state = self.open("preview_correction")?;
        let effect = effect(&state, correction);
        if state.has(Flaw::WritesPreviews) {
            state.corrections.insert(correction.id.0, correction.clone());
        }
        Ok(outcome(effect))
    }

    async fn correct_price(
        &self,
        correction: &Correction,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<CorrectionEffect>, PortError> {
        let mut state = self.open("correct_price")?;
        let made = match earlier(&state.keys, action) {
            Err(refusal) => return Ok(ChangeOutcome::Refused(refusal)),
            Ok(made) => made.unwrap_or(correction.id.0),
        };
        if let Some(known) = state.corrections.get(&made) {
            return Ok(outcome(effect(&state, known)));
        }
        let effect = effect(&state, correction);
        if effect.is_ok() {
            remember(&mut state.keys, action, correction.id.0);
            state.corrections.insert(correction.id.0, correction.clone());
        }
        Ok(outcome(effect))
    }

    async fn corrections(
        &self,
        price: Option<PriceId>,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Page<Correction>, PortError> {
        let state = self.open("list_corrections")?;
        let wanted = state.corrections.values().filter(|correction| {
            price.is_none_or(|price| price == correction.price) && after.is_none_or(|after| after < correction.id.0)
        });
        let mut rows: Vec<Correction> = wanted.take(limit as usize + 1).cloned().collect();
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = if has_more { rows.last().map(|correction| correction.id.0) } else { None };
        Ok(Page { rows, next })
    }
}

fn outcome(effect: Result<CorrectionEffect, Refusal>) -> ChangeOutcome<CorrectionEffect> {
    effect.map_or_else(ChangeOutcome::Refused, ChangeOutcome::Done)
}

fn effect(state: &State, correction: &Correction) -> Result<CorrectionEffect, Refusal> {
    let terms = &state.prices.get(&correction.price.0).ok_or(Refusal::NotFound)?.row.terms;
    check_correction(correction, terms, Day::of(correction.created_at)).map_err(Refusal::Correction)?;
    let others =
        state.corrections.values().filter(|other| other.price == correction.price && other.id != correction.id);
    let before = PriceGroup { terms: terms.clone(), corrections: others.cloned().collect() };
    let mut after = before.clone();
    after.corrections.push(correction.clone());
    let mut used: BTreeMap<(AccountId, Month), (BTreeMap<Day, u64>, MicrosSum)> = BTreeMap::new();
    for usage in state.rated.values().filter(|usage| usage.rated.price == correction.price) {
        let day = Day::of(usage.event.charged_at);
        let (units, list) = used.entry((usage.event.account, day.month())).or_default();
        *units.entry(day).or_default() += u64::from(usage.rated.units);
        list.0 += i128::from(usage.rated.amount.0);
    }
    let delta = |((account, month), (units, list)): ((AccountId, Month), (BTreeMap<Day, u64>, MicrosSum))| {
        let list = list.round_to_minor(terms.currency).ok()?;
        let before = month_total(&before, month, &units, list).ok()?;
        let after = month_total(&after, month, &units, list).ok()?;
        (before != after).then(|| CorrectionDelta { account, month, units: units.values().sum(), before, after })
    };
    Ok(CorrectionEffect { correction: correction.clone(), deltas: used.into_iter().filter_map(delta).collect() })
}
