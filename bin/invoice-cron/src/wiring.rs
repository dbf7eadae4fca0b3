//! Puts the run together: configuration, adapters, plan, run, record.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use billing_domain::Month;
use billing_domain::ports::{Clock as _, InvoiceStore as _, RunCounts, RunResult};
use billing_nats::{BoxError, CONSUMER, ConsumerConfig, EventConsumer, Nats, STREAM};
use billing_postgres::{DatabaseCredentials, Logins, Postgres};
use billing_runtime::{Env, Secret, Shutdown, SystemClock, chain};
use billing_s3::{S3Credentials, S3Documents, S3Keys};
use billing_typst::TypstRenderer;
use tracing::Instrument as _;
use tracing::field::Empty;
use uuid::Uuid;

use crate::arguments::{Arguments, VerifyArguments};
use crate::clocked::{Clocked, Stopwatch};
use crate::config::Config;
use crate::parked;
use crate::plan::{Plan, plan};
use crate::progress::Progress;
use crate::report::{Preview, Report, Spent};
use crate::run::{Outcome, Tools, run as run_jobs};
use crate::verify::{self, Verifier};
use crate::watermark;

/// Some accounts failed: a rerun finishes them. Of what was verified, some differs.
const SOME_FAILED: u8 = 2;

/// Bills; the exit code says how far it came. An error means that nothing could run.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let (log, config) = Config::read(Env::of_process())?;
    let telemetry = billing_runtime::start_telemetry(log, config.traces.as_ref())?;
    let span = tracing::info_span!("run", otel.name = "invoice run", otel.status_code = Empty);
    let ended = run_traced(arguments, config, began).instrument(span.clone()).await;
    if !matches!(&ended, Ok(RunResult::Ok)) {
        span.record("otel.status_code", "ERROR");
    }
    drop(span);
    telemetry.stop().await;
    let code = match ended? {
        RunResult::Ok => ExitCode::SUCCESS,
        RunResult::Partial | RunResult::Error => ExitCode::from(SOME_FAILED),
    };
    Ok(code)
}

async fn run_traced(arguments: &Arguments, config: Config, began: Instant) -> anyhow::Result<RunResult> {
    let (_, shutdown) = Shutdown::on_signals().context("cannot listen to signals")?;
    let now = SystemClock.now();
    let period = arguments.period.unwrap_or_else(|| Month::of(now).previous());
    if period >= Month::of(now) {
        bail!("{period} is not over yet: --period names a month that is");
    }
    let store = database(&config).await?;
    let progress = Progress::new(arguments.json);
    let run = Uuid::new_v4();
    if !arguments.dry_run {
        store.begin_run(run, period, now).await?;
    }
    let result = work(arguments, config, period, &store, progress, &shutdown, began).await;
    if !arguments.dry_run {
        let (ended, counts) = match &result {
            Ok(outcome) => (ended(outcome), outcome.counts),
            Err(_) => (RunResult::Error, RunCounts::default()),
        };
        if let Err(error) = store.end_run(run, SystemClock.now(), ended, counts).await {
            // What the run did stands, and what it failed of matters more.
            tracing::warn!(error = chain(&error), "the run's end is not noted");
        }
    }
    Ok(ended(&result?))
}

/// Lists what could not be finished.
pub(crate) async fn parked(as_json: bool) -> anyhow::Result<ExitCode> {
    let (log, config) = Config::read(Env::of_process())?;
    billing_runtime::start_telemetry(log, None)?;
    let drafts = database(&config).await?.parked().await?;
    parked::print(&drafts, as_json, &mut std::io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

/// Verifies; an error means that not everything could be looked at.
pub(crate) async fn verify(arguments: &VerifyArguments) -> anyhow::Result<ExitCode> {
    let (log, config) = Config::read(Env::of_process())?;
    billing_runtime::start_telemetry(log, None)?;
    let (_, shutdown) = Shutdown::on_signals().context("cannot listen to signals")?;
    let (store, documents) = (database(&config).await?, documents(&config).await?);
    let verifier = Arc::new(Verifier { store, documents, progress: Progress::new(arguments.json) });
    let report = verify::verify(&verifier, arguments.period, arguments.account_id, config.parallel, &shutdown).await;
    verifier.progress.end();
    let report = report?;
    report.print(arguments.json)?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(SOME_FAILED) })
}

