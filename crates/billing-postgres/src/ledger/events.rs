//! Rated events: written with the bucket that they were summed in.

use billing_domain::Day;
use billing_domain::usage::{BucketKey, RatedUsage, fold};
use diesel::sql_types::{Array, BigInt, Date, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::columns;
use crate::transaction::{Failure, Transaction};

use super::buckets;
use super::claims::sequence;

/// Months for which partitions are made, from the month before: usage of last month still comes in.
const MONTHS_AHEAD: i32 = 4;

/// Writes new events and adds them to their buckets.
pub(super) async fn insert(connection: &mut AsyncPgConnection, events: &[&RatedUsage]) -> Result<(), Failure> {
    if events.is_empty() {
        return Ok(());
    }
    let bucket_of = buckets::add(connection, &fold(events.iter().copied())?).await?;
    let bucket = |usage: &RatedUsage| {
        let found = bucket_of.get(&BucketKey::of(usage)).copied();
        found.ok_or(Failure::Broken("a bucket that was just written is not there"))
    };
    let ids = |f: fn(&RatedUsage) -> Uuid| events.iter().map(|usage| f(usage)).collect::<Vec<_>>();
    let text = |f: for<'a> fn(&'a RatedUsage) -> &'a str| events.iter().map(|usage| f(usage)).collect::<Vec<_>>();
    let cost = events.iter().map(|usage| usage.rated.cost);
    diesel::sql_query(
        "INSERT INTO billing.billing_events (message_id, account_id, tenant_id, bucket_id, charged_at, price_id,
            cost_id, amount_micros, cost_micros, stream_sequence, segments, operator_id, tier, direction, currency,
            cost_currency, dlr_status)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
    )
    .bind::<Array<SqlUuid>, _>(ids(|usage| usage.event.message.0))
    .bind::<Array<SqlUuid>, _>(ids(|usage| usage.event.account.0))
    .bind::<Array<SqlUuid>, _>(ids(|usage| usage.event.tenant.0))
    .bind::<Array<BigInt>, _>(events.iter().map(|usage| bucket(usage)).collect::<Result<Vec<_>, _>>()?)
    .bind::<Array<Timestamptz>, _>(events.iter().map(|u| columns::instant(u.event.charged_at)).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(ids(|usage| usage.rated.price.0))
    .bind::<Array<Nullable<SqlUuid>>, _>(cost.clone().map(|cost| cost.map(|c| c.cost.0)).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(events.iter().map(|usage| usage.rated.amount.0).collect::<Vec<_>>())
    .bind::<Array<Nullable<BigInt>>, _>(cost.map(|cost| cost.map(|c| c.amount.0)).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(events.iter().map(|usage| sequence(usage.receipt)).collect::<Result<Vec<_>, _>>()?)
    .bind::<Array<SmallInt>, _>(events.iter().map(|u| i16::from(u.event.segments.get())).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(text(|usage| usage.event.operator.as_str()))
    .bind::<Array<Text>, _>(text(|usage| usage.event.tier.as_str()))
    .bind::<Array<Text>, _>(text(|usage| usage.event.direction.name()))
    .bind::<Array<Text>, _>(text(|usage| usage.event.currency.code()))
    .bind::<Array<Nullable<Text>>, _>(cost_currencies(events))
    .bind::<Array<Text>, _>(text(|usage| usage.event.dlr_status.name()))
    .execute(connection)
    .await?;
    Ok(())
}

fn cost_currencies<'a>(events: &[&'a RatedUsage]) -> Vec<Option<&'a str>> {
    events.iter().map(|usage| usage.rated.cost.as_ref().map(|cost| cost.currency.code())).collect()
}

/// Makes the partitions around a day.
pub(super) struct PreparePartitions(pub(super) Day);

impl Transaction for PreparePartitions {
    const NAME: &'static str = "prepare_partitions";
    type Output = ();

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<(), Failure> {
        diesel::sql_query("SELECT billing.make_event_partitions($1, $2)")
            .bind::<Date, _>(columns::date(self.0.month().previous().first_day()))
            .bind::<Integer, _>(MONTHS_AHEAD)
            .execute(connection)
            .await?;
        Ok(())
    }
}
