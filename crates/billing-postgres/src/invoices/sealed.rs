//! What an invoice sealed: its buckets, the buckets of void invoices that were merged into them, and what the events of all
//! these add up to. An event names the bucket that it was summed in for ever, so the way to it leads back through mergers.

use std::collections::BTreeMap;

use billing_domain::InvoiceId;
use billing_domain::invoicing::{EventTally, SealedBucket};
use billing_domain::usage::BucketSums;
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::buckets::{BUCKET_ORDER, KeyColumns, SumColumns};
use crate::columns::{Inconsistent, Table};
use crate::transaction::Failure;

const BUCKETS: Table = Table("usage_buckets");
const EVENTS: Table = Table("billing_events");

/// The columns of a [`BucketRow`].
pub(super) const BUCKET_COLUMNS: &str = "b.id, b.account_id, b.tenant_id, b.operator_id, b.direction, b.currency,
    b.price_id, b.day, b.messages, b.segments, b.units, b.amount_micros::text AS amount, b.cost_micros::text AS cost,
    b.uncosted, b.foreign_cost";

/// Whether event `e` has not the key of bucket `k`.
pub(super) const MISPLACED: &str = "NOT (e.account_id = k.account_id AND e.tenant_id = k.tenant_id
    AND e.operator_id = k.operator_id AND e.direction = k.direction AND e.currency = k.currency
    AND e.price_id = k.price_id AND (e.charged_at AT TIME ZONE 'UTC')::date = k.day)";

/// Events `e` of the buckets `$1`, and their buckets `k`.
pub(super) const EVENTS_OF_BUCKETS: &str =
    "billing.billing_events e JOIN billing.usage_buckets k ON k.id = e.bucket_id WHERE e.bucket_id = ANY($1)";
#[derive(QueryableByName)]
pub(super) struct BucketRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(embed)]
    key: KeyColumns,
    #[diesel(embed)]
    sums: SumColumns,
    #[diesel(sql_type = BigInt)]
    units: i64,
}

impl BucketRow {
    pub(super) fn bucket(&self) -> Result<SealedBucket, Inconsistent> {
        let sums = BucketSums { units: BUCKETS.count("units", self.units)?, ..self.sums.sums()? };
        Ok(SealedBucket { id: self.id, key: self.key.key()?, sums })
    }
}

/// The columns of a tally.
#[derive(QueryableByName)]
pub(super) struct TallyColumns {
    #[diesel(sql_type = BigInt)]
    messages: i64,
    #[diesel(sql_type = BigInt)]
    segments: i64,
    #[diesel(sql_type = BigInt)]
    delivered_messages: i64,
    #[diesel(sql_type = BigInt)]
    delivered_segments: i64,
    #[diesel(sql_type = Text)]
    amount: String,
    #[diesel(sql_type = BigInt)]
    misplaced: i64,
    #[diesel(sql_type = BigInt)]
    first_place: i64,
    #[diesel(sql_type = BigInt)]
    last_place: i64,
}

impl TallyColumns {
    pub(super) fn tally(&self) -> Result<EventTally, Inconsistent> {
        let place = |place| EVENTS.count("stream_sequence", place);
        Ok(EventTally {
            messages: EVENTS.count("messages", self.messages)?,
            segments: EVENTS.count("segments", self.segments)?,
            delivered_messages: EVENTS.count("messages", self.delivered_messages)?,
            delivered_segments: EVENTS.count("segments", self.delivered_segments)?,
            amount: EVENTS.sum("amount_micros", &self.amount)?,
            misplaced: EVENTS.count("messages", self.misplaced)?,
            places: Some((place(self.first_place)?, place(self.last_place)?)),
        })
    }
}

/// What the invoice sealed, in key order.
pub(super) async fn sealed(
    connection: &mut AsyncPgConnection,
    invoice: InvoiceId,
) -> Result<Vec<SealedBucket>, Failure> {
    let query = format!(
        "SELECT {BUCKET_COLUMNS} FROM billing.usage_buckets b WHERE b.sealed_by = $1 ORDER BY {BUCKET_ORDER}, b.id"
    );
    let rows: Vec<BucketRow> = diesel::sql_query(query).bind::<SqlUuid, _>(invoice.0).load(connection).await?;
    rows.iter().map(|row| Ok(row.bucket()?)).collect()
}

/// What the events of buckets, and of what was merged into them, add up to. Buckets without events are left out.
pub(super) async fn tallies(
    connection: &mut AsyncPgConnection,
    buckets: &[i64],
) -> Result<BTreeMap<i64, EventTally>, Failure> {
    #[derive(QueryableByName)]
    struct Part {
        #[diesel(sql_type = BigInt)]
        root: i64,
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(embed)]
        tally: TallyColumns,
    }
    let parts: Vec<Part> = diesel::sql_query(
        "WITH RECURSIVE parts AS (
            SELECT id AS root, id FROM billing.usage_buckets WHERE id = ANY($1)
            UNION ALL
            SELECT parts.root, b.id FROM parts JOIN billing.usage_buckets b ON b.merged_into = parts.id
        ) SELECT root, id FROM parts",
    )
    .bind::<Array<BigInt>, _>(buckets)
    .load(connection)
    .await?;
    let roots: BTreeMap<i64, i64> = parts.iter().map(|part| (part.id, part.root)).collect();
    // By themselves, so that how many they are is known when it is decided how to find their events.
    let query = format!(
        "SELECT k.id, count(*) AS messages, sum(e.segments) AS segments,
            count(*) FILTER (WHERE e.dlr_status = 'DELIVERED') AS delivered_messages,
            COALESCE(sum(e.segments) FILTER (WHERE e.dlr_status = 'DELIVERED'), 0) AS delivered_segments,
            sum(e.amount_micros)::text AS amount, count(*) FILTER (WHERE {MISPLACED}) AS misplaced,
            min(e.stream_sequence) AS first_place, max(e.stream_sequence) AS last_place
        FROM {EVENTS_OF_BUCKETS} GROUP BY k.id"
    );
    let ids: Vec<i64> = roots.keys().copied().collect();
    let rows: Vec<Row> = diesel::sql_query(query).bind::<Array<BigInt>, _>(ids).load(connection).await?;
    let mut tallies: BTreeMap<i64, EventTally> = BTreeMap::new();
    for row in &rows {
        let root = roots.get(&row.id).copied().unwrap_or(row.id);
        tallies.entry(root).or_default().merge(&row.tally.tally()?)?;
    }
    Ok(tallies)
}
