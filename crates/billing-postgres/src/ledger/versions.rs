//! Versions and locks of what is held in memory: rating and changing prices exclude each other.

use diesel::result::Error as DieselError;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

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

/// Takes one book's exclusive lock until the transaction ends.
pub(crate) async fn hold_exclusive(connection: &mut AsyncPgConnection, book: Book) -> Result<(), DieselError> {
    diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
        .bind::<BigInt, _>(book.lock_key())
        .execute(connection)
        .await
        .map(|_| ())
}

/// Gives a book its next version; needs its exclusive lock.
pub(crate) async fn bump(connection: &mut AsyncPgConnection, book: Book) -> Result<(), DieselError> {
    diesel::sql_query("UPDATE billing.book_versions SET version = version + 1, snapshot_sha256 = NULL WHERE book = $1")
        .bind::<Text, _>(book.name())
        .execute(connection)
        .await
        .map(|_| ())
}
