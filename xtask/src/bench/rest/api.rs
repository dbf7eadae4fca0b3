//! The measured program: started with an environment of its own, with keys of this run, and stopped at the end.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::bench::ingest::stage;
use crate::bench::program::{self, free_port, without_login};
use crate::stack::{Info, http, keys};

const READY_LIMIT: Duration = Duration::from_secs(20);

/// A running api.
pub(crate) struct Api {
    child: Child,
    pub(crate) pid: u32,
    pub(crate) port: u16,
    /// From its start to the first answer that it is ready.
    pub(crate) ready_after: Duration,
    /// The folder of its keys.
    pub(crate) dir: PathBuf,
    /// Its user and password in the database.
    pub(crate) login: (&'static str, String),
    /// For whoever measures.
    pub(crate) database: Client,
}

impl Api {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(program: &Path, dir: &Path, info: &Info, database: &Client) -> Result<Self> {
        let login = ("billing_api_login", Uuid::new_v4().simple().to_string());
        let password = format!("ALTER ROLE {} PASSWORD '{}'", login.0, login.1);
        database.batch_execute(&password).await.context("cannot set the api's password")?;
        let (port, metrics) = (free_port()?, free_port()?);
        let jwks = keys::ensure_in(dir)?;
        let mut command = Command::new(program);
        command.env_clear().current_dir(dir).kill_on_drop(true).stdin(Stdio::null()).envs([
            ("BILLING_DATABASE_URL", without_login(&info.database_url)?),
            ("BILLING_DATABASE_REPLICA_URL", without_login(&info.replica_url)?),
            ("BILLING_SECRET_DATABASE_API_USERNAME", login.0.to_owned()),
            ("BILLING_SECRET_DATABASE_API_PASSWORD", login.1.clone()),
            ("BILLING_SECRET_S3_ACCESS_KEY", "unused".to_owned()),
            ("BILLING_SECRET_S3_SECRET_KEY", "unused".to_owned()),
            ("BILLING_S3_ENDPOINT", "http://127.0.0.1:9".to_owned()),
            ("BILLING_API_HTTP_ADDR", format!("127.0.0.1:{port}")),
            ("BILLING_API_METRICS_ADDR", format!("127.0.0.1:{metrics}")),
            ("BILLING_JWT_JWKS", jwks.display().to_string()),
            ("BILLING_JWT_ISSUER", keys::ISSUER.to_owned()),
            ("BILLING_JWT_AUDIENCE", keys::AUDIENCE.to_owned()),
        ]);
        let log = dir.join("logs/api.log");
        let log = OpenOptions::new().create(true).append(true).open(&log).context("cannot write its log")?;
        command.stdout(log.try_clone().context("cannot share its log")?).stderr(log);
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let pid = child.id().context("api has ended at once")?;
        let ready = format!("http://127.0.0.1:{port}/health/ready");
        while http::is_ok(&ready).await.is_err() {
            ensure!(began.elapsed() < READY_LIMIT, "api is not ready; its log is in {}", dir.display());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let ready_after = began.elapsed();
        let database = stage::connect(&info.database_url).await?;
        Ok(Self { child, pid, port, ready_after, dir: dir.to_owned(), login, database })
    }

    /// Asks it to stop, and waits.
    pub(crate) async fn stop(self) -> Result<()> {
        program::stop(self.child, "api").await
    }
}
