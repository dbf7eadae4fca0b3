//! What declaring an invoice void would do, read and not written.

use std::collections::BTreeSet;

use billing_domain::invoicing::{
    Disposition, Invoice, InvoiceContents, Reissue, ReleasedUsage, VoidEffect, compose, plan, total,
};
use billing_domain::ports::{DraftRequest, Refusal};
use billing_domain::{InvoiceId, Month};
use diesel::data_types::PgDate;
use diesel::sql_types::{BigInt, Bool, Date, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::columns::Table;
use crate::transaction::{Failure, Reach, Transaction};

use super::parked::is_parked;
use super::{basis, draft, rows};

const BUCKETS: Table = Table("usage_buckets");

pub(super) struct PreviewVoid {
    pub(super) id: InvoiceId,
    pub(super) disposition: Disposition,
}

impl Transaction for PreviewVoid {
    const NAME: &'static str = "preview_void";
    const READ_ONLY: bool = true;
    type Output = VoidEffect;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<VoidEffect, Failure> {
        let invoice = rows::find(connection, self.id, false).await?;
        let invoice = invoice.ok_or(Failure::Refused(Refusal::NotFound))?;
        let is_stuck = is_parked(connection, self.id).await?;
        if !invoice.status.can_be_voided(invoice.pinned.is_some(), is_stuck) {
            return Err(Failure::Refused(Refusal::Ended));
        }
        let usage = sealed(connection, self.id).await?;
        let reissue = match self.disposition {
            Disposition::Rebill => reissue(connection, &invoice).await?,
            Disposition::Waive => None,
        };
        Ok(VoidEffect { invoice, usage, reissue })
    }
}

/// What the invoice has sealed, by month.
async fn sealed(connection: &mut AsyncPgConnection, invoice: InvoiceId) -> Result<Vec<ReleasedUsage>, Failure> {
    #[derive(diesel::QueryableByName)]
    struct MonthRow {
        #[diesel(sql_type = Date)]
        month: PgDate,
        #[diesel(sql_type = BigInt)]
        messages: i64,
        #[diesel(sql_type = BigInt)]
        segments: i64,
        #[diesel(sql_type = Text)]
        amount: String,
    }
    let rows: Vec<MonthRow> = diesel::sql_query(
        "SELECT date_trunc('month', day)::date AS month, sum(messages)::bigint AS messages,
            sum(segments)::bigint AS segments, sum(amount_micros)::text AS amount
        FROM billing.usage_buckets WHERE sealed_by = $1 GROUP BY 1 ORDER BY 1",
    )
    .bind::<SqlUuid, _>(invoice.0)
    .load(connection)
    .await?;
    let of_month = |row: &MonthRow| {
        Ok(ReleasedUsage {
            month: BUCKETS.day("day", row.month)?.month(),
            messages: BUCKETS.count("messages", row.messages)?,
            segments: BUCKETS.count("segments", row.segments)?,
            exact: BUCKETS.sum("amount_micros", &row.amount)?,
        })
    };
    rows.iter().map(of_month).collect()
}

/// What a run for the invoice's month would draft in its place: a draft with its id, so that what it has sealed counts as
/// new, and what it has asked for as not asked for yet.
async fn reissue(connection: &mut AsyncPgConnection, invoice: &Invoice) -> Result<Option<Reissue>, Failure> {
    let Invoice { id, tenant, account, currency, period: month, drafted_at: at, .. } = *invoice;
    let mut request = DraftRequest { id, tenant, account, currency, month, late: Vec::new(), at };
    request.late = late(connection, &request).await?;
    let mut contents: InvoiceContents = compose(&basis::read(connection, &request, true).await?)?;
    if contents.is_empty() {
        return Ok(None);
    }
    draft::add_taxes(connection, &request, &mut contents).await?;
    let subtotal = contents.subtotal(currency)?;
    Ok(Some(Reissue { subtotal, total: total(subtotal, &contents.taxes)?, contents }))
}

/// The earlier months whose usage would go on it, if the invoice were void already.
async fn late(connection: &mut AsyncPgConnection, request: &DraftRequest) -> Result<Vec<Month>, Failure> {
    #[derive(diesel::QueryableByName)]
    struct MonthRow {
        #[diesel(sql_type = Date)]
        month: PgDate,
        #[diesel(sql_type = Bool)]
        is_open: bool,
    }
    let query = "SELECT date_trunc('month', day)::date AS month, true AS is_open FROM billing.usage_buckets
        WHERE account_id = $1 AND currency = $2 AND (sealed_by IS NULL OR sealed_by = $5) AND day < $3
        UNION
        SELECT usage_month, true FROM billing.correction_deltas
        WHERE account_id = $1 AND currency = $2 AND (settled_by IS NULL OR settled_by = $5) AND usage_month < $3
        UNION
        SELECT period_start, false FROM billing.invoices
        WHERE account_id = $1 AND currency = $2 AND status <> 'VOID' AND id <> $5";
    let rows: Vec<MonthRow> =
        basis::bind(query.to_owned(), request).bind::<SqlUuid, _>(request.id.0).load(connection).await?;
    let (mut open, mut invoiced) = (BTreeSet::from([request.month]), BTreeSet::new());
    for row in rows {
        let month = BUCKETS.day("day", row.month)?.month();
        if row.is_open {
            open.insert(month)
        } else {
            invoiced.insert(month)
        };
    }
    let drafts = plan(request.month, &open, &invoiced);
    Ok(drafts.into_iter().find(|draft| draft.month == request.month).map(|draft| draft.late).unwrap_or_default())
}
