//! Traces of the API: a caller's trace goes on to the SQL, and where there is no collector nothing is sent.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]
#[path = "../../../crates/billing-runtime/tests/collector/mod.rs"]
mod collector;
mod service;
#[path = "../../../crates/billing-postgres/tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use collector::Collector;
use reqwest::Method;
use service::Service;
use support::{TestDatabase, account, tenant, usage};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const USAGE: &str = "/v1/billing/usage?from=2026-10-01&to=2026-10-31";
/// The API waits for who routes requests to it, then sends what is left.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);

async fn with_usage() -> TestDatabase {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.0125").await;
    db.record(&[usage(account(1), "2026-10-05T08:00:00Z")]).await;
    db
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_trace_goes_on_to_the_database() {
    let (db, collector) = (with_usage().await, Collector::start().await);
    let service = Service::start_with(&db, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)]).await;
    let token = service.customer(account(1), tenant(1));
    let ask = service.request(Method::GET, &token, USAGE);
    let answer = ask.header("traceparent", format!("00-{TRACE}-{CALLER}-01")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);

    let request = collector.span(TRACE, "GET /v1/billing/usage").await;
    assert_eq!((request.service.as_str(), request.parent.as_str()), ("billing-api", CALLER));
    assert_eq!(request.attribute("http.route"), "/v1/billing/usage");
    assert_eq!(request.attribute("http.response.status_code"), "200");
    let work = collector.span(TRACE, "query_usage").await;
    let transaction = collector.span(TRACE, "read_usage").await;
    assert_eq!((&work.parent, &transaction.parent), (&request.id, &work.id));
    assert_eq!(transaction.attribute("db.system.name"), "postgresql");
    assert!(transaction.is_within(&request), "{transaction:?} {request:?}");

    // Without a caller, the trace that the log and the problem name is the one that is recorded.
    let (status, problem) = service.get(&token, "/v1/billing/invoices/00000000-0000-4000-8000-000000000000").await;
    assert_eq!(status, 404);
    let trace =
        problem["instance"].as_str().expect("an instance").strip_prefix("urn:trace:").expect("a trace").to_owned();
    let missed = collector.span(&trace, "GET /v1/billing/invoices/{id}").await;
    assert_eq!((missed.parent.as_str(), missed.attribute("http.response.status_code")), ("", "404"));
    assert!(service.log().contains(&format!("\"trace_id\":\"{trace}\"")), "{}", service.log());

    // What its caller does not record is not recorded here either.
    let unsampled = "7".repeat(32);
    let ask = service.request(Method::GET, &token, USAGE);
    ask.header("traceparent", format!("00-{unsampled}-{CALLER}-00")).send().await.expect("an answer");
    service.stop();
    let spans = collector.spans();
    assert!(spans.iter().all(|span| span.trace != unsampled && !span.name.contains("health")), "{spans:#?}");
    let told = format!("{spans:?}");
    for secret in [account(1).to_string(), tenant(1).to_string(), token, "2026-10-01".to_owned()] {
        assert!(!told.contains(&secret), "{secret} is in {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_collector_delays_neither_answers_nor_the_end() {
    let (db, collector) = (with_usage().await, Collector::dead().await);
    let off = Service::start(&db).await;
    let token = off.customer(account(1), tenant(1));
    assert_eq!(off.get(&token, USAGE).await.0, 200);
    off.stop();
    assert_eq!(collector.connections(), 0);

    let service = Service::start_with(&db, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)]).await;
    let token = service.customer(account(1), tenant(1));
    for _ in 0..50 {
        assert_eq!(service.get(&token, USAGE).await.0, 200);
    }
    let asked = Instant::now();
    service.stop();
    assert!(asked.elapsed() < STOP_TIME_MAX, "{:?}", asked.elapsed());
    assert!(collector.connections() > 0);
}
