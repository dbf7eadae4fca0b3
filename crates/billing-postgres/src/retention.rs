//! Removing what has had its time, in bounded steps. How long things are kept is decided by the domain.
//!
//! Claims and duplicates are too many for an index of their age on the hot path: their tables are walked by blocks
//! instead, from where the last step ended, through once and then again a day later.

use billing_domain::ports::{PortError, Purged, Retention, RetentionLimits};
use diesel::sql_types::{BigInt, Bool, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::{SignedDuration, Timestamp};

use crate::Postgres;
use crate::columns;
use crate::transaction::{Failure, Transaction};

/// Of 8 KiB: about 20,000 claims.
const BLOCKS_PER_STEP: i64 = 256;
const WALK_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// A message's bytes may be a mebibyte.
const RAW_PER_STEP: usize = 500;
const ROWS_PER_STEP: usize = 5_000;
/// "bill" and a number, like the locks of the books.
const LOCK_KEY: i64 = 0x6269_6c6c_0010;

impl Retention for Postgres {
    async fn purge(&self, limits: &RetentionLimits) -> Result<Option<Purged>, PortError> {
        Ok(self.write(&Purge(limits)).await?)
    }
}

struct Purge<'a>(&'a RetentionLimits);

impl Transaction for Purge<'_> {
    const NAME: &'static str = "purge";
    type Output = Option<Purged>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Option<Purged>, Failure> {
        if !try_lock(connection, LOCK_KEY).await? {
            return Ok(None);
        }
        let limits = self.0;
        let (claims, claims_on) = walk(connection, "message_keys", limits).await?;
        let (duplicates, duplicates_on) = walk(connection, "duplicate_messages", limits).await?;
        let raw = remove(
            connection,
            "UPDATE billing.quarantined_messages SET raw = NULL, redacted = NULL WHERE id IN (SELECT id
                FROM billing.quarantined_messages WHERE raw IS NOT NULL AND created_at < $1
                ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            limits.raw,
            RAW_PER_STEP,
        );
        let raw = raw.await?;
        let outbox = remove(
            connection,
            "DELETE FROM billing.outbox WHERE position IN (SELECT position FROM billing.outbox
                WHERE published_at < $1 LIMIT $2)",
            limits.outbox,
            ROWS_PER_STEP,
        );
        let outbox = outbox.await?;
        let keys = remove(
            connection,
            "DELETE FROM billing.idempotency_keys WHERE ctid = ANY (ARRAY(SELECT ctid FROM billing.idempotency_keys
                WHERE created_at < $1 LIMIT $2))",
            limits.keys,
            ROWS_PER_STEP,
        );
        let keys = keys.await?;
        let is_more = claims_on
            || duplicates_on
            || raw == number(RAW_PER_STEP)
            || [outbox, keys].contains(&number(ROWS_PER_STEP));
        Ok(Some(Purged { claims, duplicates, raw, outbox, keys, is_more }))
    }
}

/// Takes a lock that one pod holds at a time, until the transaction ends; whether it was to be had.
pub(crate) async fn try_lock(connection: &mut AsyncPgConnection, key: i64) -> Result<bool, Failure> {
    #[derive(diesel::QueryableByName)]
    struct Lock {
        #[diesel(sql_type = Bool)]
        is_mine: bool,
    }
    let lock: Lock = diesel::sql_query("SELECT pg_try_advisory_xact_lock($1) AS is_mine")
        .bind::<BigInt, _>(key)
        .get_result(connection)
        .await?;
    Ok(lock.is_mine)
}

#[derive(diesel::QueryableByName)]
struct Walk {
    #[diesel(sql_type = BigInt)]
    next_block: i64,
    #[diesel(sql_type = Timestamptz)]
    began_at: columns::Instant,
    #[diesel(sql_type = BigInt)]
    blocks: i64,
}

/// Removes what is old in the next blocks of a table; how much, and whether blocks are left.
async fn walk(
    connection: &mut AsyncPgConnection,
    table: &'static str,
    limits: &RetentionLimits,
) -> Result<(u64, bool), Failure> {
    // A table that is partitioned is as long as its longest partition: each is walked by the same numbers.
    let walk: Walk = diesel::sql_query(
        "SELECT next_block, began_at, COALESCE((SELECT max(pg_relation_size(relid)) FROM pg_partition_tree($2::regclass)),
            pg_relation_size($2::regclass)) / current_setting('block_size')::bigint AS blocks
        FROM billing.purge_walks WHERE walked = $1",
    )
    .bind::<Text, _>(table)
    .bind::<Text, _>(format!("billing.{table}"))
    .get_result(connection)
    .await?;
    let is_beginning = walk.next_block == 0;
    let began_at = columns::timestamp(walk.began_at);
    if is_beginning && limits.now.duration_since(began_at) < WALK_EVERY {
        return Ok((0, false));
    }
    let (from, until) = (walk.next_block, walk.next_block.saturating_add(BLOCKS_PER_STEP));
    let removed = diesel::sql_query(format!(
        "DELETE FROM billing.{table} WHERE ctid >= '({from},0)' AND ctid < '({until},0)'
            AND published_at < $1 AND charged_at < $1"
    ))
    .bind::<Timestamptz, _>(columns::instant(limits.claims))
    .execute(connection)
    .await?;
    let is_end = until >= walk.blocks;
    diesel::sql_query("UPDATE billing.purge_walks SET next_block = $2, began_at = $3 WHERE walked = $1")
        .bind::<Text, _>(table)
        .bind::<BigInt, _>(if is_end { 0 } else { until })
        .bind::<Timestamptz, _>(columns::instant(if is_beginning { limits.now } else { began_at }))
        .execute(connection)
        .await?;
    Ok((number(removed), !is_end))
}

async fn remove(
    connection: &mut AsyncPgConnection,
    query: &str,
    before: Timestamp,
    limit: usize,
) -> Result<u64, Failure> {
    let removed = diesel::sql_query(query)
        .bind::<Timestamptz, _>(columns::instant(before))
        .bind::<BigInt, _>(i64::try_from(limit).unwrap_or(i64::MAX))
        .execute(connection)
        .await?;
    Ok(number(removed))
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
