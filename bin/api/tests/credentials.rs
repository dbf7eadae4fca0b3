//! Logins that change while the API answers: a pod that logs in to Vault by its service account and is handed
//! users of the database that come and go, and a Vault that is sealed when it starts.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]
mod service;
#[path = "../../../crates/billing-postgres/tests/support/mod.rs"]
mod support;
#[path = "../../../crates/billing-vault/tests/support/mod.rs"]
mod vault;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use service::issued::invoices;
use service::{Service, s3_variable};
use support::{TestDatabase, account, tenant, usage};
use uuid::Uuid;
use vault::{Bao, Kubernetes, ROLE, Terms, until};

const USAGE: &str = "/v1/billing/usage?from=2026-11-01&to=2026-11-15";

fn superuser() -> String {
    std::env::var("BILLING_TEST_DATABASE_URL").expect("run these tests by `cargo xtask test`")
}

fn database_name(db: &TestDatabase) -> &str {
    db.url.rsplit('/').next().unwrap()
}

/// Variables of a pod that logs in by its service account.
fn variables(bao: &Bao, role: &str) -> Vec<(&'static str, String)> {
    vec![
        ("BILLING_CREDENTIALS", "vault".into()),
        ("VAULT_ADDR", bao.address()),
        ("BILLING_VAULT_AUTH", "kubernetes".into()),
        ("BILLING_VAULT_ROLE", ROLE.into()),
        ("BILLING_VAULT_JWT_FILE", bao.jwt().display().to_string()),
        ("BILLING_VAULT_PATH_DATABASE_API", format!("database/creds/{role}")),
    ]
}

async fn store_keys(bao: &Bao) {
    let (access_key, secret_key) = (s3_variable("ACCESS_KEY"), s3_variable("SECRET_KEY"));
    bao.store("s3", &json!({"access_key": access_key, "secret_key": secret_key})).await;
}

fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// Users of the role that are there now.
async fn users(db: &TestDatabase, role: &str) -> BTreeSet<String> {
    let users = "SELECT rolname FROM pg_roles WHERE rolname LIKE '%' || $1 || '%'";
    let rows = db.owner.query(users, &[&role]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Asks and changes without a pause, and counts what failed, until it is told to stop.
fn load(
    service: &Arc<Service>,
    stop: &Arc<AtomicBool>,
    asked: &Arc<AtomicUsize>,
) -> tokio::task::JoinHandle<Vec<String>> {
    let (service, stop, asked) = (Arc::clone(service), Arc::clone(stop), Arc::clone(asked));
    tokio::spawn(async move {
        let (customer, staff) = (service.customer(account(1), tenant(1)), service.staff());
        let mut failed = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let (status, body) = service.get(&customer, USAGE).await;
            if status != 200 {
                failed.push(format!("GET {status} {body}"));
            }
            let cost = json!({
                "operatorId": Uuid::new_v4(), "direction": "MT", "costPerSegment": "0.004", "currency": "USD",
                "effectiveFrom": "2027-01-01",
            });
            let key = Uuid::new_v4().to_string();
            let (status, body) = service.post(&staff, "/v1/admin/operator-costs", Some(&key), &cost).await;
            if status != 201 {
                failed.push(format!("POST {status} {body}"));
            }
            asked.fetch_add(2, Ordering::Relaxed);
        }
        failed
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn three_rotations_under_load_fail_no_request() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.0125").await;
    db.record(&(0..4).map(|_| usage(account(1), "2026-11-05T08:00:00Z")).collect::<Vec<_>>()).await;
    let (bao, cluster) = (Bao::start().await, Kubernetes::start().await);
    bao.connect_database(&superuser(), database_name(&db)).await;
    let role = bao.add_role("billing_api", Terms { ttl: "4s", max_ttl: "8s" }).await;
    bao.trust(&cluster, Terms { ttl: "6s", max_ttl: "12s" }).await;
    store_keys(&bao).await;
    let service = Arc::new(Service::start_with(&db, &borrowed(&variables(&bao, &role))).await);

    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4).map(|_| load(&service, &stop, &asked)).collect();
    let mut seen = BTreeSet::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    while seen.len() < 4 {
        seen.extend(users(&db, &role).await);
        assert!(Instant::now() < deadline, "only {} users in a minute", seen.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // And users that are dropped from under those who work with them.
    bao.revoke(&role).await;
    let before = asked.load(Ordering::Relaxed);
    until("requests go on", async || asked.load(Ordering::Relaxed) > before + 100).await;
    stop.store(true, Ordering::Relaxed);
    let mut failed = Vec::new();
    for client in clients {
        failed.extend(client.await.unwrap());
    }
    assert!(failed.is_empty(), "{} of {} failed: {failed:#?}", failed.len(), asked.load(Ordering::Relaxed));
    let costs = db.number("SELECT count(*) FROM billing.operator_costs").await;
    assert_eq!(usize::try_from(costs).unwrap() * 2, asked.load(Ordering::Relaxed), "a change is lost or double");
    assert!(cluster.reviews() >= 2, "the pod has never logged in again");
    Arc::into_inner(service).unwrap().stop();
    until("no user is left", async || users(&db, &role).await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_the_store_that_are_written_anew_are_taken_up() {
    let (db, [august, ..]) = invoices().await;
    let (bao, cluster) = (Bao::start().await, Kubernetes::start().await);
    bao.connect_database(&superuser(), database_name(&db)).await;
    let role = bao.add_role("billing_api", Terms { ttl: "1h", max_ttl: "1h" }).await;
    bao.trust(&cluster, Terms { ttl: "1h", max_ttl: "1h" }).await;
    store_keys(&bao).await;
    let service = Service::start_with(&db, &borrowed(&variables(&bao, &role))).await;
    let (token, path) = (service.customer(account(1), tenant(1)), format!("/v1/billing/invoices/{august}/download"));
    let signed_by = async |key: &str| {
        let (status, address) = service.get(&token, &path).await;
        assert_eq!(status, 200, "{address}");
        address["url"].as_str().unwrap().contains(key)
    };
    let document = async || {
        let ask = service.request(Method::GET, &token, &path).header("Accept", "application/pdf");
        ask.send().await.unwrap().status().as_u16()
    };
    assert!(signed_by(&s3_variable("ACCESS_KEY")).await);
    assert_eq!(document().await, 200);
    bao.store("s3", &json!({"access_key": "AKOTHER", "secret_key": "canary-of-the-other-store"})).await;
    // Vault tells nobody: it is asked again after half a minute, or when the store refuses the keys.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !signed_by("AKOTHER").await {
        assert!(Instant::now() < deadline, "the old keys sign a minute later: {}", service.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(document().await, 500, "the store does not know them");
    store_keys(&bao).await;
    until("the good keys sign again", async || signed_by(&s3_variable("ACCESS_KEY")).await).await;
    assert_eq!(document().await, 200);
    service.stop();
    bao.revoke(&role).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_vault_is_waited_for() {
    let db = TestDatabase::create().await;
    let (bao, cluster) = (Bao::start().await, Kubernetes::start().await);
    bao.connect_database(&superuser(), database_name(&db)).await;
    let role = bao.add_role("billing_api", Terms { ttl: "1h", max_ttl: "1h" }).await;
    bao.trust(&cluster, Terms { ttl: "1h", max_ttl: "1h" }).await;
    store_keys(&bao).await;
    let owner = bao.add_role("billing_owner", Terms { ttl: "1h", max_ttl: "1h" }).await;
    bao.seal().await;
    let variables = variables(&bao, &role);
    let service = Service::begin(&db, &borrowed(&variables));
    service.until("/health/live").await;
    until("the reason is told", async || service.log().contains("Vault is sealed: unseal it")).await;
    let (status, body) = service.get("", "/health/ready").await;
    assert_eq!((status, &body["notReady"]), (503, &json!(["database"])));

    // A program that does one thing waits, too, and is done once it can be.
    let mut migrate = Command::new(env!("CARGO_BIN_EXE_api"));
    migrate.arg("migrate").env_clear().env("BILLING_DATABASE_URL", &db.url).envs(variables);
    migrate.env("BILLING_VAULT_PATH_DATABASE_OWNER", format!("database/creds/{owner}"));
    let migrate = tokio::task::spawn_blocking(move || migrate.output().unwrap());
    bao.unseal().await;
    service.until("/health/ready").await;
    let migrated = migrate.await.unwrap();
    let told = String::from_utf8_lossy(&migrated.stdout).into_owned();
    assert_eq!(told.trim(), "the schema is up to date", "{}", String::from_utf8_lossy(&migrated.stderr));

    // But it does not wait for what will not come.
    let mut migrate = Command::new(env!("CARGO_BIN_EXE_api"));
    migrate.arg("migrate").env_clear().env("BILLING_DATABASE_URL", &db.url);
    migrate.env("BILLING_CREDENTIALS", "files").env("BILLING_CREDENTIALS_DIR", "/nowhere");
    let missing = tokio::task::spawn_blocking(move || migrate.output().unwrap()).await.unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no secret database-owner in /nowhere"));
    bao.revoke(&owner).await;
    service.stop();
    bao.revoke(&role).await;
}
