//! Brings the schema up to date, as a member of `billing_owner`.

use deadpool::managed::Manager as _;
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use rustls::ClientConfig;

use crate::connect::{ConnectError, door};
use crate::door::{Driver, Logins, OpenError};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// Why the schema is not up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConnectError),
    /// The server does not answer, or refuses the user.
    #[error("the database cannot be reached as its owner")]
    Connect(#[source] OpenError),
    /// The user is no member of `billing_owner`.
    #[error("the user cannot act as billing_owner")]
    Role(#[source] diesel::result::Error),
    /// A step failed; the steps before it stand.
    #[error("a migration failed")]
    Step(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Runs the steps that are missing, each in its own transaction; their names. Needs a multi-threaded runtime.
///
/// # Errors
/// [`MigrateError`].
pub async fn migrate(url: &str, logins: impl Into<Logins>, tls: &ClientConfig) -> Result<Vec<String>, MigrateError> {
    let (mut harness, _driver) = owner(url, logins, tls).await?;
    let steps = harness.run_pending_migrations(MIGRATIONS).map_err(MigrateError::Step)?;
    Ok(steps.iter().map(ToString::to_string).collect())
}

/// Undoes every step. For tests and throw-away databases: it drops every table.
///
/// # Errors
/// [`MigrateError`].
pub async fn revert_all(url: &str, logins: impl Into<Logins>, tls: &ClientConfig) -> Result<(), MigrateError> {
    let (mut harness, _driver) = owner(url, logins, tls).await?;
    harness.revert_all_migrations(MIGRATIONS).map_err(MigrateError::Step)?;
    Ok(())
}

async fn owner(
    url: &str,
    logins: impl Into<Logins>,
    tls: &ClientConfig,
) -> Result<(AsyncMigrationHarness<AsyncPgConnection>, Driver), MigrateError> {
    let door = door(url, "billing-migrate", tls, &logins.into())?;
    let (mut connection, driver) = door.create().await.map_err(MigrateError::Connect)?.into_inner();
    // A step may rewrite a large table; what bounds it is the operator who watches it.
    connection
        .batch_execute("SET ROLE billing_owner; SET statement_timeout = 0; SET lock_timeout = '20s'")
        .await
        .map_err(MigrateError::Role)?;
    Ok((AsyncMigrationHarness::new(connection), driver))
}
