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
use std::time::Duration;

use billing_testing::programs::{CANARY, Program};
use support::{PASSWORD, TestDatabase};

const WITHIN: Duration = Duration::from_secs(40);

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
            ("BILLING_S3_ENDPOINT", given("S3_ENDPOINT")),
            ("BILLING_S3_REGION", given("S3_REGION")),
            ("BILLING_S3_BUCKET", given("S3_BUCKET")),
            ("BILLING_SECRET_S3_ACCESS_KEY", given("S3_ACCESS_KEY")),
            ("BILLING_SECRET_S3_SECRET_KEY", given("S3_SECRET_KEY")),
            ("BILLING_SELLER_NAME", "Ghasi".into()),
            ("BILLING_INVOICE_RETRY_MINUTES", "0".into()),
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
        let ended = Program::new(env!("CARGO_BIN_EXE_invoice-cron"), arguments, variables).until(said, WITHIN);
        assert!(ended.said.contains(sentence), "{changes:?}: {sentence:?} is not in {}", ended.said);
        assert_eq!(ended.code, code, "{changes:?}: {}", ended.said);
        for secret in [CANARY, PASSWORD] {
            assert!(!ended.said.contains(secret), "{changes:?}: a secret is shown: {}", ended.said);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_made_says_why() {
    let stage = Stage::new().await;
    let (server, _) = stage.db.url.rsplit_once('/').unwrap();
    let other_database = format!("{server}/billing_elsewhere");
    let user = "BILLING_SECRET_DATABASE_WORKER_USERNAME";
    let password = "BILLING_SECRET_DATABASE_WORKER_PASSWORD";
    for (change, sentence) in [
        (("BILLING_SELLER_NAME", ""), "BILLING_SELLER_NAME is not set"),
        (("BILLING_S3_ADDRESSING", "virtual"), "BILLING_S3_ADDRESSING is \"virtual\", allowed: path or host"),
        (("BILLING_TLS_CA_FILE", "/nowhere/ca.pem"), "this one cannot be read: No such file or directory"),
        ((user, "billing_test_api"), "the login billing_test_api is no member of billing_worker"),
        ((password, "<no value>"), "the secret database-worker cannot be used: is `<no value>`"),
        ((password, CANARY), "the database server refuses the login"),
        (("BILLING_SECRET_S3_SECRET_KEY", "<no value>"), "the secret s3 cannot be used"),
        (("BILLING_DATABASE_URL", &*other_database), "the database server has no database of that name"),
        (("BILLING_DATABASE_URL", "postgres://127.0.0.1:9/x"), "error connecting to server"),
    ] {
        stage.check(&["--allow-lag"], &[change], sentence, Some(1));
    }
    stage.check(&["--allow-lag"], &[(password, &format!("{PASSWORD}\n"))], "", Some(0));
    stage.check(&["--allow-lag"], &[("BILLING_S3_BUCKET", "of-nobody")], "the bucket does not exist", Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_whose_time_is_over_is_told() {
    let stage = Stage::new().await;
    let user = stage.db.expired_login("billing_worker").await;
    let change = ("BILLING_SECRET_DATABASE_WORKER_USERNAME", user.as_str());
    stage.check(&["--allow-lag"], &[change], "the database server refuses the login", Some(1));
}

/// What lies in the folder where a sidecar renders the secrets, and what the run says of it.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_secrets_that_are_missing_or_not_whole() {
    let stage = Stage::new().await;
    let folder = std::env::temp_dir().join(format!("billing-start-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    let files = [("BILLING_CREDENTIALS", "files"), ("BILLING_CREDENTIALS_DIR", folder.to_str().unwrap())];
    let s3 = [("access_key", "S3_ACCESS_KEY"), ("secret_key", "S3_SECRET_KEY")]
        .map(|(field, name)| format!("{field:?}: {:?}", stage.variables[&*format!("BILLING_SECRET_{name}")]));
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("s3.json", &format!("{{{}}}", s3.join(", ")));
    let login = |password: &str| format!("{{\"username\": \"billing_test_worker\", \"password\": {password:?}}}");
    let half = login(CANARY);
    for (file, sentence, code) in [
        (None, "no secret database-worker in", 1),
        (Some(&half[..half.len() - 2]), "database-worker.json is not a JSON object of texts", 1),
        (Some("{\"username\": \"billing_test_worker\"}"), "the secret database-worker has no field password", 1),
        (Some(&login("<no value>")), "the secret database-worker cannot be used: is `<no value>`", 1),
        (Some(&login(PASSWORD)), "", 0),
    ] {
        if let Some(file) = file {
            write("database-worker.json", file);
        }
        stage.check(&["--allow-lag"], &files, sentence, Some(code));
    }
    std::fs::remove_dir_all(folder).unwrap();
}
