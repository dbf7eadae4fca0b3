//! What a draft is composed of: usage that counts, what was invoiced before, prices with their corrections, and what is
//! due without usage.

use std::collections::BTreeSet;

use billing_domain::invoicing::{InvoiceBasis, InvoicedBefore, PriceGroup, SealedUsage};
use billing_domain::ports::DraftRequest;
use billing_domain::pricing::AdjustmentKind;
use billing_domain::usage::BucketSums;
use billing_domain::{Currency, MinorAmount, Month, PriceId};
use diesel::QueryableByName;
use diesel::data_types::PgDate;
use diesel::sql_types::{Array, BigInt, Bool, Date, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::accounts;
use crate::buckets::{KeyColumns, SumColumns};
use crate::columns::Table;
use crate::prepared::Prepare as _;
use crate::prices;
use crate::transaction::Failure;

use super::rows;

const BUCKETS: Table = Table("usage_buckets");
const LINES: Table = Table("invoice_lines");
const ADJUSTMENTS: Table = Table("invoice_adjustments");

pub(super) type Bound<'a> = diesel::query_builder::BoxedSqlQuery<'a, diesel::pg::Pg, diesel::query_builder::SqlQuery>;

/// Open buckets of the month, and of late months that have an invoice: `$1` account, `$2` currency, `$3` month,
/// `$4` late months.
pub(super) const DUE_BUCKETS: &str = "account_id = $1 AND currency = $2 AND sealed_by IS NULL AND (
        (day >= $3 AND day < ($3 + interval '1 month'))
        OR (date_trunc('month', day)::date = ANY($4) AND EXISTS (
            SELECT FROM billing.invoices i WHERE i.account_id = $1 AND i.currency = $2 AND i.status <> 'VOID'
                AND i.period_start = date_trunc('month', day)::date)))";

/// Buckets of these months that an invoice which stands has sealed. Written as it is so that the index of sealed buckets
/// is never used for it: while a month is billed that one grows to hold every account's, and the statistics know of none.
const STANDING_BUCKETS: &str =
    "account_id = $1 AND currency = $2 AND (sealed_by IS NULL) IS FALSE AND merged_into IS NULL
    AND waived_at IS NULL AND date_trunc('month', day)::date = ANY($3 || $4)
    AND day >= (SELECT min(m) FROM unnest($3 || $4) AS m) AND day < ($3 + interval '1 month')";

/// Binds what a draft's queries begin with: `$1` account, `$2` currency, `$3` month, `$4` late months.
pub(super) fn bind(query: String, request: &DraftRequest) -> Bound<'static> {
    let late: Vec<PgDate> = request.late.iter().map(|month| rows::month(*month)).collect();
    diesel::sql_query(query)
        .into_boxed()
        .bind::<SqlUuid, _>(request.account.0)
        .bind::<Text, _>(request.currency.code().to_owned())
        .bind::<Date, _>(rows::month(request.month))
        .bind::<Array<Date>, _>(late)
}

/// Reads the basis: of a draft that has sealed its usage, or, as a preview, of what it would seal.
pub(super) async fn read(
    connection: &mut AsyncPgConnection,
    request: &DraftRequest,
    is_preview: bool,
) -> Result<InvoiceBasis, Failure> {
    let usage = usage(connection, request, is_preview).await?;
    let before = before(connection, request).await?;
    let (groups, waived) = due_without_usage(connection, request).await?;
    let mut ids: BTreeSet<PriceId> = usage.iter().map(|usage| usage.key.price).collect();
    ids.extend(groups.iter().map(|(_, price)| *price));
    let prices = prices::by_id(connection, &ids).await?;
    let mut corrections = prices::corrections_of(connection, &ids).await?;
    let group = |(id, terms)| (id, PriceGroup { terms, corrections: corrections.remove(&id).unwrap_or_default() });
    let prices = prices.into_iter().map(group).collect();
    Ok(InvoiceBasis { currency: request.currency, usage, before, prices, groups, waived })
}

#[derive(QueryableByName)]
struct UsageRow {
    #[diesel(embed)]
    key: KeyColumns,
    #[diesel(embed)]
    sums: SumColumns,
    #[diesel(sql_type = BigInt)]
    units: i64,
    #[diesel(sql_type = Bool)]
    is_new: bool,
}

async fn usage(
    connection: &mut AsyncPgConnection,
    request: &DraftRequest,
    is_preview: bool,
) -> Result<Vec<SealedUsage>, Failure> {
    let due = if is_preview { format!("OR ({DUE_BUCKETS})") } else { String::new() };
    let query = format!(
        "SELECT account_id, tenant_id, operator_id, direction, currency, price_id, day, messages, segments, units,
            amount_micros::text AS amount, cost_micros::text AS cost, uncosted, foreign_cost,
            sealed_by IS NULL OR sealed_by = $5 AS is_new
        FROM billing.usage_buckets WHERE ({STANDING_BUCKETS}) {due}"
    );
    let rows: Vec<UsageRow> = bind(query, request).bind::<SqlUuid, _>(request.id.0).prepared().load(connection).await?;
    rows.iter()
        .map(|row| {
            let sums = BucketSums { units: BUCKETS.count("units", row.units)?, ..row.sums.sums()? };
            Ok(SealedUsage { key: row.key.key()?, sums, is_new: row.is_new })
        })
        .collect()
}

/// What invoices that stand have asked for these months, this one aside.
async fn before(connection: &mut AsyncPgConnection, request: &DraftRequest) -> Result<InvoicedBefore, Failure> {
    let which = "i.account_id = $1 AND i.currency = $2 AND i.status <> 'VOID' AND i.id <> $5
        AND usage_month = ANY($3 || $4)";
    let asked = |query| bind(query, request).bind::<SqlUuid, _>(request.id.0);
    invoiced(connection, request.currency, asked, which).await
}

