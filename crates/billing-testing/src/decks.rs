//! The fakes of `DeckStore`, for prices and for operator costs.

use std::collections::HashMap;

use billing_domain::ports::{AdminAction, ChangeOutcome, DeckStore, PortError};
use billing_domain::pricing::PriceTerms;
use billing_domain::pricing::deck::{
    CostTerms, Deck, DeckEntry, DeckPlan, DeckPrice, DeckReport, Margins, NewVersion, StandingVersion, Superseded,
    cost_margins, plan, price_margins, retell,
};
use billing_domain::{CostId, Day, OperatorCost, Price, PriceId};
use uuid::Uuid;

use crate::idempotency::{earlier, remember};
use crate::memory::{Dated, Memory, State, Stored};

/// What the two sorts of decks do differently.
trait Kept: DeckEntry + 'static {
    type Row: Dated + 'static;

    /// Version and terms.
    fn read(row: &Self::Row) -> (u32, Self::Terms);
    fn write(made: &NewVersion<Self::Terms>, action: &AdminAction) -> Self::Row;
    fn may_be_rated(made: &NewVersion<Self::Terms>) -> bool;
    fn margins(plan: &DeckPlan<Self>, state: &State) -> Margins;
}

impl Kept for DeckPrice {
    type Row = Price;

    fn read(row: &Price) -> (u32, PriceTerms) {
        (row.version, row.terms.clone())
    }

    fn write(made: &NewVersion<PriceTerms>, action: &AdminAction) -> Price {
        Price {
            id: PriceId(made.id),
            terms: made.terms.clone(),
            version: made.version,
            created_by: action.actor.clone(),
            created_at: action.at,
            cancelled_at: None,
        }
    }

    fn may_be_rated(_made: &NewVersion<PriceTerms>) -> bool {
        true
    }

    fn margins(plan: &DeckPlan<Self>, state: &State) -> Margins {
        price_margins(plan, &standing::<CostTerms>(state).map(|version| version.terms).collect::<Vec<_>>())
    }
}

impl Kept for CostTerms {
    type Row = OperatorCost;

    fn read(row: &OperatorCost) -> (u32, Self) {
        (row.version, Self { key: row.key.clone(), cost_per_segment: row.cost_per_segment, days: row.days })
    }

    fn write(made: &NewVersion<Self>, action: &AdminAction) -> OperatorCost {
        OperatorCost {
            id: CostId(made.id),
            key: made.terms.key.clone(),
            cost_per_segment: made.terms.cost_per_segment,
            days: made.terms.days,
            version: made.version,
            created_by: action.actor.clone(),
            created_at: action.at,
            cancelled_at: None,
        }
    }

    /// A first cost may begin in the past.
    fn may_be_rated(made: &NewVersion<Self>) -> bool {
        made.old.is_some()
    }

    fn margins(plan: &DeckPlan<Self>, state: &State) -> Margins {
        cost_margins(plan, &standing::<DeckPrice>(state).map(|version| version.terms).collect::<Vec<_>>())
    }
}

impl<E: Kept> DeckStore<E> for Memory {
    async fn preview(&self, deck: &Deck<E>) -> Result<DeckReport<E>, PortError> {
        let state = self.open("preview_deck")?;
        let plan = plan_of(&state, deck);
        Ok(DeckReport { margins: E::margins(&plan, &state), plan })
    }

    async fn apply(&self, deck: &Deck<E>, action: &AdminAction) -> Result<ChangeOutcome<DeckReport<E>>, PortError> {
        let mut state = self.open("apply_deck")?;
        let made_before = match earlier(&state.keys, action) {
            Ok(made) => made,
            Err(refusal) => return Ok(ChangeOutcome::Refused(refusal)),
        };
        let first = Deck { id: made_before.unwrap_or(deck.id), ..deck.clone() };
        let found = found(&state, &first);
        let plan = if made_before.is_some() || !found.is_empty() {
            retell(&first, standing::<E>(&state).collect(), found)
        } else {
            let plan = plan_of(&state, deck);
            if plan.refused.is_empty() {
                write(&mut state, &plan, action);
                remember(&mut state.keys, action, deck.id);
            }
            plan
        };
        Ok(ChangeOutcome::Done(DeckReport { margins: E::margins(&plan, &state), plan }))
    }
}

fn standing<E: Kept>(state: &State) -> impl Iterator<Item = StandingVersion<E::Terms>> {
    E::Row::rows(state).iter().filter(|(_, stored)| !stored.row.is_cancelled()).map(|(id, stored)| {
        let (version, terms) = E::read(&stored.row);
        StandingVersion { id: *id, version, is_superseded: stored.is_superseded, terms }
    })
}

fn plan_of<E: Kept>(state: &State, deck: &Deck<E>) -> DeckPlan<E> {
    let mut plan = plan(deck, standing::<E>(state).collect());
    let is_rated = |day: Day| state.rated_until.is_some_and(|rated| day <= rated);
    let rated = plan.made.iter().filter(|made| E::may_be_rated(made) && is_rated(E::days(&made.terms).from()));
    let lines: Vec<u32> = rated.map(|made| made.line).collect();
    plan.refuse_rated(&lines);
    plan
}

/// What a deck made before, and what that superseded: in memory found by its key and its last day.
fn found<E: Kept>(state: &State, deck: &Deck<E>) -> HashMap<Uuid, (u32, Option<Superseded>)> {
    let ids = deck.lines.iter().map(|line| deck.version_id(line.number));
    let rows = E::Row::rows(state);
    let known = ids.filter_map(|id| Some((id, &rows.get(&id)?.row)));
    known
        .map(|(id, made)| {
            let (version, terms) = E::read(made);
            let old = rows.iter().find_map(|(old_id, old)| {
                let (old_version, old_terms) = E::read(&old.row);
                let is_old = old.is_superseded && old_version + 1 == version && E::key(&old_terms) == E::key(&terms);
                let days = (!old.row.is_cancelled()).then(|| E::days(&old_terms));
                let unit_amount = E::unit_amount(&old_terms);
                is_old.then_some(Superseded { id: *old_id, unit_amount, days })
            });
            (id, (version, old))
        })
        .collect()
}

fn write<E: Kept>(state: &mut State, plan: &DeckPlan<E>, action: &AdminAction) {
    let rows = E::Row::rows_mut(state);
    rows.changes += i64::from(!plan.made.is_empty());
    for made in &plan.made {
        let old = made.old.and_then(|old| Some((old.days, rows.get_mut(&old.id)?)));
        if let Some((days, stored)) = old {
            stored.is_superseded = true;
            match days {
                Some(days) => stored.row.set_days(days),
                None => stored.row.cancel(action.at),
            }
        }
        rows.insert(made.id, Stored::new(E::write(made, action)));
    }
}
