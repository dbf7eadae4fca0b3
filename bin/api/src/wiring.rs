//! Puts the parts together: configuration, credentials, database, object store, keys, server, and their end in order.

use std::any::Any;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use anyhow::Context as _;
use billing_domain::ports::Clock as _;
use billing_postgres::{DatabaseCredentials, Logins, Postgres};
use billing_runtime::{
    Condition, Credentials, Env, Health, Histogram, LogFilter, Secret, Shutdown, SystemClock, Telemetry, TraceConfig,
};
use billing_s3::{S3Config, S3Credentials, S3Documents, S3Keys};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::runtime::Handle;

use crate::auth::{Jwks, JwksSource, Verifier};
use crate::config::{MigrateConfig, ServeConfig};
use crate::rendering::LazyRenderer;
use crate::routes::{self, DURATION};
use crate::services::{Services, Store};

/// The whole head of a request must be there by then.
const HEAD_TIME_MAX: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const DISCONNECT_TIME_MAX: Duration = Duration::from_secs(2);
/// A client that takes nothing of what it has been sent is cut. Milliseconds.
const STALL_MS_MAX: u32 = 30_000;
/// Of one worker.
const CONNECTIONS_MAX: usize = 1_024;
/// For requests that are under way when the process is asked to stop. Seconds.
const SHUTDOWN_TIME_MAX: u64 = 20;
/// Between not being ready any more and taking no more connections: who routes requests here must notice first.
const LEAVE_TIME: Duration = Duration::from_secs(4);
const READY_EVERY: Duration = Duration::from_secs(1);
const LOGIN_FIELDS: [&str; 2] = ["username", "password"];
const DURATION_BOUNDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

impl Store for Postgres {
    type Documents = S3Documents;
    type Renderer = LazyRenderer;
}

/// Serves until SIGTERM or SIGINT.
#[tokio::main]
pub(crate) async fn serve() -> anyhow::Result<()> {
    let config = ServeConfig::read(Env::of_process())?;
    let telemetry = start_telemetry(config.log, config.traces.as_ref())?;
    let (_, shutdown) = Shutdown::on_signals().context("signals cannot be listened to")?;
    billing_runtime::serve_metrics(config.metrics, &[Histogram { name: DURATION, bounds: DURATION_BOUNDS }])?;
    metrics::describe_histogram!(DURATION, metrics::Unit::Seconds, "How long requests took");
    billing_postgres::register_metrics();
    billing_s3::register_metrics();

    let login = config.credentials.follow("database-api", LOGIN_FIELDS, login).await?;
    let postgres = Postgres::connect(&config.database, Logins::following(login.current, login.refused))?;
    postgres.check_login("billing_api").await?;
    let (asked, credentials) = (postgres.clone(), config.credentials.clone());
    let valid_until = move || {
        let postgres = asked.clone();
        async move { postgres.login_valid_until().await }
    };
    tokio::spawn(credentials.watch_login("database-api", valid_until, shutdown.clone()));
    let documents = documents(&config.credentials, &config.s3).await?;
    tokio::spawn(look_at_bucket(documents.clone()));
    let jwks = Arc::new(Jwks::new(config.jwks.clone(), config.trust.client())?);
    match (jwks.refresh().await, &config.jwks) {
        (Err(error), JwksSource::File(_)) => return Err(error.into()),
        (Err(error), JwksSource::Url(_)) => {
            tracing::warn!(error = billing_runtime::chain(&error), "not ready before the token keys are there");
        }
        (Ok(()), _) => {}
    }
    tokio::spawn(Arc::clone(&jwks).keep_fresh());
    let verifier = Verifier::new(jwks, config.issuer, config.audience, config.claims);
    let health = Health::default();
    let serving = health.condition("serving");
    serving.set(true);
    let conditions = [health.condition("database"), health.condition("token-keys")];
    let tools = (documents, LazyRenderer::new());
    let services = Services::new(postgres.clone(), tools, verifier, health, || SystemClock.now(), Handle::current())?;
    let services = Data::new(services);
    tokio::spawn(watch_readiness(postgres, services.clone(), conditions));

    let served = services.clone();
    let origins = config.cors_origins;
    let server = HttpServer::new(move || routes::app(served.clone(), &origins))
        .client_request_timeout(HEAD_TIME_MAX)
        .client_disconnect_timeout(DISCONNECT_TIME_MAX)
        .keep_alive(KEEP_ALIVE)
        // A long answer goes out in pieces: none of them waits until the one before was acknowledged.
        .tcp_nodelay(true)
        .max_connections(CONNECTIONS_MAX)
        .on_connect(|connection, _| cut_when_stalled(connection))
        .shutdown_timeout(SHUTDOWN_TIME_MAX)
        .shutdown_signal(async move {
            shutdown.requested().await;
            serving.set(false);
            tokio::time::sleep(LEAVE_TIME).await;
        })
        .bind(config.http)
        .with_context(|| format!("cannot listen on {} for the API; free it or choose another address", config.http))?
        .run();
    tracing::info!(address = %config.http, "serving");
    server.await.context("the server broke off")?;
    // Work whose client has left may still be going on; the database bounds it.
    services.idle().await;
    telemetry.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Brings the schema up to date and says what was done.
#[tokio::main]
pub(crate) async fn migrate() -> anyhow::Result<()> {
    let config = MigrateConfig::read(Env::of_process())?;
    start_telemetry(config.log, None)?;
    let owner = config.credentials.obtain("database-owner", LOGIN_FIELDS, login).await?;
    let owner = Logins::following(owner.current, owner.refused);
    let steps = billing_postgres::migrate(&config.database_url, owner, &config.trust.client()).await?;
    match steps.as_slice() {
        [] => print("the schema is up to date"),
        steps => print(&format!("applied {}", steps.join("\napplied "))),
    }
}

/// Prints the route table.
pub(crate) fn print_routes() -> anyhow::Result<()> {
    print(routes::print(&routes::table::<Postgres>()).trim_end())
}

/// Prints a text that was asked for.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot print")
}

