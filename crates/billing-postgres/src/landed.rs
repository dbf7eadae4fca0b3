//! Whether an earlier attempt of a call was committed and only its answer was lost, for a deed that leaves no mark of who
//! did it. What it made stands then, and is told once more.

use std::sync::atomic::{AtomicI64, Ordering};

use diesel::sql_types::{BigInt, Bool};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::transaction::Failure;

/// The transaction of the last attempt; 0: there was none.
#[derive(Default)]
pub(crate) struct Landed(AtomicI64);

impl Landed {
    /// Whether the last attempt was committed. To be asked with the lock in hand that every attempt takes: then none of them
    /// is still under way. A server that took over and never had it has lost it.
    pub(crate) async fn is_done(&self, connection: &mut AsyncPgConnection) -> Result<bool, Failure> {
        #[derive(diesel::QueryableByName)]
        struct Last {
            #[diesel(sql_type = Bool)]
            is_committed: bool,
        }
        // By its whole name: a query has a method of this one's.
        let last = AtomicI64::load(&self.0, Ordering::Relaxed);
        if last == 0 {
            return Ok(false);
        }
        let last: Last = diesel::sql_query(
            "SELECT CASE WHEN $1::text::xid8 < pg_snapshot_xmax(pg_current_snapshot())
                THEN COALESCE(pg_xact_status($1::text::xid8) = 'committed', false) ELSE false END AS is_committed",
        )
        .bind::<BigInt, _>(last)
        .get_result(connection)
        .await?;
        Ok(last.is_committed)
    }

    /// Notes the transaction of this attempt.
    pub(crate) async fn note(&self, connection: &mut AsyncPgConnection) -> Result<(), Failure> {
        #[derive(diesel::QueryableByName)]
        struct Current {
            #[diesel(sql_type = BigInt)]
            id: i64,
        }
        let current: Current =
            diesel::sql_query("SELECT pg_current_xact_id()::text::bigint AS id").get_result(connection).await?;
        self.0.store(current.id, Ordering::Relaxed);
        Ok(())
    }
}
