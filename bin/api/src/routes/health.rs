//! Whether the process lives and is ready. What readiness depends on is named by the wiring.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use serde::Serialize;
use utoipa::ToSchema;

use super::document::Operation;
use crate::services::{Services, Store};

/// How it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
#[serde(rename_all = "camelCase")]
struct HealthView {
    /// `ok` or `unavailable`.
    #[schema(example = "ok")]
    status: &'static str,
    /// What readiness waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    not_ready: Vec<&'static str>,
}

/// 200: whoever answers lives.
pub(super) fn live() -> HttpResponse {
    answer(&HealthView::new(Vec::new()))
}

/// 200, or 503 with what is missing.
pub(super) fn ready<S: Store>(services: &Services<S>) -> HttpResponse {
    answer(&HealthView::new(services.health.not_ready()))
}

/// `GET /health/live`.
pub(super) fn live_document() -> Operation {
    Operation::new("isLive", "Health", "Whether the process answers").answers(200, "It does.", &HealthView::new(vec![]))
}

/// `GET /health/ready`.
pub(super) fn ready_document() -> Operation {
    Operation::new("isReady", "Health", "Whether requests can be answered")
        .answers(200, "They can.", &HealthView::new(vec![]))
        .answers(503, "They cannot.", &HealthView::new(vec!["database"]))
}

impl HealthView {
    fn new(not_ready: Vec<&'static str>) -> Self {
        Self { status: if not_ready.is_empty() { "ok" } else { "unavailable" }, not_ready }
    }
}

fn answer(view: &HealthView) -> HttpResponse {
    let mut response = if view.not_ready.is_empty() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.insert_header((CACHE_CONTROL, "no-store")).json(view)
}
