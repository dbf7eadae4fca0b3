//! `/v1/admin/pricing`: the prices that customers pay, as staff see and change them. A price is never changed: its next
//! version takes its place.

mod body;
mod document;
pub(super) mod monthly;
mod view;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use billing_domain::ports::{NewPrice, PriceFilter};
use billing_domain::{AccountId, Day, Price, PriceId, Tier};
use uuid::Uuid;

use crate::http::answer;
use crate::http::fields::uuid;
use crate::http::problem::{Kind, Problem};
use crate::routes::call::Call;
use crate::routes::list::{Place, flag};
use crate::routes::outcome::{MERGES_MAX, done, is_to_be_merged, never_merged};
use crate::services::Store;

pub(crate) use document::{changing, creating, ending, listing, showing};
use view::{PriceList, PriceView};

/// Where prices are.
pub(crate) const PATH: &str = "/v1/admin/pricing";

/// A page of prices, by id.
pub(crate) async fn list<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let mut query = call.query()?;
    let place = Place::read(PATH, &call, &mut query)?;
    let filter = PriceFilter {
        tier: query.optional("accountTier", Tier::new),
        operator: query.optional("operatorId", body::operator),
        account: query.optional("accountId", uuid).map(AccountId),
        active_on: query.optional("activeOnly", flag).and_then(|only| only.then(|| Day::of(call.now))),
    };
    query.finish(Some(()))?;
    let (after, limit) = (place.after, place.limit);
    let page = call.services.run(async move |store: S| store.prices(&filter, after, limit).await).await?;
    let next_cursor = place.next(page.next);
    answer::ok(&PriceList { data: page.rows.iter().map(PriceView::of).collect(), next_cursor })
}

/// One price, in force or not.
pub(crate) async fn show<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let price = find(&call).await?;
    call.no_query()?;
    answer::ok(&PriceView::of(&price))
}

/// Makes a price.
pub(crate) async fn create<S: Store>(mut call: Call<S>) -> Result<HttpResponse, Problem> {
    call.no_query()?;
    let body = call.body().await?;
    let new = NewPrice { id: PriceId(Uuid::now_v7()), terms: body::terms_of_new(body.fields)? };
    let action = call.action_once(&body.canonical)?;
    let outcome = call.services.run(async move |store: S| store.create_price(&new, &action).await).await?;
    let price = done(outcome, Kind::PriceOverlap)?;
    answer::written(StatusCode::CREATED, place(&price), &PriceView::of(&price))
}

/// Makes the next version of a price.
pub(crate) async fn change<S: Store>(mut call: Call<S>) -> Result<HttpResponse, Problem> {
    let mut old = find(&call).await?;
    call.no_query()?;
    let is_conditional = call.seen(&old, &PriceView::of(&old))?.is_some();
    let fields = call.body().await?.fields;
    let id = PriceId(Uuid::now_v7());
    for _ in 0..MERGES_MAX {
        let terms = body::terms_of_next(fields.clone(), &old.terms, Day::of(call.now))?;
        let (new, action) = (NewPrice { id, terms }, call.action());
        let change = async move |store: S| store.supersede_price(&old, &new, &action).await;
        let outcome = call.services.run(change).await?;
        if !is_to_be_merged(&outcome, is_conditional) {
            let made = done(outcome, Kind::PriceOverlap)?;
            return answer::written(StatusCode::OK, place(&made), &PriceView::of(&made));
        }
        old = find(&call).await?;
    }
    Err(never_merged())
}

/// Makes today the last day of a price.
pub(crate) async fn end<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let price = find(&call).await?;
    call.no_query()?;
    let (id, seen) = (price.id, call.seen(&price, &PriceView::of(&price))?);
    let (today, action) = (Day::of(call.now), call.action());
    let change = async move |store: S| store.end_price(id, seen.as_ref(), today, &action).await;
    let ended = done(call.services.run(change).await?, Kind::PriceOverlap)?;
    answer::written(StatusCode::OK, place(&ended), &PriceView::of(&ended))
}

fn place(price: &Price) -> String {
    format!("{PATH}/{}", price.id)
}

async fn find<S: Store>(call: &Call<S>) -> Result<Price, Problem> {
    let id = PriceId(call.id()?);
    let found = call.services.run(async move |store: S| store.price(id).await).await?;
    found.ok_or_else(|| Kind::NotFound.into())
}
