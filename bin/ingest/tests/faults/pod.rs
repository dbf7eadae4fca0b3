//! The program itself, as one pod.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;

use crate::process::{Process, free_port, get, until};
use crate::stage::Stage;
use crate::support;

/// What a pod is told; what is not said is as on the stage.
#[derive(Clone, Default)]
pub(crate) struct Pod {
    database_port: Option<u16>,
    nats_port: Option<u16>,
    redis_urls: Option<String>,
    batch_size: Option<u32>,
    credentials: Vec<(&'static str, String)>,
    more: Vec<(&'static str, String)>,
    /// The collector, and the ratio.
    traces: Option<(String, &'static str)>,
}

impl Pod {
    pub(crate) fn database_at(mut self, port: u16) -> Self {
        self.database_port = Some(port);
        self
    }

    pub(crate) fn nats_at(mut self, port: u16) -> Self {
        self.nats_port = Some(port);
        self
    }

    pub(crate) fn redis_at(mut self, urls: &str) -> Self {
        self.redis_urls = Some(urls.to_owned());
        self
    }

    pub(crate) fn batch(mut self, size: u32) -> Self {
        self.batch_size = Some(size);
        self
    }

    pub(crate) fn traces_to(mut self, endpoint: &str, ratio: &'static str) -> Self {
        self.traces = Some((endpoint.to_owned(), ratio));
        self
    }

    /// With another variable, or another value.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.more.push((name, value.into()));
        self
    }

    /// With secrets from elsewhere than its environment.
    pub(crate) fn with_credentials(mut self, variables: Vec<(&'static str, String)>) -> Self {
        self.credentials = variables;
        self
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn ready(self, stage: &Stage) -> RunningPod {
        let pod = self.start(stage);
        pod.until_ready().await;
        pod
    }

    /// Runs one of its commands instead; the exit code, what it prints, and what it says of itself.
    pub(crate) fn run(self, stage: &Stage, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.command(stage, [0, 0]).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    pub(crate) fn start(self, stage: &Stage) -> RunningPod {
        let (health_port, metrics_port) = (free_port(), free_port());
        let command = self.command(stage, [health_port, metrics_port]);
        let file = |kind: &str| stage.folder.path().join(format!("ingest-{kind}-{health_port}.log"));
        let log = file("pod");
        let process = Process::start(command, &log);
        RunningPod { process, log, health_port, metrics_port, metrics_page: file("metrics") }
    }

    /// The program with its environment.
    fn command(self, stage: &Stage, [health_port, metrics_port]: [u16; 2]) -> Command {
        let database = match self.database_port {
            Some(port) => format!("postgres://127.0.0.1:{port}/{}", stage.database_name()),
            None => stage.db.url.clone(),
        };
        let nats = self.nats_port.map_or_else(|| stage.nats.urls(), |port| format!("nats://127.0.0.1:{port}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_ingest"));
        command.env_clear().envs([
            (
                "BILLING_LOG",
                "debug,hyper=info,async_nats=info,actix_server=info,mio=info,fred=info,tokio_postgres=info".to_owned(),
            ),
            ("BILLING_DATABASE_URL", database),
            ("BILLING_REDIS_URLS", self.redis_urls.unwrap_or_else(|| stage.redis_urls.clone())),
            ("BILLING_NATS_URLS", nats),
            ("BILLING_INGEST_HTTP_ADDR", format!("127.0.0.1:{health_port}")),
            ("BILLING_INGEST_METRICS_ADDR", format!("127.0.0.1:{metrics_port}")),
            ("BILLING_INGEST_BATCH_SIZE", self.batch_size.unwrap_or(500).to_string()),
        ]);
        if self.credentials.is_empty() {
            command.env("BILLING_SECRET_DATABASE_WORKER_USERNAME", "billing_test_worker");
            command.env("BILLING_SECRET_DATABASE_WORKER_PASSWORD", support::PASSWORD);
        }
        if let Some((endpoint, ratio)) = self.traces {
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_TRACES_SAMPLER_ARG", ratio);
        }
        command.envs(self.credentials).envs(self.more);
        command
    }
}

pub(crate) struct RunningPod {
    process: Process,
    log: PathBuf,
    health_port: u16,
    metrics_port: u16,
    metrics_page: PathBuf,
}

impl RunningPod {
    pub(crate) async fn until_ready(&self) {
        until("the pod is ready", 30, async || self.is_ready().await).await;
    }

    pub(crate) async fn is_ready(&self) -> bool {
        get(self.health_port, "/health/ready").await.is_some_and(|(status, _)| status == 200)
    }

    pub(crate) async fn until_not_ready(&self) {
        until("the pod is not ready", 30, async || {
            get(self.health_port, "/health/ready").await.is_some_and(|(status, _)| status == 503)
        })
        .await;
        self.assert_alive().await;
    }

    /// What it says when it is asked whether it is ready.
    pub(crate) async fn not_ready(&self) -> String {
        get(self.health_port, "/health/ready").await.map(|(_, text)| text).unwrap_or_default()
    }

    /// A dependency that is away is no reason to be restarted.
    pub(crate) async fn assert_alive(&self) {
        let live = get(self.health_port, "/health/live").await;
        assert!(live.as_ref().is_some_and(|(status, _)| *status == 200), "{live:?}");
    }

    /// One number of `/metrics`, by the series' whole name; `None` when nobody answers.
    pub(crate) async fn metric(&self, series: &str) -> Option<u64> {
        let text = self.metrics().await?;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    }

    /// The page, which is kept for the search for secrets.
    async fn metrics(&self) -> Option<String> {
        let (_, text) = get(self.metrics_port, "/metrics").await?;
        std::fs::write(&self.metrics_page, &text).unwrap();
        Some(text)
    }

    /// Whether a line of its log has all of these words.
    pub(crate) fn has_logged(&self, words: &[&str]) -> bool {
        let log = std::fs::read_to_string(&self.log).unwrap();
        log.lines().any(|line| words.iter().all(|word| line.contains(word)))
    }

    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Everything that it has said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Asks it to stop, and expects it to do so in time and in order.
    pub(crate) async fn stop(mut self) {
        assert!(self.metrics().await.is_some(), "nobody can measure it");
        self.process.signal(Signal::TERM);
        let status = self.process.end_within(20).await;
        assert_eq!(status.code(), Some(0), "{status}");
    }

    /// The most memory that it has had, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }
}
