//! Adding to the open buckets.

use std::collections::HashMap;

use billing_domain::usage::{BucketKey, BucketSums};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Date, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::buckets::{ADD_TO_OPEN, KeyColumns};
use crate::columns;
use crate::transaction::Failure;

#[derive(QueryableByName)]
struct OpenBucket {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(embed)]
    key: KeyColumns,
}

/// Adds what was folded (sorted, each key once) to the open buckets, making those that are missing; the bucket of
/// each key. A bucket that an invoice is sealing at this moment is waited for, and a new one is opened beside it.
pub(super) async fn add(
    connection: &mut AsyncPgConnection,
    folded: &[(BucketKey, BucketSums)],
) -> Result<HashMap<BucketKey, i64>, Failure> {
    let number = |count: u64| i64::try_from(count).map_err(|_| Failure::Broken("a batch's sum beyond 2^63"));
    let micros = |sum: i128| i64::try_from(sum).map_err(|_| Failure::Broken("a batch's amount beyond 2^63"));
    let column = |f: fn(&(BucketKey, BucketSums)) -> Uuid| folded.iter().map(f).collect::<Vec<_>>();
    let text = |f: fn(&(BucketKey, BucketSums)) -> &str| folded.iter().map(f).collect::<Vec<_>>();
    let counts =
        |f: fn(&BucketSums) -> u64| folded.iter().map(|(_, sums)| number(f(sums))).collect::<Result<Vec<_>, _>>();
    let amounts =
        |f: fn(&BucketSums) -> i128| folded.iter().map(|(_, sums)| micros(f(sums))).collect::<Result<Vec<_>, _>>();
    let query = format!(
        "INSERT INTO billing.usage_buckets AS b (account_id, tenant_id, operator_id, direction, currency, price_id,
            day, messages, segments, units, amount_micros, cost_micros, uncosted, foreign_cost)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) {ADD_TO_OPEN}"
    );
    let rows: Vec<OpenBucket> = diesel::sql_query(query)
        .bind::<Array<SqlUuid>, _>(column(|(key, _)| key.account.0))
        .bind::<Array<SqlUuid>, _>(column(|(key, _)| key.tenant.0))
        .bind::<Array<Text>, _>(text(|(key, _)| key.operator.as_str()))
        .bind::<Array<Text>, _>(text(|(key, _)| key.direction.name()))
        .bind::<Array<Text>, _>(text(|(key, _)| key.currency.code()))
        .bind::<Array<SqlUuid>, _>(column(|(key, _)| key.price.0))
        .bind::<Array<Date>, _>(folded.iter().map(|(key, _)| columns::date(key.day)).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(counts(|sums| sums.messages)?)
        .bind::<Array<BigInt>, _>(counts(|sums| sums.segments)?)
        .bind::<Array<BigInt>, _>(counts(|sums| sums.units)?)
        .bind::<Array<BigInt>, _>(amounts(|sums| sums.amount.0)?)
        .bind::<Array<BigInt>, _>(amounts(|sums| sums.cost.0)?)
        .bind::<Array<BigInt>, _>(counts(|sums| sums.uncosted)?)
        .bind::<Array<BigInt>, _>(counts(|sums| sums.foreign_cost)?)
        .load(connection)
        .await?;
    rows.into_iter().map(|row| Ok((row.key.key()?, row.id))).collect()
}
