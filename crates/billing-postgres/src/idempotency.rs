//! One effect per idempotency key, tenant and subject, in the transaction of the effect.

use billing_domain::ports::{AdminAction, Refusal};
use diesel::sql_types::{Binary, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::columns;
use crate::transaction::Failure;

const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

#[derive(diesel::QueryableByName)]
struct Kept {
    #[diesel(sql_type = Binary)]
    body_sha256: Vec<u8>,
    #[diesel(sql_type = SqlUuid)]
    result_id: Uuid,
}

/// Claims the action's key for a result; the earlier result when the same was asked before. Claimed before anything is
/// waited for: whoever asks the same meanwhile is told at once, and holds no connection.
///
/// Refuses a key that was used for something else, and one that another transaction has claimed and not committed yet.
pub(crate) async fn claim_key(
    connection: &mut AsyncPgConnection,
    action: &AdminAction,
    result: Uuid,
) -> Result<Option<Uuid>, Failure> {
    let Some((key, hash)) = &action.idempotency else { return Ok(None) };
    let expired = action.at.checked_sub(LIFETIME).unwrap_or(action.at);
    let who = action.tenant.map(|tenant| tenant.0);
    if !try_hold(connection, who, &action.actor, key).await? {
        return Err(Failure::Refused(Refusal::KeyInUse));
    }
    diesel::sql_query(
        "DELETE FROM billing.idempotency_keys
        WHERE tenant_id IS NOT DISTINCT FROM $1 AND subject = $2 AND key = $3 AND created_at < $4",
    )
    .bind::<Nullable<SqlUuid>, _>(who)
    .bind::<Text, _>(&action.actor)
    .bind::<Text, _>(key)
    .bind::<Timestamptz, _>(columns::instant(expired))
    .execute(connection)
    .await?;
    let claimed = diesel::sql_query(
        "INSERT INTO billing.idempotency_keys (tenant_id, subject, key, body_sha256, result_id, created_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind::<Nullable<SqlUuid>, _>(who)
    .bind::<Text, _>(&action.actor)
    .bind::<Text, _>(key)
    .bind::<Binary, _>(hash.to_vec())
    .bind::<SqlUuid, _>(result)
    .bind::<Timestamptz, _>(columns::instant(action.at))
    .execute(connection)
    .await?;
    if claimed == 1 {
        return Ok(None);
    }
    let kept: Kept = diesel::sql_query(
        "SELECT body_sha256, result_id FROM billing.idempotency_keys
        WHERE tenant_id IS NOT DISTINCT FROM $1 AND subject = $2 AND key = $3",
    )
    .bind::<Nullable<SqlUuid>, _>(who)
    .bind::<Text, _>(&action.actor)
    .bind::<Text, _>(key)
    .get_result(connection)
    .await?;
    if kept.body_sha256 == hash { Ok(Some(kept.result_id)) } else { Err(Failure::Refused(Refusal::KeyReused)) }
}

/// Holds the key until the transaction ends, unless another one does. Of two keys with one hash, one may be told to come
/// back in vain.
async fn try_hold(
    connection: &mut AsyncPgConnection,
    tenant: Option<Uuid>,
    subject: &str,
    key: &str,
) -> Result<bool, Failure> {
    #[derive(diesel::QueryableByName)]
    struct Held {
        #[diesel(sql_type = Bool)]
        is_held: bool,
    }
    let held: Held = diesel::sql_query(
        "SELECT pg_try_advisory_xact_lock(hashtextextended(jsonb_build_array('idempotency', $1, $2, $3)::text, 0))
            AS is_held",
    )
    .bind::<Nullable<SqlUuid>, _>(tenant)
    .bind::<Text, _>(subject)
    .bind::<Text, _>(key)
    .get_result(connection)
    .await?;
    Ok(held.is_held)
}
