//! The API and clients as they come: those that leave, those that are slow, those that meet each other, and those that ask
//! when nobody answers behind it.
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
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use service::{Service, read, until_none};
use support::TestDatabase;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

const COSTS: &str = "/v1/admin/operator-costs";
const ACCOUNTS: &str = "/v1/admin/pricing/accounts";
/// As the API limits them; it has a worker for each processor.
const CONNECTIONS_OF_A_WORKER: usize = 1_024;
/// As often as the faults to survive say.
const CLIENTS_THAT_LEAVE: usize = 1_000;

fn cost(number: usize) -> Value {
    json!({
        "operatorId": format!("op-{number}"), "direction": "MT", "costPerSegment": "0.0085", "currency": "USD",
        "effectiveFrom": "2026-11-01",
    })
}

fn request(token: &str, number: usize) -> Vec<u8> {
    let body = cost(number).to_string();
    format!(
        "POST {COSTS} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Idempotency-Key: {number}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends as much of a request as this one has patience for.
fn leave(service: &Service, token: &str, number: usize) {
    let (mut stream, request) = (service.connect(), request(token, number));
    let sent = match number % 4 {
        0 => request.len() - 20,
        _ => request.len(),
    };
    let _broken = stream.write_all(&request[..sent]);
    if number % 4 == 2 {
        // Long enough to be in the middle of it.
        stream.set_read_timeout(Some(Duration::from_millis(1 + number as u64 % 7))).unwrap();
        let _nothing = stream.read(&mut [0; 64]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_clients_that_leave_each_write_is_whole_or_absent() {
    let db = TestDatabase::create().await;
    let service = Arc::new(Service::start(&db).await);
    let token = service.staff();
    let threads: Vec<_> = (0..8)
        .map(|first| {
            let (service, token) = (Arc::clone(&service), token.clone());
            std::thread::spawn(move || {
                (first..CLIENTS_THAT_LEAVE).step_by(8).for_each(|at| leave(&service, &token, at));
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    Arc::into_inner(service).expect("nobody else has it").stop();
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND application_name = 'billing-api'";
    until_none(&db, sessions).await;
    let whole = db.number("SELECT count(*) FROM billing.operator_costs").await;
    for of_each in [
        "SELECT count(*) FROM billing.audit_log WHERE action = 'operator_cost.create'",
        "SELECT count(*) FROM billing.idempotency_keys",
        "SELECT count(*) FROM billing.operator_costs c JOIN billing.audit_log a ON a.subject = 'operator cost ' || c.id
            JOIN billing.idempotency_keys k ON k.result_id = c.id",
    ] {
        assert_eq!(db.number(of_each).await, whole, "{of_each}");
    }
    assert!(whole >= 100, "only {whole} were under way when their client left");
    assert!(whole <= 750, "{whole}: half a body was taken for a whole one");

    // Who comes back with the same key finds what was done, or has it done: once.
    let service = Arc::new(Service::start(&db).await);
    let tasks: Vec<_> = (0..8)
        .map(|first| {
            let service = Arc::clone(&service);
            tokio::spawn(async move {
                let token = service.staff();
                for at in (first..CLIENTS_THAT_LEAVE).step_by(8) {
                    let (status, made) = service.post(&token, COSTS, Some(&at.to_string()), &cost(at)).await;
                    assert_eq!(status, 201, "{made}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let made = "SELECT count(*) FROM billing.operator_costs";
    assert_eq!(db.number(made).await, i64::try_from(CLIENTS_THAT_LEAVE).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_changes_of_what_was_seen_one_is_made() {
    let db = TestDatabase::create().await;
    let service = Arc::new(Service::start(&db).await);
    let staff = service.staff();
    let account = format!("{ACCOUNTS}/{}", Uuid::new_v4());
    let new = json!({"tenantId": Uuid::new_v4(), "accountTier": "A", "currency": "USD"});
    assert_eq!(read(service.request(Method::PATCH, &staff, &account).json(&new).send().await.unwrap()).await.0, 201);
    let (_, made) = service.post(&staff, COSTS, None, &cost(1)).await;
    let cost = format!("{COSTS}/{}", made["operatorCostId"].as_str().unwrap());
    for (path, change) in [
        (&account, (|number| json!({"accountTier": format!("T{number}")})) as fn(usize) -> Value),
        (&cost, |number| json!({"costPerSegment": format!("0.{number:03}")})),
    ] {
        let seen = service.request(Method::GET, &staff, path).send().await.unwrap();
        let tag = seen.headers()["ETag"].to_str().unwrap().to_owned();
        let asks: Vec<_> = (1..=50)
            .map(|number| {
                let (service, staff, path, tag) = (Arc::clone(&service), staff.clone(), path.clone(), tag.clone());
                tokio::spawn(async move {
                    let ask =
                        service.request(Method::PATCH, &staff, &path).header("If-Match", tag).json(&change(number));
                    read(ask.send().await.unwrap()).await
                })
            })
            .collect();
        let mut statuses = Vec::new();
        for ask in asks {
            let (status, answer) = ask.await.unwrap();
            assert!(status == 200 || answer["type"] == "/problems/precondition-failed", "{status}: {answer}");
            statuses.push(status);
        }
        statuses.sort_unstable();
        assert_eq!((statuses[0], statuses[1]), (200, 412), "{path}");
    }
}

async fn replica() -> (Client, String) {
    let url = std::env::var("BILLING_TEST_REPLICA_URL").expect("BILLING_TEST_REPLICA_URL is set by `cargo xtask test`");
    let config: tokio_postgres::Config = url.parse().unwrap();
    let tokio_postgres::config::Host::Tcp(host) = &config.get_hosts()[0] else { panic!("a TCP host") };
    let address = format!("postgres://{host}:{}", config.get_ports()[0]);
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    (client, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_written_reads_it_while_the_replica_stands_still() {
    let db = TestDatabase::create().await;
    let (replica, address) = replica().await;
    let url = format!("{address}/{}", db.url.rsplit('/').next().unwrap());
    let service = Service::start_with(&db, &[("BILLING_DATABASE_REPLICA_URL", &url)]).await;
    let (staff, account) = (service.staff(), Uuid::new_v4());
    let change = async |body: &Value| {
        let ask = service.request(Method::PATCH, &staff, &format!("{ACCOUNTS}/{account}")).json(body);
        let answer = ask.send().await.unwrap();
        assert!(answer.status().is_success());
        answer.headers()["Billing-Consistency"].to_str().unwrap().to_owned()
    };
    let currency = async |seen: Option<&str>| {
        let ask = service.request(Method::GET, &staff, &format!("/v1/billing/usage?accountId={account}"));
        let ask = seen.into_iter().fold(ask, |ask, seen| ask.header("Billing-Consistency", seen));
        let (status, usage) = read(ask.send().await.unwrap()).await;
        assert_eq!(status, 200, "{usage}");
        (usage["currency"].as_str().unwrap().to_owned(), usage["asOf"].as_str().unwrap().to_owned())
    };
    let listed = async |seen: Option<&str>| {
        let ask = service.request(Method::GET, &staff, ACCOUNTS);
        let ask = seen.into_iter().fold(ask, |ask, seen| ask.header("Billing-Consistency", seen));
        let (status, page) = read(ask.send().await.unwrap()).await;
        assert_eq!(status, 200, "{page}");
        page["data"][0]["currency"].as_str().unwrap().to_owned()
    };
    let first = change(&json!({"tenantId": Uuid::new_v4(), "accountTier": "A", "currency": "USD"})).await;
    assert_eq!((currency(Some(&first)).await.0, listed(Some(&first)).await), ("USD".into(), "USD".into()));
    // Until the replica has been asked for a moment in which it stood still before it was written to.
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut stale_reads, mut stale_lists) = (0, 0);
    while stale_reads < 3 || stale_lists == 0 {
        assert!(Instant::now() < deadline, "the replica never answered: {}", service.log());
        for (currency_now, currency_before) in [("AFN", "USD"), ("USD", "AFN")] {
            until_replayed(&db, &replica).await;
            replica.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
            let seen = change(&json!({"currency": currency_now})).await;
            let (shown, as_of) = currency(None).await;
            stale_lists += u32::from(listed(None).await == currency_before);
            let (own, own_as_of) = currency(Some(&seen)).await;
            let own_list = listed(Some(&seen)).await;
            replica.batch_execute("SELECT pg_wal_replay_resume()").await.unwrap();
            assert_eq!([&own, &own_list], [currency_now; 2], "who has written reads it");
            if shown == currency_before {
                assert!(as_of < own_as_of, "what a replica shows is told to be older");
                stale_reads += 1;
            }
        }
    }
    // Behind for longer than it may be: whoever reads is answered by the primary, and says nothing of what they have seen.
    let fresh = |value: u8| format!("billing_pg_replica_fresh {value}\n");
    until("the replica is fresh", || service.metrics().unwrap().contains(&fresh(1))).await;
    replica.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    change(&json!({"currency": "EUR"})).await;
    let told = "the replica is down or more than 2 s behind: reads go to the primary";
    let stale = async {
        until("the replica is stale", || service.metrics().unwrap().contains(&fresh(0))).await;
        until("it is told", || service.log().contains(told)).await;
        currency(None).await.0
    };
    let shown = stale.await;
    replica.batch_execute("SELECT pg_wal_replay_resume()").await.unwrap();
    assert_eq!(shown, "EUR");
    until("the replica is fresh again", || service.metrics().unwrap().contains(&fresh(1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_takes_no_connections_is_done_without() {
    let db = TestDatabase::create().await;
    let url = format!("postgres://127.0.0.1:9/{}", db.url.rsplit('/').next().unwrap());
    let service = Service::start_with(&db, &[("BILLING_DATABASE_REPLICA_URL", &url)]).await;
    let (staff, account) = (service.staff(), Uuid::new_v4());
    for currency in ["USD", "AFN"] {
        let body = json!({"tenantId": Uuid::from_u128(1), "accountTier": "A", "currency": currency});
        let ask = service.request(Method::PATCH, &staff, &format!("{ACCOUNTS}/{account}")).json(&body);
        assert!(ask.send().await.unwrap().status().is_success());
        let (status, usage) = service.get(&staff, &format!("/v1/billing/usage?accountId={account}")).await;
        assert_eq!((status, &usage["currency"]), (200, &json!(currency)), "{usage}");
    }
    until("it is measured", || service.metrics().unwrap().contains("billing_pg_replica_fresh 0\n")).await;
    until("it is told", || service.log().contains("the replica is down or more than 2 s behind")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_may_name_their_claims_otherwise() {
    let db = TestDatabase::create().await;
    let names = [("TENANT", "https://idp/org"), ("ACCOUNT", "acc"), ("SCOPE", "scp"), ("ROLES", "groups")];
    let variables = names.map(|(what, name)| (format!("BILLING_JWT_CLAIM_{what}"), name));
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let service = Service::start_with(&db, &variables).await;
    let (tenant, account) = (Uuid::new_v4(), Uuid::new_v4());
    let named = json!({
        "sub": "customer", "https://idp/org": tenant, "acc": account, "scp": "billing:read", "groups": ["account.viewer"],
    });
    let (status, usage) = service.get(&service.token(named.clone()), "/v1/billing/usage").await;
    assert_eq!((status, &usage["accountId"]), (200, &json!(account)), "{usage}");
    // Under the names of the platform they say nothing, and each of them is needed.
    let platforms = ["tenant_id", "account_id", "scope", "roles"];
    for ((_, name), platform) in names.into_iter().zip(platforms) {
        let mut claims = named.clone();
        claims[platform] = claims.as_object_mut().unwrap().remove(name).unwrap();
        assert_eq!(service.get(&service.token(claims), "/v1/billing/usage").await.0, 403, "{name}");
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "after 30 s still not: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Until the replica is where the primary is now, and the API has had time to notice.
async fn until_replayed(db: &TestDatabase, replica: &Client) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let written = db.number("SELECT (pg_current_wal_lsn() - '0/0')::bigint").await;
    loop {
        let row = replica.query_one("SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint", &[]).await.unwrap();
        if row.get::<_, i64>(0) >= written {
            break;
        }
        assert!(Instant::now() < deadline, "the replica does not follow");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
}

/// What comes back until the connection ends.
fn all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection stays open: {error}"),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One byte after another until nobody listens any more, and what was said to that.
fn dribble(mut stream: TcpStream, begin: &str) -> String {
    stream.write_all(begin.as_bytes()).unwrap();
    let mut other = stream.try_clone().unwrap();
    let reader = std::thread::spawn(move || all(&mut other));
    while !reader.is_finished() {
        let _cut = stream.write_all(b"x");
        std::thread::sleep(Duration::from_millis(200));
    }
    reader.join().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dribbles_is_cut() {
    let db = TestDatabase::create().await;
    let service = Service::start(&db).await;
    let token = service.staff();
    let post = format!(
        "POST {COSTS} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    );
    let threads = [
        ("a head", "GET /docs HTTP/1.1\r\nHost: api\r\nX-A: ".to_owned(), "HTTP/1.1 408 "),
        ("a body", format!("{post}Content-Length: 5000\r\n\r\n{{"), "HTTP/1.1 408 "),
        (
            "a body without a token",
            format!("POST {COSTS} HTTP/1.1\r\nHost: api\r\nContent-Length: 5000\r\n\r\n"),
            "HTTP/1.1 401 ",
        ),
        (
            "a body that nobody wants",
            "GET /docs HTTP/1.1\r\nHost: api\r\nContent-Length: 5000\r\n\r\n".into(),
            "HTTP/1.1 200 ",
        ),
    ]
    .map(|(why, begin, expected)| {
        let stream = service.connect();
        std::thread::spawn(move || (why, dribble(stream, &begin), expected))
    });
    for thread in threads {
        let (why, answer, expected) = thread.join().unwrap();
        assert!(answer.starts_with(expected), "{why}: {answer:?}");
    }
    let limited = db.number(
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'
        AND datname = current_database()",
    );
    assert_eq!(limited.await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_on_the_wire() {
    let db = TestDatabase::create().await;
    let service = Service::start(&db).await;
    let host = "Host: api\r\nConnection: close\r\n";
    for (why, request, status, has) in [
        ("HEAD", format!("HEAD /openapi.json HTTP/1.1\r\n{host}\r\n"), 200, "content-length: "),
        (
            "HEAD, compressed",
            format!("HEAD /docs HTTP/1.1\r\n{host}Accept-Encoding: br\r\n\r\n"),
            200,
            "content-encoding: br",
        ),
        ("not changed", format!("GET /docs HTTP/1.1\r\n{host}If-None-Match: *\r\n\r\n"), 304, "etag: \""),
        ("OPTIONS", format!("OPTIONS /docs HTTP/1.1\r\n{host}\r\n"), 204, "allow: GET, HEAD, OPTIONS"),
    ] {
        let mut stream = service.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let answer = all(&mut stream);
        let head = answer.strip_suffix("\r\n\r\n").unwrap_or_else(|| panic!("{why} has a body: {answer}"));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{why}: {head}");
        assert!(head.contains(has) && head.contains("x-request-id: ") && !head.contains("server:"), "{why}: {head}");
    }
    for (why, request, status, is_ours) in [
        ("long target", format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(9_000)), 414, true),
        ("long head", format!("GET /docs HTTP/1.1\r\n{host}X-A: {}\r\n\r\n", "x".repeat(20_000)), 431, true),
        // These end before there is a request that could be answered by more than a status.
        ("endless head", format!("GET /docs HTTP/1.1\r\n{host}X-A: {}", "x".repeat(140_000)), 431, false),
        ("endless target", format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(70_000)), 400, false),
        ("97 headers", format!("GET /docs HTTP/1.1\r\n{host}{}\r\n", "X-A: 1\r\n".repeat(97)), 431, false),
        ("no HTTP", "HELLO\r\n\r\n".into(), 400, false),
        (
            "two lengths",
            format!("POST /docs HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
            400,
            false,
        ),
        (
            "both lengths",
            format!("POST /docs HTTP/1.1\r\n{host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
            false,
        ),
    ] {
        let mut stream = service.connect();
        let _cut = stream.write_all(request.as_bytes());
        let answer = all(&mut stream);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{why}: {answer}");
        assert_eq!(answer.contains("application/problem+json"), is_ours, "{why}: {answer}");
        assert!(!answer.to_lowercase().contains("server:"), "{why}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opens_every_connection_there_is_keeps_others_out_for_seconds_only() {
    let workers = std::thread::available_parallelism().unwrap().get();
    let connections = workers * CONNECTIONS_OF_A_WORKER + 200;
    raise_open_files(connections as u64 + 500);
    let db = TestDatabase::create().await;
    let service = Service::start(&db).await;
    let silent: Vec<TcpStream> = (0..connections).map(|_| service.connect()).collect();
    let began = Instant::now();
    let answer = service.request(Method::GET, &service.staff(), COSTS).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // Those that were let in and said nothing have been cut; the others after them.
    for stream in silent.iter().step_by(97) {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut stream = stream;
        let mut said = Vec::new();
        let ended = stream.read_to_end(&mut said);
        assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    }
}

/// For this process and those that it starts.
fn raise_open_files(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).unwrap();
    }
}
