//! Operator costs that became known after the event was rated.

use std::collections::BTreeMap;

use billing_domain::ports::{Late, UncostedUsage};
use billing_domain::pricing::{CostKey, CostShare};
use billing_domain::usage::UsageEvent;
use billing_domain::{AccountId, DayRange, MessageId, TenantId};
use diesel::sql_types::{Array, BigInt, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::buckets::BUCKET_ORDER;
use crate::columns::{self, Table};
use crate::transaction::{Failure, Transaction};

use super::versions;

const TABLE: Table = Table("billing_events");

/// Rated events of one operator and direction without a cost.
pub(super) struct ListUncosted<'a> {
    pub(super) key: &'a CostKey,
    pub(super) days: DayRange,
    pub(super) limit: u32,
}

#[derive(diesel::QueryableByName)]
struct UncostedRow {
    #[diesel(sql_type = SqlUuid)]
    message_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    account_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = BigInt)]
    bucket_id: i64,
    #[diesel(sql_type = Timestamptz)]
    charged_at: columns::Instant,
    #[diesel(sql_type = SmallInt)]
    segments: i16,
    #[diesel(sql_type = Text)]
    tier: String,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = Text)]
    dlr_status: String,
}

impl Transaction for ListUncosted<'_> {
    const NAME: &'static str = "list_uncosted";
    const READ_ONLY: bool = true;
    type Output = Vec<UncostedUsage>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        let rows: Vec<UncostedRow> = diesel::sql_query(
            "SELECT message_id, account_id, tenant_id, bucket_id, charged_at, segments, tier, currency, dlr_status
            FROM billing.billing_events
            WHERE cost_id IS NULL AND operator_id = $1 AND direction = $2 AND charged_at >= $3
                AND ($4::timestamptz IS NULL OR charged_at < $4)
            ORDER BY charged_at LIMIT $5",
        )
        .bind::<Text, _>(self.key.operator.as_str())
        .bind::<Text, _>(self.key.direction.name())
        .bind::<Timestamptz, _>(columns::instant(self.days.from().start()))
        .bind::<Nullable<Timestamptz>, _>(self.days.until().map(|until| columns::instant(until.start())))
        .bind::<BigInt, _>(i64::from(self.limit))
        .load(connection)
        .await?;
        rows.into_iter().map(|row| uncosted(&row, self.key)).collect()
    }
}

fn uncosted(row: &UncostedRow, key: &CostKey) -> Result<UncostedUsage, Failure> {
    let event = UsageEvent {
        message: MessageId(row.message_id),
        tenant: TenantId(row.tenant_id),
        account: AccountId(row.account_id),
        tier: TABLE.tier(&row.tier)?,
        operator: key.operator.clone(),
        direction: key.direction,
        segments: TABLE.segments(row.segments)?,
        currency: TABLE.currency(&row.currency)?,
        charged_at: columns::timestamp(row.charged_at),
        dlr_status: TABLE.dlr_status(&row.dlr_status)?,
    };
    Ok(UncostedUsage { event, bucket: row.bucket_id })
}

/// Pins costs on events, and adds them to the bucket that holds the event and to those that it was merged into.
pub(super) struct FillCosts<'a> {
    pub(super) book_version: i64,
    pub(super) directory_version: i64,
    pub(super) costs: &'a [(UncostedUsage, CostShare)],
}

#[derive(diesel::QueryableByName)]
struct Filled {
    #[diesel(sql_type = BigInt)]
    bucket_id: i64,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = BigInt)]
    amount_micros: i64,
    #[diesel(sql_type = Text)]
    cost_currency: String,
    #[diesel(sql_type = BigInt)]
    cost_micros: i64,
}

/// What filled events change in a bucket: cost, messages costed, of these in another currency.
type Change = (i64, i64, i64);

