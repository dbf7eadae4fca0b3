//! Connections: two pools within the platform's limit, every wait bounded.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use billing_domain::ports::{LogPosition, PortError, ReadOwnWrites};
use deadpool::Runtime;
use deadpool::managed::{Manager, Object, Pool, PoolBuilder};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use rustls::ClientConfig;

use crate::door::{Door, Logins, login_of, retire};
use crate::freshness::{Freshness, position, watch_replica};
use crate::invoices::Exports;
use crate::session::{Opener, Sessions, login_of_session};

/// Connections of one pod in all, primary and replica together (contract, topology).
pub const CONNECTIONS_MAX: u32 = 15;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A busy database counts as there for so long after its last answer.
const ANSWERED_LATELY: Duration = Duration::from_secs(15);
/// After so long without an answer it is looked whether there is another server by now.
const SILENT_AFTER: Duration = Duration::from_secs(5);
const POOL_WAIT_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that is gone without a word is noticed after this long.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(15);
/// Statements, locks and silence within a transaction are bounded by the server: dropping a future ends nothing there.
const SESSION_LIMITS: &str = "-c statement_timeout=60s -c lock_timeout=20s \
    -c idle_in_transaction_session_timeout=60s -c timezone=UTC";

/// Where the database is and how many connections may be held.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// `postgres://host:port/dbname`, without credentials; with `?sslmode=disable` not encrypted.
    pub url: String,
    /// The read replica, likewise.
    pub replica_url: Option<String>,
    /// Connections to the primary, at least 1.
    pub pool_primary: u32,
    /// Connections to the replica; both pools together at most [`CONNECTIONS_MAX`].
    pub pool_replica: u32,
    /// Of the connections to the primary, those that record usage and do nothing else.
    pub pool_recording: u32,
    /// Of the connections to the primary, those that are left for exports of usage, to whichever server: so many may be
    /// under way at once.
    pub pool_exports: u32,
    /// Shown in `pg_stat_activity`.
    pub application_name: &'static str,
    /// Whose certificates are trusted.
    pub tls: ClientConfig,
}

/// A configuration that cannot work. Whether the server answers is a matter of readiness, not of this.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not a `postgres://` URL.
    #[error("the database URL cannot be read")]
    Url(#[source] tokio_postgres::Error),
    /// Credentials belong elsewhere, where they can be rotated and are never printed.
    #[error("the database URL must not hold a user name or password")]
    CredentialsInUrl,
    /// The pools are too large or the primary's is empty.
    #[error(
        "the pools hold {0} connections; at least 1 to the primary beside recording and exports, at most \
         {CONNECTIONS_MAX} in all"
    )]
    PoolSizes(u32),
    /// The pool could not be made.
    #[error("the connection pool cannot be made")]
    Pool(#[source] deadpool::managed::BuildError),
}

/// The database, as every port of billing. Cheap to clone; clones share the pools.
#[derive(Clone)]
pub struct Postgres {
    pub(crate) primary: Pool<Door>,
    pub(crate) replica: Option<Pool<Door>>,
    pub(crate) sessions: Sessions,
    pub(crate) exports: Arc<Exports>,
    pub(crate) freshness: Arc<Freshness>,
    /// What its reads must see.
    pub(crate) seen: Option<LogPosition>,
    /// When the primary last carried a transaction out.
    pub(crate) answered: Arc<Mutex<Option<Instant>>>,
}

impl Postgres {
    /// Makes the pools and begins to watch the replica. Connects when first used, so that a database that is down
    /// makes a service that is not ready, rather than none.
    ///
    /// # Errors
    /// [`ConnectError`] when the configuration cannot work.
    pub fn connect(config: &DatabaseConfig, logins: impl Into<Logins>) -> Result<Self, ConnectError> {
        let replica_size = if config.replica_url.is_some() { config.pool_replica } else { 0 };
        let total = config.pool_primary.saturating_add(replica_size);
        let apart = config.pool_recording.saturating_add(config.pool_exports);
        if config.pool_primary <= apart || total > CONNECTIONS_MAX {
            return Err(ConnectError::PoolSizes(total));
        }
        let logins = logins.into();
        let to = |url: &str| door(url, config.application_name, &config.tls, &logins);
        let primary_door = to(&config.url)?.into_primary();
        let primary = bounded(Pool::builder(primary_door.clone()), config.pool_primary - apart)?;
        let sessions = bounded(Pool::builder(Opener::new(primary_door.clone())), config.pool_recording)?;
        retire(&primary, &logins, login_of);
        retire(&sessions, &logins, login_of_session);
        let replica_url = config.replica_url.as_ref().filter(|_| replica_size > 0);
        let replica_door = replica_url.map(|url| to(url)).transpose()?;
        let replica = replica_door.clone().map(|door| bounded(Pool::builder(door), replica_size)).transpose()?;
        let exports = Arc::new(Exports::new(primary_door, replica_door, config.pool_exports));
        let freshness = Arc::new(Freshness::default());
        if let Some(replica) = &replica {
            retire(replica, &logins, login_of);
            watch_replica(primary.clone(), replica.clone(), &freshness);
        }
        Ok(Self { primary, replica, sessions, exports, freshness, seen: None, answered: Arc::default() })
    }

