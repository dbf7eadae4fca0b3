//! Sealing: an invoice takes open buckets, and its lines are made of exactly what it took.

use billing_domain::MicrosSum;
use billing_domain::invoicing::{InvoiceLine, compose, subtotal};
use billing_domain::ports::{DraftOutcome, DraftRequest, Refusal};
use billing_domain::usage::{BucketKey, BucketSums};
use diesel::QueryableByName;
use diesel::data_types::PgDate;
use diesel::sql_types::{Array, BigInt, Date, Integer, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::buckets::{BUCKET_ORDER, KeyColumns, SumColumns};
use crate::columns;
use crate::transaction::{Failure, Transaction};

use super::rows;

/// Open buckets of the month, and of late months that have an invoice: `$1` account, `$2` currency, `$3` month,
/// `$4` late months.
const DUE_BUCKETS: &str = "account_id = $1 AND currency = $2 AND sealed_by IS NULL AND (
        (day >= $3 AND day < ($3 + interval '1 month'))
        OR (date_trunc('month', day)::date = ANY($4) AND EXISTS (
            SELECT FROM billing.invoices i WHERE i.account_id = $1 AND i.currency = $2 AND i.status <> 'VOID'
                AND i.period_start = date_trunc('month', day)::date)))";

const BUCKET_COLUMNS: &str = "account_id, tenant_id, operator_id, direction, currency, price_id, day,
    messages, segments, amount_micros::text AS amount, cost_micros::text AS cost, uncosted, foreign_cost";

#[derive(QueryableByName)]
struct BucketRow {
    #[diesel(embed)]
    key: KeyColumns,
    #[diesel(embed)]
    sums: SumColumns,
}

impl BucketRow {
    fn bucket(&self) -> Result<(BucketKey, BucketSums), Failure> {
        Ok((self.key.key()?, self.sums.sums()?))
    }
}

pub(super) struct Preview<'a>(pub(super) &'a DraftRequest);

impl Transaction for Preview<'_> {
    const NAME: &'static str = "preview_invoice";
    const READ_ONLY: bool = true;
    type Output = Vec<InvoiceLine>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Vec<InvoiceLine>, Failure> {
        let query = format!("SELECT {BUCKET_COLUMNS} FROM billing.usage_buckets WHERE {DUE_BUCKETS}");
        let rows: Vec<BucketRow> = due(diesel::sql_query(query), self.0).load(connection).await?;
        let buckets = rows.iter().map(BucketRow::bucket).collect::<Result<Vec<_>, _>>()?;
        Ok(compose(&buckets, self.0.currency)?)
    }
}

pub(super) struct Draft<'a>(pub(super) &'a DraftRequest);

impl Transaction for Draft<'_> {
    const NAME: &'static str = "draft_invoice";
    type Output = DraftOutcome;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<DraftOutcome, Failure> {
        let request = self.0;
        if let Some(written) = rows::find(connection, request.id, false).await? {
            return Ok(DraftOutcome::Drafted(written.id));
        }
        // The row first: of two runs one waits here for the other, and then finds the month taken.
        if insert(connection, request).await? == 0 {
            return Ok(DraftOutcome::Taken);
        }
        let sealed = seal(connection, request).await?;
        if sealed.is_empty() {
            // Rolled back: the draft goes with the transaction that made it.
            return Err(Failure::Refused(Refusal::NotFound));
        }
        let lines = compose(&sealed, request.currency)?;
        write_lines(connection, request, &lines).await?;
        total(connection, request, &lines).await?;
        Ok(DraftOutcome::Drafted(request.id))
    }
}

type Unbound = diesel::query_builder::SqlQuery;
type Bound<'a> = diesel::query_builder::BoxedSqlQuery<'a, diesel::pg::Pg, Unbound>;

fn due(query: Unbound, request: &DraftRequest) -> Bound<'static> {
    let late: Vec<PgDate> = request.late.iter().map(|month| rows::month(*month)).collect();
    query
        .into_boxed()
        .bind::<SqlUuid, _>(request.account.0)
        .bind::<Text, _>(request.currency.code().to_owned())
        .bind::<Date, _>(rows::month(request.month))
        .bind::<Array<Date>, _>(late)
}

