//! One authorised request, as the handlers see it.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::web::Query;
use billing_domain::AccountId;
use billing_domain::ports::AdminAction;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::auth::Caller;
use crate::http::body::{JsonBody, read_csv, read_json};
use crate::http::fields::{Fields, Given, uuid};
use crate::http::idempotency;
use crate::http::problem::{Kind, Place, Problem};
use crate::http::trace::Trace;
use crate::http::{answer, entity_tag};
use crate::services::{Seeing, Store};

/// Who asks what, and with what it is answered.
pub(crate) struct Call<S: Store> {
    pub(crate) services: Seeing<S>,
    pub(crate) caller: Caller,
    /// When the request came; the only "now" of its handling.
    pub(crate) now: Timestamp,
    pub(crate) trace: Trace,
    /// Why the caller looks at what is not theirs, if they say so.
    pub(crate) reason: Option<String>,
    pub(crate) request: HttpRequest,
    pub(crate) payload: Payload,
}

impl<S: Store> Call<S> {
    /// The request's headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// The `{id}` of the path.
    ///
    /// # Errors
    /// 404 for what is no id: there is nothing of that name.
    pub(crate) fn id(&self) -> Result<Uuid, Problem> {
        uuid(self.request.match_info().query("id")).map_err(|_| Kind::NotFound.into())
    }

    /// The `{id}` of the path, where it is a number from 1.
    ///
    /// # Errors
    /// 404 for what is no such number: there is nothing of that name.
    pub(crate) fn number(&self) -> Result<i64, Problem> {
        let text = self.request.match_info().query("id");
        let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        text.parse().ok().filter(|_| is_plain).ok_or_else(|| Kind::NotFound.into())
    }

    /// The query's names and values, decoded.
    ///
    /// # Errors
    /// 400 when it is no query string.
    pub(crate) fn query_pairs(&self) -> Result<Vec<(String, String)>, Problem> {
        query_pairs(&self.request)
    }

    /// The query's parameters, to be read strictly.
    ///
    /// # Errors
    /// 400 when it is no query string.
    pub(crate) fn query(&self) -> Result<Fields, Problem> {
        query_of(&self.request)
    }

    /// Refuses any query parameter, for routes that have none.
    ///
    /// # Errors
    /// 400 or 422.
    pub(crate) fn no_query(&self) -> Result<(), Problem> {
        self.query()?.finish(Some(()))
    }

    /// The JSON body; it can be read once.
    ///
    /// # Errors
    /// 415, 413, 408 and 400.
    pub(crate) async fn body(&mut self) -> Result<JsonBody, Problem> {
        let payload = std::mem::replace(&mut self.payload, Payload::None);
        read_json(self.request.headers(), payload).await
    }

    /// The body as a CSV file, given to `take` as it comes; it can be read once.
    ///
    /// # Errors
    /// 415, 413, 408 and 400, and what `take` says.
    pub(crate) async fn csv_body(&mut self, take: impl FnMut(&[u8]) -> Result<(), Problem>) -> Result<(), Problem> {
        let payload = std::mem::replace(&mut self.payload, Payload::None);
        read_csv(self.request.headers(), payload, take).await
    }

    /// What is to be changed only if it stays as it is now, which is `view` to who reads it: when `If-Match` says so.
    ///
    /// # Errors
    /// 412 when it is not what `If-Match` names.
    pub(crate) fn seen<T: Clone>(&self, stored: &T, view: &impl Serialize) -> Result<Option<T>, Problem> {
        match entity_tag::is_expected(&self.request, &answer::tag_of(view)?) {
            None => Ok(None),
            Some(true) => Ok(Some(stored.clone())),
            Some(false) => Err(Kind::PreconditionFailed.into()),
        }
    }

    /// Who does something now, for the audit log.
    pub(crate) fn action(&self) -> AdminAction {
        AdminAction {
            actor: self.caller.subject.clone(),
            tenant: self.caller.tenant,
            trace_id: self.trace.trace_id.clone(),
            reason: self.reason.clone(),
            at: self.now,
            idempotency: None,
        }
    }

    /// Notes in the audit log that staff read another account's data, or every account's.
    ///
    /// # Errors
    /// When it cannot be noted: then the data are not shown.
    pub(crate) async fn note_read(&self, account: Option<AccountId>, what: &'static str) -> Result<(), Problem> {
        let is_own = account.is_some() && account == self.caller.account;
        if is_own || !self.caller.is_staff() {
            return Ok(());
        }
        let action = self.action();
        self.services.run(async move |store: S| store.note_read(account, what, &action).await).await
    }

    /// [`Self::action`], done at most once for the request's idempotency key, if it has one.
    ///
    /// # Errors
    /// 400 for a key that cannot be one.
    pub(crate) fn action_once(&self, canonical_body: &[u8]) -> Result<AdminAction, Problem> {
        let key = idempotency::key(self.headers())?;
        let (method, path) = (self.request.method().as_str(), self.request.path());
        let idempotency = key.map(|key| (key, idempotency::fingerprint(method, path, canonical_body)));
        Ok(AdminAction { idempotency, ..self.action() })
    }
}

/// A request's parameters, to be read strictly.
///
/// # Errors
/// 400 when it is no query string.
pub(super) fn query_of(request: &HttpRequest) -> Result<Fields, Problem> {
    let pairs = query_pairs(request)?;
    Ok(Fields::new(Place::Query, pairs.into_iter().map(|(name, value)| (name, Given::Text(value))).collect()))
}

fn query_pairs(request: &HttpRequest) -> Result<Vec<(String, String)>, Problem> {
    Query::from_query(request.query_string())
        .map(Query::into_inner)
        .map_err(|_| Problem::with(Kind::Malformed, "the query string cannot be read"))
}