fn start_telemetry(filter: Option<LogFilter>, traces: Option<&TraceConfig>) -> anyhow::Result<Telemetry> {
    Ok(billing_runtime::start_telemetry(filter.context("no log filter")?, traces)?)
}

fn login(found: Option<[Secret; 2]>) -> Option<DatabaseCredentials> {
    let [username, password] = found?;
    Some(DatabaseCredentials { username: username.expose().into(), password: password.expose().into() })
}

async fn documents(credentials: &Credentials, config: &S3Config) -> anyhow::Result<S3Documents> {
    let keys = |found: Option<[Secret; 2]>| {
        let [access_key, secret_key] = found?;
        Some(S3Credentials { access_key: access_key.expose().into(), secret_key: secret_key.expose().into() })
    };
    let keys = credentials.follow("s3", ["access_key", "secret_key"], keys).await?;
    Ok(S3Documents::new(config, S3Keys::following(keys.current, keys.refused))?)
}

async fn look_at_bucket(documents: S3Documents) {
    documents.look_at_bucket().await;
}

/// The kernel ends a connection whose client acknowledges nothing, or has had no room for more, for too long.
fn cut_when_stalled(connection: &dyn Any) {
    let stream = connection.downcast_ref::<TcpStream>();
    if let Some(Err(error)) = stream.map(|stream| set_tcp_user_timeout(stream, STALL_MS_MAX)) {
        tracing::debug!(%error, "a connection has no limit on stalling");
    }
}

/// Asks the database every second whether it is there; an answer that takes longer means no.
async fn watch_readiness(postgres: Postgres, services: Data<Services<Postgres>>, [database, keys]: [Condition; 2]) {
    loop {
        let pool = postgres.clone();
        let mut question = tokio::spawn(async move { pool.ready().await });
        match tokio::time::timeout(READY_EVERY, &mut question).await {
            Ok(answer) => database.set(matches!(answer, Ok(Ok(())))),
            Err(_) => {
                database.set(false);
                // The question itself is never broken off.
                database.set(matches!(question.await, Ok(Ok(()))));
            }
        }
        keys.set(services.verifier.has_keys());
        tokio::time::sleep(READY_EVERY).await;
    }
}
