//! The way into a server: who logs in at this moment, and which connections were opened by somebody who has been replaced
//! since.
//!
//! A login that the server refuses is said so to whoever follows it, and a newer one is waited for: it may have been
//! dropped a moment ago.

use std::fmt;
use std::future::pending;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Pool, RecycleError, RecycleResult};
use diesel::ConnectionError;
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::PoolableConnection;
use rustls::ClientConfig;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::tls::{OPEN_TIMEOUT, ServerError, Wire, connect, decide};

/// For a newer login, when the one there is was refused.
const NEWER_LOGIN_TIME_MAX: Duration = Duration::from_secs(4);
/// Between two looks for idle connections of an earlier login.
const RETIRE_EVERY: Duration = Duration::from_secs(5);
/// Which server takes the writes, by when it was started, in microseconds since 1970; nothing of one that takes none.
const SERVER: &str = "SELECT CASE WHEN NOT pg_is_in_recovery()
    THEN (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint END";

/// Who logs in. The password is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseCredentials {
    /// A member of `billing_api`, `billing_worker` or `billing_owner`.
    pub username: String,
    /// Secret.
    pub password: String,
}

impl fmt::Debug for DatabaseCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseCredentials").field("username", &self.username).field("password", &"***").finish()
    }
}

/// Who logs in now. Clones share it.
#[derive(Clone)]
pub struct Logins {
    current: watch::Receiver<Option<DatabaseCredentials>>,
    refused: Option<mpsc::Sender<DatabaseCredentials>>,
}

impl Logins {
    /// As `current` says, which is `None` while nobody may log in; `refused` is told of a login that the server refuses.
    #[must_use]
    pub fn following(
        current: watch::Receiver<Option<DatabaseCredentials>>,
        refused: mpsc::Sender<DatabaseCredentials>,
    ) -> Self {
        Self { current, refused: Some(refused) }
    }

    fn are_of(&self, login: &DatabaseCredentials) -> bool {
        self.current.borrow().as_ref() == Some(login)
    }
}

/// Always the same one.
impl From<&DatabaseCredentials> for Logins {
    fn from(login: &DatabaseCredentials) -> Self {
        Self { current: watch::channel(Some(login.clone())).1, refused: None }
    }
}

/// No connection.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The login is not known yet, or its time is over.
    #[error("there are no credentials for the database at present")]
    NoLogin,
    /// The server is not there, refuses, or is not trusted.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// What comes after the login failed.
    #[error("the session cannot be set up")]
    Session(#[from] tokio_postgres::Error),
    /// What comes after the login failed.
    #[error("the connection cannot be set up")]
    Setup(#[from] ConnectionError),
}

/// A server, and who may log in there.
#[derive(Clone)]
pub(crate) struct Door {
    config: Config,
    tls: MakeRustlsConnect,
    logins: Logins,
    /// The server that was found last, where only one takes the writes.
    server: Option<watch::Sender<Option<i64>>>,
}

/// A way in that is open.
pub(crate) struct Opened {
    pub(crate) client: Client,
    pub(crate) driver: Driver,
    pub(crate) login: DatabaseCredentials,
}

/// Drives a connection until this is dropped. Then it is closed at once, whatever is on its way: that ends the server's
/// work, too.
pub(crate) struct Driver(JoinHandle<()>);

impl Driver {
    fn of(connection: Wire, superseded: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(async move {
            // Whoever waits for an answer is told as well.
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection has ended");
                },
                () = superseded => tracing::warn!("another server takes the writes now: a connection to the former one is closed"),
            }
        }))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Door {
    pub(crate) fn new(mut config: Config, tls: &ClientConfig, logins: Logins) -> Self {
        decide(&mut config);
        Self { config, tls: MakeRustlsConnect::new(tls.clone()), logins, server: None }
    }

    /// Leads to the one server that takes the writes. As soon as a connection leads to another one, those to the former one are
    /// closed: one that stands still answers nobody, and would keep who waits for it for ever.
    pub(crate) fn into_primary(self) -> Self {
        Self { server: Some(watch::Sender::default()), ..self }
    }

    /// With other settings of the session.
    pub(crate) fn with_options(&self, options: &str) -> Self {
        let mut door = self.clone();
        door.config.options(options);
        door
    }

    pub(crate) async fn open(&self) -> Result<Opened, OpenError> {
        let (client, connection, login) = self.log_in().await?;
        let Some(server) = &self.server else {
            return Ok(Opened { client, driver: Driver::of(connection, pending()), login });
        };
        let (tell, told) = oneshot::channel();
        let driver = Driver::of(connection, superseded(told, server.subscribe()));
        let asked = tokio::time::timeout(OPEN_TIMEOUT, client.query_one(SERVER, &[])).await;
        if let Some(found) = asked.map_err(|_| ServerError::TimedOut)??.try_get::<_, Option<i64>>(0)? {
            server.send_if_modified(|last| last.replace(found) != Some(found));
            let _told = tell.send(found);
        }
        Ok(Opened { client, driver, login })
    }

    async fn log_in(&self) -> Result<(Client, Wire, DatabaseCredentials), OpenError> {
        let mut current = self.logins.current.clone();
        let login = current.borrow_and_update().clone().ok_or(OpenError::NoLogin)?;
        let refused = match (self.open_as(login.clone()).await, &self.logins.refused) {
            (Err(error @ ServerError::Refused(_)), Some(refused)) => {
                // A full queue holds the same word already.
                let _told = refused.try_send(login);
                error
            }
            (opened, _) => return Ok(opened?),
        };
        match tokio::time::timeout(NEWER_LOGIN_TIME_MAX, current.changed()).await {
            Ok(Ok(())) => {
                let newer = current.borrow_and_update().clone().ok_or(OpenError::NoLogin)?;
                Ok(self.open_as(newer).await?)
            }
            Ok(Err(_)) | Err(_) => Err(refused.into()),
        }
    }

    async fn open_as(&self, login: DatabaseCredentials) -> Result<(Client, Wire, DatabaseCredentials), ServerError> {
        let mut config = self.config.clone();
        config.user(&login.username).password(&login.password);
        let (client, connection) = connect(&config, &self.tls).await?;
        Ok((client, connection, login))
    }

    /// Whether this login has been replaced.
    pub(crate) fn is_past(&self, login: &DatabaseCredentials) -> bool {
        !self.logins.are_of(login)
    }
}

