//! Whether a fast run was also right: what stands in the database against what the model says.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use uuid::Uuid;

use super::stage::Stage;
use super::traffic::{Model, OPERATORS, Sums};

const EVENTS: &str = "SELECT count(*)::text, sum(segments)::text, sum(amount_micros)::text, sum(cost_micros)::text,
    sum(('x' || right(message_id::text, 8))::bit(32)::bigint)::text FROM billing.billing_events";
const KEYS: &str = "SELECT count(*)::text, sum(('x' || right(message_id::text, 8))::bit(32)::bigint)::text
    FROM billing.message_keys";
const BUCKETS: &str = "SELECT account_id, operator_id, sum(messages)::text, sum(segments)::text,
    sum(amount_micros)::text, sum(cost_micros)::text FROM billing.usage_buckets
    WHERE uncosted = 0 AND foreign_cost = 0 AND units = segments GROUP BY 1, 2";
const STRAY: &str =
    "SELECT count(*) FROM billing.billing_events e WHERE NOT EXISTS (SELECT FROM billing.usage_buckets b
    WHERE b.id = e.bucket_id AND b.account_id = e.account_id AND b.operator_id = e.operator_id)";
const ASIDE: &str =
    "SELECT (SELECT count(*) FROM billing.unrated_events) + (SELECT count(*) FROM billing.quarantined_messages)";

/// Fails unless every message is recorded once, in the right bucket, for the right amounts.
pub(crate) async fn verify(stage: &Stage, model: &Model) -> Result<()> {
    let total = &model.total;
    let expected = vec![total.messages, total.segments, total.amount, total.cost, model.ids];
    let events = numbers(stage, EVENTS).await?;
    ensure!(events == expected, "recorded are {events:?}, the model says {expected:?}");
    let keys = numbers(stage, KEYS).await?;
    ensure!(keys == [total.messages, model.ids], "claimed are {keys:?}");
    let duplicates = stage.number("SELECT count(*) FROM billing.duplicate_messages").await?;
    ensure!(u64::try_from(duplicates) == Ok(model.duplicates), "{duplicates} duplicates, not {}", model.duplicates);
    ensure!(stage.number(ASIDE).await? == 0, "messages have been set aside");
    ensure!(stage.number(STRAY).await? == 0, "events stand in buckets of others");
    ensure!(buckets(stage).await? == model.buckets, "the buckets hold other sums than the model");
    Ok(())
}

async fn numbers(stage: &Stage, query: &str) -> Result<Vec<i128>> {
    let row = stage.database.query_one(query, &[]).await.with_context(|| format!("cannot ask {query}"))?;
    (0..row.len()).map(|at| parse(row.get(at))).collect()
}

async fn buckets(stage: &Stage) -> Result<BTreeMap<(Uuid, &'static str), Sums>> {
    let rows = stage.database.query(BUCKETS, &[]).await.context("cannot read the buckets")?;
    let bucket = |row: tokio_postgres::Row| {
        let named: &str = row.get(1);
        let operator = OPERATORS.iter().find(|(id, _)| *id == named).context("an operator that nobody named")?.0;
        let sums = Sums {
            messages: parse(row.get(2))?,
            segments: parse(row.get(3))?,
            amount: parse(row.get(4))?,
            cost: parse(row.get(5))?,
        };
        Ok(((row.get(0), operator), sums))
    };
    rows.into_iter().map(bucket).collect()
}

fn parse(text: Option<&str>) -> Result<i128> {
    text.unwrap_or("0").parse().context("not a whole number")
}
