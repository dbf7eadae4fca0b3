//! Usage that waits for a price or its account, and its way to the rated events.

use billing_domain::ports::{RerateOutcome, WaitingUsage};
use billing_domain::usage::{Fingerprint, RatedUsage, Receipt, ReportedUsage, UnratedReason, UnratedUsage};
use billing_domain::{AccountId, MessageId, TenantId};
use diesel::sql_types::{Array, BigInt, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::columns::{self, Table};
use crate::transaction::{Failure, Transaction};

use super::claims::sequence;
use super::{events, versions};

const TABLE: Table = Table("unrated_events");

/// Sets messages aside until they can be rated.
pub(super) async fn insert(connection: &mut AsyncPgConnection, waiting: &[&UnratedUsage]) -> Result<(), Failure> {
    if waiting.is_empty() {
        return Ok(());
    }
    let tiers = waiting.iter().map(|w| w.usage.tier.as_ref().map(|tier| tier.as_str())).collect::<Vec<_>>();
    let currencies = waiting.iter().map(|w| w.usage.currency.as_ref().map(|c| c.code())).collect::<Vec<_>>();
    let text = |f: for<'a> fn(&'a UnratedUsage) -> &'a str| waiting.iter().map(|w| f(w)).collect::<Vec<_>>();
    diesel::sql_query(
        "INSERT INTO billing.unrated_events (message_id, account_id, tenant_id, stream_sequence, published_at,
            fingerprint, tier, operator_id, direction, segments, currency, charged_at, dlr_status, reason)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind::<Array<SqlUuid>, _>(waiting.iter().map(|w| w.usage.message.0).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(waiting.iter().map(|w| w.usage.account.0).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(waiting.iter().map(|w| w.tenant.map(|t| t.0)).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(waiting.iter().map(|w| sequence(w.receipt)).collect::<Result<Vec<_>, _>>()?)
    .bind::<Array<Timestamptz>, _>(waiting.iter().map(|w| columns::instant(w.receipt.published_at)).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(waiting.iter().map(|w| w.fingerprint.0).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(tiers)
    .bind::<Array<Text>, _>(text(|w| w.usage.operator.as_str()))
    .bind::<Array<Text>, _>(text(|w| w.usage.direction.name()))
    .bind::<Array<SmallInt>, _>(waiting.iter().map(|w| i16::from(w.usage.segments.get())).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(currencies)
    .bind::<Array<Timestamptz>, _>(waiting.iter().map(|w| columns::instant(w.usage.charged_at)).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(text(|w| w.usage.dlr_status.name()))
    .bind::<Array<Text>, _>(text(|w| w.reason.name()))
    .execute(connection)
    .await?;
    Ok(())
}

/// A page of what waits.
pub(super) struct ListWaiting {
    pub(super) reason: Option<UnratedReason>,
    pub(super) after: i64,
    pub(super) limit: u32,
}

#[derive(diesel::QueryableByName)]
struct WaitingRow {
    #[diesel(sql_type = BigInt)]
    position: i64,
    #[diesel(sql_type = SqlUuid)]
    message_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    account_id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    tenant_id: Option<Uuid>,
    #[diesel(sql_type = BigInt)]
    stream_sequence: i64,
    #[diesel(sql_type = Timestamptz)]
    published_at: columns::Instant,
    #[diesel(sql_type = SqlUuid)]
    fingerprint: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    tier: Option<String>,
    #[diesel(sql_type = Text)]
    operator_id: String,
    #[diesel(sql_type = Text)]
    direction: String,
    #[diesel(sql_type = SmallInt)]
    segments: i16,
    #[diesel(sql_type = Nullable<Text>)]
    currency: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    charged_at: columns::Instant,
    #[diesel(sql_type = Text)]
    dlr_status: String,
    #[diesel(sql_type = Text)]
    reason: String,
}

impl Transaction for ListWaiting {
    const NAME: &'static str = "list_waiting";
    const READ_ONLY: bool = true;
    type Output = Vec<WaitingUsage>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        let rows: Vec<WaitingRow> = diesel::sql_query(
            "SELECT position, message_id, account_id, tenant_id, stream_sequence, published_at, fingerprint, tier,
                operator_id, direction, segments, currency, charged_at, dlr_status, reason
            FROM billing.unrated_events WHERE position > $1 AND ($3::text IS NULL OR reason = $3)
            ORDER BY position LIMIT $2",
        )
        .bind::<BigInt, _>(self.after)
        .bind::<BigInt, _>(i64::from(self.limit))
        .bind::<Nullable<Text>, _>(self.reason.map(|reason| reason.name()))
        .load(connection)
        .await?;
        rows.iter().map(waiting).collect()
    }
}

fn waiting(row: &WaitingRow) -> Result<WaitingUsage, Failure> {
    let sequence = TABLE.count("stream_sequence", row.stream_sequence)?;
    let tenant = row.tenant_id.map(TenantId);
    let usage = ReportedUsage {
        message: MessageId(row.message_id),
        tenant,
        account: AccountId(row.account_id),
        tier: row.tier.as_deref().map(|tier| TABLE.tier(tier)).transpose()?,
        operator: TABLE.operator(&row.operator_id)?,
        direction: TABLE.direction(&row.direction)?,
        segments: TABLE.segments(row.segments)?,
        currency: row.currency.as_deref().map(|currency| TABLE.currency(currency)).transpose()?,
        charged_at: columns::timestamp(row.charged_at),
        dlr_status: TABLE.dlr_status(&row.dlr_status)?,
    };
    let reason = match row.reason.as_str() {
        "no_price" => UnratedReason::NoPrice,
        "unknown_account" => UnratedReason::UnknownAccount,
        _ => return Err(TABLE.bad("reason").into()),
    };
    let receipt = Receipt { sequence, published_at: columns::timestamp(row.published_at) };
    let usage = UnratedUsage { receipt, fingerprint: Fingerprint(row.fingerprint), usage, tenant, reason };
    Ok(WaitingUsage { usage, position: row.position })
}

/// Moves what can be rated now.
pub(super) struct Rerate<'a> {
    pub(super) book_version: i64,
    pub(super) directory_version: i64,
    pub(super) rated: &'a [RatedUsage],
}

#[derive(diesel::QueryableByName)]
struct Taken {
    #[diesel(sql_type = SqlUuid)]
    message_id: Uuid,
}

impl Transaction for Rerate<'_> {
    const NAME: &'static str = "rerate_usage";
    type Output = RerateOutcome;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<RerateOutcome, Failure> {
        if !versions::hold_shared(connection, self.book_version, self.directory_version).await? {
            return Ok(RerateOutcome::Stale);
        }
        // Taking the row is what makes it once: another pod that rates the same message finds it locked or gone.
        let taken: Vec<Taken> = diesel::sql_query(
            "DELETE FROM billing.unrated_events WHERE position IN (
                SELECT position FROM billing.unrated_events WHERE message_id = ANY($1)
                ORDER BY position FOR UPDATE SKIP LOCKED)
            RETURNING message_id",
        )
        .bind::<Array<SqlUuid>, _>(self.rated.iter().map(|usage| usage.event.message.0).collect::<Vec<_>>())
        .load(connection)
        .await?;
        let taken: std::collections::HashSet<Uuid> = taken.into_iter().map(|row| row.message_id).collect();
        let mine: Vec<&RatedUsage> = self.rated.iter().filter(|usage| taken.contains(&usage.event.message.0)).collect();
        events::insert(connection, &mine).await?;
        Ok(RerateOutcome::Rated(u64::try_from(mine.len()).unwrap_or(u64::MAX)))
    }
}

/// How much waits.
pub(super) struct CountUnrated;

impl Transaction for CountUnrated {
    const NAME: &'static str = "count_unrated";
    const READ_ONLY: bool = true;
    type Output = u64;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<u64, Failure> {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = BigInt)]
            count: i64,
        }
        let row: Count =
            diesel::sql_query("SELECT count(*) FROM (SELECT FROM billing.unrated_events LIMIT 1000000) AS counted")
                .get_result(connection)
                .await?;
        Ok(TABLE.count("count", row.count)?)
    }
}