    /// Whether the primary answers and takes writes. A demoted primary still answers, and one that stands still keeps its
    /// connections: so when there is no answer, one more is opened, for it may lead to another server by now, which ends those.
    /// Not to be dropped while it waits.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ready(&self) -> Result<(), PortError> {
        if self.primary.status().available == 0 && self.answered_lately() {
            // Every connection is at work: to queue behind them would tell of load, not of the database.
            return Ok(());
        }
        let mut asked = pin!(self.takes_writes());
        loop {
            let answer = tokio::time::timeout(SILENT_AFTER, &mut asked).await;
            if let Ok(Ok(())) = answer {
                return Ok(());
            }
            if let Err(error) = self.exports.primary.open().await {
                tracing::debug!(%error, "nor does a new connection lead anywhere");
            }
            if let Ok(refused) = answer {
                return refused;
            }
        }
    }

    async fn takes_writes(&self) -> Result<(), PortError> {
        #[derive(diesel::QueryableByName)]
        struct Recovery {
            #[diesel(sql_type = diesel::sql_types::Bool)]
            in_recovery: bool,
        }
        let mut connection = checkout(&self.primary, "ready").await?;
        let answer: Recovery = diesel::sql_query("SELECT pg_is_in_recovery() AS in_recovery")
            .get_result(&mut **connection)
            .await
            .map_err(|error| PortError::transient("ready", error))?;
        if answer.in_recovery {
            // The name now points elsewhere, perhaps: a connection to the old server is of no more use.
            drop(Object::take(connection));
            return Err(PortError::transient("ready", "the server is a standby"));
        }
        Ok(())
    }

    fn answered_lately(&self) -> bool {
        let answered = *self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.is_some_and(|at| at.elapsed() < ANSWERED_LATELY)
    }

    /// Whether a synchronous standby confirms each commit. Without one, a failover can lose acknowledged messages.
    ///
    /// # Errors
    /// When the primary does not answer.
    pub async fn has_synchronous_standby(&self) -> Result<bool, PortError> {
        #[derive(diesel::QueryableByName)]
        struct Setting {
            #[diesel(sql_type = diesel::sql_types::Bool)]
            synchronous: bool,
        }
        let mut connection = checkout(&self.primary, "synchronous_standby").await?;
        let answer: Setting = diesel::sql_query(
            "SELECT current_setting('synchronous_standby_names') <> ''
                AND current_setting('synchronous_commit') NOT IN ('off', 'local') AS synchronous",
        )
        .get_result(&mut **connection)
        .await
        .map_err(|error| PortError::transient("synchronous_standby", error))?;
        Ok(answer.synchronous)
    }

    /// Until when the server lets in who is logged in; `None` when it says no end.
    ///
    /// # Errors
    /// When the primary does not answer.
    pub async fn login_valid_until(&self) -> Result<Option<Timestamp>, PortError> {
        #[derive(diesel::QueryableByName)]
        struct Until {
            #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::BigInt>)]
            second: Option<i64>,
        }
        let mut connection = checkout(&self.primary, "login_valid_until").await?;
        let answer: Until = diesel::sql_query(
            "SELECT CASE WHEN isfinite(rolvaliduntil) THEN extract(epoch FROM rolvaliduntil)::bigint END AS second
            FROM pg_roles WHERE rolname = session_user",
        )
        .get_result(&mut **connection)
        .await
        .map_err(|error| PortError::transient("login_valid_until", error))?;
        let until = answer.second.map(Timestamp::from_second).transpose();
        until.map_err(|error| PortError::permanent("login_valid_until", error))
    }
}

impl ReadOwnWrites for Postgres {
    async fn log_position(&self) -> Result<LogPosition, PortError> {
        // Where the next record goes: a commit lies before it even where commits do not wait for the disk.
        const INSERTED: &str = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint AS position, now() AS at";
        let (inserted, _) = position(&self.primary, INSERTED).await?;
        u64::try_from(inserted).map(LogPosition).map_err(|error| PortError::permanent("log_position", error))
    }

    fn seeing(self, position: LogPosition) -> Self {
        Self { seen: Some(position), ..self }
    }
}

/// A connection from the pool, within the pool's time limits.
pub(crate) async fn checkout(pool: &Pool<Door>, operation: &'static str) -> Result<Object<Door>, PortError> {
    pool.get().await.map_err(|error| PortError::transient(operation, error))
}

/// Every wait for a connection has an end.
fn bounded<M: Manager>(pool: PoolBuilder<M>, size: u32) -> Result<Pool<M>, ConnectError> {
    pool.max_size(usize::try_from(size).unwrap_or_default())
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(POOL_WAIT_TIMEOUT))
        .create_timeout(Some(POOL_WAIT_TIMEOUT))
        .recycle_timeout(Some(CONNECT_TIMEOUT))
        .build()
        .map_err(ConnectError::Pool)
}

pub(crate) fn door(
    url: &str,
    application_name: &str,
    tls: &ClientConfig,
    logins: &Logins,
) -> Result<Door, ConnectError> {
    let mut config: tokio_postgres::Config = url.parse().map_err(ConnectError::Url)?;
    if config.get_user().is_some() || config.get_password().is_some() {
        return Err(ConnectError::CredentialsInUrl);
    }
    config
        .application_name(application_name)
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_user_timeout(TCP_USER_TIMEOUT)
        .keepalives_idle(Duration::from_secs(10))
        .keepalives_interval(Duration::from_secs(5))
        .keepalives_retries(3)
        .options(SESSION_LIMITS);
    Ok(Door::new(config, tls, logins.clone()))
}
