//! The partitions of rated events, looked at and changed through the owner's functions.

use billing_domain::Month;
use billing_domain::ports::{AdminAction, DetachOutcome, EventPartition, EventPartitions, PortError};
use diesel::data_types::PgDate;
use diesel::sql_types::{BigInt, Bool, Date, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::Postgres;
use crate::audit::audit;
use crate::columns::{self, Table};
use crate::ledger::{Book, hold_exclusive};
use crate::transaction::{Failure, Transaction};

const TABLE: Table = Table("billing_events");

impl EventPartitions for Postgres {
    async fn partitions(&self) -> Result<Vec<EventPartition>, PortError> {
        Ok(self.write(&ListPartitions).await?)
    }

    async fn in_default(&self) -> Result<Vec<(Month, u64)>, PortError> {
        Ok(self.write(&CountDefault).await?)
    }

    async fn move_from_default(&self, month: Month, rows_max: u64) -> Result<Option<u64>, PortError> {
        Ok(self.write(&MoveFromDefault { month, rows_max }).await?)
    }

    async fn detach(&self, month: Month, action: &AdminAction) -> Result<DetachOutcome, PortError> {
        Ok(self.write(&Detach { month, action }).await?)
    }
}

struct ListPartitions;

#[derive(diesel::QueryableByName)]
struct PartitionRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    month: Option<String>,
    #[diesel(sql_type = Bool)]
    is_attached: bool,
    #[diesel(sql_type = BigInt)]
    rows_estimate: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

impl Transaction for ListPartitions {
    const NAME: &'static str = "list_partitions";
    const READ_ONLY: bool = true;
    type Output = Vec<EventPartition>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        let rows: Vec<PartitionRow> = diesel::sql_query(
            "SELECT relname::text AS name, regexp_replace(substring(relname FROM '^billing_events_(\\d{6})'),
                    '(....)(..)', '\\1-\\2') AS month,
                EXISTS (SELECT FROM pg_inherits WHERE inhrelid = pg_class.oid) AS is_attached,
                greatest(reltuples, 0)::bigint AS rows_estimate, pg_total_relation_size(oid) AS bytes
            FROM pg_class WHERE relnamespace = 'billing'::regnamespace AND relkind = 'r'
                AND relname ~ '^billing_events_(default|\\d{6}(_detached_\\d+)?)$'
            ORDER BY relname",
        )
        .load(connection)
        .await?;
        let partition = |row: PartitionRow| {
            let month = row.month.as_deref().map(Month::parse).transpose().map_err(|_| TABLE.bad("partition"))?;
            Ok(EventPartition {
                month,
                is_attached: row.is_attached,
                rows_estimate: TABLE.count("reltuples", row.rows_estimate)?,
                bytes: TABLE.count("bytes", row.bytes)?,
                table: row.name,
            })
        };
        rows.into_iter().map(partition).collect()
    }
}

struct CountDefault;

#[derive(diesel::QueryableByName)]
struct MonthRow {
    #[diesel(sql_type = Date)]
    month: PgDate,
    #[diesel(sql_type = BigInt)]
    events: i64,
}

impl Transaction for CountDefault {
    const NAME: &'static str = "count_default_partition";
    const READ_ONLY: bool = true;
    type Output = Vec<(Month, u64)>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        let rows: Vec<MonthRow> = diesel::sql_query(
            "SELECT date_trunc('month', charged_at AT TIME ZONE 'UTC')::date AS month, count(*) AS events
            FROM billing.billing_events_default GROUP BY 1 ORDER BY 1",
        )
        .load(connection)
        .await?;
        let month =
            |row: &MonthRow| Ok((TABLE.day("charged_at", row.month)?.month(), TABLE.count("count", row.events)?));
        rows.iter().map(month).collect()
    }
}

struct MoveFromDefault {
    month: Month,
    rows_max: u64,
}

impl Transaction for MoveFromDefault {
    const NAME: &'static str = "move_from_default";
    type Output = Option<u64>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Option<u64>, Failure> {
        #[derive(diesel::QueryableByName)]
        struct Moved {
            #[diesel(sql_type = Nullable<BigInt>)]
            moved: Option<i64>,
        }
        // Usage waits in front of the batch's first lock, and not in the middle of it: a row on its way to the DEFAULT
        // partition would be refused once its month has another.
        hold_exclusive(connection, Book::Accounts).await?;
        let row: Moved = diesel::sql_query("SELECT billing.move_default_events($1, $2) AS moved")
            .bind::<Date, _>(columns::date(self.month.first_day()))
            .bind::<BigInt, _>(i64::try_from(self.rows_max).unwrap_or(i64::MAX - 1))
            .get_result(connection)
            .await?;
        Ok(row.moved.map(|moved| TABLE.count("moved", moved)).transpose()?)
    }
}

struct Detach<'a> {
    month: Month,
    action: &'a AdminAction,
}

#[derive(diesel::QueryableByName)]
struct Openness {
    #[diesel(sql_type = BigInt)]
    open: i64,
    #[diesel(sql_type = Bool)]
    is_past: bool,
}

impl Transaction for Detach<'_> {
    const NAME: &'static str = "detach_partition";
    type Output = DetachOutcome;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<DetachOutcome, Failure> {
        let (first, next) = (columns::date(self.month.first_day()), columns::date(self.month.next().first_day()));
        // The owner, as whom the function runs, is fenced from the buckets; the worker is not. Whether the month is
        // past is asked of the clock that the function will look at.
        let found: Openness = diesel::sql_query(
            "SELECT (SELECT count(*) FROM billing.usage_buckets WHERE day >= $1 AND day < $2 AND sealed_by IS NULL) AS open,
                $1 + interval '14 months' <= now() AT TIME ZONE 'UTC' AS is_past",
        )
        .bind::<Date, _>(first)
        .bind::<Date, _>(next)
        .get_result(connection)
        .await?;
        if !found.is_past {
            return Ok(DetachOutcome::TooYoung);
        }
        if found.open > 0 {
            return Ok(DetachOutcome::Open(TABLE.count("open", found.open)?));
        }
        #[derive(diesel::QueryableByName)]
        struct Detached {
            #[diesel(sql_type = Nullable<Text>)]
            name: Option<String>,
        }
        let row: Detached = diesel::sql_query("SELECT billing.detach_event_partition($1) AS name")
            .bind::<Date, _>(first)
            .get_result(connection)
            .await?;
        let Some(name) = row.name else { return Ok(DetachOutcome::NotFound) };
        audit(connection, self.action, Self::NAME, &format!("events of {}", self.month), Some(&name)).await?;
        Ok(DetachOutcome::Detached(name))
    }
}
