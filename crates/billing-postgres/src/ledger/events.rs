//! Rated events: written with the bucket that they were summed in.

use std::collections::BTreeMap;

use billing_domain::usage::{Folded, RatedUsage, fold};
use billing_domain::{Day, Month};
use diesel::sql_types::{Date, Integer};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::columns;
use crate::session::Session;
use crate::transaction::{Failure, Transaction};

use super::buckets::Additions;
use super::claims::sequence;
use super::rows::{self, Row};

/// Months for which partitions are made, from the month before: usage of last month still comes in.
const MONTHS_AHEAD: i32 = 4;

const COLUMNS: &str = "message_id, account_id, tenant_id, bucket_id, charged_at, price_id, cost_id, amount_micros,
    cost_micros, stream_sequence, segments, operator_id, tier, direction, currency, cost_currency, dlr_status";

/// Writes new events and adds them to their buckets. `partitions` are those that may be copied into: the table as a whole
/// is fenced by tenant, and what is fenced takes no COPY. Events of other months go the long way.
pub(super) async fn write(
    session: &Session,
    events: &[&RatedUsage],
    partitions: &[String],
    sealed: bool,
) -> Result<(), Failure> {
    if events.is_empty() {
        return Ok(());
    }
    let Folded { buckets: folded, places } = fold(events.iter().copied())?;
    let mut additions = Additions::find(session, &folded, sealed).await?;
    let known = additions.ids();
    let ids = match &known {
        Some(known) => known.clone(),
        None => additions.add_any(session).await?,
    };
    let mut months: BTreeMap<Month, Vec<(&RatedUsage, i64)>> = BTreeMap::new();
    for (usage, &place) in events.iter().zip(&places) {
        let chosen = months.entry(folded[place].0.day.month()).or_insert_with(|| Vec::with_capacity(events.len()));
        chosen.push((usage, ids[place]));
    }
    for (month, mut chosen) in months {
        let name = partition(month);
        // Entries of one bucket are neighbours in its index: with many buckets that halves what an entry costs.
        chosen.sort_unstable_by_key(|(_, bucket)| *bucket);
        if partitions.contains(&name) {
            copy(session, &name, &chosen).await?;
        } else {
            insert(session, &chosen).await?;
        }
    }
    match known {
        Some(ids) => additions.add_known(session, &ids).await,
        None => Ok(()),
    }
}

/// The name of a month's partition, as `billing.make_event_partitions` gives it.
fn partition(month: Month) -> String {
    format!("billing_events_{}", month.to_string().replace('-', ""))
}

async fn copy(session: &Session, partition: &str, events: &[(&RatedUsage, i64)]) -> Result<(), Failure> {
    let sql = format!("COPY billing.{partition} ({COLUMNS}) FROM STDIN (FORMAT binary)");
    rows::copy(session, &sql, 17, events, put).await
}

fn put(row: &mut Row<'_>, (usage, bucket): &(&RatedUsage, i64)) -> Result<(), Failure> {
    let (event, rated) = (&usage.event, &usage.rated);
    row.uuid(event.message.0).uuid(event.account.0).uuid(event.tenant.0).bigint(*bucket);
    row.instant(event.charged_at).uuid(rated.price.0);
    match &rated.cost {
        Some(cost) => row.uuid(cost.cost.0).bigint(rated.amount.0).bigint(cost.amount.0),
        None => row.null().bigint(rated.amount.0).null(),
    };
    row.bigint(sequence(usage.receipt)?).smallint(i16::from(event.segments.get()));
    row.text(event.operator.as_str()).text(event.tier.as_str()).text(event.direction.name());
    row.text(event.currency.code());
    match &rated.cost {
        Some(cost) => row.text(cost.currency.code()),
        None => row.null(),
    };
    row.text(event.dlr_status.name());
    Ok(())
}

/// Of months that have no partition of their own: they are few.
async fn insert(session: &Session, events: &[(&RatedUsage, i64)]) -> Result<(), Failure> {
    let ids = |f: fn(&RatedUsage) -> Uuid| events.iter().map(|(usage, _)| f(usage)).collect::<Vec<_>>();
    let text = |f: for<'a> fn(&'a RatedUsage) -> &'a str| events.iter().map(|(u, _)| f(u)).collect::<Vec<_>>();
    let costs = || events.iter().map(|(usage, _)| usage.rated.cost.as_ref());
    let (messages, accounts, tenants) =
        (ids(|u| u.event.message.0), ids(|u| u.event.account.0), ids(|u| u.event.tenant.0));
    let buckets: Vec<i64> = events.iter().map(|(_, bucket)| *bucket).collect();
    let charged: Vec<Timestamp> = events.iter().map(|(usage, _)| usage.event.charged_at).collect();
    let prices = ids(|u| u.rated.price.0);
    let cost_ids: Vec<Option<Uuid>> = costs().map(|cost| cost.map(|cost| cost.cost.0)).collect();
    let amounts: Vec<i64> = events.iter().map(|(usage, _)| usage.rated.amount.0).collect();
    let cost_amounts: Vec<Option<i64>> = costs().map(|cost| cost.map(|cost| cost.amount.0)).collect();
    let sequences = events.iter().map(|(usage, _)| sequence(usage.receipt)).collect::<Result<Vec<i64>, _>>()?;
    let segments: Vec<i16> = events.iter().map(|(usage, _)| i16::from(usage.event.segments.get())).collect();
    let (operators, tiers) = (text(|u| u.event.operator.as_str()), text(|u| u.event.tier.as_str()));
    let (directions, currencies) = (text(|u| u.event.direction.name()), text(|u| u.event.currency.code()));
    let cost_currencies: Vec<Option<&str>> = costs().map(|cost| cost.map(|cost| cost.currency.code())).collect();
    let statuses = text(|u| u.event.dlr_status.name());
    let sql = format!(
        "INSERT INTO billing.billing_events ({COLUMNS})
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::timestamptz[], $6::uuid[],
            $7::uuid[], $8::bigint[], $9::bigint[], $10::bigint[], $11::smallint[], $12::text[], $13::text[],
            $14::text[], $15::text[], $16::text[], $17::text[])"
    );
    #[rustfmt::skip]
    let values: [&(dyn ToSql + Sync); 17] = [
        &messages, &accounts, &tenants, &buckets, &charged, &prices, &cost_ids, &amounts, &cost_amounts, &sequences,
        &segments, &operators, &tiers, &directions, &currencies, &cost_currencies, &statuses,
    ];
    session.execute(&sql, &values).await?;
    Ok(())
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