/// The void invoice of the month that nothing replaces yet, if there is one, is the one that this replaces.
async fn insert(connection: &mut AsyncPgConnection, request: &DraftRequest) -> Result<usize, Failure> {
    Ok(diesel::sql_query(
        "INSERT INTO billing.invoices (id, tenant_id, account_id, currency, period_start, status, subtotal_minor,
            total_messages, total_segments, drafted_at, replaces)
        VALUES ($1, $2, $3, $4, $5, 'DRAFT', 0, 0, 0, $6, (
            SELECT old.id FROM billing.invoices old
            WHERE old.account_id = $3 AND old.currency = $4 AND old.period_start = $5 AND old.status = 'VOID'
                AND old.disposition = 'rebill'
                AND NOT EXISTS (SELECT FROM billing.invoices later WHERE later.replaces = old.id)
            ORDER BY old.voided_at DESC LIMIT 1))
        ON CONFLICT (account_id, currency, period_start) WHERE status <> 'VOID' DO NOTHING",
    )
    .bind::<SqlUuid, _>(request.id.0)
    .bind::<SqlUuid, _>(request.tenant.0)
    .bind::<SqlUuid, _>(request.account.0)
    .bind::<Text, _>(request.currency.code())
    .bind::<Date, _>(rows::month(request.month))
    .bind::<Timestamptz, _>(columns::instant(request.at))
    .execute(connection)
    .await?)
}

async fn seal(
    connection: &mut AsyncPgConnection,
    request: &DraftRequest,
) -> Result<Vec<(BucketKey, BucketSums)>, Failure> {
    // Locked in the order in which ingest adds to them, sealed as they are then: an event that comes meanwhile waits
    // and opens a new bucket.
    let query = format!(
        "WITH due AS (
            SELECT id FROM billing.usage_buckets WHERE {DUE_BUCKETS} ORDER BY {BUCKET_ORDER} FOR UPDATE
        )
        UPDATE billing.usage_buckets SET sealed_by = $5 WHERE id IN (SELECT id FROM due) AND sealed_by IS NULL
        RETURNING {BUCKET_COLUMNS}"
    );
    let rows: Vec<BucketRow> =
        due(diesel::sql_query(query), request).bind::<SqlUuid, _>(request.id.0).load(connection).await?;
    rows.iter().map(BucketRow::bucket).collect()
}

async fn write_lines(
    connection: &mut AsyncPgConnection,
    request: &DraftRequest,
    lines: &[InvoiceLine],
) -> Result<(), Failure> {
    let numbers = (1_i32..).zip(lines).map(|(number, _)| number).collect::<Vec<_>>();
    let text = |f: for<'a> fn(&'a InvoiceLine) -> &'a str| lines.iter().map(f).collect::<Vec<_>>();
    diesel::sql_query(
        "INSERT INTO billing.invoice_lines (invoice_id, line, tenant_id, usage_month, operator_id, direction,
            price_id, messages, segments, exact_micros, amount_minor)
        SELECT $1, line, $2, usage_month, operator_id, direction, price_id, messages, segments, exact::numeric, amount
        FROM unnest($3, $4, $5, $6, $7, $8, $9, $10, $11)
            AS l (line, usage_month, operator_id, direction, price_id, messages, segments, exact, amount)",
    )
    .bind::<SqlUuid, _>(request.id.0)
    .bind::<SqlUuid, _>(request.tenant.0)
    .bind::<Array<Integer>, _>(numbers)
    .bind::<Array<Date>, _>(lines.iter().map(|line| rows::month(line.usage_month)).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(text(|line| line.operator.as_str()))
    .bind::<Array<Text>, _>(text(|line| line.direction.name()))
    .bind::<Array<SqlUuid>, _>(lines.iter().map(|line| line.price.0).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(counts(lines, |line| line.messages)?)
    .bind::<Array<BigInt>, _>(counts(lines, |line| line.segments)?)
    .bind::<Array<Text>, _>(lines.iter().map(|line| whole(line.exact)).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(lines.iter().map(|line| line.amount.minor).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

fn counts(lines: &[InvoiceLine], of: fn(&InvoiceLine) -> u64) -> Result<Vec<i64>, Failure> {
    lines.iter().map(|line| count(of(line))).collect()
}

fn count(count: u64) -> Result<i64, Failure> {
    i64::try_from(count).map_err(|_| Failure::Broken("a count beyond 2^63"))
}

/// Micros as a whole number: `numeric` is sent as text.
fn whole(sum: MicrosSum) -> String {
    sum.0.to_string()
}

async fn total(
    connection: &mut AsyncPgConnection,
    request: &DraftRequest,
    lines: &[InvoiceLine],
) -> Result<(), Failure> {
    diesel::sql_query(
        "UPDATE billing.invoices SET subtotal_minor = $2, total_messages = $3, total_segments = $4 WHERE id = $1",
    )
    .bind::<SqlUuid, _>(request.id.0)
    .bind::<BigInt, _>(subtotal(lines, request.currency)?.minor)
    .bind::<BigInt, _>(count(lines.iter().map(|line| line.messages).sum())?)
    .bind::<BigInt, _>(count(lines.iter().map(|line| line.segments).sum())?)
    .execute(connection)
    .await?;
    Ok(())
}
