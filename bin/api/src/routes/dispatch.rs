//! From the table to a server: every request is traced, measured, bounded, authenticated and authorised here, and every
//! failure becomes a problem here.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::guard::{Any, Get, Head};
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use actix_web::middleware::{Condition, from_fn};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{App, Error, HttpRequest, HttpResponse};
use futures::FutureExt as _;

use super::access::authorise;
use super::call::{Call, query_of};
use super::edge::{cors, trace_of, watch};
use super::table::{Access, Route, table};
use crate::auth::Denied;
use crate::http::access_reason;
use crate::http::consistency::{self, CONSISTENCY};
use crate::http::problem::{Kind, Problem};
use crate::http::represent::represent;
use crate::http::trace::Trace;
use crate::services::{Seeing, Services, Store};

/// Everything that is served, to pages of these origins as well.
pub(crate) fn app<S: Store>(
    services: Data<Services<S>>,
    origins: &[String],
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()> + use<S>,
> {
    let methods = table::<S>().into_iter().map(|route| route.method);
    App::new()
        .app_data(services)
        .wrap(Condition::new(!origins.is_empty(), cors(origins, methods)))
        .wrap(from_fn(watch::<S>))
        .configure(register::<S>)
}

/// Registers the whole table: HEAD where there is GET, OPTIONS everywhere, 405 for other methods and 404 for other paths.
fn register<S: Store>(config: &mut ServiceConfig) {
    let mut by_path: BTreeMap<&'static str, Vec<Rc<Route<S>>>> = BTreeMap::new();
    for route in table::<S>() {
        by_path.entry(route.path).or_default().push(Rc::new(route));
    }
    for (path, routes) in by_path {
        let methods =
            routes.iter().map(|route| if route.method == Method::GET { "GET, HEAD" } else { route.method.as_str() });
        let allow: String = methods.chain(["OPTIONS"]).collect::<Vec<_>>().join(", ");
        let mut resource = web::resource(path);
        for route in routes {
            let method = route.method.clone();
            let handle = move |request: HttpRequest, payload: Payload, services: Data<Services<S>>| {
                answer(Rc::clone(&route), request, payload, services)
            };
            let of_method =
                if method == Method::GET { web::route().guard(Any(Get()).or(Head())) } else { web::method(method) };
            resource = resource.route(of_method.to(handle));
        }
        let allowed = allow.clone();
        let tell = move || {
            let answer = HttpResponse::NoContent().insert_header((ALLOW, allowed.as_str())).finish();
            async move { answer }
        };
        let refuse = move |request: HttpRequest| {
            let problem = Problem::method_not_allowed(allow.clone());
            async move { problem.into_response(&trace_of(&request)) }
        };
        config.service(resource.route(web::method(Method::OPTIONS).to(tell)).default_service(web::to(refuse)));
    }
    let nothing = async |request: HttpRequest| Problem::from(Kind::NotFound).into_response(&trace_of(&request));
    config.default_service(web::to(nothing));
}

/// Answers one request of a route of the table.
async fn answer<S: Store>(
    route: Rc<Route<S>>,
    request: HttpRequest,
    payload: Payload,
    services: Data<Services<S>>,
) -> HttpResponse {
    let trace = trace_of(&request);
    let work = AssertUnwindSafe(pass(&route, request.clone(), payload, services, trace.clone()));
    let response = match work.catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => problem.into_response(&trace),
        Err(_) => Problem::caused(Kind::Internal, "a handler panicked").into_response(&trace),
    };
    represent(&request, response)
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
        Access::Open(handle) => {
            let response = handle(&services, &request)?;
            // Who asks whether the process is well is told, however it asks.
            return if route.path.starts_with("/health/") {
                Ok(response)
            } else {
                no_query(&request).map(|()| response)
            };
        }
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
    let seen = consistency::read(request.headers())?;
    let reason = access_reason::read(request.headers())?;
    if !takes_body(&route.method) {
        refuse_body(request.headers())?;
    }
    let (payload, is_write) = (payload.into_inner(), route.method != Method::GET);
    let (all, services) = (services.clone(), Seeing::new(services, seen));
    let trace_id = trace.trace_id.clone();
    let mut response = handle(Call { services, caller, now, trace, reason, request, payload }).await?;
    if is_write && response.status().is_success() {
        tell_position(&all, &mut response, &trace_id).await;
    }
    Ok(response)
}

/// Whether what is sent with it means anything.
fn takes_body(method: &Method) -> bool {
    *method == Method::POST || *method == Method::PATCH
}

/// A body that would not be read is no wish: `DELETE` with `effectiveTo` would end a price today.
fn refuse_body(headers: &HeaderMap) -> Result<(), Problem> {
    let is_empty = headers.get_all(CONTENT_LENGTH).all(|length| length.as_bytes() == b"0");
    if is_empty && !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    Err(Problem::with(Kind::Malformed, "this method takes no body"))
}

/// Pages that are open to everyone take no parameters.
fn no_query(request: &HttpRequest) -> Result<(), Problem> {
    query_of(request)?.finish(Some(()))
}

/// Says how far the log is written now that the write is done. The write stands, whether or not that is known.
async fn tell_position<S: Store>(services: &Services<S>, response: &mut HttpResponse, trace_id: &str) {
    match services.run(async |store: S| store.log_position().await).await {
        Ok(position) => {
            if let Ok(value) = HeaderValue::from_str(&consistency::write(position)) {
                response.headers_mut().insert(CONSISTENCY, value);
            }
        }
        Err(problem) => {
            tracing::warn!(trace_id, problem = problem.kind.name(), "a write is answered without its place in the log");
        }
    }
}
