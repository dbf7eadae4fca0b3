//! Everything as in production: PostgreSQL, a NATS cluster of three and Redis that encrypt, under an authority of the
//! platform's own. It bills, a leader may be lost, and whoever does not show that authority's certificate, under the name
//! that was asked for, is not spoken to.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use billing_testing::certificates::Authority;

use crate::cache::offered;
use crate::cluster::{TURN, leader, resumes};
use crate::operator::Operator;
use crate::pod::{Pod, RunningPod};
use crate::postgres_server::{PostgresServer, other_user};
use crate::process::{Folder, until};
use crate::servers::RedisServer;
use crate::stage::{Plan, Stage};

/// One authority, one certificate for every server, good for `localhost` and no other name, and users of NATS.
#[derive(Clone)]
pub(crate) struct Encryption {
    pub(crate) authority: Arc<Authority>,
    /// Files in PEM.
    pub(crate) authority_file: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) nats: Operator,
}

impl Encryption {
    pub(crate) fn new(folder: &Folder) -> Self {
        let authority = Authority::new();
        let signed = authority.sign(&["localhost"]);
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        Self {
            authority_file: write("ca.pem", &authority.pem()),
            certificate: write("server.pem", &signed.certificate),
            key: write("server.key", &signed.key),
            authority: Arc::new(authority),
            nats: Operator::new(),
        }
    }

    /// Whom the service logs in as is let in by an encrypted connection only.
    pub(crate) async fn postgres(&self, folder: &Folder) -> PostgresServer {
        let rules = "hostnossl all billing_test_worker 0.0.0.0/0 reject";
        PostgresServer::start_with(folder, |data| self.for_postgres(data), rules).await
    }

    /// PostgreSQL wants files of its own, and its key read by nobody else.
    fn for_postgres(&self, data: &Path) -> String {
        for (from, name) in [(&self.certificate, "server.pem"), (&self.key, "server.key")] {
            let to = data.join(name);
            fs::copy(from, &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
            if let Some((uid, gid)) = other_user() {
                chown(&to, Some(uid), Some(gid)).unwrap();
            }
        }
        "ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n".to_owned()
    }
}

/// A pod as the chart makes one: addresses that encrypt, by this name for all servers.
fn pod(stage: &Stage, redis: &RedisServer, host: &str) -> Pod {
    let database = format!(
        "postgres://{host}:{}/{}?sslmode=require",
        stage.postgres.as_ref().unwrap().port,
        stage.database_name()
    );
    let encryption = stage.encryption.as_ref().unwrap();
    Pod::default()
        .with("BILLING_DATABASE_URL", database)
        .with("BILLING_NATS_URLS", stage.nats.urls().replace("localhost", host))
        .with("BILLING_SECRET_NATS_CREDS", encryption.nats.credentials())
        .redis_at(&redis.url().replace("localhost", host))
}

fn trusting(pod: Pod, authority: &Path) -> Pod {
    pod.with("BILLING_TLS_CA_FILE", authority.display().to_string())
}

async fn says(pod: &RunningPod, sentences: &[&str]) {
    for sentence in sentences {
        until(&format!("the pod says {sentence:?}"), 30, async || pod.log().contains(sentence)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_encrypted_and_a_stranger_is_not_spoken_to() {
    let _turn = TURN.lock().await;
    let mut stage = Stage::new(Plan { nodes: 3, encrypted: true, ..Plan::default() }).await;
    let encryption = stage.encryption.clone().unwrap();
    let redis = RedisServer::encrypted(&stage.folder, &encryption).await;
    let other = stage.folder.path().join("other-ca.pem");
    fs::write(&other, Authority::new().pem()).unwrap();

    let unknown = [
        "the connection to the database cannot be encrypted: invalid peer certificate: UnknownIssuer",
        "cannot connect to NATS",
        "invalid peer certificate: UnknownIssuer",
        "the connection to Redis fails",
    ];
    let misnamed = [
        "the connection to the database cannot be encrypted: invalid peer certificate: certificate not valid for name",
        "cannot connect to NATS",
        "the connection to Redis fails",
    ];
    let strangers = [
        (pod(&stage, &redis, "localhost"), &unknown[..]),
        (trusting(pod(&stage, &redis, "localhost"), &other), &unknown[..]),
        (trusting(pod(&stage, &redis, "127.0.0.1"), &encryption.authority_file), &misnamed[..]),
    ];
    for (pod, sentences) in strangers {
        let pod = pod.start(&stage);
        says(&pod, sentences).await;
        assert!(!pod.is_ready().await);
        pod.assert_alive().await;
        pod.kill();
    }

    let in_the_open = pod(&stage, &redis, "localhost").with("BILLING_DATABASE_URL", stage.db.url.clone()).start(&stage);
    says(&in_the_open, &["the database server refuses the login"]).await;
    assert!(!in_the_open.is_ready().await);
    in_the_open.kill();

    let pod = trusting(pod(&stage, &redis, "localhost"), &encryption.authority_file).ready(&stage).await;
    let load = stage.publisher.load();
    until("usage is recorded", 30, async || stage.count("billing_events").await > 500).await;
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE usename = 'billing_test_worker' AND application_name = 'billing-ingest' AND ssl";
    assert!(stage.db.number(encrypted).await > 0);
    let node = leader(&stage).await;
    stage.nats.kill_node(node);
    resumes(&stage, "after the leading node was killed").await;
    stage.nats.start_node(node);
    load.stop().await;
    stage.prove().await;
    offered(&stage, &redis).await;
    pod.stop().await;
}
