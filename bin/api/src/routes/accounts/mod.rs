//! `/v1/admin/pricing/accounts`: tier, currency and what invoices say of a customer, as staff see and enter them. A version
//! is never changed: the next takes its place from a day on.

mod body;
mod document;
mod view;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::IF_MATCH;
use billing_domain::ports::{AccountField, AccountHistory, AccountOutcome, AccountRefusal};
use billing_domain::{AccountId, Day, Tier};
use uuid::Uuid;

use crate::http::answer;
use crate::http::problem::{FieldError, Kind, Place as FieldPlace, Problem};
use crate::routes::call::Call;
use crate::routes::list::Place;
use crate::services::Store;

pub(crate) use document::{changing, listing, showing};
use view::{AccountList, AccountView, SummaryView};

/// Where accounts are.
pub(crate) const PATH: &str = "/v1/admin/pricing/accounts";

/// A page of accounts, by id.
pub(crate) async fn list<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let mut query = call.query()?;
    let place = Place::<Uuid>::read(PATH, &call, &mut query)?;
    let tier = query.optional("accountTier", Tier::new);
    query.finish(Some(()))?;
    let (on, after, limit) = (Day::of(call.now), place.after, place.limit);
    let accounts = async move |store: S| store.accounts(tier.as_ref(), on, after, limit).await;
    let page = call.services.run(accounts).await?;
    call.note_read(None, "accounts").await?;
    let next_cursor = place.next(page.next);
    answer::ok(&AccountList { data: page.rows.iter().map(SummaryView::of).collect(), next_cursor })
}

/// One account with its history.
pub(crate) async fn show<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let account = AccountId(call.id()?);
    let history = call.services.run(async move |store: S| store.account(account).await).await?.ok_or(Kind::NotFound)?;
    call.no_query()?;
    call.note_read(Some(account), "account").await?;
    answer::ok(&view(&history, &call)?)
}

/// Enters what holds of an account from a day on; the account itself if it is not known.
pub(crate) async fn change<S: Store>(mut call: Call<S>) -> Result<HttpResponse, Problem> {
    let account = AccountId(call.id()?);
    call.no_query()?;
    let seen = seen(&call, account).await?;
    let body = call.body().await?;
    let change = body::change(body.fields, account, Day::of(call.now))?;
    let action = call.action();
    let work = async move |store: S| store.change_account(&change, seen.as_ref(), &action).await;
    match call.services.run(work).await? {
        AccountOutcome::Done { history, is_new } => {
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            answer::written(status, format!("{PATH}/{account}"), &view(&history, &call)?)
        }
        AccountOutcome::Refused(AccountRefusal::Changed) => Err(Kind::PreconditionFailed.into()),
        AccountOutcome::Refused(AccountRefusal::OtherTenant) => Err(Kind::OtherTenant.into()),
        AccountOutcome::Refused(AccountRefusal::Incomplete(missing)) => {
            Err(Problem::refused(Kind::Invalid, missing.into_iter().map(is_required).collect()))
        }
    }
}

/// The account as it must still be when it is changed: when `If-Match` says so, which no account that is not there fits.
async fn seen<S: Store>(call: &Call<S>, account: AccountId) -> Result<Option<AccountHistory>, Problem> {
    if !call.headers().contains_key(IF_MATCH) {
        return Ok(None);
    }
    let found = call.services.run(async move |store: S| store.account(account).await).await?;
    let history = found.ok_or(Kind::PreconditionFailed)?;
    call.seen(&history, &view(&history, call)?)
}

fn view<S: Store>(history: &AccountHistory, call: &Call<S>) -> Result<AccountView, Problem> {
    AccountView::of(history, Day::of(call.now)).ok_or_else(|| Kind::NotFound.into())
}

fn is_required(field: AccountField) -> FieldError {
    let (pointer, detail) = match field {
        AccountField::Tenant => ("/tenantId", "is required: the account is not known yet"),
        AccountField::Tier => ("/accountTier", "is required: the account is not known yet"),
        AccountField::Currency => ("/currency", "is required: the account is not known yet"),
        AccountField::LegalName => ("/legalName", "is required: the account has no name on that day"),
    };
    FieldError { place: FieldPlace::Body, pointer: pointer.into(), detail: detail.into() }
}
