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
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use billing_testing::programs::{CANARY, Program};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;
use support::{PASSWORD, TestDatabase};
use uuid::Uuid;

const WITHIN: Duration = Duration::from_secs(40);
const SERVING: &str = "\"serving\"";

struct Stage {
    db: TestDatabase,
    folder: PathBuf,
    variables: BTreeMap<&'static str, String>,
}

impl Stage {
    async fn new() -> Self {
        let db = TestDatabase::create().await;
        let folder = std::env::temp_dir().join(format!("billing-start-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).unwrap();
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let key = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
        let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        std::fs::write(folder.join("jwks.json"), json!({"keys": [jwk]}).to_string()).unwrap();
        let s3 = |name: &str| std::env::var(format!("BILLING_TEST_S3_{name}")).expect("run by `cargo xtask test`");
        let variables = BTreeMap::from([
            ("BILLING_DATABASE_URL", db.url.clone()),
            ("BILLING_SECRET_DATABASE_API_USERNAME", "billing_test_api".into()),
            ("BILLING_SECRET_DATABASE_API_PASSWORD", PASSWORD.into()),
            ("BILLING_S3_ENDPOINT", s3("ENDPOINT")),
            ("BILLING_S3_REGION", s3("REGION")),
            ("BILLING_S3_BUCKET", s3("BUCKET")),
            ("BILLING_SECRET_S3_ACCESS_KEY", s3("ACCESS_KEY")),
            ("BILLING_SECRET_S3_SECRET_KEY", s3("SECRET_KEY")),
            ("BILLING_JWT_JWKS", folder.join("jwks.json").display().to_string()),
            ("BILLING_JWT_ISSUER", "https://issuer.test".into()),
            ("BILLING_JWT_AUDIENCE", "billing".into()),
            ("BILLING_API_HTTP_ADDR", "127.0.0.1:0".into()),
            ("BILLING_API_METRICS_ADDR", "127.0.0.1:0".into()),
        ]);
        Self { db, folder, variables }
    }

    /// With these variables in place of the good ones it says so, and ends with this code or stays.
    fn check(&self, arguments: &[&str], changes: &[(&'static str, &str)], sentence: &str, code: Option<i32>) {
        let mut variables = self.variables.clone();
        variables.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let variables = variables.iter().map(|(name, value)| (*name, value.as_str()));
        // Where an end is expected, the end is waited for.
        let said = if code.is_some() { None } else { Some(sentence) };
        let ended = Program::new(env!("CARGO_BIN_EXE_api"), arguments, variables).until(said, WITHIN);
        assert!(ended.said.contains(sentence), "{changes:?}: {sentence:?} is not in {}", ended.said);
        assert_eq!(ended.code, code, "{changes:?}: {}", ended.said);
        for secret in [CANARY, PASSWORD] {
            assert!(!ended.said.contains(secret), "{changes:?}: a secret is shown: {}", ended.said);
        }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _not_worth_a_failure = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_or_a_file_is_wrong() {
    let stage = Stage::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let in_url = format!("postgres://api:{CANARY}@127.0.0.1/billing");
    let no_pem = stage.file("no.pem", "nothing of the kind");
    for (changes, sentence) in [
        (vec![("BILLING_S3_ENDPOINT", "")], "BILLING_S3_ENDPOINT is not set"),
        (vec![("BILLING_DATABASE_URL", "mysql://db/billing")], "BILLING_DATABASE_URL is \"mysql://db/billing\""),
        (vec![("BILLING_DATABASE_URL", &in_url)], "the database URL must not hold a user name or password"),
        (vec![("BILLING_SECRET_DATABASE_API_PASSWORD", "<no value>")], "the secret database-api cannot be used"),
        (vec![("BILLING_SECRET_DATABASE_API_PASSWORD", "")], "the secret database-api"),
        (vec![("BILLING_TLS_CA_FILE", "/nowhere/ca.pem")], "this one cannot be read: No such file or directory"),
        (vec![("BILLING_TLS_CA_FILE", &no_pem)], "allowed: a file of certificates in PEM; this one holds none"),
        (vec![("BILLING_JWT_JWKS", "/nowhere/jwks.json")], "the file of the token keys cannot be read"),
        (vec![("BILLING_S3_ADDRESSING", "host")], "the bucket cannot stand before the host"),
        (vec![("BILLING_API_HTTP_ADDR", &taken)], "for the API; free it or choose another address"),
        (vec![("BILLING_API_METRICS_ADDR", &taken)], "for metrics: another process listens there"),
    ] {
        stage.check(&[], &changes, sentence, Some(1));
    }
    stage.check(&["serve"], &[], "unknown argument \"serve\"", Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_another_one_or_the_login_another_ones() {
    let stage = Stage::new().await;
    let above = format!(
        "DROP ROLE IF EXISTS billing_test_above;
        CREATE ROLE billing_test_above LOGIN BYPASSRLS PASSWORD '{PASSWORD}' IN ROLE billing_api"
    );
    stage.db.owner.batch_execute(&above).await.unwrap();
    let (server, _) = stage.db.url.rsplit_once('/').unwrap();
    let other_database = format!("{server}/billing_elsewhere");
    let name = "BILLING_SECRET_DATABASE_API_USERNAME";
    for (changes, sentence) in [
        ((name, "billing_test_worker"), "the login billing_test_worker is no member of billing_api"),
        ((name, "billing_test_above"), "the login billing_test_above is a superuser or has BYPASSRLS"),
        (("BILLING_DATABASE_URL", &other_database), "the database server has no database of that name"),
    ] {
        stage.check(&[], &[changes], sentence, Some(1));
    }
    stage.db.owner.batch_execute("REVOKE USAGE ON SCHEMA billing FROM billing_api").await.unwrap();
    stage.check(&[], &[], "the login billing_test_api may not use the schema billing", Some(1));
    let as_owner = ("BILLING_SECRET_DATABASE_OWNER_PASSWORD", PASSWORD);
    let user = "BILLING_SECRET_DATABASE_OWNER_USERNAME";
    let migrating = |login| [as_owner, (user, login)];
    stage.check(&["migrate"], &migrating("billing_test_api"), "the user cannot act as billing_owner", Some(1));
    stage.check(&["migrate"], &migrating("billing_test_owner"), "the schema is up to date", Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_come_is_waited_for() {
    let stage = Stage::new().await;
    let with_newline = format!("{PASSWORD}\n");
    let half = stage.file("half/database-api.json", &format!("{{\"username\":\"api\",\"password\":\"{CANARY}"));
    let half = half.rsplit_once('/').unwrap().0;
    // Half written, perhaps: the rest comes.
    let files = [("BILLING_CREDENTIALS", "files"), ("BILLING_CREDENTIALS_DIR", half)];
    stage.check(&[], &files, "database-api.json is not a JSON object of texts", None);
    for (changes, sentence) in [
        (("BILLING_SECRET_DATABASE_API_PASSWORD", with_newline.as_str()), SERVING),
        (("BILLING_DATABASE_URL", "postgres://127.0.0.1:9/billing"), "not ready before the database is there"),
        // A newer one may come.
        (("BILLING_SECRET_DATABASE_API_USERNAME", "nobody_of_that_name"), "the database server refuses the login"),
        (("BILLING_SECRET_DATABASE_API_PASSWORD", CANARY), "the database server refuses the login"),
        (("BILLING_JWT_JWKS", "http://127.0.0.1:9/"), "not ready before the token keys are there"),
        (("BILLING_S3_BUCKET", "of-nobody"), "the bucket does not exist: make it, or correct its name"),
        (("BILLING_S3_ENDPOINT", "http://127.0.0.1:9"), "the bucket cannot be looked at"),
        (("BILLING_S3_ENDPOINT", "http://127.0.0.1:9"), SERVING),
    ] {
        stage.check(&[], &[changes], sentence, None);
    }
}

/// A user whose time is over is refused like one with a wrong password, and a newer one may come.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_whose_time_is_over_is_told() {
    let stage = Stage::new().await;
    let user = stage.db.expired_login("billing_api").await;
    let change = ("BILLING_SECRET_DATABASE_API_USERNAME", user.as_str());
    stage.check(&[], &[change], "the database server refuses the login", None);
}
