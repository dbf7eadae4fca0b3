//! A look at the database before anything is served: whether what this process was told can ever work there. A server that
//! is away is no reason to end: it may come back.

use tokio_postgres::Row;

use crate::Postgres;
use crate::door::{OpenError, Opened};
use crate::tls::ServerError;

/// What stands against the login, in the order in which it matters. `$1` is the role.
const LOOK: &str = "SELECT current_user::text AS login,
        to_regnamespace('billing') IS NOT NULL AS has_schema,
        EXISTS (SELECT FROM pg_roles WHERE rolname = $1 AND pg_has_role(current_user, oid, 'USAGE')) AS is_member,
        EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolbypassrls)) AS is_above,
        COALESCE((SELECT has_schema_privilege(current_user, oid, 'USAGE') FROM pg_namespace WHERE nspname = 'billing'),
            false) AS may_use";

/// The service cannot work with this database.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What it was told is wrong.
    #[error("the database cannot be used")]
    Open(#[source] OpenError),
    /// Another service's login, perhaps.
    #[error("the login {login} is no member of {role}: give this service a login that is (GRANT {role} TO …)")]
    Role {
        /// The database user.
        login: String,
        /// What it must be a member of.
        role: &'static str,
    },
    /// Row-level security would not hold for it.
    #[error("the login {0} is a superuser or has BYPASSRLS: give this service one that has neither")]
    Above(String),
    /// The grants of a migration have been taken back.
    #[error("the login {0} may not use the schema billing: run `api migrate`, which grants it to the roles")]
    Schema(String),
}

impl Postgres {
    /// Whether the login of this process is a member of `role` and no more than that.
    ///
    /// # Errors
    /// [`StartError`] when it cannot work however long one waits. A database that does not answer, or has no schema yet, is
    /// told in the log only.
    pub async fn check_login(&self, role: &'static str) -> Result<(), StartError> {
        let found = match self.look(role).await {
            Ok(found) => found,
            Err(error @ OpenError::Server(ServerError::NoDatabase(_))) => return Err(StartError::Open(error)),
            Err(error) => {
                tracing::warn!(error = chain(&error), "not ready before the database is there");
                return Ok(());
            }
        };
        let is = |column: &str| found.try_get::<_, bool>(column).unwrap_or_default();
        let login: String = found.try_get("login").unwrap_or_default();
        match () {
            () if is("is_above") => Err(StartError::Above(login)),
            () if !is("is_member") => Err(StartError::Role { login, role }),
            () if is("has_schema") && !is("may_use") => Err(StartError::Schema(login)),
            () => {
                if !is("has_schema") {
                    tracing::warn!("the database has no schema billing yet: run `api migrate`");
                }
                Ok(())
            }
        }
    }

    async fn look(&self, role: &'static str) -> Result<Row, OpenError> {
        let Opened { client, driver: _driver, .. } = self.exports.primary.open().await?;
        Ok(client.query_one(LOOK, &[&role]).await?)
    }
}

/// The error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (**cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