/// What some invoices, `i`, have asked for; `ask` binds what `which` names them by.
pub(super) async fn invoiced(
    connection: &mut AsyncPgConnection,
    currency: Currency,
    ask: impl Fn(String) -> Bound<'static>,
    which: &str,
) -> Result<InvoicedBefore, Failure> {
    #[derive(QueryableByName)]
    struct LineRow {
        #[diesel(sql_type = Date)]
        usage_month: PgDate,
        #[diesel(sql_type = Text)]
        operator_id: String,
        #[diesel(sql_type = Text)]
        direction: String,
        #[diesel(sql_type = SqlUuid)]
        price_id: Uuid,
        #[diesel(sql_type = BigInt)]
        amount: i64,
    }
    #[derive(QueryableByName)]
    struct AdjustmentRow {
        #[diesel(sql_type = Date)]
        usage_month: PgDate,
        #[diesel(sql_type = SqlUuid)]
        price_id: Uuid,
        #[diesel(sql_type = Text)]
        kind: String,
        #[diesel(sql_type = BigInt)]
        amount: i64,
    }
    let from = |table: &str, columns: &str| {
        format!(
            "SELECT {columns}, sum(amount_minor)::bigint AS amount
            FROM billing.{table} JOIN billing.invoices i ON i.id = invoice_id
            WHERE {which} GROUP BY {columns}"
        )
    };
    let lines = ask(from("invoice_lines", "usage_month, operator_id, direction, price_id"));
    let lines: Vec<LineRow> = lines.prepared().load(connection).await?;
    let adjustments = ask(from("invoice_adjustments", "usage_month, price_id, kind"));
    let adjustments: Vec<AdjustmentRow> = adjustments.prepared().load(connection).await?;
    let minor = |minor| MinorAmount { minor, currency };
    let mut before = InvoicedBefore::default();
    for row in lines {
        let month = LINES.day("usage_month", row.usage_month)?.month();
        let direction = LINES.direction(&row.direction)?;
        let key = (month, LINES.operator(&row.operator_id)?, direction, PriceId(row.price_id));
        before.lines.insert(key, minor(row.amount));
    }
    for row in adjustments {
        let month = ADJUSTMENTS.day("usage_month", row.usage_month)?.month();
        let kind = AdjustmentKind::from_name(&row.kind).ok_or_else(|| ADJUSTMENTS.bad("kind"))?;
        before.adjustments.insert((month, PriceId(row.price_id), kind), minor(row.amount));
    }
    Ok(before)
}

/// Whether a price with a fee or minimum, `p`, is an account's, `a`, in the month that begins on `period.month`: its own
/// price, or its tier's when it has no own for that operator and direction.
pub(super) fn bears_fee() -> String {
    let month = "daterange(period.month, (period.month + interval '1 month')::date)";
    let profile = accounts::profile_order("(period.month + interval '1 month')::date - 1");
    format!(
        "p.cancelled_at IS NULL AND (p.monthly_fee_micros > 0 OR p.monthly_minimum_micros > 0) AND p.days && {month}
        AND CASE WHEN p.account_id IS NOT NULL THEN p.account_id = a.account_id ELSE
            p.tier = (SELECT tier FROM billing.account_profiles f WHERE f.account_id = a.account_id
                ORDER BY {profile} LIMIT 1)
            AND NOT EXISTS (SELECT FROM billing.prices own WHERE own.account_id = a.account_id
                AND own.cancelled_at IS NULL AND own.direction = p.direction AND own.currency = p.currency
                AND own.operator_id IN (p.operator_id, '*') AND own.days && {month}) END"
    )
}

/// Months and prices that are due although no usage may name them: corrections that wait, fees and minimums. And the
/// months whose fees and minimums were waived.
async fn due_without_usage(
    connection: &mut AsyncPgConnection,
    request: &DraftRequest,
) -> Result<(BTreeSet<(Month, PriceId)>, BTreeSet<Month>), Failure> {
    #[derive(QueryableByName)]
    struct GroupRow {
        #[diesel(sql_type = Date)]
        usage_month: PgDate,
        /// `None`: the month was waived.
        #[diesel(sql_type = Nullable<SqlUuid>)]
        price_id: Option<Uuid>,
    }
    let query = format!(
        "SELECT usage_month, price_id FROM billing.correction_deltas
        WHERE account_id = $1 AND currency = $2 AND usage_month = ANY($3 || $4)
            AND (settled_by IS NULL OR settled_by = $5)
        UNION
        SELECT $3, p.id FROM billing.prices p, billing.accounts a, (SELECT $3) AS period (month)
        WHERE a.account_id = $1 AND p.currency = $2 AND {}
        UNION
        SELECT period_start, NULL FROM billing.invoices
        WHERE account_id = $1 AND currency = $2 AND period_start = ANY($3 || $4) AND status = 'VOID'
            AND disposition = 'waive'",
        bears_fee()
    );
    let rows: Vec<GroupRow> = bind(query, request).bind::<SqlUuid, _>(request.id.0).prepared().load(connection).await?;
    let (mut groups, mut waived) = (BTreeSet::new(), BTreeSet::new());
    for row in rows {
        let month = Table("correction_deltas").day("usage_month", row.usage_month)?.month();
        match row.price_id {
            Some(price) => groups.insert((month, PriceId(price))),
            None => waived.insert(month),
        };
    }
    Ok((groups, waived))
}
