//! What an invoice is made of: rows of lines, adjustments and taxes, written once and read back as they were.

use billing_domain::invoicing::{Adjustment, Invoice, InvoiceContents, InvoiceLine, Percentage, TaxLine, total};
use billing_domain::pricing::AdjustmentKind;
use billing_domain::{InvoiceId, MicrosSum, MinorAmount, PriceId, TenantId};
use diesel::data_types::PgDate;
use diesel::sql_types::{Array, BigInt, Date, Integer, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::columns::{Inconsistent, Table};
use crate::prepared::Prepare as _;
use crate::transaction::Failure;

use super::rows;

const LINES: Table = Table("invoice_lines");
const ADJUSTMENTS: Table = Table("invoice_adjustments");
const TAXES: Table = Table("invoice_taxes");

#[derive(diesel::QueryableByName)]
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
    messages: i64,
    #[diesel(sql_type = BigInt)]
    segments: i64,
    #[diesel(sql_type = Text)]
    exact: String,
    #[diesel(sql_type = BigInt)]
    amount_minor: i64,
}

#[derive(diesel::QueryableByName)]
struct AdjustmentRow {
    #[diesel(sql_type = Date)]
    usage_month: PgDate,
    #[diesel(sql_type = SqlUuid)]
    price_id: Uuid,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = BigInt)]
    units: i64,
    #[diesel(sql_type = BigInt)]
    due_minor: i64,
    #[diesel(sql_type = BigInt)]
    amount_minor: i64,
    #[diesel(sql_type = Nullable<Text>)]
    reason: Option<String>,
}

#[derive(diesel::QueryableByName)]
struct TaxRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Integer)]
    rate: i32,
    #[diesel(sql_type = BigInt)]
    amount_minor: i64,
}

/// What an invoice is made of. That it adds up is checked again.
pub(super) async fn read(connection: &mut AsyncPgConnection, invoice: &Invoice) -> Result<InvoiceContents, Failure> {
    let contents = read_as_stored(connection, invoice).await?;
    if contents.subtotal(invoice.currency)? != invoice.subtotal
        || total(invoice.subtotal, &contents.taxes)? != invoice.total
    {
        return Err(Failure::Broken("an invoice does not add up"));
    }
    Ok(contents)
}

/// What an invoice is made of, whether or not it adds up.
pub(super) async fn read_as_stored(
    connection: &mut AsyncPgConnection,
    invoice: &Invoice,
) -> Result<InvoiceContents, Failure> {
    let lines: Vec<LineRow> = diesel::sql_query(
        "SELECT usage_month, operator_id, direction, price_id, messages, segments, exact_micros::text AS exact,
            amount_minor
        FROM billing.invoice_lines WHERE invoice_id = $1 ORDER BY line",
    )
    .bind::<SqlUuid, _>(invoice.id.0)
    .prepared()
    .load(connection)
    .await?;
    let adjustments: Vec<AdjustmentRow> = diesel::sql_query(
        "SELECT usage_month, price_id, kind, units, due_minor, amount_minor, reason
        FROM billing.invoice_adjustments WHERE invoice_id = $1 ORDER BY line",
    )
    .bind::<SqlUuid, _>(invoice.id.0)
    .prepared()
    .load(connection)
    .await?;
    let taxes: Vec<TaxRow> = diesel::sql_query(
        "SELECT name, rate, amount_minor FROM billing.invoice_taxes WHERE invoice_id = $1 ORDER BY line",
    )
    .bind::<SqlUuid, _>(invoice.id.0)
    .prepared()
    .load(connection)
    .await?;
    Ok(InvoiceContents {
        lines: lines.iter().map(|row| line(row, invoice)).collect::<Result<_, _>>()?,
        adjustments: adjustments.iter().map(|row| adjustment(row, invoice)).collect::<Result<_, _>>()?,
        taxes: taxes.into_iter().map(|row| tax(row, invoice)).collect::<Result<_, _>>()?,
    })
}

fn amount(minor: i64, invoice: &Invoice) -> MinorAmount {
    MinorAmount { minor, currency: invoice.currency }
}

fn line(row: &LineRow, invoice: &Invoice) -> Result<InvoiceLine, Inconsistent> {
    Ok(InvoiceLine {
        usage_month: LINES.day("usage_month", row.usage_month)?.month(),
        operator: LINES.operator(&row.operator_id)?,
        direction: LINES.direction(&row.direction)?,
        price: PriceId(row.price_id),
        messages: LINES.count("messages", row.messages)?,
        segments: LINES.count("segments", row.segments)?,
        exact: LINES.sum("exact_micros", &row.exact)?,
        amount: amount(row.amount_minor, invoice),
    })
}

fn adjustment(row: &AdjustmentRow, invoice: &Invoice) -> Result<Adjustment, Inconsistent> {
    Ok(Adjustment {
        usage_month: ADJUSTMENTS.day("usage_month", row.usage_month)?.month(),
        price: PriceId(row.price_id),
        kind: AdjustmentKind::from_name(&row.kind).ok_or_else(|| ADJUSTMENTS.bad("kind"))?,
        units: ADJUSTMENTS.count("units", row.units)?,
        due: amount(row.due_minor, invoice),
        amount: amount(row.amount_minor, invoice),
        reason: row.reason.clone(),
    })
}

