//! What does not depend on a route: unknown paths and methods, traces, failures of the store, clients that leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::rt::task::yield_now;
use billing_domain::ports::PortError;
use futures::FutureExt as _;
use serde_json::json;
use tokio::sync::Notify;

use super::furnished::guarded;
use super::samples::{Ids, sample};
use super::world::{ACCOUNT, Ask, World};
use crate::http::problem::Problem;
use billing_testing::Memory;

#[actix_web::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let world = World::new().await;
    for (method, path, expected, allow) in [
        ("GET", "/", 404, None),
        ("GET", "/v1/billing/usage/", 404, None),
        ("GET", "/v1/billing", 404, None),
        ("GET", "/v1/admin/pricing/1/2", 404, None),
        ("GET", "/%2e%2e/etc/passwd", 404, None),
        ("DELETE", "/v1/billing/usage", 405, Some("GET, HEAD, OPTIONS")),
        ("PUT", "/v1/admin/pricing", 405, Some("GET, HEAD, POST, OPTIONS")),
        ("POST", "/v1/admin/pricing/1", 405, Some("GET, HEAD, PATCH, DELETE, OPTIONS")),
        ("POST", "/v1/admin/pricing/explain", 405, Some("GET, HEAD, OPTIONS")),
        ("DELETE", "/v1/admin/pricing/resolve", 405, Some("GET, HEAD, OPTIONS")),
        ("BREW", "/docs", 405, Some("GET, HEAD, OPTIONS")),
    ] {
        let reply = world.send(&Ask::new(method, path)).await;
        assert_eq!((reply.status, reply.header("Allow")), (expected, allow), "{method} {path}");
        assert_eq!(reply.header("Content-Type"), Some("application/problem+json"));
        assert!(reply.header("Server").is_none() && reply.header("X-Request-Id").is_some());
        assert!(!reply.text.contains("usage") && !reply.text.contains("passwd"));
    }
}

#[actix_web::test]
async fn the_callers_ids_are_continued() {
    let world = World::new().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let reply = world.send(&Ask::get("/nowhere").header("traceparent", trace).header("X-Request-Id", "r-1")).await;
    assert_eq!(reply.header("X-Request-Id"), Some("r-1"));
    assert_eq!(reply.body["instance"], "urn:trace:4bf92f3577b34da6a3ce929d0e0e4736");
    let reply = world.send(&Ask::get("/nowhere").header("traceparent", "x").header("X-Request-Id", "<b>")).await;
    assert_eq!(reply.header("X-Request-Id").map(str::len), Some(32));
    assert_eq!(reply.body["instance"].as_str().map(str::len), Some("urn:trace:".len() + 32));
}

#[actix_web::test]
async fn a_store_that_fails_is_told_without_its_words() {
    let world = World::new().await;
    for (retryable, expected, problem, retry_after) in
        [(true, 503, "unavailable", Some("5")), (false, 500, "internal", None)]
    {
        world.memory.fail(Some(retryable));
        for route in guarded() {
            let method = route.method.as_str();
            let sample = sample(method, route.path, &Ids::of_nothing());
            let ask = Ask::sample(&sample, method).staff();
            let reply = world.send(&ask).await;
            assert_eq!((reply.status, reply.problem()), (expected, problem), "{}: {}", route.path, reply.text);
            assert_eq!(reply.header("Retry-After"), retry_after);
            for secret in ["SELECT", "10.0.0.1", "prices at", "failed"] {
                assert!(!reply.text.contains(secret), "{}", reply.text);
            }
        }
    }
    world.memory.fail(None);
    assert_eq!(world.send(&Ask::get("/v1/billing/usage").customer(ACCOUNT)).await.status, 200);
}

#[actix_web::test]
async fn a_client_that_leaves_breaks_nothing_off() {
    let world = World::new().await;
    let (gate, done) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (opened, noted) = (Arc::clone(&gate), Arc::clone(&done));
    let services = world.services.clone();
    {
        let work = services.run(async move |_store: Memory| {
            opened.notified().await;
            noted.store(true, Ordering::SeqCst);
            Ok::<_, PortError>(())
        });
        futures::pin_mut!(work);
        assert!(work.as_mut().now_or_never().is_none());
    }
    yield_now().await;
    gate.notify_one();
    services.idle().await;
    assert!(done.load(Ordering::SeqCst));
}

#[actix_web::test]
async fn a_panic_is_a_problem() {
    let world = World::new().await;
    let work = world.services.run(async move |_store: Memory| -> Result<(), Problem> { panic!("secret") });
    let trace = crate::http::trace::Trace::of(&actix_web::http::header::HeaderMap::new(), &tracing::Span::none());
    let response = work.await.unwrap_err().into_response(&trace);
    assert_eq!(response.status().as_u16(), 500);
    // The place that it held is free again.
    world.services.idle().await;
}

#[actix_web::test]
async fn too_much_at_once_is_told_to_come_back() {
    let world = World::new().await;
    let gate = Arc::new(Notify::new());
    let mut waiting = Vec::new();
    for _ in 0..256 {
        let gate = Arc::clone(&gate);
        let mut work = Box::pin(world.services.run(async move |_store: Memory| {
            gate.notified().await;
            Ok::<_, PortError>(())
        }));
        assert!(work.as_mut().now_or_never().is_none());
        waiting.push(work);
    }
    let reply = world.send(&Ask::get("/v1/billing/usage").customer(ACCOUNT)).await;
    assert_eq!((reply.status, reply.problem(), reply.header("Retry-After")), (503, "overloaded", Some("1")));
    for work in waiting {
        gate.notify_one();
        assert!(work.await.is_ok());
    }
    let claims = json!({"scope": "billing:read", "roles": ["account.viewer"]});
    assert_eq!(world.send(&Ask::get("/v1/billing/usage").claims(&claims)).await.status, 200);
}
