//! Logins that are rotated, taken back, and not to be had, while usage comes in: from a real Vault server and a real agent,
//! on the real PostgreSQL. Nothing is lost, nothing double, and no user is left behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::pod::{Pod, RunningPod};
use crate::process::{until, variable};
use crate::stage::{Plan, Stage};
use crate::support::PASSWORD;
use crate::vault::{Bao, Kubernetes, ROOT, Terms};

/// So short that it can be renewed once, and then never again.
const SHORT: Terms = Terms { ttl: "4s", max_ttl: "8s" };
const LONG: Terms = Terms { ttl: "1h", max_ttl: "2h" };

/// A stage whose workers log in as users of a Vault server.
struct Vaulted {
    stage: Stage,
    bao: Bao,
    role: String,
}

impl Vaulted {
    async fn new(terms: Terms) -> Self {
        let (stage, bao) = (Stage::new(Plan::default()).await, Bao::start().await);
        bao.connect_database(&variable("BILLING_TEST_DATABASE_URL"), stage.database_name()).await;
        let role = bao.add_role("billing_worker", terms).await;
        Self { stage, bao, role }
    }

    fn path(&self) -> String {
        format!("database/creds/{}", self.role)
    }

    fn pod(&self) -> Pod {
        Pod::default().with_credentials(vec![
            ("BILLING_CREDENTIALS", "vault".into()),
            ("VAULT_ADDR", self.bao.address()),
            ("VAULT_TOKEN", ROOT.into()),
            ("BILLING_VAULT_PATH_DATABASE_WORKER", self.path()),
        ])
    }

