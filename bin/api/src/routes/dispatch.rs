//! From the table to a server: every request is traced, measured, authenticated and authorised here, and every failure
//! becomes a problem here.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::middleware::Next;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
use futures::FutureExt as _;

use super::access::authorise;
use super::call::Call;
use super::table::{Access, Route, table};
use crate::auth::Denied;
use crate::http::problem::{Kind, Problem};
use crate::http::trace::{REQUEST_ID, Trace};
use crate::services::{Services, Store};

/// How long requests took, by route pattern, method and status. Seconds.
pub(crate) const DURATION: &str = "http_request_duration_seconds";

/// Registers the whole table, with 405 for other methods and 404 for other paths.
pub(crate) fn register<S: Store>(config: &mut ServiceConfig) {
    let mut by_path: BTreeMap<&'static str, Vec<Rc<Route<S>>>> = BTreeMap::new();
    for route in table::<S>() {
        by_path.entry(route.path).or_default().push(Rc::new(route));
    }
    for (path, routes) in by_path {
        let methods: Vec<_> = routes.iter().map(|route| route.method.as_str().to_owned()).collect();
        let allow = methods.join(", ");
        let mut resource = web::resource(path);
        for route in routes {
            let method = route.method.clone();
            let handle = move |request: HttpRequest, payload: Payload, services: Data<Services<S>>| {
                answer(Rc::clone(&route), request, payload, services)
            };
            resource = resource.route(web::method(method).to(handle));
        }
        let refuse = move |request: HttpRequest| {
            let problem = Problem::method_not_allowed(allow.clone());
            async move { problem.into_response(&trace_of(&request)) }
        };
        config.service(resource.default_service(web::to(refuse)));
    }
    let nothing = async |request: HttpRequest| Problem::from(Kind::NotFound).into_response(&trace_of(&request));
    config.default_service(web::to(nothing));
}

/// Gives each request its trace, measures it and logs it.
pub(crate) async fn watch(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let begun = Instant::now();
    let trace = Trace::of(request.headers());
    request.extensions_mut().insert(trace.clone());
    let mut response = next.call(request).await?;
    if let Ok(id) = HeaderValue::from_str(&trace.request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let route = response.request().match_pattern().unwrap_or_else(|| "unknown".into());
    let method = method_label(response.request().method());
    let status = response.status().as_u16();
    if !route.starts_with("/health/") {
        let (trace_id, request_id) = (trace.trace_id, trace.request_id);
        tracing::info!(trace_id, request_id, method, route, status, seconds, "answered");
    }
    metrics::histogram!(DURATION, "route" => route, "method" => method, "status" => status.to_string()).record(seconds);
    Ok(response)
}

/// Answers one request of a route of the table.
async fn answer<S: Store>(
    route: Rc<Route<S>>,
    request: HttpRequest,
    payload: Payload,
    services: Data<Services<S>>,
) -> HttpResponse {
    let trace = trace_of(&request);
    let work = AssertUnwindSafe(pass(&route, request, payload, services, trace.clone()));
    match work.catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => problem.into_response(&trace),
        Err(_) => Problem::caused(Kind::Internal, "a handler panicked").into_response(&trace),
    }
}

/// Authenticates, authorises, and lets the route answer.
async fn pass<S: Store>(
    route: &Route<S>,
    request: HttpRequest,
    payload: Payload,
    services: Data<Services<S>>,
    trace: Trace,
) -> Result<HttpResponse, Problem> {
    let (scope, reach, handle) = match &route.access {
        Access::Open(handle) => return Ok(handle(&services)),
        Access::Guarded(scope, reach, handle) => (*scope, *reach, handle),
    };
    let now = (services.now)();
    let caller = services.verifier.authenticate(request.headers(), now).await.map_err(|denied| match denied {
        Denied::Missing => Problem::from(Kind::Unauthenticated),
        Denied::Failed => Problem::with(Kind::Unauthenticated, "authentication failed"),
        Denied::NoKeys => Problem::caused(Kind::Unavailable, "there are no keys to verify tokens by"),
    })?;
    if !caller.agrees_with(request.headers()) {
        return Err(Kind::Forbidden.into());
    }
    authorise(&caller, scope, reach)?;
    let payload = payload.into_inner();
    handle(Call { services, caller, now, trace, request, payload }).await
}

/// The trace that [`watch`] gave the request.
fn trace_of(request: &HttpRequest) -> Trace {
    let known = request.extensions().get::<Trace>().cloned();
    known.unwrap_or_else(|| Trace::of(request.headers()))
}

/// The method as a metric's label: whoever invents methods invents no series.
fn method_label(method: &Method) -> &'static str {
    [Method::GET, Method::POST, Method::PATCH, Method::DELETE, Method::PUT, Method::HEAD, Method::OPTIONS]
        .iter()
        .position(|known| known == method)
        .map_or("other", |at| ["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"][at])
}
