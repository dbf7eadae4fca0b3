//! Who did what, in the transaction of the deed.

use billing_domain::ports::AdminAction;
use diesel::sql_types::{Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::columns;
use crate::transaction::Failure;

/// Notes who did what, in the transaction of the deed.
pub(crate) async fn audit(
    connection: &mut AsyncPgConnection,
    action: &AdminAction,
    deed: &str,
    subject: &str,
    detail: Option<&str>,
) -> Result<(), Failure> {
    diesel::sql_query(
        "INSERT INTO billing.audit_log (at, actor, tenant_id, action, subject, trace_id, detail)
        VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind::<Timestamptz, _>(columns::instant(action.at))
    .bind::<Text, _>(&action.actor)
    .bind::<Nullable<SqlUuid>, _>(action.tenant.map(|tenant| tenant.0))
    .bind::<Text, _>(deed)
    .bind::<Text, _>(subject)
    .bind::<Text, _>(&action.trace_id)
    .bind::<Nullable<Text>, _>(detail)
    .execute(connection)
    .await?;
    Ok(())
}
