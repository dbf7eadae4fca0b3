//! Invoices as they are asked for. From the primary: what was voided a moment ago must not be shown as due.

use billing_domain::invoicing::{Invoice, InvoiceContents};
use billing_domain::ports::{InvoiceFilter, InvoicePage};
use billing_domain::{InvoiceId, Month, TenantId};
use diesel::sql_types::{BigInt, Bool, Date, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::columns::{self, Table};
use crate::transaction::{Failure, Reach, Transaction};

use super::contents;
use super::rows::{self, INVOICE_COLUMNS, InvoiceRow};

/// `$1` tenant, `$2` account, `$3` status, `$4` from, `$5` to, `$6` with drafts.
const MATCHES: &str = "($1::uuid IS NULL OR i.tenant_id = $1) AND ($2::uuid IS NULL OR i.account_id = $2)
    AND ($3::text IS NULL OR i.status = $3) AND ($4::date IS NULL OR i.period_start >= $4)
    AND ($5::date IS NULL OR i.period_start <= $5)
    AND ($6 OR (i.status <> 'DRAFT' AND i.finalized_at IS NOT NULL))";

pub(super) struct ListInvoices<'a> {
    pub(super) filter: &'a InvoiceFilter,
    pub(super) after: Option<(Month, InvoiceId)>,
    pub(super) limit: u32,
}

impl Transaction for ListInvoices<'_> {
    const NAME: &'static str = "list_invoices";
    const READ_ONLY: bool = true;
    type Output = InvoicePage;

    fn reach(&self) -> Option<Reach> {
        Some(self.filter.tenant.into())
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<InvoicePage, Failure> {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = BigInt)]
            count: i64,
        }
        let counted: Count = self
            .filtered(format!("SELECT count(*) AS count FROM billing.invoices i WHERE {MATCHES}"))
            .get_result(connection)
            .await?;
        let query = format!(
            "SELECT {INVOICE_COLUMNS} FROM billing.invoices i WHERE {MATCHES}
                AND ($7::date IS NULL OR (i.period_start, i.id) < ($7, $8))
            ORDER BY i.period_start DESC, i.id DESC LIMIT $9"
        );
        let found: Vec<InvoiceRow> = self
            .filtered(query)
            .bind::<Nullable<Date>, _>(self.after.map(|(month, _)| rows::month(month)))
            .bind::<Nullable<SqlUuid>, _>(self.after.map(|(_, id)| id.0))
            .bind::<BigInt, _>(i64::from(self.limit) + 1)
            .load(connection)
            .await?;
        let mut rows = found.iter().map(InvoiceRow::invoice).collect::<Result<Vec<_>, _>>()?;
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = if has_more { rows.last().map(|invoice| (invoice.period, invoice.id)) } else { None };
        Ok(InvoicePage { rows, next, total: Table("invoices").count("count", counted.count)? })
    }
}

impl ListInvoices<'_> {
    fn filtered(
        &self,
        query: String,
    ) -> diesel::query_builder::BoxedSqlQuery<'static, diesel::pg::Pg, diesel::query_builder::SqlQuery> {
        let filter = self.filter;
        diesel::sql_query(query)
            .into_boxed()
            .bind::<Nullable<SqlUuid>, _>(filter.tenant.map(|tenant| tenant.0))
            .bind::<Nullable<SqlUuid>, _>(filter.account.map(|account| account.0))
            .bind::<Nullable<Text>, _>(filter.status.map(|status| status.name()))
            .bind::<Nullable<Date>, _>(filter.from.map(columns::date))
            .bind::<Nullable<Date>, _>(filter.to.map(columns::date))
            .bind::<Bool, _>(filter.with_drafts)
    }
}

pub(super) struct FindInvoice {
    pub(super) id: InvoiceId,
    pub(super) tenant: Option<TenantId>,
}

impl Transaction for FindInvoice {
    const NAME: &'static str = "find_invoice";
    const READ_ONLY: bool = true;
    type Output = Option<(Invoice, InvoiceContents)>;

    fn reach(&self) -> Option<Reach> {
        Some(self.tenant.into())
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        let Some(invoice) = rows::find_of(connection, self.id, self.tenant).await? else { return Ok(None) };
        let contents = contents::read(connection, &invoice).await?;
        Ok(Some((invoice, contents)))
    }
}
