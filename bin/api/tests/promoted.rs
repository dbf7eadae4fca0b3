//! The primary is gone and its standby takes over, at the same address: reads and writes go on without a restart.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]
#![allow(dead_code, reason = "of what starts servers, only a part is used here")]

#[path = "../../ingest/tests/faults/postgres_server.rs"]
mod postgres_server;
#[path = "../../ingest/tests/faults/process.rs"]
mod process;
#[path = "../../ingest/tests/faults/proxy.rs"]
mod proxy;
mod service;
#[path = "../../../crates/billing-postgres/tests/support/mod.rs"]
mod support;

use postgres_server::PostgresServer;
use process::{Folder, local, until};
use proxy::{Mode, Proxy};
use reqwest::Method;
use serde_json::json;
use service::{Service, read};
use support::{TestDatabase, account, usage};
use uuid::Uuid;

const USAGE: &str = "/v1/billing/usage?from=2026-10-01&to=2026-10-31&granularity=day";

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_is_read_and_written_without_a_restart() {
    let folder = Folder::new();
    let mut primary = PostgresServer::start(&folder).await;
    let db = TestDatabase::create_on(primary.config()).await;
    db.add_price("STARTER", "*", "0.0125").await;
    db.record(&[usage(account(1), "2026-10-05T08:00:00Z")]).await;
    let standby = PostgresServer::standby(&folder, primary.port).await;
    let name = db.url.rsplit('/').next().unwrap().to_owned();
    let on_standby = standby.connect(&name).await.unwrap();
    let counted = async || -> i64 {
        on_standby.query_one("SELECT count(*) FROM billing.billing_events", &[]).await.unwrap().get(0)
    };
    until("the standby has it", 20, async || counted().await == 1).await;

    let address = Proxy::to(local(primary.port)).await;
    let at = |port: u16| format!("postgres://127.0.0.1:{port}/{name}");
    let urls = [("BILLING_DATABASE_URL", at(address.port)), ("BILLING_DATABASE_REPLICA_URL", at(standby.port))];
    let urls = urls.each_ref().map(|(variable, url)| (*variable, url.as_str()));
    let service = Service::start_with(&db, &urls).await;
    let staff = service.staff();
    let ask = format!("{USAGE}&accountId={}", account(1));
    let (status, before) = service.get(&staff, &ask).await;
    assert_eq!(status, 200, "{before}");

    primary.crash();
    address.set(Mode::Cut);
    let ready = async || service.request(Method::GET, &staff, "/health/ready").send().await.unwrap().status().as_u16();
    until("the API is not ready", 30, async || ready().await == 503).await;
    let promoted = on_standby.query_one("SELECT pg_promote(true, 30)", &[]).await.unwrap();
    assert!(promoted.get::<_, bool>(0));
    address.lead_to(local(standby.port));
    address.set(Mode::Pass);

    until("the API is ready again", 30, async || ready().await == 200).await;
    let (status, mut after) = service.get(&staff, &ask).await;
    let mut before = before;
    // When it was complete, and nothing else, may differ.
    for answer in [&mut before, &mut after] {
        answer["asOf"] = json!(null);
    }
    assert_eq!((status, &after), (200, &before));
    let price = json!({"accountTier": "GROWTH", "operatorId": "*", "direction": "MT", "pricingModel": "PER_SEGMENT",
        "unitPrice": "0.02", "currency": "USD", "effectiveFrom": "2099-01-01"});
    let write = service.request(Method::POST, &staff, "/v1/admin/pricing");
    let write = write.header("Idempotency-Key", Uuid::new_v4().to_string()).json(&price);
    let (status, made) = read(write.send().await.unwrap()).await;
    assert_eq!(status, 201, "{made}");
    let written = on_standby.query_one("SELECT count(*) FROM billing.prices WHERE tier = 'GROWTH'", &[]).await.unwrap();
    assert_eq!(written.get::<_, i64>(0), 1);
    service.stop();
}
