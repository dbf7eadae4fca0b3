//! `/v1/admin/pricing/quarantine`: messages that cannot be usage, as staff look at them and decide about them. A message's
//! bytes are not to be had here: it is shown without what could be personal, and its replay is carried out by ingest.

mod body;
mod document;
mod question;
mod view;

use actix_web::HttpResponse;
use billing_domain::ports::{ChangeOutcome, HeldDetails, Refusal, ReplayError};
use uuid::Uuid;

use crate::http::answer;
use crate::http::problem::{FieldError, Kind, Place, Problem};
use crate::routes::call::Call;
use crate::services::Store;

pub(crate) use document::{discarding, listing, replaying, showing};
pub(crate) use question::PATH;
use view::{MessageDetailsView, MessageList, MessageView};

/// A page of messages, oldest first.
pub(crate) async fn list<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let (filter, place) = question::read(&call)?;
    let (after, limit, action) = (place.after, place.limit, call.action());
    let page = call.services.run(async move |store: S| store.list_held(&filter, after, limit, &action).await).await?;
    let next_cursor = place.next(page.next);
    answer::ok(&MessageList { data: page.rows.iter().map(MessageView::of).collect(), next_cursor })
}

/// One message, redacted.
pub(crate) async fn show<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let id = find(&call).await?;
    call.no_query()?;
    let action = call.action();
    let found = call.services.run(async move |store: S| store.show_held(id, &action).await).await?;
    answer::secret(&MessageDetailsView::of(&found.ok_or(Kind::NotFound)?))
}

/// Asks for a replay.
pub(crate) async fn replay<S: Store>(mut call: Call<S>) -> Result<HttpResponse, Problem> {
    let id = find(&call).await?;
    call.no_query()?;
    let body = call.body().await?;
    let terms = body::terms(body.fields)?;
    let (request, action) = (Uuid::now_v7(), call.action_once(&body.canonical)?);
    let outcome =
        call.services.run(async move |store: S| store.request_replay(id, terms, request, &action).await).await?;
    answer::accepted(&MessageDetailsView::of(&done(outcome)?))
}

/// Closes a message for good.
pub(crate) async fn discard<S: Store>(mut call: Call<S>) -> Result<HttpResponse, Problem> {
    let id = find(&call).await?;
    call.no_query()?;
    let body = call.body().await?;
    let reason = body::reason(body.fields)?;
    let action = call.action_once(&body.canonical)?;
    let outcome =
        call.services.run(async move |store: S| store.discard_held(id, reason.as_str(), &action).await).await?;
    answer::ok(&MessageDetailsView::of(&done(outcome)?))
}

/// The message that the path names.
async fn find<S: Store>(call: &Call<S>) -> Result<i64, Problem> {
    let id = call.number()?;
    let is_there = call.services.run(async move |store: S| store.knows_held(id).await).await?;
    if is_there { Ok(id) } else { Err(Kind::NotFound.into()) }
}

fn done(outcome: ChangeOutcome<HeldDetails>) -> Result<HeldDetails, Problem> {
    let refusal = match outcome {
        ChangeOutcome::Done(message) => return Ok(message),
        ChangeOutcome::Refused(refusal) => refusal,
    };
    Err(match refusal {
        Refusal::NotFound | Refusal::Replay(ReplayError::NotFound) => Kind::NotFound.into(),
        Refusal::Ended | Refusal::Replay(ReplayError::Resolved) => Kind::Resolved.into(),
        Refusal::KeyReused => Kind::KeyReused.into(),
        Refusal::KeyInUse => Kind::KeyInUse.into(),
        Refusal::Replay(ReplayError::TenantNeeded) => {
            let detail = "is required: the message's header named another tenant than its account's".to_owned();
            let error = FieldError { place: Place::Body, pointer: "/tenantId".into(), detail };
            Problem::refused(Kind::Invalid, vec![error])
        }
        Refusal::Replay(error @ (ReplayError::Cut | ReplayError::Gone | ReplayError::Waiting)) => {
            Problem::with(Kind::NotReplayable, error.to_string())
        }
        Refusal::Overlap | Refusal::RatedUsage | Refusal::Changed | Refusal::Correction(_) => Kind::Internal.into(),
    })
}
