//! A month of events in their buckets, straight into the tables, and the wait until the replica has them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use tokio_postgres::Client;

use crate::bench::ingest::stage;
use crate::bench::ingest::traffic::OPERATORS;

/// The month that is asked for. Its partition is made here, and filled by its name.
pub(crate) const FIRST_DAY: &str = "2026-08-01";
/// Its last day, which is asked for as well.
pub(crate) const LAST_DAY: &str = "2026-08-31";
const DAYS: u64 = 31;
/// Who fills side by side.
const CONNECTIONS: usize = 2;
/// How long the replica may take to have all of it.
const REPLAY_LIMIT: Duration = Duration::from_mins(10);

/// The id of account `n` and, next to it, of its tenant, as PostgreSQL and this program both reckon them.
pub(crate) fn account(n: u32) -> (uuid::Uuid, uuid::Uuid) {
    (uuid::Uuid::from_u128(u128::from(n)), uuid::Uuid::from_u128(u128::from(n) << 64))
}

/// Accounts with one tier.
const FILL_ACCOUNTS: &str = "
    CREATE FUNCTION pg_temp.account(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
        $$ SELECT lpad(to_hex(n), 32, '0')::uuid $$;
    CREATE FUNCTION pg_temp.tenant(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
        $$ SELECT (lpad(to_hex(n), 16, '0') || repeat('0', 16))::uuid $$;
    SELECT billing.make_event_partitions('{first}', 1);
    INSERT INTO billing.accounts (account_id, tenant_id)
        SELECT pg_temp.account(n), pg_temp.tenant(n) FROM generate_series(1, {accounts}) AS n;
    INSERT INTO billing.account_profiles (account_id, tenant_id, effective_from, tier, currency)
        SELECT account_id, tenant_id, '2026-01-01', 'STARTER', 'USD' FROM billing.accounts";
/// Day `$1`: a bucket for each account and operator of `$3`, and its `$2` events.
const FILL_DAY: &str = "WITH made AS (
        INSERT INTO billing.usage_buckets (account_id, tenant_id, operator_id, direction, currency, price_id, day,
            messages, segments, units, amount_micros, cost_micros, uncosted, foreign_cost)
        SELECT a.account_id, a.tenant_id, operator, 'MT', 'USD', p.id, $1::text::date, $2, $2, $2,
            $2 * p.unit_price_micros, $2 * 4100, 0, 0
        FROM billing.accounts a, unnest($3::text[]) AS operator,
            (SELECT id, unit_price_micros FROM billing.prices WHERE tier = 'STARTER') AS p
        RETURNING id, account_id, tenant_id, operator_id, price_id, day, amount_micros / messages AS amount
    )
    INSERT INTO billing.billing_events_202608 (message_id, account_id, tenant_id, bucket_id, charged_at, price_id, cost_id,
        amount_micros, cost_micros, stream_sequence, segments, operator_id, tier, direction, currency, cost_currency,
        dlr_status)
    SELECT gen_random_uuid(), account_id, tenant_id, id, (day + n * interval '86399 seconds' / $2) AT TIME ZONE 'UTC', price_id,
        price_id, amount, 4100, id * $2 + n, 1, operator_id, 'STARTER', 'MT', 'USD', 'USD', 'DELIVERED'
    FROM made, generate_series(1, $2) AS n";

/// Messages of each account, operator and day, so that all of them are about `events`.
fn messages_of_a_bucket(accounts: u32, events: u64) -> Result<i64> {
    let buckets = u64::from(accounts) * u64::try_from(OPERATORS.len())? * DAYS;
    Ok(i64::try_from(events / buckets)?.max(1))
}

/// Fills, on several connections side by side, each with its share of the days.
pub(crate) async fn fill(database: &Client, url: &str, accounts: u32, events: u64) -> Result<()> {
    let enter = FILL_ACCOUNTS.replace("{first}", FIRST_DAY).replace("{accounts}", &accounts.to_string());
    database.batch_execute(&enter).await.context("cannot enter the accounts")?;
    let began = Instant::now();
    let each = messages_of_a_bucket(accounts, events)?;
    try_join_all((1..=CONNECTIONS).map(|first| fill_days(url, first, each))).await?;
    for statement in ["VACUUM (ANALYZE) billing.usage_buckets, billing.accounts", "CHECKPOINT"] {
        database.batch_execute(statement).await.context("cannot end filling")?;
    }
    eprintln!("  filled within {} s", began.elapsed().as_secs());
    Ok(())
}

/// Fills every so-many-th day from the first on.
async fn fill_days(url: &str, first: usize, each: i64) -> Result<()> {
    let database = stage::connect(url).await?;
    // Filling need not wait for the disk.
    database.batch_execute("SET synchronous_commit = off").await.context("cannot prepare to fill")?;
    let operators: Vec<&str> = OPERATORS.iter().map(|(operator, _)| *operator).collect();
    let statement = database.prepare(FILL_DAY).await.context("cannot prepare to fill")?;
    for day in (first..=usize::try_from(DAYS)?).step_by(CONNECTIONS) {
        let date = format!("{}{day:02}", FIRST_DAY.trim_end_matches("01"));
        database.execute(&statement, &[&date, &each, &operators]).await.context("cannot fill a day")?;
        eprintln!("  filled {date}");
    }
    Ok(())
}

/// Waits until the replica has all that the primary has.
pub(crate) async fn replayed(database: &Client, replica_url: &str) -> Result<()> {
    let row = database.query_one("SELECT pg_current_wal_lsn()::text", &[]).await.context("no place of the log")?;
    let place: String = row.get(0);
    let replica = stage::connect(replica_url).await?;
    let began = Instant::now();
    loop {
        let query = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn";
        let row = replica.query_one(query, &[&place]).await.context("the replica does not say where it is")?;
        if row.get(0) {
            return Ok(());
        }
        ensure!(began.elapsed() < REPLAY_LIMIT, "the replica has not followed after {REPLAY_LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
