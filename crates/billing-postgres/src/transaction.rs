//! The one place where a transaction is opened: named, measured, and tried again when that can help.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use billing_domain::ports::{PortError, Refusal};
use billing_domain::{MoneyError, TenantId};
use deadpool::managed::{Object, Pool};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_async::{AnsiTransactionManager, AsyncPgConnection, SimpleAsyncConnection as _, TransactionManager as _};
use jiff::Timestamp;
use tokio_postgres::error::SqlState;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::Postgres;
use crate::columns::Inconsistent;
use crate::connect::checkout;
use crate::door::Door;
use crate::metrics::{ERRORS, SECONDS};
use crate::session::{Session, Sessions, discard};

const ATTEMPTS_MAX: u32 = 4;
/// After so long without a connection, another attempt would only make somebody wait who could be told.
const UNREACHABLE_TIME_MAX: Duration = Duration::from_secs(5);
/// How a transaction that only reads begins, and one that writes.
const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const BEGIN_WRITING: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
/// Nobody waits longer for an answer, and a question that takes longer must not hold a connection.
const READING_TIME_MAX: &str = ", set_config('statement_timeout', '10s', true)";
const BACKOFF_FIRST: Duration = Duration::from_millis(20);

/// What runs in one transaction. It may run several times: each attempt begins from nothing.
pub(crate) trait Transaction: Sync {
    /// The name in metrics, logs and errors.
    const NAME: &'static str;
    /// Whether a standby will do.
    const READ_ONLY: bool = false;
    /// Whether it only reads and sends [`begin_reading`] itself, in one flight with all its questions. Its end is not waited for.
    const BEGINS_ITSELF: bool = false;
    /// A standby that has not answered by then is silent: it ends every statement before. Only reading may be given up so.
    const SILENCE_TIME_MAX: Duration = Duration::from_secs(25);
    /// What it finds out.
    type Output: Send;

    /// The statements.
    fn run(&self, connection: &mut AsyncPgConnection) -> impl Future<Output = Result<Self::Output, Failure>> + Send;

    /// Whose rows it may see; `None` for the worker, whose role sees all. What reads for the api says it in any case, for
    /// that is answered in time or not at all.
    fn reach(&self) -> Option<Reach> {
        None
    }
}

/// What runs in one transaction of the hot path, on the driver itself. It may run several times, too.
pub(crate) trait SessionTransaction: Sync {
    /// The name in metrics, logs and errors.
    const NAME: &'static str;
    /// What it finds out.
    type Output: Send;

    /// The statements, `BEGIN` among the first of them, so that it needs no round trip of its own; never the end.
    fn run(
        &self,
        session: &Session,
        attempt: u32,
    ) -> impl Future<Output = Result<Verdict<Self::Output>, Failure>> + Send;
}

/// How a transaction of the hot path is to end.
pub(crate) enum Verdict<T> {
    Commit(T),
    Rollback(T),
}

/// What row-level security lets a transaction of the api see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// One tenant's rows.
    Tenant(TenantId),
    /// Staff: every tenant's.
    Platform,
}

impl From<Option<TenantId>> for Reach {
    fn from(tenant: Option<TenantId>) -> Self {
        tenant.map_or(Self::Platform, Self::Tenant)
    }
}

