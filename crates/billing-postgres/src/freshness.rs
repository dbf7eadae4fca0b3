//! How fresh the replica is: it answers only for instants whose log position it is known to have replayed, and only who
//! has written nothing beyond it.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use deadpool::managed::{Object, Pool};
use diesel::sql_types::{BigInt, Timestamptz};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use crate::columns;
use crate::connect::checkout;
use crate::door::Door;
use crate::metrics::REPLICA_FRESH;
use billing_domain::ports::{LogPosition, PortError};

/// A replica further behind than this is not read from (contract, failures).
const LAG_MAX: Duration = Duration::from_secs(2);
/// A server that does not tell its position by then is asked on another connection.
const POSITION_TIME_MAX: Duration = Duration::from_secs(5);
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// The latest instant up to which the replica is complete.
#[derive(Debug, Default)]
pub(crate) struct Freshness(Mutex<Known>);

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    mark: Option<Mark>,
    /// How far the replica had replayed when it was last asked.
    replayed: Option<i64>,
}

/// A log position of the primary, and when the primary was there.
#[derive(Clone, Copy, Debug)]
struct Mark {
    position: i64,
    at: Timestamp,
    noted: Instant,
}

impl Freshness {
    /// The instant up to which the replica is complete, if that is at most 2 s ago and the replica has replayed what
    /// was `seen`.
    pub(crate) fn complete_until(&self, seen: Option<LogPosition>) -> Option<Timestamp> {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let replayed = known.replayed.and_then(|replayed| u64::try_from(replayed).ok());
        let has_seen = seen.is_none_or(|seen| replayed.is_some_and(|replayed| seen.0 <= replayed));
        known.mark.filter(|mark| has_seen && mark.noted.elapsed() <= LAG_MAX).map(|mark| mark.at)
    }

    fn set(&self, mark: Option<&Mark>, replayed: i64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.mark = mark.copied().or(known.mark);
        known.replayed = Some(replayed);
    }
}

/// Compares the two servers' log positions until the database handle is gone.
pub(crate) fn watch_replica(primary: Pool<Door>, replica: Pool<Door>, freshness: &Arc<Freshness>) {
    let watched: Weak<Freshness> = Arc::downgrade(freshness);
    tokio::spawn(async move {
        let mut pending: Vec<Mark> = Vec::new();
        let mut was_fresh = true;
        while let Some(freshness) = watched.upgrade() {
            if let Err(error) = compare(&primary, &replica, &mut pending, &freshness).await {
                tracing::debug!(error = %error, "the replica's position is unknown");
            }
            let is_fresh = freshness.complete_until(None).is_some();
            metrics::gauge!(REPLICA_FRESH).set(f64::from(u8::from(is_fresh)));
            if was_fresh && !is_fresh {
                tracing::warn!("the replica is down or more than 2 s behind: reads go to the primary");
            }
            was_fresh = is_fresh;
            drop(freshness);
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
    });
}

async fn compare(
    primary: &Pool<Door>,
    replica: &Pool<Door>,
    pending: &mut Vec<Mark>,
    freshness: &Freshness,
) -> Result<(), PortError> {
    let noted = Instant::now();
    let written = position(primary, "SELECT (pg_current_wal_lsn() - '0/0')::bigint AS position, now() AS at").await?;
    pending.push(Mark { position: written.0, at: written.1, noted });
    pending.retain(|mark| mark.noted.elapsed() <= LAG_MAX);
    let replayed = position(
        replica,
        "SELECT (COALESCE(pg_last_wal_replay_lsn(), pg_current_wal_lsn()) - '0/0')::bigint AS position, now() AS at",
    )
    .await?;
    freshness.set(pending.iter().rev().find(|mark| mark.position <= replayed.0), replayed.0);
    Ok(())
}

/// A log position of a server, from the start of its log, and the server's clock.
pub(crate) async fn position(pool: &Pool<Door>, query: &'static str) -> Result<(i64, Timestamp), PortError> {
    #[derive(diesel::QueryableByName)]
    struct Position {
        #[diesel(sql_type = BigInt)]
        position: i64,
        #[diesel(sql_type = Timestamptz)]
        at: columns::Instant,
    }
    let failed = |error| PortError::transient("replica_position", error);
    let mut connection = checkout(pool, "replica_position").await?;
    let asked = diesel::sql_query(query).get_result::<Position>(&mut **connection);
    match timeout(POSITION_TIME_MAX, asked).await {
        Ok(answered) => answered.map(|row| (row.position, columns::timestamp(row.at))).map_err(failed),
        Err(silent) => {
            drop(Object::take(connection));
            Err(PortError::transient("replica_position", silent))
        }
    }
}
