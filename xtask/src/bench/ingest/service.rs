//! The measured program: started with an environment of its own, watched through its metrics, stopped at the end.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};

use super::meter;
use crate::bench::program::{self, free_port, without_login};
use crate::stack::Info;

const READY_LIMIT: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Telling its metrics costs the program something too.
const COUNT_EVERY: Duration = Duration::from_millis(50);

/// What the program is told.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) program: PathBuf,
    pub(crate) dir: PathBuf,
    /// Its password in the database.
    pub(crate) password: String,
    pub(crate) workers: Option<u32>,
    pub(crate) batch_size: Option<u32>,
}

/// A running `ingest`.
pub(crate) struct Service {
    child: Child,
    pub(crate) pid: u32,
    /// From its start to the first answer that it is ready.
    pub(crate) ready_after: Duration,
    metrics_url: String,
    http: reqwest::Client,
}

impl Service {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(settings: &Settings, info: &Info) -> Result<Self> {
        let (health, metrics) = (free_port()?, free_port()?);
        let mut command = Command::new(&settings.program);
        command.env_clear().envs(variables(settings, info)?).current_dir(&settings.dir).kill_on_drop(true);
        command.env("BILLING_INGEST_HTTP_ADDR", format!("127.0.0.1:{health}"));
        command.env("BILLING_INGEST_METRICS_ADDR", format!("127.0.0.1:{metrics}"));
        let log = settings.dir.join("logs/ingest.log");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&log).context("cannot write its log")?;
        command.stdin(Stdio::null()).stdout(log.try_clone().context("cannot share its log")?).stderr(log);
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", settings.program.display()))?;
        let pid = child.id().context("ingest has ended at once")?;
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(5)).build()?;
        let url = format!("http://127.0.0.1:{health}/health/ready");
        while !http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            ensure!(began.elapsed() < READY_LIMIT, "ingest is not ready; its log is in {}", settings.dir.display());
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let metrics_url = format!("http://127.0.0.1:{metrics}/metrics");
        Ok(Self { child, pid, ready_after: began.elapsed(), metrics_url, http })
    }

    /// Waits until so many messages are recorded or found to be duplicates; `look` is called now and then.
    pub(crate) async fn wait_for(&self, count: u64, within: Duration, mut look: impl FnMut(u64)) -> Result<()> {
        let began = Instant::now();
        loop {
            let done = self.recorded().await?;
            look(done);
            if done >= count {
                ensure!(done == count, "ingest has counted {done} messages of {count}");
                return Ok(());
            }
            ensure!(began.elapsed() < within, "ingest has recorded {done} of {count} messages in {within:?}");
            tokio::time::sleep(COUNT_EVERY).await;
        }
    }

    /// New messages and duplicates that it has committed; anything else is an error.
    async fn recorded(&self) -> Result<u64> {
        let text = self.metrics().await?;
        let of = |result: &str| series(&text, &format!("billing_events_ingested_total{{result=\"{result}\"}}"));
        for bad in ["pricing_not_found", "quarantined"] {
            ensure!(of(bad) == 0, "{} messages are counted as {bad}", of(bad));
        }
        Ok(of("ok") + of("duplicate"))
    }

    /// Everything that it tells of itself.
    pub(crate) async fn metrics(&self) -> Result<String> {
        let answer = self.http.get(&self.metrics_url).send().await.context("ingest tells no metrics")?;
        answer.text().await.context("the metrics of ingest cannot be read")
    }

    /// The most memory that it ever had, in KiB.
    pub(crate) fn peak_kib(&self) -> Result<u64> {
        meter::peak_kib(self.pid)
    }

    /// Asks it to stop, and waits.
    pub(crate) async fn stop(self) -> Result<()> {
        program::stop(self.child, "ingest").await
    }
}

/// The value of one series of whole numbers.
pub(crate) fn series(text: &str, name: &str) -> u64 {
    let values = text.lines().filter_map(|line| line.strip_prefix(name));
    values.filter_map(|value| value.trim().parse().ok()).next().unwrap_or_default()
}

fn variables(settings: &Settings, info: &Info) -> Result<Vec<(&'static str, String)>> {
    let mut variables = vec![
        ("BILLING_LOG", "warn".to_owned()),
        ("BILLING_CREDENTIALS", "env".to_owned()),
        ("BILLING_SECRET_DATABASE_WORKER_USERNAME", "billing_worker_login".to_owned()),
        ("BILLING_SECRET_DATABASE_WORKER_PASSWORD", settings.password.clone()),
        ("BILLING_DATABASE_URL", without_login(&info.database_url)?),
        ("BILLING_REDIS_URLS", info.redis_urls.join(",")),
        ("BILLING_NATS_URLS", info.nats_urls.join(",")),
        // As the chart sets it.
        ("MALLOC_MMAP_THRESHOLD_", "1048576".to_owned()),
    ];
    variables.extend(settings.workers.map(|workers| ("BILLING_INGEST_WORKERS", workers.to_string())));
    variables.extend(settings.batch_size.map(|size| ("BILLING_INGEST_BATCH_SIZE", size.to_string())));
    Ok(variables)
}
