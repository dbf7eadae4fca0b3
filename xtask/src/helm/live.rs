//! Every question of the chart, put to a real Prometheus that scrapes a running stack with some traffic on it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::ask::{Question, questions};
use super::render::Object;
use super::traffic;
use crate::setup;
use crate::signals::unless_interrupted;
use crate::stack::{Info, Options, Purpose, ServiceInfo, Stack};

/// By then every question must have been answered once.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Starts a stack and Prometheus, asks, and stops both; a line for each question without an answer.
pub(super) async fn run(root: &Path, objects: &[Object]) -> Result<Vec<String>> {
    let program = setup::prometheus(root)?;
    let dir = root.join("target/helm-stack");
    let stack = Stack::up(Options { dir: dir.clone(), purpose: Purpose::Service }).await?;
    let asked = unless_interrupted(ask(&program, &dir, &stack.info, questions(objects))).await;
    stack.down().await?;
    asked
}

async fn ask(program: &Path, dir: &Path, info: &Info, asked: Vec<Question>) -> Result<Vec<String>> {
    let service = info.service.clone().context("the stack has no service")?;
    let prometheus = Prometheus::start(program, dir, &service)?;
    let count = asked.len();
    let traffic = traffic::keep_going(info, dir.to_owned(), service);
    let answers = prometheus.answers(asked);
    let unanswered = tokio::select! {
        ended = traffic => return ended.map(|()| vec!["the traffic ended by itself".to_owned()]),
        unanswered = answers => unanswered?,
    };
    println!("{} of {count} questions to Prometheus were answered", count - unanswered.len());
    Ok(unanswered)
}

/// A Prometheus of this command's own; stopped on drop.
struct Prometheus {
    _process: Child,
    url: String,
    http: reqwest::Client,
}

impl Prometheus {
    fn start(program: &Path, dir: &Path, service: &ServiceInfo) -> Result<Self> {
        let folder = dir.join("prometheus");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let config = folder.join("prometheus.yaml");
        std::fs::write(&config, scrape_config(service)?)
            .with_context(|| format!("cannot write {}", config.display()))?;
        let address = free_address()?;
        let log = folder.join("prometheus.log");
        let said = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let process = Command::new(program)
            .arg(flag("config.file", &config))
            .arg(flag("storage.tsdb.path", &folder.join("data")))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .kill_on_drop(true)
            .spawn()
            .context("cannot run prometheus")?;
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(TIMEOUT).build();
        Ok(Self {
            _process: process,
            url: format!("http://{address}"),
            http: http.context("cannot make an HTTP client")?,
        })
    }

    /// Asks until every question was answered or patience is over; a line for each that was not.
    async fn answers(&self, mut left: Vec<Question>) -> Result<Vec<String>> {
        let deadline = Instant::now() + PATIENCE;
        let mut said = Vec::new();
        while !left.is_empty() && Instant::now() < deadline {
            tokio::time::sleep(LOOK_EVERY).await;
            said.clear();
            let mut unanswered = Vec::new();
            for question in left {
                match self.ask(&question).await {
                    Ok(true) => {}
                    Ok(false) => {
                        said.push(format!("{}: no answer to {}", question.place, question.query));
                        unanswered.push(question);
                    }
                    Err(error) => {
                        said.push(format!("{}: {error:#}: {}", question.place, question.query));
                        unanswered.push(question);
                    }
                }
            }
            left = unanswered;
        }
        Ok(said)
    }

    /// Whether there is an answer: a number, in at least one series.
    async fn ask(&self, question: &Question) -> Result<bool> {
        let url = format!("{}/api/v1/query?query={}", self.url, percent_encoded(&question.query));
        let answer: Value =
            self.http.get(url).send().await.context("no Prometheus")?.json().await.context("no JSON")?;
        ensure!(answer["status"] == "success", "{}", answer["error"].as_str().unwrap_or("it failed"));
        let series = answer.pointer("/data/result").and_then(Value::as_array).into_iter().flatten();
        let mut values = series.filter_map(|one| one.pointer("/value/1")?.as_str());
        Ok(!question.must_answer || values.any(|value| value != "NaN"))
    }
}

/// As the chart's `ServiceMonitor` labels the pods, the canary's included.
fn scrape_config(service: &ServiceInfo) -> Result<String> {
    let job = |component: &str, url: &str| {
        let address = url.trim_start_matches("http://").trim_end_matches("/metrics");
        json!({"job_name": component, "static_configs": [{"targets": [address], "labels": {
            "namespace": "billing", "component": component, "rollouts_pod_template_hash": "canary"}}]})
    };
    let config = json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [job("api", &service.api_metrics_url), job("ingest", &service.ingest_metrics_url)],
    });
    serde_json::to_string_pretty(&config).context("cannot encode the configuration of prometheus")
}

fn flag(name: &str, path: &Path) -> std::ffi::OsString {
    let mut flag = std::ffi::OsString::from(format!("--{name}="));
    flag.push(PathBuf::from(path));
    flag
}

fn free_address() -> Result<std::net::SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
    listener.local_addr().context("the port has no address")
}

fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
