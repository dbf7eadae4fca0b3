//! What every request passes on its way in and out, whatever it asks for: it gets its trace and its turn, and it is measured.
//! Who asks too long a question, or asks when too much is going on, is told so before anything else is done.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_cors::Cors;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, LOCATION,
    RETRY_AFTER,
};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpMessage as _, HttpRequest};
use tokio::sync::OwnedSemaphorePermit;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::http::access_reason::ACCESS_REASON;
use crate::http::answer::LEFT_OUT_NAME;
use crate::http::consistency::CONSISTENCY_NAME;
use crate::http::idempotency::IDEMPOTENCY_KEY;
use crate::http::problem::{Kind, PROBLEM_JSON, Problem};
use crate::http::trace::{REQUEST_ID, TRACEPARENT, Trace};
use crate::services::{Services, Store};

/// How long requests took, by route pattern, method and status. Seconds.
pub(crate) const DURATION: &str = "http_request_duration_seconds";

/// Path and query. Bytes.
const TARGET_MAX: usize = 8 * 1024;
/// Names and values of all headers but the token's, which is measured by who reads it. Bytes.
const HEAD_MAX: usize = 16 * 1024;
/// How long a browser may remember what pages of other origins may do. Seconds.
const PREFLIGHT_AGE: usize = 600;

/// Gives each request its trace and its turn, measures it and logs it.
pub(super) async fn watch<S: Store>(
    services: Data<Services<S>>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let begun = Instant::now();
    let span = span_of(&request);
    let trace = Trace::of(request.headers(), &span);
    request.extensions_mut().insert(trace.clone());
    let mut response = match admit(&services, &request) {
        Ok(turn) => held(next.call(request).instrument(span.clone()).await?.map_into_boxed_body(), turn),
        Err(kind) => request.into_response(Problem::from(kind).into_response(&trace)),
    };
    if response.status().is_client_error() && !is_problem(&response) {
        // The server's own parts say it in plain text.
        const SAID: &str =
            "the request was refused before it came to a route: its origin, method or headers are not allowed";
        response = response.into_response(Problem::with(Kind::Malformed, SAID).into_response(&trace));
    }
    if let Ok(id) = HeaderValue::from_str(&trace.request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let route = response.request().match_pattern().unwrap_or_else(|| "unknown".into());
    let method = method_label(response.request().method());
    let status = response.status().as_u16();
    span.record("http.response.status_code", status);
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    if !route.starts_with("/health/") {
        let (trace_id, request_id) = (trace.trace_id, trace.request_id);
        tracing::info!(trace_id, request_id, method, route, status, seconds, "answered");
    }
    metrics::histogram!(DURATION, "route" => route, "method" => method, "status" => status.to_string()).record(seconds);
    Ok(response)
}

/// The request's part of a trace, if there are traces. Who asks whether the process is well leaves none.
fn span_of(request: &ServiceRequest) -> Span {
    if request.path().starts_with("/health/") {
        return Span::none();
    }
    let method = method_label(request.method());
    tracing::info_span!(
        "request",
        otel.name = request.match_pattern().map_or_else(|| method.to_owned(), |route| format!("{method} {route}")),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = request.match_pattern(),
        http.response.status_code = Empty,
    )
}

/// The trace that [`watch`] gave the request.
pub(super) fn trace_of(request: &HttpRequest) -> Trace {
    let known = request.extensions().get::<Trace>().cloned();
    known.unwrap_or_else(|| Trace::of(request.headers(), &Span::none()))
}

/// What pages of other origins may do: whatever the token that they have lets them. They need no cookies, so none are taken.
pub(super) fn cors(origins: &[String], methods: impl Iterator<Item = Method>) -> Cors {
    let asked = [AUTHORIZATION, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, REQUEST_ID];
    let asked_here = [IDEMPOTENCY_KEY, CONSISTENCY_NAME, ACCESS_REASON, TRACEPARENT, "X-Tenant-Id", "X-Account-Id"];
    let shown: [HeaderName; 4] = [ETAG, LOCATION, RETRY_AFTER, CONTENT_DISPOSITION];
    let shown_here = [CONSISTENCY_NAME, REQUEST_ID.as_str(), LEFT_OUT_NAME].map(str::to_owned);
    let cors = Cors::default()
        .allowed_methods(methods.chain([Method::HEAD]))
        .allowed_headers(asked)
        .allowed_headers(asked_here)
        .expose_headers(shown.iter().map(HeaderName::as_str).chain(shown_here.iter().map(String::as_str)))
        .max_age(PREFLIGHT_AGE);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

/// A turn, or why there is none. Who asks whether the process is well needs none, and is always told.
fn admit<S: Store>(services: &Services<S>, request: &ServiceRequest) -> Result<Option<OwnedSemaphorePermit>, Kind> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > TARGET_MAX {
        return Err(Kind::TargetTooLong);
    }
    let headers = request.headers().iter().filter(|(name, _)| *name != AUTHORIZATION);
    if headers.map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() > HEAD_MAX {
        return Err(Kind::HeadTooLarge);
    }
    if request.path().starts_with("/health/") {
        return Ok(None);
    }
    services.requests.clone().try_acquire_owned().map(Some).map_err(|_| Kind::Overloaded)
}

fn is_problem(response: &ServiceResponse) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|media| media.as_bytes() == PROBLEM_JSON.as_bytes())
}

/// The turn ends when the client has taken the answer, or has left.
fn held(response: ServiceResponse, turn: Option<OwnedSemaphorePermit>) -> ServiceResponse {
    match turn {
        Some(turn) => response.map_body(|_, body| BoxBody::new(Held { body, _turn: turn })),
        None => response,
    }
}

struct Held {
    body: BoxBody,
    _turn: OwnedSemaphorePermit,
}

impl MessageBody for Held {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

/// The method as a metric's label: whoever invents methods invents no series.
fn method_label(method: &Method) -> &'static str {
    [Method::GET, Method::POST, Method::PATCH, Method::DELETE, Method::PUT, Method::HEAD, Method::OPTIONS]
        .iter()
        .position(|known| known == method)
        .map_or("other", |at| ["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"][at])
}