/// Ends when another server than the one of this connection has been found.
async fn superseded(server: oneshot::Receiver<i64>, mut last: watch::Receiver<Option<i64>>) {
    if let Ok(server) = server.await
        && last.wait_for(|last| *last != Some(server)).await.is_ok()
    {
        return;
    }
    pending::<()>().await;
}

/// A connection of the pools beneath everything but the hot path.
pub(crate) struct PooledConnection {
    connection: AsyncPgConnection,
    driver: Driver,
    login: DatabaseCredentials,
    /// Whether a transaction may be open that the connection itself knows nothing of: it is of no use to anybody else.
    open: bool,
}

impl PooledConnection {
    /// Says whether such a transaction is open from now on.
    pub(crate) fn mark_open(&mut self, open: bool) {
        self.open = open;
    }

    /// The connection, for whoever keeps it.
    pub(crate) fn into_inner(self) -> (AsyncPgConnection, Driver) {
        (self.connection, self.driver)
    }
}

impl Deref for PooledConnection {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.connection
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self.connection
    }
}

impl Manager for Door {
    type Type = PooledConnection;
    type Error = OpenError;

    async fn create(&self) -> Result<PooledConnection, OpenError> {
        // On the heap, for it is rare and large, and lies deep within what a worker awaits.
        let Opened { client, driver, login } = Box::pin(self.open()).await?;
        let connection = AsyncPgConnection::try_from(client).await?;
        Ok(PooledConnection { connection, driver, login, open: false })
    }

    async fn recycle(&self, connection: &mut PooledConnection, _: &Metrics) -> RecycleResult<OpenError> {
        if self.is_past(&connection.login) || connection.open || connection.connection.is_broken() {
            return Err(RecycleError::message("the connection is of no more use"));
        }
        Ok(())
    }
}

/// Closes idle connections of a login as soon as it is replaced, and those that come back later soon after. What takes one
/// from the pool looks, too, so none is used again.
pub(crate) fn retire<M: Manager + 'static>(
    pool: &Pool<M>,
    logins: &Logins,
    login: fn(&M::Type) -> &DatabaseCredentials,
) {
    let (pool, logins) = (pool.weak(), logins.clone());
    let mut current = logins.current.clone();
    tokio::spawn(async move {
        while !matches!(tokio::time::timeout(RETIRE_EVERY, current.changed()).await, Ok(Err(_))) {
            let Some(pool) = pool.upgrade() else { return };
            let _retired = pool.retain(|connection, _| logins.are_of(login(connection)));
        }
    });
}

/// Of a connection beneath everything but the hot path.
pub(crate) fn login_of(connection: &PooledConnection) -> &DatabaseCredentials {
    &connection.login
}