impl Transaction for FillCosts<'_> {
    const NAME: &'static str = "fill_costs";
    type Output = Option<Late>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Option<Late>, Failure> {
        if !versions::hold_shared(connection, self.book_version, self.directory_version).await? {
            return Ok(None);
        }
        let filled = self.pin(connection).await?;
        let mut changes: BTreeMap<i64, Change> = BTreeMap::new();
        let mut late = Late::default();
        for row in &filled {
            let change = changes.entry(row.bucket_id).or_default();
            change.1 += 1;
            late.messages += 1;
            if row.cost_currency == row.currency {
                change.0 = change.0.checked_add(row.cost_micros).ok_or(Failure::Broken("costs beyond 2^63"))?;
                late.negative_margin += u64::from(row.amount_micros < row.cost_micros);
            } else {
                change.2 += 1;
            }
        }
        add_to_buckets(connection, &changes).await?;
        Ok(Some(late))
    }
}

impl FillCosts<'_> {
    async fn pin(&self, connection: &mut AsyncPgConnection) -> Result<Vec<Filled>, Failure> {
        let shares = self.costs;
        Ok(diesel::sql_query(
            "UPDATE billing.billing_events e SET cost_id = f.cost_id, cost_micros = f.cost_micros,
                cost_currency = f.cost_currency
            FROM unnest($1, $2, $3, $4, $5, $6) AS f (message_id, charged_at, bucket_id, cost_id, cost_micros, cost_currency)
            WHERE e.message_id = f.message_id AND e.charged_at = f.charged_at AND e.bucket_id = f.bucket_id
                AND e.cost_id IS NULL
            RETURNING e.bucket_id, e.currency, e.amount_micros, e.cost_currency, e.cost_micros",
        )
        .bind::<Array<SqlUuid>, _>(shares.iter().map(|(usage, _)| usage.event.message.0).collect::<Vec<_>>())
        .bind::<Array<Timestamptz>, _>(
            shares.iter().map(|(usage, _)| columns::instant(usage.event.charged_at)).collect::<Vec<_>>(),
        )
        .bind::<Array<BigInt>, _>(shares.iter().map(|(usage, _)| usage.bucket).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(shares.iter().map(|(_, share)| share.cost.0).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(shares.iter().map(|(_, share)| share.amount.0).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(shares.iter().map(|(_, share)| share.currency.code()).collect::<Vec<_>>())
        .load(connection)
        .await?)
    }
}

async fn add_to_buckets(connection: &mut AsyncPgConnection, changes: &BTreeMap<i64, Change>) -> Result<(), Failure> {
    // Locked first, in a statement of its own: a void that is releasing them is waited for, and the next statement
    // sees where their sums have gone.
    diesel::sql_query(format!(
        "SELECT FROM billing.usage_buckets WHERE id = ANY($1) ORDER BY {BUCKET_ORDER} FOR UPDATE"
    ))
    .bind::<Array<BigInt>, _>(changes.keys().copied().collect::<Vec<_>>())
    .execute(connection)
    .await?;
    let query = format!(
        "WITH RECURSIVE change AS (
            SELECT * FROM unnest($1, $2, $3, $4) AS c (id, cost, costed, foreign_cost)
            UNION ALL
            SELECT b.merged_into, change.cost, change.costed, change.foreign_cost
            FROM change JOIN billing.usage_buckets b ON b.id = change.id WHERE b.merged_into IS NOT NULL
        ), total AS (
            SELECT id, sum(cost) AS cost, sum(costed)::bigint AS costed, sum(foreign_cost)::bigint AS foreign_cost
            FROM change GROUP BY id
        ), locked AS (
            -- In one order, whatever the plan: two of these must not wait for each other in a circle.
            SELECT id FROM billing.usage_buckets WHERE id IN (SELECT id FROM total) ORDER BY {BUCKET_ORDER}, id FOR UPDATE
        )
        UPDATE billing.usage_buckets b SET cost_micros = b.cost_micros + total.cost,
            uncosted = b.uncosted - total.costed, foreign_cost = b.foreign_cost + total.foreign_cost
        FROM total JOIN locked USING (id) WHERE b.id = total.id"
    );
    diesel::sql_query(query)
        .bind::<Array<BigInt>, _>(changes.keys().copied().collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(changes.values().map(|change| change.0).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(changes.values().map(|change| change.1).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(changes.values().map(|change| change.2).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}
