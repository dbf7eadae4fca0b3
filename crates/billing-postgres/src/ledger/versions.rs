//! Versions and locks of what is held in memory: rating and changing prices exclude each other.

use diesel::result::Error as DieselError;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::prepared::Prepare as _;
use crate::session::Session;
use crate::transaction::{BEGIN, Failure};

/// A thing that pods hold in memory, at one version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Book {
    Prices,
    Accounts,
}

impl Book {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Prices => "prices",
            Self::Accounts => "accounts",
        }
    }

    /// Advisory lock keys; "bill" and a number.
    fn lock_key(self) -> i64 {
        match self {
            Self::Prices => 0x6269_6c6c_0001,
            Self::Accounts => 0x6269_6c6c_0002,
        }
    }
}

#[derive(diesel::QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    book: String,
    #[diesel(sql_type = BigInt)]
    version: i64,
}

/// Takes the shared locks until the transaction ends; whether both versions are still the current ones. Many batches
/// hold them at once; a writer waits for all of them, and they for the writer.
pub(crate) async fn hold_shared(
    connection: &mut AsyncPgConnection,
    book_version: i64,
    directory_version: i64,
) -> Result<bool, DieselError> {
    // The locks first, in a statement of their own: the next statement's snapshot then shows what they protect.
    diesel::sql_query("SELECT pg_advisory_xact_lock_shared($1), pg_advisory_xact_lock_shared($2)")
        .bind::<BigInt, _>(Book::Prices.lock_key())
        .bind::<BigInt, _>(Book::Accounts.lock_key())
        .execute(connection)
        .await?;
    let versions: Vec<Version> =
        diesel::sql_query("SELECT book, version FROM billing.book_versions").load(connection).await?;
    let is_current = |book: Book, version| versions.iter().any(|row| row.book == book.name() && row.version == version);
    Ok(is_current(Book::Prices, book_version) && is_current(Book::Accounts, directory_version))
}

/// Takes one book's shared lock until the transaction ends: nobody changes it meanwhile.
pub(crate) async fn hold_unchanged(connection: &mut AsyncPgConnection, book: Book) -> Result<(), DieselError> {
    diesel::sql_query("SELECT pg_advisory_xact_lock_shared($1)")
        .bind::<BigInt, _>(book.lock_key())
        .prepared()
        .execute(connection)
        .await
        .map(|_| ())
}

/// What a transaction of the hot path must know before it writes.
pub(super) struct State {
    /// Of the prices and of the accounts.
    pub(super) versions: (i64, i64),
    /// Partitions of the events that rows can be copied into.
    pub(super) partitions: Vec<String>,
}

const HOLD_SHARED: &str = "SELECT pg_advisory_xact_lock_shared($1), pg_advisory_xact_lock_shared($2)";
const STATE: &str = "SELECT
    (SELECT version FROM billing.book_versions WHERE book = 'prices'),
    (SELECT version FROM billing.book_versions WHERE book = 'accounts'),
    ARRAY(SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'billing.billing_events'::regclass AND NOT i.inhdetachpending
            AND has_table_privilege(c.oid, 'INSERT'))";

/// Makes the questions of [`begin`] known to the session.
pub(super) async fn prepare(session: &Session) -> Result<(), Failure> {
    session.statement(HOLD_SHARED).await?;
    session.statement(STATE).await?;
    Ok(())
}

/// Begins a transaction and takes the shared locks until it ends, as [`hold_shared`] does: the locks first, in a
/// statement of their own. All of it is in flight at once; what is asked after it is answered after it.
pub(super) async fn begin(session: &Session) -> Result<State, Failure> {
    let (hold, state) = (session.statement(HOLD_SHARED).await?, session.statement(STATE).await?);
    let keys: [&(dyn ToSql + Sync); 2] = [&Book::Prices.lock_key(), &Book::Accounts.lock_key()];
    let (begun, held, state) = tokio::join!(
        session.client.batch_execute(BEGIN),
        Client::execute(&session.client, &hold, &keys),
        session.client.query_one(&state, &[]),
    );
    begun?;
    held?;
    let state = state?;
    Ok(State { versions: (state.try_get(0)?, state.try_get(1)?), partitions: state.try_get(2)? })
}

/// Takes one book's exclusive lock until the transaction ends.
pub(crate) async fn hold_exclusive(connection: &mut AsyncPgConnection, book: Book) -> Result<(), DieselError> {
    diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
        .bind::<BigInt, _>(book.lock_key())
        .execute(connection)
        .await
        .map(|_| ())
}

/// Gives a book its next version; needs its exclusive lock. A version is not given out twice, though a failover to an asynchronous
/// standby takes the last ones back: who still knows one of those would take what is there now for what it knows. So each
/// timeline of the server, which a promotion begins, has numbers of its own.
pub(crate) async fn bump(connection: &mut AsyncPgConnection, book: Book) -> Result<(), DieselError> {
    const NEXT: &str = "UPDATE billing.book_versions SET snapshot_sha256 = NULL,
            version = greatest(version + 1,
                (('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint - 1) << 40)
        WHERE book = $1";
    diesel::sql_query(NEXT).bind::<Text, _>(book.name()).execute(connection).await.map(|_| ())
}
