//! Which part is which, in what order they start, and how they stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use billing_nats::{BoxError, CONSUMER, ConsumerConfig, EventConsumer, Nats, STREAM};
use billing_postgres::{DatabaseCredentials, Logins, Postgres};
use billing_redis::{KEY_PREFIX, RedisCache};
use billing_runtime::{
    Credentials, Health, MessageTracer, Secret, Shutdown, SystemClock, Trust, serve_health, serve_metrics,
};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::background::{first_partitions, follow_prices, measure_lag, prepare_partitions, watch_database};
use crate::catalog::Catalog;
use crate::config::Config;
use crate::intake::Intake;
use crate::metrics;
use crate::progress::{Progress, watch_progress};
use crate::recorder::Recorder;
use crate::relay::{export_runs, relay_outbox};
use crate::upkeep::{purge, recall_floor, replay_on_request, watch_stream};
use crate::worker::Worker;

/// Of a secret that is a login to the database.
pub(crate) const LOGIN_FIELDS: [&str; 2] = ["username", "password"];
/// Everyone has this long to finish when the process shall stop: longer than what is in hand, which is given back before.
const FINISH_TIMEOUT: Duration = Duration::from_secs(13);

/// Batches that are taken before a worker is free, the one that is being taken among them.
const BATCHES_WAITING: usize = 2;

/// Runs until the process is asked to stop.
pub(crate) async fn run(config: Config, tracer: Option<MessageTracer>) -> anyhow::Result<()> {
    let (trigger, shutdown) = Shutdown::on_signals().context("cannot listen to signals")?;
    serve_metrics(config.metrics_addr, &metrics::HISTOGRAMS)?;
    metrics::register();
    let health = Health::default();
    let running = health.condition("running");
    serve_health(config.http_addr, health.clone())?;

    let login = config.credentials.follow("database-worker", LOGIN_FIELDS, login).await?;
    let postgres = Postgres::connect(&config.database, Logins::following(login.current, login.refused))?;
    // Who is asked to stop at the start waits for no database that says nothing: there is nothing in hand yet.
    tokio::select! {
        biased;
        () = shutdown.requested() => return Ok(()),
        checked = postgres.check_login("billing_worker") => checked?,
    }
    let cache = RedisCache::connect(&config.redis_urls, KEY_PREFIX, config.trust.client())?;
    let nats = connect(&config.nats_urls, &config.trust, &config.credentials).await?;
    let (workers, batch_size) = (usize::try_from(config.workers)?, usize::try_from(config.batch_size)?);
    let (stream, durable, is_traced) = (STREAM.into(), CONSUMER.into(), tracer.is_some());
    let batches = workers + BATCHES_WAITING;
    let consumer = nats.consumer(ConsumerConfig { stream, durable, batches, batch_size, is_traced });

    let catalog = Arc::new(Catalog::new(postgres.clone(), cache));
    let mut tasks = JoinSet::new();
    let stop = || shutdown.clone();
    tasks.spawn(watch_database(postgres.clone(), health.condition("database"), stop()));
    let (asked, credentials) = (postgres.clone(), config.credentials.clone());
    let valid_until = move || {
        let postgres = asked.clone();
        async move { postgres.login_valid_until().await }
    };
    tasks.spawn(credentials.watch_login("database-worker", valid_until, stop()));
    tasks.spawn(prepare_partitions(postgres.clone(), SystemClock, stop()));
    tasks.spawn(follow_prices(postgres.clone(), Arc::clone(&catalog), health.condition("prices"), stop()));
    tasks.spawn(measure_lag(consumer.clone(), SystemClock, stop()));
    tasks.spawn(watch_stream(postgres.clone(), consumer.clone(), SystemClock, stop()));
    tasks.spawn(purge(postgres.clone(), SystemClock, stop()));
    tasks.spawn(replay_on_request(postgres.clone(), SystemClock, stop()));
    tasks.spawn(relay_outbox(postgres.clone(), nats.publisher(), SystemClock, stop()));
    tasks.spawn(export_runs(postgres.clone(), stop()));
    if config.consumer_enabled {
        let healthy = health.condition("recording");
        healthy.set(true);
        let recorder = Arc::new(Recorder { database: postgres, catalog, clock: SystemClock, healthy });
        consume(&mut tasks, &health, recorder, consumer, workers, tracer.as_ref(), &shutdown).await?;
    }
    running.set(true);
    tracing::info!(workers, batch_size, consuming = config.consumer_enabled, "running");

    let ended = tokio::select! {
        () = shutdown.requested() => None,
        ended = tasks.join_next() => ended,
    };
    running.set(false);
    // Also when a part has broken down, the others finish or give back what they have in hand.
    let whole = ended.is_none_or(|ended| ended.is_ok() && shutdown.is_requested());
    trigger.request();
    let finished = finish(tasks, &nats).await;
    anyhow::ensure!(whole && finished, "a part of the process broke down");
    Ok(())
}

