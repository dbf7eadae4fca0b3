//! The one place where a transaction is opened: named, measured, and tried again when that can help.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use billing_domain::ports::{PortError, Refusal};
use billing_domain::{MoneyError, TenantId};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::Text;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use crate::Postgres;
use crate::columns::Inconsistent;
use crate::connect::checkout;
use crate::metrics::{ERRORS, SECONDS};

const ATTEMPTS_MAX: u32 = 4;
/// Nobody waits longer for an answer, and a question that takes longer must not hold a connection.
const ANSWER_LIMIT: &str = "SET LOCAL statement_timeout = '10s'";
const BACKOFF_FIRST: Duration = Duration::from_millis(20);

/// What runs in one transaction. It may run several times: each attempt begins from nothing.
pub(crate) trait Transaction: Sync {
    /// The name in metrics, logs and errors.
    const NAME: &'static str;
    /// Whether a standby will do.
    const READ_ONLY: bool = false;
    /// What it finds out.
    type Output: Send;

    /// The statements.
    fn run(&self, connection: &mut AsyncPgConnection) -> impl Future<Output = Result<Self::Output, Failure>> + Send;

    /// Whose rows it may see; `None` for the worker, whose role sees all.
    fn reach(&self) -> Option<Reach> {
        None
    }
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

    async fn run_on_primary<T: Transaction>(&self, work: &T) -> Result<T::Output, Ended> {
        let ended = run(&self.primary, work).await;
        if !matches!(ended, Err(Ended::Failed(_))) {
            *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        ended
    }

    /// Runs a read-only transaction on the replica if it is fresh, else on the primary.
    pub(crate) async fn read<T: Transaction>(&self, work: &T) -> Result<T::Output, Ended> {
        if let (Some(replica), Some(_)) = (&self.replica, self.freshness.complete_until()) {
            match run(replica, work).await {
                // What is too much for the replica is too much for the primary, which has better to do.
                Err(Ended::Failed(error)) if !is_too_slow(&error) => {}
                ended => return ended,
            }
        }
        self.run_on_primary(work).await
    }
}

async fn run<T: Transaction>(pool: &Pool<AsyncPgConnection>, work: &T) -> Result<T::Output, Ended> {
    let mut attempt = 1;
    loop {
        let began = Instant::now();
        let result = attempt_once(pool, work).await;
        metrics::histogram!(SECONDS, "op" => T::NAME).record(began.elapsed());
        let failure = match result {
            Ok(output) => return Ok(output),
            Err(Failure::Refused(refusal)) => return Err(Ended::Refused(refusal)),
            Err(failure) => failure,
        };
        metrics::counter!(ERRORS, "op" => T::NAME).increment(1);
        let can_pass = may_pass(&failure);
        let attempts_max = if T::READ_ONLY && timed_out(&failure) { attempt } else { ATTEMPTS_MAX };
        if !can_pass || attempt == attempts_max {
            return Err(Ended::Failed(PortError { operation: T::NAME, retryable: can_pass, source: failure.into() }));
        }
        tracing::warn!(op = T::NAME, attempt, error = ?failure, "a transaction is tried again");
        let wait_ms_max = u64::try_from(BACKOFF_FIRST.as_millis()).unwrap_or(20) << (2 * attempt);
        tokio::time::sleep(Duration::from_millis(rand::random_range(1..=wait_ms_max))).await;
        attempt += 1;
    }
}

/// The answer to COMMIT may be lost after the commit; every transaction is therefore written to do nothing a second
/// time. Ending a price is the one that then says so: it is told as refused, having ended.
async fn attempt_once<T: Transaction>(pool: &Pool<AsyncPgConnection>, work: &T) -> Result<T::Output, Failure> {
    let mut connection = checkout(pool, T::NAME).await.map_err(|error| {
        tracing::debug!(op = T::NAME, error = ?error, "no connection");
        DieselError::DatabaseError(DatabaseErrorKind::UnableToSendCommand, Box::new(error.source.to_string()))
    })?;
    let builder = connection.build_transaction();
    let mut builder = if T::READ_ONLY { builder.read_only().repeatable_read() } else { builder.read_committed() };
    let result = builder
        .run(async |connection| {
            fence(connection, work.reach()).await?;
            if T::READ_ONLY && work.reach().is_some() {
                connection.batch_execute(ANSWER_LIMIT).await?;
            }
            work.run(connection).await
        })
        .await;
    if matches!(&result, Err(Failure::Database(error)) if is_demoted(error)) {
        drop(Object::take(connection));
    }
    result
}

/// Tells row-level security who asks, for this transaction only.
async fn fence(connection: &mut AsyncPgConnection, reach: Option<Reach>) -> Result<(), DieselError> {
    let (setting, value) = match reach {
        None => return Ok(()),
        Some(Reach::Tenant(tenant)) => ("app.tenant_id", tenant.to_string()),
        Some(Reach::Platform) => ("app.reach", "platform".to_owned()),
    };
    diesel::sql_query("SELECT set_config($1, $2, true)")
        .bind::<Text, _>(setting)
        .bind::<Text, _>(value)
        .execute(connection)
        .await
        .map(|_| ())
}

fn is_demoted(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _))
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
        Failure::Database(_) => true,
        Failure::Inconsistent(_) | Failure::Money(_) | Failure::Refused(_) | Failure::Broken(_) => false,
    }
}
