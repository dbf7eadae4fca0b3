//! The fake of `PriceAdmin`.

use billing_domain::ports::{
    AdminAction, ChangeOutcome, CostDraft, CostFilter, NewCost, NewPrice, Page, PortError, PriceAdmin, PriceFilter,
    Refusal,
};
use billing_domain::pricing::{CostKey, OperatorMatch, PriceTerms};
use billing_domain::{CostId, Day, DayRange, OperatorCost, OperatorId, Price, PriceId};
use jiff::Timestamp;
use uuid::Uuid;

use crate::idempotency::{earlier, remember};
use crate::memory::{Dated, Flaw, Memory, Rows, State, Stored};

impl PriceAdmin for Memory {
    async fn prices(&self, filter: &PriceFilter, after: Option<Uuid>, limit: u32) -> Result<Page<Price>, PortError> {
        let state = self.open("list_prices")?;
        let wanted = |price: &Price| {
            filter.tier.as_ref().is_none_or(|tier| *tier == price.terms.tier)
                && filter.operator.as_ref().is_none_or(|operator| *operator == price.terms.operator)
                && filter.account.is_none_or(|account| Some(account) == price.terms.account)
        };
        Ok(page(&state.prices, after, limit, filter.active_on, wanted))
    }

    async fn price(&self, id: PriceId) -> Result<Option<Price>, PortError> {
        Ok(self.open("find_price")?.prices.get(&id.0).map(|stored| stored.row.clone()))
    }

    async fn create_price(&self, new: &NewPrice, action: &AdminAction) -> Result<ChangeOutcome<Price>, PortError> {
        let mut state = self.open("create_price")?;
        let refusal = refuse_rated(&state, &new.terms, None);
        Ok(outcome(create(&mut state, action, new.id.0, || refusal.map(|()| price_of(new, 1, action)))))
    }