/// Why a transaction was rolled back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The database said no, or nothing.
    #[error("the database refused")]
    Database(#[from] DieselError),
    /// The same, from the driver itself.
    #[error("the database refused")]
    Driver(#[from] tokio_postgres::Error),
    /// There is no connection to be had.
    #[error("no connection")]
    Unreachable(#[source] PortError),
    /// Another writer was first, or an assumption did not hold: at once again, more carefully.
    #[error("{0}")]
    Contested(&'static str),
    /// A row that cannot be read.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistent),
    /// A sum that does not fit.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A rule says no: an outcome, once everything is rolled back.
    #[error("refused")]
    Refused(Refusal),
    /// Anything else that will not pass by itself.
    #[error("{0}")]
    Broken(&'static str),
}

/// A refusal by a rule, or a failure.
#[derive(Debug)]
pub(crate) enum Ended {
    Refused(Refusal),
    Failed(PortError),
}

impl From<Ended> for PortError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Failed(error) => error,
            Ended::Refused(_) => Self::permanent("transaction", "refused by a rule that was not expected here"),
        }
    }
}

impl Postgres {
    /// Runs a transaction on the primary.
    pub(crate) async fn write<T: Transaction>(&self, work: &T) -> Result<T::Output, Ended> {
        self.run_on_primary(work).await
    }

    /// Runs a transaction of the hot path on the primary.
    pub(crate) async fn write_in_session<T: SessionTransaction>(&self, work: &T) -> Result<T::Output, Ended> {
        let ended = run_in_session(&self.sessions, work).await;
        self.note(&ended);
        ended
    }

    async fn run_on_primary<T: Transaction>(&self, work: &T) -> Result<T::Output, Ended> {
        let ended = run(&self.primary, "primary", work).await;
        self.note(&ended);
        ended
    }

    fn note<T>(&self, ended: &Result<T, Ended>) {
        if !matches!(ended, Err(Ended::Failed(_))) {
            *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// Runs a read-only transaction on the replica if it is fresh and has replayed what must be seen, else on the primary.
    pub(crate) async fn read<T: Transaction>(&self, work: &T) -> Result<T::Output, Ended> {
        Ok(self.read_dated(work).await?.0)
    }

    /// Likewise; if the replica answered, with the instant up to which it was complete, for its clock runs ahead of its
    /// data.
    pub(crate) async fn read_dated<T: Transaction>(&self, work: &T) -> Result<(T::Output, Option<Timestamp>), Ended> {
        if let (Some(replica), Some(complete)) = (&self.replica, self.freshness.complete_until(self.seen)) {
            match tokio::time::timeout(T::SILENCE_TIME_MAX, run(replica, "replica", work)).await {
                // What is too much for the replica is too much for the primary, which has better to do.
                Ok(Err(Ended::Failed(error))) if !is_too_slow(&error) => {}
                Ok(ended) => return ended.map(|output| (output, Some(complete))),
                // It says nothing at all. The connection, with whatever is open on it, is closed by its pool.
                Err(_) => tracing::warn!(op = T::NAME, "the replica is silent: the primary is asked"),
            }
        }
        Ok((self.run_on_primary(work).await?, None))
    }
}

async fn run<T: Transaction>(pool: &Pool<Door>, server: &'static str, work: &T) -> Result<T::Output, Ended> {
    let mut attempts = Attempts::new(T::NAME, T::READ_ONLY);
    let until_done = async {
        loop {
            match attempts.measure(attempt_once(pool, work)).await {
                Ok(output) => return Ok(output),
                Err(failure) => attempts.wait_after(failure).await?,
            }
        }
    };
    traced(T::NAME, server, until_done).await
}

async fn run_in_session<T: SessionTransaction>(sessions: &Sessions, work: &T) -> Result<T::Output, Ended> {
    let mut attempts = Attempts::new(T::NAME, false);
    let until_done = async {
        loop {
            match attempts.measure(attempt_in_session(sessions, work, attempts.number)).await {
                Ok(output) => return Ok(output),
                Err(failure) => attempts.wait_after(failure).await?,
            }
        }
    };
    traced(T::NAME, "primary", until_done).await
}

/// The transaction as a part of whatever trace it is made for: its name, never what is in it.
async fn traced<O>(
    name: &'static str,
    server: &'static str,
    work: impl Future<Output = Result<O, Ended>>,
) -> Result<O, Ended> {
    let span = tracing::info_span!(
        "transaction",
        otel.name = name,
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = "postgresql",
        db.operation.name = name,
        billing.server = server,
        billing.attempts = Empty,
    );
    let ended = work.instrument(span.clone()).await;
    if matches!(ended, Err(Ended::Failed(_))) {
        span.record("otel.status_code", "ERROR");
    }
    ended
}

/// Attempts of one transaction: counted, and made again only when that can help.
struct Attempts {
    name: &'static str,
    read_only: bool,
    /// From 1.
    number: u32,
    began: Instant,
}

impl Attempts {
    fn new(name: &'static str, read_only: bool) -> Self {
        Self { name, read_only, number: 1, began: Instant::now() }
    }

    async fn measure<O>(&self, attempt: impl Future<Output = O>) -> O {
        let began = Instant::now();
        let result = attempt.await;
        metrics::histogram!(SECONDS, "op" => self.name).record(began.elapsed());
        result
    }

    /// Waits until the next attempt may be made; an error when there shall be none.
    async fn wait_after(&mut self, failure: Failure) -> Result<(), Ended> {
        if let Failure::Refused(refusal) = failure {
            return Err(Ended::Refused(refusal));
        }
        let (name, attempt) = (self.name, self.number);
        let can_pass = may_pass(&failure);
        let is_silent = matches!(failure, Failure::Unreachable(_)) && self.began.elapsed() > UNREACHABLE_TIME_MAX;
        let is_last = is_silent || (self.read_only && timed_out(&failure));
        let attempts_max = if is_last { attempt } else { ATTEMPTS_MAX };
        // To meet another writer is no error.
        if !matches!(failure, Failure::Contested(_)) || attempt == attempts_max {
            metrics::counter!(ERRORS, "op" => name).increment(1);
        }
        if !can_pass || attempt == attempts_max {
            return Err(Ended::Failed(PortError { operation: name, retryable: can_pass, source: failure.into() }));
        }
        self.number += 1;
        Span::current().record("billing.attempts", self.number);
        if let Failure::Contested(why) = failure {
            tracing::debug!(op = name, attempt, why, "a transaction is made again");
            return Ok(());
        }
        tracing::warn!(op = name, attempt, error = ?failure, "a transaction is tried again");
        let wait_ms_max = u64::try_from(BACKOFF_FIRST.as_millis()).unwrap_or(20) << (2 * attempt);
        tokio::time::sleep(Duration::from_millis(rand::random_range(1..=wait_ms_max))).await;
        Ok(())
    }
}

/// What the hot path begins a transaction with, in one flight with its first questions.
pub(crate) const BEGIN: &str = "BEGIN";

/// One attempt of the hot path. `BEGIN` is sent by the work itself, together with its first questions.
async fn attempt_in_session<T: SessionTransaction>(
    sessions: &Sessions,
    work: &T,
    attempt: u32,
) -> Result<T::Output, Failure> {
    let session = sessions.get().await.map_err(|error| Failure::Unreachable(PortError::transient(T::NAME, error)))?;
    // Until it is known to be closed, the transaction is taken for open: also when this future is dropped.
    session.mark_open(true);
    let result = work.run(&session, attempt).await;
    let end = if matches!(result, Ok(Verdict::Commit(_))) { "COMMIT" } else { "ROLLBACK" };
    if matches!(&result, Err(Failure::Driver(error)) if is_of_the_connection(error)) {
        discard(session);
    } else {
        session.client.batch_execute(end).await?;
        session.mark_open(false);
    }
    match result? {
        Verdict::Commit(output) | Verdict::Rollback(output) => Ok(output),
    }
}

/// Nothing is heard from there any more, it is a standby now, or its user has been dropped: another one may do.
fn is_of_the_connection(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else { return true };
    let is_gone = matches!(code.code().get(..2), Some("08" | "28" | "57"));
    is_gone && *code != SqlState::QUERY_CANCELED
        || [SqlState::READ_ONLY_SQL_TRANSACTION, SqlState::INSUFFICIENT_PRIVILEGE, SqlState::UNDEFINED_OBJECT]
            .contains(code)
}

/// The answer to COMMIT may be lost after the commit; every transaction is therefore written to do nothing a second
/// time, and to tell what it did.
async fn attempt_once<T: Transaction>(pool: &Pool<Door>, work: &T) -> Result<T::Output, Failure> {
    let mut connection = checkout(pool, T::NAME).await.map_err(Failure::Unreachable)?;
    if T::BEGINS_ITSELF {
        return attempt_in_one_flight(connection, work).await;
    }
    let begin = begin(T::READ_ONLY, work.reach());
    if let Err(error) = AnsiTransactionManager::begin_transaction_sql(&mut **connection, &begin).await {
        // Begun or not: nobody else shall find out.
        drop(Object::take(connection));
        return Err(error.into());
    }
    let result = work.run(&mut connection).await;
    let ended = match &result {
        Ok(_) => AnsiTransactionManager::commit_transaction(&mut **connection).await,
        Err(_) => AnsiTransactionManager::rollback_transaction(&mut **connection).await,
    };
    if matches!(&result, Err(failure) if may_be_of_the_connection(failure)) {
        drop(Object::take(connection));
    }
    match (result, ended) {
        (Err(failure), Ok(()) | Err(DieselError::BrokenTransactionManager)) => Err(failure),
        (Ok(output), Ok(())) => Ok(output),
        (_, Err(error)) => Err(error.into()),
    }
}

/// Until it is known to be closed, the transaction is taken for open: also when this future is dropped. What was read stands,
/// however the transaction ends, so whoever asked need not wait for that.
async fn attempt_in_one_flight<T: Transaction>(mut connection: Object<Door>, work: &T) -> Result<T::Output, Failure> {
    connection.mark_open(true);
    let result = work.run(&mut connection).await;
    if matches!(&result, Err(failure) if may_be_of_the_connection(failure)) {
        drop(Object::take(connection));
        return result;
    }
    let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ending = async move {
        match connection.batch_execute(end).await {
            Ok(()) => connection.mark_open(false),
            Err(error) => tracing::debug!(op = T::NAME, %error, "a read could not be ended: its connection is closed"),
        }
    };
    tokio::spawn(ending);
    result
}

/// What a transaction sends first that begins itself.
pub(crate) async fn begin_reading(mut connection: &AsyncPgConnection, reach: Option<Reach>) -> Result<(), Failure> {
    Ok(connection.batch_execute(&begin(true, reach)).await?)
}

/// How a transaction begins, in one flight: row-level security is told who asks, for this transaction only, and who only
/// reads is answered in time or not at all.
fn begin(reads: bool, reach: Option<Reach>) -> String {
    let (begin, time_max) = if reads { (BEGIN_READING, READING_TIME_MAX) } else { (BEGIN_WRITING, "") };
    match reach {
        None => begin.to_owned(),
        // An id cannot hold a quotation mark.
        Some(Reach::Tenant(tenant)) => {
            format!("{begin}; SELECT set_config('app.tenant_id', '{tenant}', true){time_max}")
        }
        Some(Reach::Platform) => format!("{begin}; SELECT set_config('app.reach', 'platform', true){time_max}"),
    }
}

/// It is a standby now, or its user has been dropped, perhaps: the next attempt is made on another one. The driver hands
/// on the codes of very few failures.
fn may_be_of_the_connection(failure: &Failure) -> bool {
    use DatabaseErrorKind::{ClosedConnection, ReadOnlyTransaction, Unknown};
    let Failure::Database(DieselError::DatabaseError(kind, _)) = failure else { return false };
    matches!(kind, ReadOnlyTransaction | Unknown | ClosedConnection) && !timed_out(failure)
}

/// The driver hands on the server's words only, not its code 57014.
fn timed_out(failure: &Failure) -> bool {
    let Failure::Database(DieselError::DatabaseError(DatabaseErrorKind::Unknown, told)) = failure else { return false };
    told.message().contains("statement timeout")
}

fn is_too_slow(error: &PortError) -> bool {
    error.source.downcast_ref::<Failure>().is_some_and(timed_out)
}

/// What a broken rule of the schema says, stays; everything else (the network, a restart, a deadlock, a lock or
/// statement time-out, a full disk, a dropped user) may pass. The driver does not tell those apart.
fn may_pass(failure: &Failure) -> bool {
    match failure {
        Failure::Database(DieselError::DatabaseError(kind, _)) => !matches!(
            kind,
            DatabaseErrorKind::UniqueViolation
                | DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::CheckViolation
                | DatabaseErrorKind::ExclusionViolation
                | DatabaseErrorKind::RestrictViolation
        ),
        Failure::Database(DieselError::DeserializationError(_) | DieselError::SerializationError(_)) => false,
        Failure::Database(_) | Failure::Unreachable(_) | Failure::Contested(_) => true,
        // Class 22, data that do not fit, and class 23, rules of the schema.
        Failure::Driver(error) => !error.code().is_some_and(|code| matches!(code.code().get(..2), Some("22" | "23"))),
        Failure::Inconsistent(_) | Failure::Money(_) | Failure::Refused(_) | Failure::Broken(_) => false,
    }
}