fn ended(outcome: &Outcome) -> RunResult {
    if outcome.failures.is_empty() && !outcome.is_cut_short { RunResult::Ok } else { RunResult::Partial }
}

async fn work(
    arguments: &Arguments,
    config: Config,
    period: Month,
    store: &Postgres,
    progress: Progress,
    shutdown: &Shutdown,
    began: Instant,
) -> anyhow::Result<Outcome> {
    let documents = documents(&config).await?;
    documents.look_at_bucket().await;
    if !arguments.allow_lag {
        let consumer = consumer(&config).await?;
        watermark::wait(&consumer, config.lag_for, shutdown, &progress).await?;
    }
    let planned = plan(store, period, arguments.account_id, arguments.hold_unrated, SystemClock.now()).await?;
    if arguments.dry_run {
        let previews = preview(store, &planned).await?;
        progress.end();
        Report::dry(period, previews, &planned.notes, began.elapsed().as_secs()).print(arguments.json)?;
        return Ok(Outcome::default());
    }
    let Plan { jobs, invoices, notes } = planned;
    progress.begin("issue", invoices);
    let renderer = TypstRenderer::new()?;
    let tools = Arc::new(Tools {
        store: Clocked::new(store.clone()),
        renderer: Clocked::new(renderer),
        documents: Clocked::new(documents),
        clock: SystemClock,
        terms: config.terms,
        progress,
        jobs: Stopwatch::default(),
    });
    let mut outcome = run_jobs(Arc::clone(&tools), jobs, config.parallel, config.retry_for, shutdown).await;
    tools.progress.end();
    let held = notes.iter().filter(|note| note.is_held).count();
    let spent = Spent {
        accounts: tools.jobs.millis(),
        rendering: tools.renderer.millis(),
        storing: tools.documents.millis(),
        database: tools.store.millis(),
    };
    Report::new(period, &outcome, &notes, began.elapsed().as_secs()).with(spent).print(arguments.json)?;
    outcome.counts.skipped += u64::try_from(held).unwrap_or(u64::MAX);
    Ok(outcome)
}

async fn preview(store: &Postgres, planned: &Plan) -> anyhow::Result<Vec<Preview>> {
    let mut previews = Vec::new();
    for request in planned.jobs.iter().flat_map(|job| &job.due) {
        let contents = store.preview(request).await?;
        if !contents.is_empty() {
            previews.push(Preview::of(request, &contents)?);
        }
    }
    Ok(previews)
}

async fn database(config: &Config) -> anyhow::Result<Postgres> {
    let login = |found: Option<[Secret; 2]>| {
        let [username, password] = found?;
        Some(DatabaseCredentials { username: username.expose().into(), password: password.expose().into() })
    };
    let login = config.credentials.obtain("database-worker", ["username", "password"], login).await?;
    let postgres = Postgres::connect(&config.database, Logins::following(login.current, login.refused))?;
    postgres.check_login("billing_worker").await?;
    Ok(postgres)
}

async fn documents(config: &Config) -> anyhow::Result<S3Documents> {
    let keys = |found: Option<[Secret; 2]>| {
        let [access_key, secret_key] = found?;
        Some(S3Credentials { access_key: access_key.expose().into(), secret_key: secret_key.expose().into() })
    };
    let keys = config.credentials.obtain("s3", ["access_key", "secret_key"], keys).await?;
    Ok(S3Documents::new(&config.s3, S3Keys::following(keys.current, keys.refused))?)
}

async fn consumer(config: &Config) -> anyhow::Result<EventConsumer> {
    // A cluster may ask for none.
    let creds = |found: Option<[Secret; 1]>| Some(found.map(|[creds]| creds.expose().to_owned()));
    let followed = config.credentials.obtain("nats", ["creds"], creds).await?;
    let read = move || {
        let now = followed.current.borrow().clone();
        async move { now.ok_or_else(|| BoxError::from("the credentials for NATS are not known any more")) }
    };
    let nats = Nats::connect(&config.nats_urls, "billing-invoice-cron", config.trust.client(), read).await?;
    // It only looks: how many would pull, and how much, does not matter.
    let (stream, durable) = (STREAM.into(), CONSUMER.into());
    Ok(nats.consumer(ConsumerConfig { stream, durable, batches: 1, batch_size: 1, is_traced: false }))
}
