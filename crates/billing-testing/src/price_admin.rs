//! The fake of `PriceAdmin`.

use std::collections::BTreeMap;

use billing_domain::ports::{
    AdminAction, ChangeOutcome, CostDraft, CostFilter, NewCost, NewPrice, Page, PortError, PriceAdmin, PriceFilter,
    Refusal,
};
use billing_domain::{CostId, Day, DayRange, OperatorCost, Price, PriceId};
use jiff::Timestamp;
use uuid::Uuid;

use crate::idempotency::{IdempotencyKeys, earlier, remember};
use crate::memory::{Dated, Memory, Stored};

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
        let state = &mut *state;
        let rated_until = state.rated_until;
        Ok(outcome(create(&mut state.prices, &mut state.keys, action, new.id.0, || {
            refuse_rated(rated_until, new.terms.days)?;
            Ok(price_of(new, 1, action))
        })))
    }

    async fn supersede_price(
        &self,
        old: PriceId,
        new: &NewPrice,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<Price>, PortError> {
        let mut state = self.open("supersede_price")?;
        let rated = refuse_rated(state.rated_until, new.terms.days);
        let next = |old: &Price| rated.map(|()| price_of(new, old.version + 1, action));
        Ok(outcome(supersede(&mut state.prices, old.0, new.id.0, new.terms.days, action.at, next)))
    }

    async fn end_price(
        &self,
        id: PriceId,
        today: Day,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<Price>, PortError> {
        Ok(outcome(end(&mut self.open("end_price")?.prices, id.0, today, action.at)))
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
        let state = &mut *state;
        Ok(outcome(create(&mut state.costs, &mut state.keys, action, new.id.0, || {
            Ok(OperatorCost {
                id: new.id,
                key: new.key.clone(),
                cost_per_segment: new.cost_per_segment,
                days: new.days,
                version: 1,
                created_by: action.actor.clone(),
                created_at: action.at,
                cancelled_at: None,
            })
        })))
    }

    async fn supersede_cost(
        &self,
        old: CostId,
        new: &CostDraft,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<OperatorCost>, PortError> {
        let mut state = self.open("supersede_cost")?;
        let next = |old: &OperatorCost| {
            Ok(OperatorCost {
                id: new.id,
                key: old.key.clone(),
                cost_per_segment: new.cost_per_segment,
                days: new.days,
                version: old.version + 1,
                created_by: action.actor.clone(),
                created_at: action.at,
                cancelled_at: None,
            })
        };
        Ok(outcome(supersede(&mut state.costs, old.0, new.id.0, new.days, action.at, next)))
    }

    async fn end_cost(
        &self,
        id: CostId,
        today: Day,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<OperatorCost>, PortError> {
        Ok(outcome(end(&mut self.open("end_cost")?.costs, id.0, today, action.at)))
    }
}

type Rows<T> = BTreeMap<Uuid, Stored<T>>;

fn price_of(new: &NewPrice, version: u32, action: &AdminAction) -> Price {
    let (created_by, created_at) = (action.actor.clone(), action.at);
    Price { id: new.id, terms: new.terms.clone(), version, created_by, created_at, cancelled_at: None }
}

fn outcome<T>(result: Result<T, Refusal>) -> ChangeOutcome<T> {
    result.map_or_else(ChangeOutcome::Refused, ChangeOutcome::Done)
}

fn refuse_rated(rated_until: Option<Day>, days: DayRange) -> Result<(), Refusal> {
    if rated_until.is_some_and(|rated| days.from() <= rated) { Err(Refusal::RatedUsage) } else { Ok(()) }
}

fn page<T: Clone + Dated>(
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

fn create<T: Clone + Dated>(
    rows: &mut Rows<T>,
    keys: &mut IdempotencyKeys,
    action: &AdminAction,
    id: Uuid,
    make: impl FnOnce() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    if let Some(made) = earlier(keys, action)? {
        return rows.get(&made).map(|stored| stored.row.clone()).ok_or(Refusal::NotFound);
    }
    let row = insert(rows, id, make()?)?;
    remember(keys, action, id);
    Ok(row)
}

fn insert<T: Clone + Dated>(rows: &mut Rows<T>, id: Uuid, row: T) -> Result<T, Refusal> {
    let clashes = rows.values().any(|stored| {
        !stored.row.is_cancelled() && stored.row.key() == row.key() && stored.row.days().overlaps(row.days())
    });
    if clashes {
        return Err(Refusal::Overlap);
    }
    rows.insert(id, Stored::new(row.clone()));
    Ok(row)
}

fn supersede<T: Clone + Dated>(
    rows: &mut Rows<T>,
    old: Uuid,
    new: Uuid,
    days: DayRange,
    at: Timestamp,
    next: impl FnOnce(&T) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let stored = rows.get(&old).cloned().ok_or(Refusal::NotFound)?;
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
    rows.insert(old, closed);
    insert(rows, new, row).inspect_err(|_| {
        rows.insert(old, stored);
    })
}

fn end<T: Clone + Dated>(rows: &mut Rows<T>, id: Uuid, today: Day, at: Timestamp) -> Result<T, Refusal> {
    let stored = rows.get_mut(&id).ok_or(Refusal::NotFound)?;
    let days = stored.row.days();
    if stored.row.is_cancelled() || days.until().is_some_and(|until| until <= today.next()) {
        return Err(Refusal::Ended);
    }
    match DayRange::inclusive(days.from(), Some(today)) {
        Ok(shortened) => stored.row.set_days(shortened),
        Err(_) => stored.row.cancel(at),
    }
    Ok(stored.row.clone())
}
