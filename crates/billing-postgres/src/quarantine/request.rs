//! Replays that staff ask for and that whoever records usage carries out.

use billing_domain::TenantId;
use billing_domain::ports::{
    AdminAction, HeldDetails, Refusal, ReplayEnd, ReplayError, ReplayRequest, ReplayTerms, ReplayedAs,
};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::Timestamp;
use uuid::Uuid;

use crate::audit::audit;
use crate::columns::{self, Inconsistent, Table};
use crate::idempotency::claim_key;
use crate::transaction::{Failure, Transaction};

use super::{details, subject};

const TABLE: Table = Table("replay_requests");
const COLUMNS: &str =
    "id, message_id, allow_old, of_tenant, requested_at, requested_by, trace_id, ended_at, outcome, detail";
const STAYS: &str = "stays";
const REFUSED: &str = "refused";

pub(super) struct RequestReplay<'a> {
    pub(super) message: i64,
    pub(super) terms: ReplayTerms,
    pub(super) id: Uuid,
    pub(super) action: &'a AdminAction,
}

impl Transaction for RequestReplay<'_> {
    const NAME: &'static str = "request_replay";
    type Output = HeldDetails;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<HeldDetails, Failure> {
        let refused = |error| Failure::Refused(Refusal::Replay(error));
        let asked_before = claim_key(connection, self.action, self.id).await?.is_some();
        lock(connection, self.message).await?;
        let found = details(connection, self.message).await?.ok_or(refused(ReplayError::NotFound))?;
        let last = found.replay.as_ref();
        // This very call may have landed before, and its answer been lost.
        if asked_before || last.is_some_and(|last| last.id == self.id) {
            return Ok(found);
        }
        if let Some(error) = found.message.replay_error(self.terms, self.action.at) {
            return Err(refused(error));
        }
        if last.is_some_and(|last| last.ended.is_none()) {
            return Err(refused(ReplayError::Waiting));
        }
        diesel::sql_query(
            "INSERT INTO billing.replay_requests
                (id, message_id, allow_old, of_tenant, requested_at, requested_by, trace_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind::<SqlUuid, _>(self.id)
        .bind::<BigInt, _>(self.message)
        .bind::<Bool, _>(self.terms.allow_old)
        .bind::<Nullable<SqlUuid>, _>(self.terms.tenant.map(|tenant| tenant.0))
        .bind::<Timestamptz, _>(columns::instant(self.action.at))
        .bind::<Text, _>(&self.action.actor)
        .bind::<Text, _>(&self.action.trace_id)
        .execute(connection)
        .await?;
        audit(connection, self.action, Self::NAME, &subject(self.message), None).await?;
        let replay = latest(connection, self.message).await?;
        Ok(HeldDetails { replay, ..found })
    }
}

/// Whoever else asks for the same message waits.
pub(super) async fn lock(connection: &mut AsyncPgConnection, message: i64) -> Result<(), Failure> {
    diesel::sql_query("SELECT FROM billing.quarantined_messages WHERE id = $1 FOR UPDATE")
        .bind::<BigInt, _>(message)
        .execute(connection)
        .await?;
    Ok(())
}

/// The replay that was last asked for.
pub(super) async fn latest(connection: &mut AsyncPgConnection, message: i64) -> Result<Option<ReplayRequest>, Failure> {
    let query = format!(
        "SELECT {COLUMNS} FROM billing.replay_requests WHERE message_id = $1
        ORDER BY ended_at IS NULL DESC, requested_at DESC, id DESC LIMIT 1"
    );
    let rows: Vec<RequestRow> = diesel::sql_query(query).bind::<BigInt, _>(message).load(connection).await?;
    Ok(rows.as_slice().first().map(RequestRow::request).transpose()?)
}

pub(super) struct WaitingReplays(pub(super) u32);

impl Transaction for WaitingReplays {
    const NAME: &'static str = "list_waiting_replays";
    const READ_ONLY: bool = true;
    type Output = Vec<ReplayRequest>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        let query = format!(
            "SELECT {COLUMNS} FROM billing.replay_requests WHERE ended_at IS NULL ORDER BY requested_at, id LIMIT $1"
        );
        let rows: Vec<RequestRow> =
            diesel::sql_query(query).bind::<BigInt, _>(i64::from(self.0)).load(connection).await?;
        Ok(rows.iter().map(RequestRow::request).collect::<Result<_, _>>()?)
    }
}

pub(super) struct EndReplay<'a> {
    pub(super) id: Uuid,
    pub(super) end: &'a ReplayEnd,
    pub(super) at: Timestamp,
}

impl Transaction for EndReplay<'_> {
    const NAME: &'static str = "end_replay";
    type Output = ();

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<(), Failure> {
        let (outcome, detail) = match self.end {
            ReplayEnd::Became(became) => (became.name(), None),
            ReplayEnd::Stays(why) => (STAYS, Some(why)),
            ReplayEnd::Refused(why) => (REFUSED, Some(why)),
        };
        diesel::sql_query(
            "UPDATE billing.replay_requests SET ended_at = $2, outcome = $3, detail = $4
            WHERE id = $1 AND ended_at IS NULL",
        )
        .bind::<SqlUuid, _>(self.id)
        .bind::<Timestamptz, _>(columns::instant(self.at))
        .bind::<Text, _>(outcome)
        .bind::<Nullable<Text>, _>(detail)
        .execute(connection)
        .await?;
        Ok(())
    }
}

#[derive(QueryableByName)]
struct RequestRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    message_id: i64,
    #[diesel(sql_type = Bool)]
    allow_old: bool,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    of_tenant: Option<Uuid>,
    #[diesel(sql_type = Timestamptz)]
    requested_at: columns::Instant,
    #[diesel(sql_type = Text)]
    requested_by: String,
    #[diesel(sql_type = Text)]
    trace_id: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    ended_at: Option<columns::Instant>,
    #[diesel(sql_type = Nullable<Text>)]
    outcome: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    detail: Option<String>,
}

impl RequestRow {
    fn request(&self) -> Result<ReplayRequest, Inconsistent> {
        Ok(ReplayRequest {
            id: self.id,
            message: self.message_id,
            terms: ReplayTerms { tenant: self.of_tenant.map(TenantId), allow_old: self.allow_old },
            by: self.requested_by.clone(),
            trace_id: self.trace_id.clone(),
            at: columns::timestamp(self.requested_at),
            ended: self.ended_at.map(|at| Ok((self.end()?, columns::timestamp(at)))).transpose()?,
        })
    }

    fn end(&self) -> Result<ReplayEnd, Inconsistent> {
        let outcome = self.outcome.as_deref().unwrap_or_default();
        let why = || self.detail.clone().ok_or_else(|| TABLE.bad("detail"));
        match outcome {
            STAYS => Ok(ReplayEnd::Stays(why()?)),
            REFUSED => Ok(ReplayEnd::Refused(why()?)),
            name => {
                let became = ReplayedAs::ALL.into_iter().find(|became| became.name() == name);
                Ok(ReplayEnd::Became(became.ok_or_else(|| TABLE.bad("outcome"))?))
            }
        }
    }
}