    async fn supersede_price(
        &self,
        based_on: &Price,
        new: &NewPrice,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<Price>, PortError> {
        let mut state = self.open("supersede_price")?;
        let refusal = refuse_rated(&state, &new.terms, Some(based_on.id));
        let next = |old: &Price| refusal.map(|()| price_of(new, old.version + 1, action));
        let change = Supersede { old: based_on.id.0, new: new.id.0, days: new.terms.days, at: action.at };
        Ok(outcome(supersede(&mut state, &change, based_on, next)))
    }

    async fn end_price(
        &self,
        id: PriceId,
        seen: Option<&Price>,
        today: Day,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<Price>, PortError> {
        Ok(outcome(end::<Price>(&mut *self.open("end_price")?, id.0, seen, today, action.at)))
    }

    async fn costs(
        &self,
        filter: &CostFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Page<OperatorCost>, PortError> {
        let state = self.open("list_costs")?;
        let wanted = |cost: &OperatorCost| {
            filter.operator.as_ref().is_none_or(|operator| *operator == cost.key.operator)
                && filter.direction.is_none_or(|direction| direction == cost.key.direction)
                && filter.currency.is_none_or(|currency| currency == cost.key.currency)
        };
        Ok(page(&state.costs, after, limit, filter.active_on, wanted))
    }

    async fn cost(&self, id: CostId) -> Result<Option<OperatorCost>, PortError> {
        Ok(self.open("find_cost")?.costs.get(&id.0).map(|stored| stored.row.clone()))
    }

    async fn create_cost(&self, new: &NewCost, action: &AdminAction) -> Result<ChangeOutcome<OperatorCost>, PortError> {
        let mut state = self.open("create_cost")?;
        let made = || Ok(cost_of(new, 1, action));
        Ok(outcome(create(&mut state, action, new.id.0, made)))
    }

    async fn supersede_cost(
        &self,
        based_on: &OperatorCost,
        new: &CostDraft,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<OperatorCost>, PortError> {
        let mut state = self.open("supersede_cost")?;
        let key = state.costs.get(&based_on.id.0).map(|stored| stored.row.key.clone());
        let refusal = key.map_or(Ok(()), |key| refuse_costed(&state, &key, new.days.from()));
        let next = |old: &OperatorCost| {
            let CostDraft { id, cost_per_segment, days } = *new;
            let new = NewCost { id, key: old.key.clone(), cost_per_segment, days };
            refusal.map(|()| cost_of(&new, old.version + 1, action))
        };
        let change = Supersede { old: based_on.id.0, new: new.id.0, days: new.days, at: action.at };
        Ok(outcome(supersede(&mut state, &change, based_on, next)))
    }

    async fn end_cost(
        &self,
        id: CostId,
        seen: Option<&OperatorCost>,
        today: Day,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<OperatorCost>, PortError> {
        Ok(outcome(end::<OperatorCost>(&mut *self.open("end_cost")?, id.0, seen, today, action.at)))
    }
}

fn price_of(new: &NewPrice, version: u32, action: &AdminAction) -> Price {
    let (created_by, created_at) = (action.actor.clone(), action.at);
    Price { id: new.id, terms: new.terms.clone(), version, created_by, created_at, cancelled_at: None }
}

fn cost_of(new: &NewCost, version: u32, action: &AdminAction) -> OperatorCost {
    OperatorCost {
        id: new.id,
        key: new.key.clone(),
        cost_per_segment: new.cost_per_segment,
        days: new.days,
        version,
        created_by: action.actor.clone(),
        created_at: action.at,
        cancelled_at: None,
    }
}

fn outcome<T>(result: Result<T, Refusal>) -> ChangeOutcome<T> {
    result.map_or_else(ChangeOutcome::Refused, ChangeOutcome::Done)
}

/// Refuses a price for days on which usage has been rated that it would have priced otherwise: usage of the price that it
/// supersedes, or of one that it would come before in the search order.
fn refuse_rated(state: &State, terms: &PriceTerms, superseded: Option<PriceId>) -> Result<(), Refusal> {
    let is_rated = state.rated.values().any(|usage| {
        let event = &usage.event;
        let traffic = (event.direction, event.currency) == (terms.direction, terms.currency)
            && matches_operator(&terms.operator, &event.operator);
        let day = Day::of(event.charged_at);
        let rated_by = state.prices.get(&usage.rated.price.0).map(|stored| &stored.row.terms);
        let comes_before = rated_by.is_some_and(|other| {
            let scope = match terms.account {
                Some(account) => account == event.account,
                None => other.account.is_none() && other.tier == terms.tier,
            };
            scope && rank(terms) < rank(other)
        });
        let is_superseded = Some(usage.rated.price) == superseded;
        traffic && day >= terms.days.from() && (is_superseded || (terms.days.contains(day) && comes_before))
    });
    let is_late = state.rated_until.is_some_and(|rated| terms.days.from() <= rated);
    if is_rated || is_late { Err(Refusal::RatedUsage) } else { Ok(()) }
}

fn matches_operator(wanted: &OperatorMatch, operator: &OperatorId) -> bool {
    match wanted {
        OperatorMatch::Any => true,
        OperatorMatch::One(one) => one == operator,
    }
}

/// Its place in the search order; the lowest that fits wins.
fn rank(terms: &PriceTerms) -> (bool, bool) {
    (terms.account.is_none(), terms.operator == OperatorMatch::Any)
}

/// A cost that has been pinned on events of those days is not taken back.
fn refuse_costed(state: &State, key: &CostKey, from: Day) -> Result<(), Refusal> {
    let is_costed = state.rated.values().any(|usage| {
        let event = &usage.event;
        usage.rated.cost.is_some()
            && (&event.operator, event.direction) == (&key.operator, key.direction)
            && Day::of(event.charged_at) >= from
    });
    if is_costed { Err(Refusal::RatedUsage) } else { Ok(()) }
}

fn page<T: Dated>(
    rows: &Rows<T>,
    after: Option<Uuid>,
    limit: u32,
    active_on: Option<Day>,
    wanted: impl Fn(&T) -> bool,
) -> Page<T> {
    let is_active =
        |stored: &Stored<T>| active_on.is_none_or(|day| !stored.row.is_cancelled() && stored.row.days().contains(day));
    let mut found: Vec<(Uuid, T)> = rows
        .iter()
        .filter(|(id, stored)| after.is_none_or(|after| **id > after) && is_active(stored) && wanted(&stored.row))
        .map(|(id, stored)| (*id, stored.row.clone()))
        .collect();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = if has_more { found.last().map(|(id, _)| *id) } else { None };
    Page { rows: found.into_iter().map(|(_, row)| row).collect(), next }
}

fn create<T: Dated>(
    state: &mut State,
    action: &AdminAction,
    id: Uuid,
    make: impl FnOnce() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    if let Some(made) = earlier(&state.keys, action)? {
        return T::rows(state).get(&made).map(|stored| stored.row.clone()).ok_or(Refusal::NotFound);
    }
    if let Some(made) = T::rows(state).get(&id) {
        return Ok(made.row.clone());
    }
    let row = insert(state, id, make()?)?;
    if !state.has(Flaw::ForgetsKeys) {
        remember(&mut state.keys, action, id);
    }
    Ok(row)
}

fn insert<T: Dated>(state: &mut State, id: Uuid, row: T) -> Result<T, Refusal> {
    let clashes = T::rows(state).values().any(|stored| {
        !stored.row.is_cancelled() && stored.row.key() == row.key() && stored.row.days().overlaps(row.days())
    });
    if clashes && !state.has(Flaw::OverlapsPrices) {
        return Err(Refusal::Overlap);
    }
    let rows = T::rows_mut(state);
    rows.insert(id, Stored::new(row.clone()));
    rows.changes += 1;
    Ok(row)
}

struct Supersede {
    old: Uuid,
    new: Uuid,
    days: DayRange,
    at: Timestamp,
}

fn supersede<T: Dated>(
    state: &mut State,
    change: &Supersede,
    based_on: &T,
    next: impl FnOnce(&T) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let Supersede { old, new, days, at } = *change;
    if let Some(made) = T::rows(state).get(&new) {
        return Ok(made.row.clone());
    }
    let stored = T::rows(state).get(&old).cloned().ok_or(Refusal::NotFound)?;
    refuse_changed(state, Some(based_on), &stored.row)?;
    let is_over = stored.row.days().until().is_some_and(|until| until < days.from());
    if stored.row.is_cancelled() || stored.is_superseded || is_over {
        return Err(Refusal::Ended);
    }
    let row = next(&stored.row)?;
    let mut closed = Stored { is_superseded: true, ..stored.clone() };
    match DayRange::new(stored.row.days().from(), Some(days.from())) {
        Ok(shortened) => closed.row.set_days(shortened),
        Err(_) => closed.row.cancel(at),
    }
    T::rows_mut(state).insert(old, closed);
    insert(state, new, row).inspect_err(|_| {
        T::rows_mut(state).insert(old, stored);
    })
}

fn end<T: Dated>(state: &mut State, id: Uuid, seen: Option<&T>, today: Day, at: Timestamp) -> Result<T, Refusal> {
    let row = T::rows(state).get(&id).map(|stored| stored.row.clone()).ok_or(Refusal::NotFound)?;
    refuse_changed(state, seen, &row)?;
    let rows = T::rows_mut(state);
    let stored = rows.get_mut(&id).ok_or(Refusal::NotFound)?;
    let days = stored.row.days();
    if stored.row.is_cancelled() || days.until().is_some_and(|until| until <= today.next()) {
        return Err(Refusal::Ended);
    }
    match DayRange::inclusive(days.from(), Some(today)) {
        Ok(shortened) => stored.row.set_days(shortened),
        Err(_) => stored.row.cancel(at),
    }
    let ended = stored.row.clone();
    rows.changes += 1;
    Ok(ended)
}

fn refuse_changed<T: PartialEq>(state: &State, seen: Option<&T>, stored: &T) -> Result<(), Refusal> {
    let is_changed = seen.is_some_and(|seen| seen != stored);
    if is_changed && !state.has(Flaw::LosesUpdates) { Err(Refusal::Changed) } else { Ok(()) }
}
