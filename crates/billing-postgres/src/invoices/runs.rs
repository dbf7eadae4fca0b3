//! Runs of the cron, kept for its metrics.

use billing_domain::Month;
use billing_domain::ports::{RunCounts, RunResult, RunTotals};
use diesel::sql_types::{BigInt, Date, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{self, Table};
use crate::transaction::{Failure, Transaction};

use super::rows;

pub(super) struct BeginRun {
    pub(super) run: Uuid,
    pub(super) period: Month,
    pub(super) at: Timestamp,
}

impl Transaction for BeginRun {
    const NAME: &'static str = "begin_run";
    type Output = ();

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<(), Failure> {
        diesel::sql_query(
            "INSERT INTO billing.invoice_runs (id, period_start, started_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind::<SqlUuid, _>(self.run)
        .bind::<Date, _>(rows::month(self.period))
        .bind::<Timestamptz, _>(columns::instant(self.at))
        .execute(connection)
        .await?;
        Ok(())
    }
}

pub(super) struct EndRun {
    pub(super) run: Uuid,
    pub(super) at: Timestamp,
    pub(super) result: RunResult,
    pub(super) counts: RunCounts,
}

impl Transaction for EndRun {
    const NAME: &'static str = "end_run";
    type Output = ();

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<(), Failure> {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        diesel::sql_query(
            "UPDATE billing.invoice_runs SET finished_at = $2, result = $3, accounts_invoiced = $4,
                accounts_failed = $5, accounts_skipped = $6
            WHERE id = $1",
        )
        .bind::<SqlUuid, _>(self.run)
        .bind::<Timestamptz, _>(columns::instant(self.at))
        .bind::<Text, _>(self.result.name())
        .bind::<BigInt, _>(count(self.counts.invoiced))
        .bind::<BigInt, _>(count(self.counts.failed))
        .bind::<BigInt, _>(count(self.counts.skipped))
        .execute(connection)
        .await?;
        Ok(())
    }
}

pub(super) struct SumRuns;

#[derive(diesel::QueryableByName)]
struct TotalsRow {
    #[diesel(sql_type = BigInt)]
    ok: i64,
    #[diesel(sql_type = BigInt)]
    partial: i64,
    #[diesel(sql_type = BigInt)]
    error: i64,
    #[diesel(sql_type = BigInt)]
    invoiced: i64,
    #[diesel(sql_type = BigInt)]
    failed: i64,
    #[diesel(sql_type = BigInt)]
    skipped: i64,
    #[diesel(sql_type = BigInt)]
    last_seconds: i64,
}

impl Transaction for SumRuns {
    const NAME: &'static str = "sum_runs";
    const READ_ONLY: bool = true;
    type Output = RunTotals;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<RunTotals, Failure> {
        const TABLE: Table = Table("invoice_runs");
        let row: TotalsRow = diesel::sql_query(
            "SELECT count(*) FILTER (WHERE result = 'ok') AS ok, count(*) FILTER (WHERE result = 'partial') AS partial,
                count(*) FILTER (WHERE result = 'error') AS error,
                COALESCE(sum(accounts_invoiced), 0)::bigint AS invoiced,
                COALESCE(sum(accounts_failed), 0)::bigint AS failed,
                COALESCE(sum(accounts_skipped), 0)::bigint AS skipped,
                COALESCE((SELECT floor(extract(epoch FROM last.finished_at - last.started_at))::bigint
                    FROM billing.invoice_runs last WHERE last.finished_at IS NOT NULL
                    ORDER BY last.finished_at DESC LIMIT 1), 0) AS last_seconds
            FROM billing.invoice_runs WHERE finished_at IS NOT NULL",
        )
        .get_result(connection)
        .await?;
        Ok(RunTotals {
            runs: [
                TABLE.count("result", row.ok)?,
                TABLE.count("result", row.partial)?,
                TABLE.count("result", row.error)?,
            ],
            accounts: RunCounts {
                invoiced: TABLE.count("accounts_invoiced", row.invoiced)?,
                failed: TABLE.count("accounts_failed", row.failed)?,
                skipped: TABLE.count("accounts_skipped", row.skipped)?,
            },
            last_seconds: TABLE.count("finished_at", row.last_seconds)?,
        })
    }
}
