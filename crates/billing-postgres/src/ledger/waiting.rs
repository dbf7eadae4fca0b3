//! Usage that waits for a price or its account, and its way to the rated events.

use std::collections::HashSet;

use billing_domain::ports::{Late, RerateOutcome, UnratedGroup, WaitingUsage};
use billing_domain::usage::{Fingerprint, RatedUsage, Receipt, ReportedUsage, UnratedUsage};
use billing_domain::{AccountId, DayRange, MessageId, TenantId};
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::columns::{self, Table};
use crate::session::Session;
use crate::transaction::{Failure, SessionTransaction, Transaction, Verdict};

use super::claims::sequence;
use super::unrated_summary::reason;
use super::{events, versions};

const TABLE: Table = Table("unrated_events");

/// Sets messages aside until they can be rated.
pub(super) async fn set_aside(session: &Session, waiting: &[&UnratedUsage]) -> Result<(), Failure> {
    if waiting.is_empty() {
        return Ok(());
    }
    let insert = "INSERT INTO billing.unrated_events (message_id, account_id, tenant_id, stream_sequence, published_at,
                fingerprint, tier, operator_id, direction, segments, currency, charged_at, dlr_status, reason)
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::timestamptz[], $6::uuid[],
                $7::text[], $8::text[], $9::text[], $10::smallint[], $11::text[], $12::timestamptz[], $13::text[],
                $14::text[])";
    let ids = |f: fn(&UnratedUsage) -> Uuid| waiting.iter().map(|w| f(w)).collect::<Vec<Uuid>>();
    let text = |f: for<'a> fn(&'a UnratedUsage) -> &'a str| waiting.iter().map(|w| f(w)).collect::<Vec<&str>>();
    let (messages, accounts) = (ids(|w| w.usage.message.0), ids(|w| w.usage.account.0));
    let fingerprints = ids(|w| w.fingerprint.0);
    let tenants: Vec<Option<Uuid>> = waiting.iter().map(|w| w.tenant.map(|tenant| tenant.0)).collect();
    let sequences = waiting.iter().map(|w| sequence(w.receipt)).collect::<Result<Vec<i64>, _>>()?;
    let published: Vec<Timestamp> = waiting.iter().map(|w| w.receipt.published_at).collect();
    let charged: Vec<Timestamp> = waiting.iter().map(|w| w.usage.charged_at).collect();
    let tiers: Vec<Option<&str>> = waiting.iter().map(|w| w.usage.tier.as_ref().map(|tier| tier.as_str())).collect();
    let currencies: Vec<Option<&str>> = waiting.iter().map(|w| w.usage.currency.as_ref().map(|c| c.code())).collect();
    let segments: Vec<i16> = waiting.iter().map(|w| i16::from(w.usage.segments.get())).collect();
    let (operators, directions) = (text(|w| w.usage.operator.as_str()), text(|w| w.usage.direction.name()));
    let (statuses, reasons) = (text(|w| w.usage.dlr_status.name()), text(|w| w.reason.name()));
    #[rustfmt::skip]
    let values: [&(dyn ToSql + Sync); 14] = [
        &messages, &accounts, &tenants, &sequences, &published, &fingerprints, &tiers, &operators, &directions,
        &segments, &currencies, &charged, &statuses, &reasons,
    ];
    session.execute(insert, &values).await?;
    Ok(())
}

/// A page of what waits in a group, charged on some days.
pub(super) struct ListWaiting<'a> {
    pub(super) group: &'a UnratedGroup,
    pub(super) days: DayRange,
    pub(super) after: Option<&'a WaitingUsage>,
    pub(super) limit: u32,
}

/// What every query of waiting messages selects.
pub(super) const WAITING_COLUMNS: &str = "position, message_id, account_id, tenant_id, stream_sequence, published_at,
    fingerprint, tier, operator_id, direction, segments, currency, charged_at, dlr_status, reason";

#[derive(diesel::QueryableByName)]
pub(super) struct WaitingRow {
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

impl Transaction for ListWaiting<'_> {
    const NAME: &'static str = "list_waiting";
    const READ_ONLY: bool = true;
    type Output = Vec<WaitingUsage>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        let begin = (self.days.from().start(), 0);
        let (charged_at, position) = self.after.map_or(begin, |last| (last.usage.usage.charged_at, last.position));
        let rows: Vec<WaitingRow> = diesel::sql_query(format!(
            "SELECT {WAITING_COLUMNS} FROM billing.unrated_events
            WHERE key = $1 AND (charged_at, position) > ($2, $3) AND ($4::timestamptz IS NULL OR charged_at < $4)
            ORDER BY charged_at, position LIMIT $5"
        ))
        .bind::<Text, _>(&self.group.place)
        .bind::<Timestamptz, _>(columns::instant(charged_at))
        .bind::<BigInt, _>(position)
        .bind::<Nullable<Timestamptz>, _>(self.days.until().map(|until| columns::instant(until.start())))
        .bind::<BigInt, _>(i64::from(self.limit))
        .load(connection)
        .await?;
        rows.iter().map(waiting).collect()
    }
}

pub(super) fn waiting(row: &WaitingRow) -> Result<WaitingUsage, Failure> {
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
    let reason = reason(&row.reason)?;
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

impl SessionTransaction for Rerate<'_> {
    const NAME: &'static str = "rerate_usage";
    type Output = RerateOutcome;

    async fn run(&self, session: &Session, attempt: u32) -> Result<Verdict<RerateOutcome>, Failure> {
        let state = versions::begin(session).await?;
        if state.versions != (self.book_version, self.directory_version) {
            return Ok(Verdict::Rollback(RerateOutcome::Stale));
        }
        // Taking the row is what makes it once: another pod that rates the same message finds it locked or gone.
        let take = "DELETE FROM billing.unrated_events WHERE position IN (
                SELECT position FROM billing.unrated_events WHERE message_id = ANY($1)
                ORDER BY position FOR UPDATE SKIP LOCKED)
            RETURNING message_id";
        let wanted: Vec<Uuid> = self.rated.iter().map(|usage| usage.event.message.0).collect();
        let rows = session.query(take, &[&wanted]).await?;
        let taken = rows.iter().map(|row| row.try_get(0)).collect::<Result<HashSet<Uuid>, _>>()?;
        let mine: Vec<&RatedUsage> = self.rated.iter().filter(|usage| taken.contains(&usage.event.message.0)).collect();
        // Rare enough for any second attempt to take all of its buckets for sealed.
        events::write(session, &mine, &state.partitions, attempt > 1).await?;
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let losses = mine.iter().filter(|usage| usage.is_loss()).count();
        let late = Late { messages: number(mine.len()), negative_margin: number(losses) };
        Ok(Verdict::Commit(RerateOutcome::Rated(late)))
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