    /// Users that the role has made, and that are still there.
    async fn users(&self) -> BTreeSet<String> {
        let users = "SELECT rolname FROM pg_roles WHERE rolname LIKE '%' || $1 || '%'";
        let rows = self.stage.db.owner.query(users, &[&self.role]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Waits until so many users have come after one another while usage is recorded.
    async fn until_rotated(&self, times: usize) {
        let mut seen = BTreeSet::new();
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while seen.len() <= times {
            seen.extend(self.users().await);
            assert!(std::time::Instant::now() < deadline, "only {} users in a minute", seen.len());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let before = self.stage.count("billing_events").await;
        until("the last of them records", 20, async || self.stage.count("billing_events").await > before + 200).await;
    }

    /// Everything is recorded once, and no user is left.
    async fn prove(self, pod: RunningPod) {
        self.stage.prove().await;
        pod.stop().await;
        self.until_no_user_is_left().await;
    }

    async fn until_no_user_is_left(&self) {
        until("no user is left", 30, async || self.users().await.is_empty()).await;
    }
}

/// What a pod reads its secrets from, and the file of its login to the database.
fn folder_of_secrets(stage: &Stage) -> (PathBuf, Pod) {
    let folder = stage.folder.path().join("secrets");
    fs::create_dir(&folder).unwrap();
    let variables =
        vec![("BILLING_CREDENTIALS", "files".to_owned()), ("BILLING_CREDENTIALS_DIR", folder.display().to_string())];
    (folder.join("database-worker.json"), Pod::default().with_credentials(variables))
}

/// As an agent does it.
fn replace(file: &Path, text: &str) {
    let other = file.with_extension("new");
    fs::write(&other, text).unwrap();
    fs::rename(&other, file).unwrap();
}

const EXPIRY: &str = r#"billing_credentials_expiry_timestamp_seconds{secret="database-worker"}"#;
const FAILURES: &str = r#"billing_credentials_refresh_errors_total{secret="database-worker"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn three_rotations_under_load() {
    let vaulted = Vaulted::new(SHORT).await;
    let pod = vaulted.pod().ready(&vaulted.stage).await;
    let load = vaulted.stage.publisher.load();
    vaulted.until_rotated(3).await;
    load.stop().await;
    assert_eq!(pod.metric(FAILURES).await, Some(0));
    vaulted.prove(pod).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_that_are_dropped_in_mid_transaction() {
    let vaulted = Vaulted::new(LONG).await;
    let pod = vaulted.pod().ready(&vaulted.stage).await;
    let load = vaulted.stage.publisher.load();
    for _ in 0..3 {
        let before = vaulted.stage.count("billing_events").await;
        until("usage is recorded", 30, async || vaulted.stage.count("billing_events").await > before + 300).await;
        vaulted.bao.revoke(&vaulted.role).await;
    }
    load.stop().await;
    vaulted.stage.drained().await;
    vaulted.stage.prove().await;
    pod.stop().await;
    // A pod that works takes a new one at once, of an hour.
    vaulted.bao.revoke(&vaulted.role).await;
    vaulted.until_no_user_is_left().await;
}

/// The agent's own token has an end too, and takes what it leased with it.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_an_agent_renders() {
    let (vaulted, cluster) = (Vaulted::new(SHORT).await, Kubernetes::start().await);
    vaulted.bao.trust(&cluster, LONG).await;
    let (file, pod) = folder_of_secrets(&vaulted.stage);
    let template = format!("{{{{ with secret \"{}\" }}}}{{{{ .Data | toJSON }}}}{{{{ end }}}}", vaulted.path());
    // Nothing is rendered yet.
    let pod = pod.start(&vaulted.stage);
    until("the missing file is named", 20, async || pod.has_logged(&["no secret database-worker in"])).await;
    pod.until_not_ready().await;
    let agent = vaulted.bao.agent(&[(&template, &file)]);
    pod.until_ready().await;
    // Of a file only the database knows when what is in it ends.
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap();
    until("the end of the login is told", 20, async || {
        pod.metric(EXPIRY).await.is_some_and(|ends| (now - 60..now + 60).contains(&ends))
    })
    .await;
    let load = vaulted.stage.publisher.load();
    vaulted.until_rotated(2).await;
    load.stop().await;
    vaulted.stage.drained().await;
    drop(agent);
    vaulted.bao.revoke(&vaulted.role).await;
    vaulted.prove(pod).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_an_agents_proxy() {
    let (vaulted, cluster) = (Vaulted::new(SHORT).await, Kubernetes::start().await);
    vaulted.bao.trust(&cluster, Terms { ttl: "5s", max_ttl: "10s" }).await;
    let agent = vaulted.bao.agent(&[]);
    let pod = Pod::default().with_credentials(vec![
        ("BILLING_CREDENTIALS", "vault".into()),
        ("BILLING_VAULT_AUTH", "agent".into()),
        ("VAULT_ADDR", agent.address()),
        ("BILLING_VAULT_PATH_DATABASE_WORKER", vaulted.path()),
    ]);
    let pod = pod.ready(&vaulted.stage).await;
    let load = vaulted.stage.publisher.load();
    vaulted.until_rotated(2).await;
    load.stop().await;
    vaulted.prove(pod).await;
}

/// A password that somebody changes by hand, and what may lie in its file meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_changes_and_a_file_that_is_not_whole() {
    let stage = Stage::new(Plan::default()).await;
    let user = format!("worker_{}", stage.database_name());
    let create = format!("CREATE ROLE {user} LOGIN PASSWORD 'first' IN ROLE billing_worker");
    stage.db.owner.batch_execute(&create).await.unwrap();
    let (file, pod) = folder_of_secrets(&stage);
    let with = |password: &str| json!({"username": user, "password": password}).to_string();
    replace(&file, &with("first"));
    let pod = pod.ready(&stage).await;
    let load = stage.publisher.load();
    for (bad, told) in [
        (r#"{"username": "#, "database-worker.json is not a JSON object of texts"),
        ("", "database-worker.json is not a JSON object of texts"),
        (&with("<no value>"), "the field password of the secret database-worker cannot be used"),
        (&with(""), "the field password of the secret database-worker cannot be used: is empty"),
        (r#"{"username":"x"}"#, "the secret database-worker has no field password"),
    ] {
        let failures = pod.metric(FAILURES).await.unwrap();
        replace(&file, bad);
        until(told, 20, async || pod.metric(FAILURES).await.unwrap() > failures && pod.has_logged(&[told])).await;
    }
    let before = stage.count("billing_events").await;
    until("the last good one is used", 20, async || stage.count("billing_events").await > before + 200).await;
    let rotate = format!(
        "ALTER ROLE {user} PASSWORD 'second';
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'"
    );
    stage.db.owner.batch_execute(&rotate).await.unwrap();
    until("the old password is refused", 20, async || pod.has_logged(&["password authentication failed"])).await;
    replace(&file, &format!("{}\n", with("second\n")));
    pod.until_ready().await;
    load.stop().await;
    stage.prove().await;
    pod.stop().await;
    stage.db.owner.batch_execute(&format!("DROP ROLE {user}")).await.unwrap();
}

/// On servers that encrypt, as users are signed for there.
#[tokio::test(flavor = "multi_thread")]
async fn users_of_nats_that_are_taken_back() {
    let stage = Stage::new(Plan { encrypted: true, ..Plan::default() }).await;
    let encryption = stage.encryption.clone().unwrap();
    let (file, pod) = folder_of_secrets(&stage);
    replace(&file, &json!({"username": "billing_test_worker", "password": PASSWORD}).to_string());
    let creds = file.with_file_name("nats.json");
    let mut user = encryption.nats.user();
    replace(&creds, &json!({"creds": user.credentials}).to_string());
    let port = stage.postgres.as_ref().unwrap().port;
    let database = format!("postgres://localhost:{port}/{}?sslmode=require", stage.database_name());
    let pod = pod.with("BILLING_DATABASE_URL", database);
    let pod = pod.with("BILLING_TLS_CA_FILE", encryption.authority_file.display().to_string()).ready(&stage).await;
    let load = stage.publisher.load();
    for _ in 0..3 {
        let before = stage.count("billing_events").await;
        until("usage is recorded", 30, async || stage.count("billing_events").await > before + 300).await;
        let next = encryption.nats.user();
        replace(&creds, &json!({"creds": next.credentials}).to_string());
        encryption.nats.revoke(&user);
        stage.nats.reload();
        until("the old user is refused", 20, async || !stage.nats.lets_in(&user.credentials).await).await;
        user = next;
    }
    let before = stage.count("billing_events").await;
    until("the last user records", 30, async || stage.count("billing_events").await > before + 300).await;
    load.stop().await;
    stage.prove().await;
    pod.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_is_sealed_at_the_start_and_later() {
    let vaulted = Vaulted::new(Terms { ttl: "12s", max_ttl: "1h" }).await;
    vaulted.bao.seal().await;
    let pod = vaulted.pod().start(&vaulted.stage);
    until("the reason is told", 20, async || pod.has_logged(&["Vault is sealed: unseal it"])).await;
    pod.until_not_ready().await;
    vaulted.bao.unseal().await;
    pod.until_ready().await;

    vaulted.stage.publish(&vaulted.stage.messages(300).await).await;
    vaulted.stage.drained().await;
    let failures = pod.metric(FAILURES).await.unwrap();
    vaulted.bao.seal().await;
    until("a renewal fails", 20, async || pod.metric(FAILURES).await.unwrap() > failures).await;
    // What it has is good until its lease ends.
    assert!(pod.is_ready().await);
    vaulted.stage.publish(&vaulted.stage.messages(300).await).await;
    vaulted.stage.drained().await;
    until("the end of the lease is told", 20, async || pod.has_logged(&["lease has ended"])).await;
    pod.until_not_ready().await;
    let user = "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE '%' || $1 || '%'";
    let connections = async || vaulted.stage.db.owner.query_one(user, &[&vaulted.role]).await.unwrap().get::<_, i64>(0);
    until("no connection outlives it", 20, async || connections().await == 0).await;
    let unlucky = vaulted.stage.messages(300).await;
    vaulted.stage.publish(&unlucky).await;
    vaulted.bao.unseal().await;
    pod.until_ready().await;
    vaulted.prove(pod).await;
}
