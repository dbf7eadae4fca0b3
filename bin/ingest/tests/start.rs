//! What an operator gets wrong, as the program answers it: a sentence, an exit code other than 0 where waiting cannot help, and
//! no secret. It always runs where it cannot write.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]

#[path = "../../../crates/billing-postgres/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use billing_testing::programs::{CANARY, Program};
use support::{PASSWORD, TestDatabase};

const WITHIN: Duration = Duration::from_secs(40);
const RUNNING: &str = "\"running\"";

struct Stage {
    db: TestDatabase,
    variables: BTreeMap<&'static str, String>,
}

impl Stage {
    async fn new() -> Self {
        let db = TestDatabase::create().await;
        let given = |name: &str| std::env::var(format!("BILLING_TEST_{name}")).expect("run by `cargo xtask test`");
        let variables = BTreeMap::from([
            ("BILLING_DATABASE_URL", db.url.clone()),
            ("BILLING_SECRET_DATABASE_WORKER_USERNAME", "billing_test_worker".into()),
            ("BILLING_SECRET_DATABASE_WORKER_PASSWORD", PASSWORD.into()),
            ("BILLING_NATS_URLS", given("NATS_URLS")),
            ("BILLING_REDIS_URLS", given("REDIS_URLS")),
            ("BILLING_INGEST_HTTP_ADDR", "127.0.0.1:0".into()),
            ("BILLING_INGEST_METRICS_ADDR", "127.0.0.1:0".into()),
            // The stream of these servers is other tests'.
            ("BILLING_CONSUMER_ENABLED", "false".into()),
        ]);
        Self { db, variables }
    }

    /// With these variables in place of the good ones it says so, and ends with this code or stays.
    fn check(&self, arguments: &[&str], changes: &[(&'static str, &str)], sentence: &str, code: Option<i32>) {
        let mut variables = self.variables.clone();
        variables.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let variables = variables.iter().map(|(name, value)| (*name, value.as_str()));
        // Where an end is expected, the end is waited for.
        let said = if code.is_some() { None } else { Some(sentence) };
        let ended = Program::new(env!("CARGO_BIN_EXE_ingest"), arguments, variables).until(said, WITHIN);
        assert!(ended.said.contains(sentence), "{changes:?}: {sentence:?} is not in {}", ended.said);
        assert_eq!(ended.code, code, "{changes:?}: {}", ended.said);
        for secret in [CANARY, PASSWORD] {
            assert!(!ended.said.contains(secret), "{changes:?}: a secret is shown: {}", ended.said);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_work_ends_with_a_sentence() {
    let stage = Stage::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (server, _) = stage.db.url.rsplit_once('/').unwrap();
    let other_database = format!("{server}/billing_elsewhere");
    let in_redis_url = format!("http://u:{CANARY}@redis:6379");
    let user = "BILLING_SECRET_DATABASE_WORKER_USERNAME";
    for (change, sentence) in [
        (("BILLING_NATS_URLS", ""), "BILLING_NATS_URLS is not set"),
        (("BILLING_REDIS_URLS", &*in_redis_url), "BILLING_REDIS_URLS is \"***@redis:6379\""),
        (("BILLING_REDIS_URLS", "redis://a:1,rediss://b:2"), "all nodes must be redis:// or all rediss://"),
        (("BILLING_INGEST_WORKERS", "99"), "BILLING_INGEST_WORKERS is \"99\""),
        (("BILLING_TLS_CA_FILE", "/nowhere/ca.pem"), "this one cannot be read: No such file or directory"),
        (("BILLING_INGEST_HTTP_ADDR", &taken), "another process listens there"),
        (("BILLING_INGEST_METRICS_ADDR", &taken), "for metrics: another process listens there"),
        ((user, "billing_test_api"), "the login billing_test_api is no member of billing_worker"),
        ((user, "<no value>"), "the secret database-worker cannot be used: is `<no value>`"),
        (("BILLING_DATABASE_URL", &other_database), "the database server has no database of that name"),
    ] {
        stage.check(&[], &[change], sentence, Some(1));
    }
    let wrong = (user, "billing_test_api");
    stage.check(&["gaps"], &[wrong], "the login billing_test_api is no member of billing_worker", Some(1));
    stage.check(
        &["gaps"],
        &[("BILLING_DATABASE_URL", "postgres://127.0.0.1:9/x")],
        "error connecting to server",
        Some(1),
    );
    stage.check(&["gaps"], &[], "", Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_come_is_waited_for() {
    let stage = Stage::new().await;
    let with_newline = format!("{PASSWORD}\n");
    for (change, sentence) in [
        (("BILLING_SECRET_DATABASE_WORKER_PASSWORD", with_newline.as_str()), RUNNING),
        (("BILLING_DATABASE_URL", "postgres://127.0.0.1:9/billing"), "not ready before the database is there"),
        // A newer one may come.
        (("BILLING_SECRET_DATABASE_WORKER_PASSWORD", CANARY), "the database server refuses the login"),
        (("BILLING_NATS_URLS", "nats://127.0.0.1:9"), "cannot connect to NATS"),
        (("BILLING_REDIS_URLS", "redis://127.0.0.1:9"), "the connection to Redis fails"),
        (("BILLING_REDIS_URLS", "redis://127.0.0.1:9"), RUNNING),
    ] {
        stage.check(&[], &[change], sentence, None);
    }
}

/// A user whose time is over is refused like one with a wrong password, and a newer one may come.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_whose_time_is_over_is_told() {
    let stage = Stage::new().await;
    let user = stage.db.expired_login("billing_worker").await;
    let change = ("BILLING_SECRET_DATABASE_WORKER_USERNAME", user.as_str());
    stage.check(&[], &[change], "the database server refuses the login", None);
}
