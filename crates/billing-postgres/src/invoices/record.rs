//! What an invoice is recounted from: itself as it is stored, and what stood when it was drafted. Drafts, voidings and
//! corrections are numbered in one order, each under the lock that keeps it from the others; clocks are not asked.

use std::collections::{BTreeMap, BTreeSet};

use billing_domain::invoicing::{
    EventTally, Invoice, InvoiceBasis, InvoiceRecord, PriceGroup, SealedUsage, prices_named,
};
use billing_domain::{AccountId, InvoiceId, Month};
use diesel::QueryableByName;
use diesel::data_types::PgDate;
use diesel::sql_types::{Array, Date, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::columns::Table;
use crate::prices;
use crate::transaction::{Failure, Transaction};

use super::sealed::{self, BUCKET_COLUMNS, BucketRow};
use super::{basis, contents, rows};

/// Whether invoice `i` of account `$1` and currency `$2` stood when `$3` was drafted.
const STOOD: &str = "i.account_id = $1 AND i.currency = $2 AND EXISTS (SELECT FROM billing.invoices own
    WHERE own.id = $3 AND i.drafted_order < own.drafted_order
        AND (i.voided_order IS NULL OR i.voided_order > own.drafted_order))";

pub(super) struct ListStanding {
    pub(super) period: Month,
    pub(super) account: Option<AccountId>,
}

impl Transaction for ListStanding {
    const NAME: &'static str = "list_standing";
    const READ_ONLY: bool = true;
    type Output = Vec<InvoiceId>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Vec<InvoiceId>, Failure> {
        #[derive(QueryableByName)]
        struct Id {
            #[diesel(sql_type = SqlUuid)]
            id: Uuid,
        }
        let ids: Vec<Id> = diesel::sql_query(
            "SELECT id FROM billing.invoices
            WHERE status <> 'VOID' AND period_start = $1 AND ($2::uuid IS NULL OR account_id = $2)
            ORDER BY account_id, currency",
        )
        .bind::<Date, _>(rows::month(self.period))
        .bind::<Nullable<SqlUuid>, _>(self.account.map(|account| account.0))
        .load(connection)
        .await?;
        Ok(ids.into_iter().map(|row| InvoiceId(row.id)).collect())
    }
}

pub(super) struct ReadRecord(pub(super) InvoiceId);

impl Transaction for ReadRecord {
    const NAME: &'static str = "read_record";
    const READ_ONLY: bool = true;
    type Output = Option<InvoiceRecord>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        let Some(invoice) = rows::find(connection, self.0, false).await? else { return Ok(None) };
        let contents = contents::read_as_stored(connection, &invoice).await?;
        let sealed = sealed::sealed(connection, invoice.id).await?;
        let mut months: Vec<Month> = sealed.iter().map(|bucket| bucket.key.day.month()).collect();
        months.extend(contents.lines.iter().map(|line| line.usage_month));
        months.extend(contents.adjustments.iter().map(|adjustment| adjustment.usage_month));
        months.sort_unstable();
        months.dedup();
        let months: Vec<PgDate> = months.into_iter().map(rows::month).collect();
        let usage = earlier_usage(connection, &invoice, &months).await?;
        let asked = |query: String| ask(query, &invoice, &months);
        let which = format!("{STOOD} AND usage_month = ANY($4)");
        let before = basis::invoiced(connection, invoice.currency, asked, &which).await?;
        let ids =
            prices_named(&contents, &sealed).into_iter().chain(usage.iter().map(|usage| usage.key.price)).collect();
        let prices = prices::by_id(connection, &ids).await?;
        let mut corrections = prices::corrections_before(connection, &ids, invoice.id).await?;
        let group = |(id, terms)| (id, PriceGroup { terms, corrections: corrections.remove(&id).unwrap_or_default() });
        let prices = prices.into_iter().map(group).collect();
        let waived = waived(connection, &invoice, &months).await?;
        let (currency, groups) = (invoice.currency, BTreeSet::new());
        let basis = InvoiceBasis { currency, usage, before, prices, groups, waived };
        Ok(Some(InvoiceRecord { invoice, contents, sealed, basis }))
    }
}

/// Usage of these months that invoices which stood had sealed. Their buckets keep it, also when they were merged since.
async fn earlier_usage(
    connection: &mut AsyncPgConnection,
    invoice: &Invoice,
    months: &[PgDate],
) -> Result<Vec<SealedUsage>, Failure> {
    let query = format!(
        "SELECT {BUCKET_COLUMNS} FROM billing.invoices i JOIN billing.usage_buckets b ON b.sealed_by = i.id
        WHERE {STOOD} AND date_trunc('month', b.day)::date = ANY($4)"
    );
    let rows: Vec<BucketRow> = ask(query, invoice, months).load(connection).await?;
    let usage = |row: &BucketRow| {
        let bucket = row.bucket()?;
        Ok(SealedUsage { key: bucket.key, sums: bucket.sums, is_new: false })
    };
    rows.iter().map(usage).collect()
}

/// Which of these months had been waived when the invoice was drafted.
async fn waived(
    connection: &mut AsyncPgConnection,
    invoice: &Invoice,
    months: &[PgDate],
) -> Result<BTreeSet<Month>, Failure> {
    #[derive(QueryableByName)]
    struct Waived {
        #[diesel(sql_type = Date)]
        period_start: PgDate,
    }
    let query = "SELECT v.period_start FROM billing.invoices v JOIN billing.invoices own ON own.id = $3
        WHERE v.account_id = $1 AND v.currency = $2 AND v.period_start = ANY($4) AND v.status = 'VOID'
            AND v.disposition = 'waive' AND v.voided_order < own.drafted_order";
    let rows: Vec<Waived> = ask(query.to_owned(), invoice, months).load(connection).await?;
    let month = |row: Waived| Ok(Table("invoices").day("period_start", row.period_start)?.month());
    rows.into_iter().map(month).collect()
}

fn ask(query: String, invoice: &Invoice, months: &[PgDate]) -> basis::Bound<'static> {
    diesel::sql_query(query)
        .into_boxed()
        .bind::<SqlUuid, _>(invoice.account.0)
        .bind::<Text, _>(invoice.currency.code().to_owned())
        .bind::<SqlUuid, _>(invoice.id.0)
        .bind::<Array<Date>, _>(months.to_vec())
}

pub(super) struct TallyEvents<'a>(pub(super) &'a [i64]);

impl Transaction for TallyEvents<'_> {
    const NAME: &'static str = "tally_events";
    const READ_ONLY: bool = true;
    type Output = BTreeMap<i64, EventTally>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        sealed::tallies(connection, self.0).await
    }
}
