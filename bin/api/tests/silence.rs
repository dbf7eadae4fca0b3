//! What the API depends on falls silent: it takes connections and says nothing. Whoever asks gets an answer all the same, by
//! every route and in bounded time, and a client that takes nothing is not waited for either.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]
mod service;
#[path = "../../../crates/billing-postgres/tests/support/mod.rs"]
mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use service::issued::{EXPORTING, invoices, multiply_usage};
use service::proxy::Proxy;
use service::samples::Ids;
use service::{Service, routes, s3_variable};
use support::{TestDatabase, account, tenant};
use tokio_postgres::NoTls;
use uuid::Uuid;

/// Nobody waits longer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a client that takes nothing may be waited for.
const STALL_TIME_MAX: Duration = Duration::from_secs(100);

/// Takes connections and never says a word.
fn black_hole() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// What every route answers to its sample, each within the limit. A POST is done once, however often it is asked for.
async fn answers(service: &Arc<Service>) -> Vec<(String, u16)> {
    let asks: Vec<_> = routes()
        .into_iter()
        .map(|(method, path)| {
            let service = Arc::clone(service);
            tokio::spawn(async move {
                let name = format!("{method} {path}");
                // What a PATCH makes is not what others ask for: a replica learns of it later.
                let account = Uuid::from_u128(if method == "PATCH" { 8 } else { 9 });
                let ids = Ids { account, ..Ids::of_nothing() };
                let ask = service.sample(&service.staff(), &method, &path, &ids);
                let ask = if method == "POST" { ask.header("Idempotency-Key", name.replace(' ', "")) } else { ask };
                let answer = tokio::time::timeout(ANSWER_TIME_MAX, ask.send()).await;
                let answer = answer.unwrap_or_else(|_| panic!("{name} is not answered")).unwrap();
                let status = answer.status().as_u16();
                let text = answer.text().await.unwrap();
                assert!(!text.contains("canary") && !text.contains("127.0.0.1"), "{name}: {text}");
                (name, status)
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for ask in asks {
        statuses.push(ask.await.unwrap());
    }
    statuses
}

/// The same from the second time on: the first makes the account.
async fn settled_answers(service: &Arc<Service>) -> Vec<(String, u16)> {
    answers(service).await;
    answers(service).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_or_issuer_that_is_silent_from_the_start_keeps_nobody_waiting() {
    let db = TestDatabase::create().await;
    let (_database, silent) = black_hole();
    let database = format!("postgres://{silent}/billing");
    let (_issuer, silent) = black_hole();
    let keys = format!("http://{silent}/jwks");
    let secrets = [("BILLING_LOG", "debug"), ("BILLING_SECRET_S3_SECRET_KEY", "canary-of-the-store")];
    let password = ("BILLING_SECRET_DATABASE_API_PASSWORD", "canary-of-the-database");
    for variables in
        [vec![("BILLING_DATABASE_URL", database.as_str()), password], vec![("BILLING_JWT_JWKS", keys.as_str())]]
    {
        let service = Arc::new(Service::begin(&db, &[secrets.as_slice(), &variables].concat()));
        service.until("/health/live").await;
        for (name, status) in answers(&service).await {
            let is_open = !name.contains("/v1/");
            let expected: &[u16] = if is_open { &[200, 503] } else { &[503] };
            assert!(expected.contains(&status), "{variables:?} {name}: {status}");
        }
        let (log, token) = (service.log(), service.staff());
        let header = token.split('.').next().unwrap();
        assert!(!log.contains("canary") && !log.contains(header), "{variables:?}: a secret is in the log");
    }
}

/// `host:port` of a server of these tests.
fn place_of(variable: &str) -> String {
    let url = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is set by `cargo xtask test`"));
    let config: tokio_postgres::Config = url.parse().unwrap();
    let tokio_postgres::config::Host::Tcp(host) = &config.get_hosts()[0] else { panic!("a TCP host") };
    format!("{host}:{}", config.get_ports()[0])
}

fn database_of(db: &TestDatabase) -> &str {
    db.url.rsplit('/').next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_falls_silent_keeps_nobody_waiting() {
    let db = TestDatabase::create().await;
    let primary = Proxy::to(&place_of("BILLING_TEST_DATABASE_URL"));
    let url = format!("postgres://{}/{}", primary.address(), database_of(&db));
    let service = Arc::new(Service::start_with(&db, &[("BILLING_DATABASE_URL", &url)]).await);
    let before = settled_answers(&service).await;
    primary.fall_silent();
    for ((name, status), (_, before)) in answers(&service).await.into_iter().zip(before) {
        let needs_nobody = !name.contains("/v1/");
        let expected: &[u16] = match needs_nobody {
            // It was looked at a moment ago.
            _ if name.contains("/ready") => &[200, 503],
            true => &[before],
            false => &[503],
        };
        assert!(expected.contains(&status), "{name}: {status}, before {before}");
    }
    let began = Instant::now();
    while service.get(&service.staff(), "/health/ready").await.0 != 503 {
        assert!(began.elapsed() < ANSWER_TIME_MAX, "it says that it is ready");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_replica_is_silent_the_primary_answers() {
    let db = TestDatabase::create().await;
    let replica = Proxy::to(&place_of("BILLING_TEST_REPLICA_URL"));
    let url = format!("postgres://{}/{}", replica.address(), database_of(&db));
    let service = Arc::new(Service::start_with(&db, &[("BILLING_DATABASE_REPLICA_URL", &url)]).await);
    until_the_replica_answers(&db, &service).await;
    let before = settled_answers(&service).await;
    replica.fall_silent();
    assert_eq!(answers(&service).await, before);
}

/// Until a read has been answered by the replica.
async fn until_the_replica_answers(db: &TestDatabase, service: &Service) {
    let url = std::env::var("BILLING_TEST_REPLICA_URL").unwrap();
    let (replica, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    // The last that a session said after a read is the end of its transaction; who only compares positions has none.
    let asked = format!(
        "SELECT count(*) FROM pg_stat_activity
        WHERE datname = '{}' AND application_name = 'billing-api' AND query LIKE 'COMMIT%'",
        database_of(db)
    );
    let (customer, deadline) = (service.customer(account(9), tenant(1)), Instant::now() + ANSWER_TIME_MAX);
    loop {
        assert_eq!(service.get(&customer, "/v1/billing/usage?from=2026-10-01&to=2026-10-31").await.0, 200);
        if replica.query_one(&asked, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            return;
        }
        assert!(Instant::now() < deadline, "the replica is never asked: {}", service.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_that_falls_silent_keeps_only_documents_back() {
    let (db, [august, september, ..]) = invoices().await;
    let place = s3_variable("ENDPOINT");
    let store = Proxy::to(place.trim_start_matches("http://"));
    let endpoint = format!("http://{}", store.address());
    let service = Arc::new(Service::start_with(&db, &[("BILLING_S3_ENDPOINT", &endpoint)]).await);
    let (staff, download) = (service.staff(), format!("/v1/billing/invoices/{august}/download"));
    let void = format!("/v1/admin/invoices/{september}/void");
    assert_eq!(service.post(&staff, &void, None, &json!({"reason": "a test"})).await.0, 200);
    let note = format!("/v1/billing/invoices/{september}/download?document=credit-note");
    let document = async |path: &str| {
        let ask = service.request(Method::GET, &staff, path).header("Accept", "application/pdf");
        let answer = tokio::time::timeout(ANSWER_TIME_MAX, ask.send()).await.expect("an answer in time").unwrap();
        (answer.status().as_u16(), answer.headers().contains_key("Retry-After"))
    };
    assert_eq!(document(&download).await, (200, false));
    let before = settled_answers(&service).await;
    store.fall_silent();
    let (all, first, second) = tokio::join!(answers(&service), document(&download), document(&note));
    assert_eq!((first, second), ((503, true), (503, true)));
    assert_eq!(all, before);
    // An address is signed here and asks nobody.
    assert_eq!(service.get(&staff, &download).await.0, 200);
}

/// An issuer's keys over HTTP; 503 as long as there are none.
fn issuer() -> (String, Arc<Mutex<Option<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let keys: Arc<Mutex<Option<String>>> = Arc::default();
    let published = Arc::clone(&keys);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _head = client.read(&mut [0; 2_048]);
            let (status, body) = match &*published.lock().unwrap() {
                Some(keys) => ("200 OK", keys.clone()),
                None => ("503 Not Yet", String::new()),
            };
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            let _left = client.write_all(answer.as_bytes());
        }
    });
    (address, keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_falls_silent_keeps_only_its_new_keys_back() {
    let db = TestDatabase::create().await;
    let (address, keys) = issuer();
    let issuer = Proxy::to(&address);
    let url = format!("http://{}/jwks", issuer.address());
    let service = Arc::new(Service::begin(&db, &[("BILLING_JWT_JWKS", &url)]));
    *keys.lock().unwrap() = Some(service.jwks().to_string());
    service.until("/health/ready").await;
    let before = settled_answers(&service).await;
    issuer.fall_silent();
    let began = Instant::now();
    let (status, _) = service.get(&service.signed_by_a_new_key(), "/v1/billing/usage").await;
    assert_eq!(status, 401);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(answers(&service).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_of_a_long_answer_is_cut() {
    let (db, [august, ..]) = invoices().await;
    multiply_usage(&db).await;
    let service = Service::start(&db).await;
    let token = service.customer(account(1), tenant(1));
    let mut client = service.connect();
    let ask = format!(
        "GET /v1/billing/invoices/{august}/usage.csv HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    client.write_all(ask.as_bytes()).unwrap();
    // It begins to come, and nobody takes it.
    client.read_exact(&mut [0; 15]).unwrap();
    assert_eq!(db.number(EXPORTING).await, 1);
    let began = Instant::now();
    while db.number(EXPORTING).await > 0 {
        assert!(began.elapsed() < STALL_TIME_MAX, "the server still waits: {}", service.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(began.elapsed() > Duration::from_secs(10), "who is only slow is waited for");
    // What the kernels held is there; the end is not.
    let mut taken = Vec::new();
    let ended = client.read_to_end(&mut taken);
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    assert!(!taken.ends_with(b"0\r\n\r\n"), "the answer looks complete");
    let (status, _) = service.get(&token, &format!("/v1/billing/invoices/{august}")).await;
    assert_eq!(status, 200, "others are answered");
}