/// Prepares for messages, and has them taken and recorded.
async fn consume(
    tasks: &mut JoinSet<()>,
    health: &Health,
    recorder: Arc<Recorder<Postgres, RedisCache, SystemClock>>,
    consumer: EventConsumer,
    workers: usize,
    tracer: Option<&MessageTracer>,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    let (progress, alive, recording) = (Progress::default(), health.vital("progress"), recorder.healthy.clone());
    tasks.spawn(watch_progress(consumer.clone(), progress.clone(), recording, alive, shutdown.clone()));
    let (database, recalling, stopped) = (recorder.database.clone(), consumer.clone(), shutdown.clone());
    let prepared = tokio::spawn(async move {
        // An event must not come before the partition of its month: in the default one it would stand in its way.
        first_partitions(&database, &stopped).await;
        recall_floor(&database, &recalling).await;
    });
    // Who is asked to stop does not wait here either; what has begun is not broken off.
    tokio::select! {
        biased;
        () = shutdown.requested() => {}
        prepared = prepared => prepared.context("nothing could be prepared")?,
    }
    let (taken, batches) = mpsc::channel(BATCHES_WAITING);
    let attached = health.condition("events");
    tasks.spawn(Intake { consumer, batches: taken, attached, shutdown: shutdown.clone() }.run());
    let (batches, in_hand) = (Arc::new(Mutex::new(batches)), Arc::default());
    for _ in 0..workers {
        let (recorder, batches, in_hand) = (Arc::clone(&recorder), Arc::clone(&batches), Arc::clone(&in_hand));
        let (progress, tracer, shutdown) = (progress.clone(), tracer.cloned(), shutdown.clone());
        tasks.spawn(Worker { recorder, batches, in_hand, progress, tracer, shutdown }.run());
    }
    Ok(())
}

/// Of who logs in to the database.
pub(crate) fn login(found: Option<[Secret; 2]>) -> Option<DatabaseCredentials> {
    let [username, password] = found?;
    Some(DatabaseCredentials { username: username.expose().to_owned(), password: password.expose().to_owned() })
}

/// A client that presents what is known at each connection, and connects anew when that has changed.
async fn connect(urls: &[String], trust: &Trust, credentials: &Credentials) -> anyhow::Result<Nats> {
    // A cluster may ask for none.
    let creds = |found: Option<[Secret; 1]>| Some(found.map(|[creds]| creds.expose().to_owned()));
    let followed = credentials.follow("nats", ["creds"], creds).await?;
    let current = followed.current.clone();
    let read = move || {
        let now = current.borrow().clone();
        if let Some(used) = &now {
            // Why a connection has to be made again is not told: these may have been refused.
            let _told = followed.refused.try_send(used.clone());
        }
        async move { now.ok_or_else(|| BoxError::from("the credentials for NATS are not known yet")) }
    };
    let nats = Nats::connect(urls, "billing-ingest", trust.client(), read).await?;
    nats.reconnect_on_change(followed.current);
    Ok(nats)
}

/// Lets everyone finish what is in hand, within bounds; whether nobody has broken down.
async fn finish(mut tasks: JoinSet<()>, nats: &Nats) -> bool {
    let mut whole = true;
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            whole &= ended.is_ok();
        }
    };
    if tokio::time::timeout(FINISH_TIMEOUT, all).await.is_err() {
        tracing::warn!(parts = tasks.len(), "not everything could be finished: the messages will come again");
    }
    if let Err(error) = nats.flush().await {
        tracing::warn!(
            error = billing_runtime::chain(&error),
            "acknowledgements may be lost: the messages will come again"
        );
    }
    tracing::info!("stopped");
    whole
}
