//! Connections of the hot path: the driver itself, for what the query builder beneath everything else cannot do (copying
//! rows in, statements that stay prepared, several questions in flight). A session decides nothing about transactions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use deadpool::managed::{Manager, Metrics, Object, Pool, RecycleError, RecycleResult};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};

use crate::door::{DatabaseCredentials, Door, Driver, OpenError, Opened};
use crate::ledger::BucketIds;

/// For plans that take rows in the order in which they are given: two writers must not wait for each other in a circle.
const IN_GIVEN_ORDER: &str = "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; \
    SET enable_bitmapscan = off; SET enable_memoize = off; SET enable_material = off; SET plan_cache_mode = force_generic_plan; SET jit = off";

/// Sessions that wait to be used.
pub(crate) type Sessions = Pool<Opener>;

/// One connection with what it remembers between transactions.
pub(crate) struct Session {
    pub(crate) client: Client,
    prepared: Mutex<HashMap<String, Statement>>,
    /// Of this session alone: an asynchronous standby that is promoted gives the last ids out again, to other buckets, and what
    /// a session remembers ends with the server it was told by.
    pub(crate) buckets: BucketIds,
    _driver: Driver,
    login: DatabaseCredentials,
    /// Whether a transaction may be open: such a session is of no use to anybody else.
    open: AtomicBool,
}

impl Session {
    /// The statement of this text, prepared once.
    pub(crate) async fn statement(&self, sql: &str) -> Result<Statement, Error> {
        if let Some(known) = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(sql) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Runs a statement that was prepared here; the rows that it has touched.
    pub(crate) async fn execute(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
        let statement = self.statement(sql).await?;
        self.client.execute(&statement, values).await
    }

    /// Asks by a statement that was prepared here.
    pub(crate) async fn query(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let statement = self.statement(sql).await?;
        self.client.query(&statement, values).await
    }

    /// Says whether a transaction is open from now on.
    pub(crate) fn mark_open(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
    }
}

/// Opens sessions.
pub(crate) struct Opener {
    door: Door,
}

impl Opener {
    pub(crate) fn new(door: Door) -> Self {
        Self { door }
    }
}

impl Manager for Opener {
    type Type = Session;
    type Error = OpenError;

    async fn create(&self) -> Result<Session, OpenError> {
        // On the heap, for it is rare and large, and lies deep within what a worker awaits.
        let Opened { client, driver, login } = Box::pin(self.door.open()).await?;
        client.batch_execute(IN_GIVEN_ORDER).await?;
        let (prepared, buckets, open) = (Mutex::default(), BucketIds::default(), AtomicBool::new(false));
        Ok(Session { client, prepared, buckets, _driver: driver, login, open })
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<OpenError> {
        let is_spent = session.client.is_closed() || session.open.load(Ordering::Relaxed);
        if is_spent || self.door.is_past(&session.login) {
            return Err(RecycleError::message("the connection is of no more use"));
        }
        Ok(())
    }
}

pub(crate) fn login_of_session(session: &Session) -> &DatabaseCredentials {
    &session.login
}

/// Closes a session instead of giving it to somebody else.
pub(crate) fn discard(session: Object<Opener>) {
    drop(Object::take(session));
}