fn tax(row: TaxRow, invoice: &Invoice) -> Result<TaxLine, Inconsistent> {
    let rate = u32::try_from(row.rate).ok().map(Percentage::from_ten_thousandths);
    Ok(TaxLine {
        name: row.name,
        rate: rate.and_then(Result::ok).ok_or_else(|| TAXES.bad("rate"))?,
        base: invoice.subtotal,
        amount: amount(row.amount_minor, invoice),
    })
}

/// Writes what an invoice is made of.
pub(super) async fn write(
    connection: &mut AsyncPgConnection,
    (invoice, tenant): (InvoiceId, TenantId),
    contents: &InvoiceContents,
) -> Result<(), Failure> {
    write_lines(connection, (invoice, tenant), &contents.lines).await?;
    write_adjustments(connection, (invoice, tenant), &contents.adjustments).await?;
    write_taxes(connection, (invoice, tenant), &contents.taxes).await
}

async fn write_lines(
    connection: &mut AsyncPgConnection,
    (invoice, tenant): (InvoiceId, TenantId),
    lines: &[InvoiceLine],
) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(());
    }
    let text = |f: for<'a> fn(&'a InvoiceLine) -> &'a str| lines.iter().map(f).collect::<Vec<_>>();
    diesel::sql_query(
        "INSERT INTO billing.invoice_lines (invoice_id, line, tenant_id, usage_month, operator_id, direction,
            price_id, messages, segments, exact_micros, amount_minor)
        SELECT $1, line, $2, usage_month, operator_id, direction, price_id, messages, segments, exact::numeric, amount
        FROM unnest($3, $4, $5, $6, $7, $8, $9, $10, $11)
            AS l (line, usage_month, operator_id, direction, price_id, messages, segments, exact, amount)",
    )
    .bind::<SqlUuid, _>(invoice.0)
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<Array<Integer>, _>(numbers(lines.len()))
    .bind::<Array<Date>, _>(lines.iter().map(|line| rows::month(line.usage_month)).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(text(|line| line.operator.as_str()))
    .bind::<Array<Text>, _>(text(|line| line.direction.name()))
    .bind::<Array<SqlUuid>, _>(lines.iter().map(|line| line.price.0).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(lines.iter().map(|line| count(line.messages)).collect::<Result<Vec<_>, _>>()?)
    .bind::<Array<BigInt>, _>(lines.iter().map(|line| count(line.segments)).collect::<Result<Vec<_>, _>>()?)
    .bind::<Array<Text>, _>(lines.iter().map(|line| whole(line.exact)).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(lines.iter().map(|line| line.amount.minor).collect::<Vec<_>>())
    .prepared()
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_adjustments(
    connection: &mut AsyncPgConnection,
    (invoice, tenant): (InvoiceId, TenantId),
    adjustments: &[Adjustment],
) -> Result<(), Failure> {
    if adjustments.is_empty() {
        return Ok(());
    }
    diesel::sql_query(
        "INSERT INTO billing.invoice_adjustments (invoice_id, line, tenant_id, usage_month, price_id, kind, units,
            due_minor, amount_minor, reason)
        SELECT $1, line, $2, usage_month, price_id, kind, units, due, amount, reason
        FROM unnest($3, $4, $5, $6, $7, $8, $9, $10)
            AS a (line, usage_month, price_id, kind, units, due, amount, reason)",
    )
    .bind::<SqlUuid, _>(invoice.0)
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<Array<Integer>, _>(numbers(adjustments.len()))
    .bind::<Array<Date>, _>(adjustments.iter().map(|a| rows::month(a.usage_month)).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(adjustments.iter().map(|a| a.price.0).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(adjustments.iter().map(|a| a.kind.name()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(adjustments.iter().map(|a| count(a.units)).collect::<Result<Vec<_>, _>>()?)
    .bind::<Array<BigInt>, _>(adjustments.iter().map(|a| a.due.minor).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(adjustments.iter().map(|a| a.amount.minor).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(adjustments.iter().map(|a| a.reason.as_deref()).collect::<Vec<_>>())
    .prepared()
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_taxes(
    connection: &mut AsyncPgConnection,
    (invoice, tenant): (InvoiceId, TenantId),
    taxes: &[TaxLine],
) -> Result<(), Failure> {
    if taxes.is_empty() {
        return Ok(());
    }
    let rates = taxes.iter().map(|tax| i32::try_from(tax.rate.ten_thousandths()).unwrap_or(i32::MAX));
    diesel::sql_query(
        "INSERT INTO billing.invoice_taxes (invoice_id, line, tenant_id, name, rate, amount_minor)
        SELECT $1, line, $2, name, rate, amount FROM unnest($3, $4, $5, $6) AS t (line, name, rate, amount)",
    )
    .bind::<SqlUuid, _>(invoice.0)
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<Array<Integer>, _>(numbers(taxes.len()))
    .bind::<Array<Text>, _>(taxes.iter().map(|tax| tax.name.as_str()).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(rates.collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(taxes.iter().map(|tax| tax.amount.minor).collect::<Vec<_>>())
    .prepared()
    .execute(connection)
    .await?;
    Ok(())
}

fn numbers(rows: usize) -> Vec<i32> {
    (1..).take(rows).collect()
}

pub(super) fn count(count: u64) -> Result<i64, Failure> {
    i64::try_from(count).map_err(|_| Failure::Broken("a count beyond 2^63"))
}

/// Micros as a whole number: `numeric` is sent as text.
fn whole(sum: MicrosSum) -> String {
    sum.0.to_string()
}
