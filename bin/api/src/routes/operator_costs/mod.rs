//! `/v1/admin/operator-costs`: what operators charge us, as staff see and change it. A cost is never changed: its next
//! version takes its place.

mod body;
mod document;
mod view;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use billing_domain::ports::CostFilter;
use billing_domain::{CostId, Currency, Day, OperatorCost, OperatorId};
use uuid::Uuid;

use crate::http::answer;
use crate::http::fields::one_of;
use crate::http::problem::{Kind, Problem};
use crate::routes::call::Call;
use crate::routes::list::{Place, flag};
use crate::routes::outcome::{MERGES_MAX, done, is_to_be_merged, never_merged};
use crate::routes::terms::DIRECTIONS;
use crate::services::Store;

pub(crate) use document::{changing, creating, ending, listing, showing};
use view::{CostList, CostView};

/// Where operator costs are.
pub(crate) const PATH: &str = "/v1/admin/operator-costs";

/// A page of operator costs, by id.
pub(crate) async fn list<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let mut query = call.query()?;
    let place = Place::read(PATH, &call, &mut query)?;
    let filter = CostFilter {
        operator: query.optional("operatorId", OperatorId::new),
        direction: query.optional("direction", one_of(&DIRECTIONS)),
        currency: query.optional("currency", Currency::new),
        active_on: query.optional("activeOnly", flag).and_then(|only| only.then(|| Day::of(call.now))),
    };
    query.finish(Some(()))?;
    let (after, limit) = (place.after, place.limit);
    let page = call.services.run(async move |store: S| store.costs(&filter, after, limit).await).await?;
    let next_cursor = place.next(page.next);
    answer::ok(&CostList { data: page.rows.iter().map(CostView::of).collect(), next_cursor })
}

/// One cost, in force or not.
pub(crate) async fn show<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let cost = find(&call).await?;
    call.no_query()?;
    answer::ok(&CostView::of(&cost))
}

/// Makes a cost.
pub(crate) async fn create<S: Store>(mut call: Call<S>) -> Result<HttpResponse, Problem> {
    call.no_query()?;
    let body = call.body().await?;
    let new = body::new_cost(body.fields, CostId(Uuid::now_v7()))?;
    let action = call.action_once(&body.canonical)?;
    let outcome = call.services.run(async move |store: S| store.create_cost(&new, &action).await).await?;
    let cost = done(outcome, Kind::CostOverlap)?;
    answer::written(StatusCode::CREATED, place(&cost), &CostView::of(&cost))
}

/// Makes the next version of a cost.
pub(crate) async fn change<S: Store>(mut call: Call<S>) -> Result<HttpResponse, Problem> {
    let mut old = find(&call).await?;
    call.no_query()?;
    let is_conditional = call.seen(&old, &CostView::of(&old))?.is_some();
    let fields = call.body().await?.fields;
    let id = CostId(Uuid::now_v7());
    for _ in 0..MERGES_MAX {
        let new = body::next_version(fields.clone(), &old, id, Day::of(call.now))?;
        let action = call.action();
        let change = async move |store: S| store.supersede_cost(&old, &new, &action).await;
        let outcome = call.services.run(change).await?;
        if !is_to_be_merged(&outcome, is_conditional) {
            let made = done(outcome, Kind::CostOverlap)?;
            return answer::written(StatusCode::OK, place(&made), &CostView::of(&made));
        }
        old = find(&call).await?;
    }
    Err(never_merged())
}

/// Makes today the last day of a cost.
pub(crate) async fn end<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let cost = find(&call).await?;
    call.no_query()?;
    let (id, seen) = (cost.id, call.seen(&cost, &CostView::of(&cost))?);
    let (today, action) = (Day::of(call.now), call.action());
    let change = async move |store: S| store.end_cost(id, seen.as_ref(), today, &action).await;
    let ended = done(call.services.run(change).await?, Kind::CostOverlap)?;
    answer::written(StatusCode::OK, place(&ended), &CostView::of(&ended))
}

fn place(cost: &OperatorCost) -> String {
    format!("{PATH}/{}", cost.id)
}

async fn find<S: Store>(call: &Call<S>) -> Result<OperatorCost, Problem> {
    let id = CostId(call.id()?);
    let found = call.services.run(async move |store: S| store.cost(id).await).await?;
    found.ok_or_else(|| Kind::NotFound.into())
}
