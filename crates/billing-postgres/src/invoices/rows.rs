//! Rows of invoices.

use billing_domain::invoicing::{
    CreditNoteNumber, Disposition, Invoice, InvoiceNumber, InvoiceStatus, PinnedTerms, Voided,
};
use billing_domain::{AccountId, InvoiceId, MinorAmount, Month, TenantId};
use diesel::data_types::PgDate;
use diesel::sql_types::{BigInt, Binary, Date, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::columns::{self, Inconsistent, Table};
use crate::prepared::Prepare as _;
use crate::transaction::Failure;

const TABLE: Table = Table("invoices");

/// What every query of invoices selects, from `billing.invoices AS i`.
pub(super) const INVOICE_COLUMNS: &str = "i.id, i.tenant_id, i.account_id, i.currency, i.period_start, i.status,
    i.number, i.issue_date, i.due_date, i.total_messages, i.total_segments, i.subtotal_minor,
    COALESCE(i.total_minor, i.subtotal_minor) AS total_minor, i.drafted_at,
    i.finalized_at, i.s3_key, i.pdf_sha256, i.replaces,
    (SELECT r.id FROM billing.invoices r WHERE r.replaces = i.id AND r.finalized_at IS NOT NULL) AS replaced_by,
    i.voided_at, i.voided_by, i.void_reason, i.disposition,
    (SELECT n.number FROM billing.credit_notes n WHERE n.invoice_id = i.id) AS credit_note";

#[derive(diesel::QueryableByName)]
pub(super) struct InvoiceRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    account_id: Uuid,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = Date)]
    period_start: PgDate,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Text>)]
    number: Option<String>,
    #[diesel(sql_type = Nullable<Date>)]
    issue_date: Option<PgDate>,
    #[diesel(sql_type = Nullable<Date>)]
    due_date: Option<PgDate>,
    #[diesel(sql_type = BigInt)]
    total_messages: i64,
    #[diesel(sql_type = BigInt)]
    total_segments: i64,
    #[diesel(sql_type = BigInt)]
    subtotal_minor: i64,
    #[diesel(sql_type = BigInt)]
    total_minor: i64,
    #[diesel(sql_type = Timestamptz)]
    drafted_at: columns::Instant,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    finalized_at: Option<columns::Instant>,
    #[diesel(sql_type = Nullable<Text>)]
    s3_key: Option<String>,
    #[diesel(sql_type = Nullable<Binary>)]
    pdf_sha256: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    replaces: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    replaced_by: Option<Uuid>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    voided_at: Option<columns::Instant>,
    #[diesel(sql_type = Nullable<Text>)]
    voided_by: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    void_reason: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    disposition: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    credit_note: Option<String>,
}

impl InvoiceRow {
    pub(super) fn invoice(&self) -> Result<Invoice, Inconsistent> {
        let currency = TABLE.currency(&self.currency)?;
        let sha256 = |bytes: &Vec<u8>| <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| TABLE.bad("pdf_sha256"));
        let credit_note = self.credit_note.as_deref().map(CreditNoteNumber::parse).transpose();
        Ok(Invoice {
            id: InvoiceId(self.id),
            tenant: TenantId(self.tenant_id),
            account: AccountId(self.account_id),
            currency,
            period: TABLE.day("period_start", self.period_start)?.month(),
            status: InvoiceStatus::from_name(&self.status).ok_or_else(|| TABLE.bad("status"))?,
            pinned: self.pinned()?,
            messages: TABLE.count("total_messages", self.total_messages)?,
            segments: TABLE.count("total_segments", self.total_segments)?,
            subtotal: MinorAmount { minor: self.subtotal_minor, currency },
            total: MinorAmount { minor: self.total_minor, currency },
            drafted_at: columns::timestamp(self.drafted_at),
            finalized_at: self.finalized_at.map(columns::timestamp),
            object_key: self.s3_key.clone(),
            pdf_sha256: self.pdf_sha256.as_ref().map(sha256).transpose()?,
            replaces: self.replaces.map(InvoiceId),
            replaced_by: self.replaced_by.map(InvoiceId),
            voided: self.voided()?,
            credit_note: credit_note.map_err(|_| Table("credit_notes").bad("number"))?,
        })
    }

    fn pinned(&self) -> Result<Option<PinnedTerms>, Inconsistent> {
        let (Some(number), Some(issued), Some(due)) = (&self.number, self.issue_date, self.due_date) else {
            return Ok(None);
        };
        Ok(Some(PinnedTerms {
            number: InvoiceNumber::parse(number).map_err(|_| TABLE.bad("number"))?,
            issue_date: TABLE.day("issue_date", issued)?,
            due_date: TABLE.day("due_date", due)?,
        }))
    }

    fn voided(&self) -> Result<Option<Voided>, Inconsistent> {
        let Some(at) = self.voided_at else { return Ok(None) };
        let disposition = self.disposition.as_deref().and_then(Disposition::from_name);
        Ok(Some(Voided {
            at: columns::timestamp(at),
            by: self.voided_by.clone().ok_or_else(|| TABLE.bad("voided_by"))?,
            reason: self.void_reason.clone().ok_or_else(|| TABLE.bad("void_reason"))?,
            disposition: disposition.ok_or_else(|| TABLE.bad("disposition"))?,
        }))
    }
}

/// One invoice; locked until the transaction ends when it is to be changed.
pub(super) async fn find(
    connection: &mut AsyncPgConnection,
    id: InvoiceId,
    for_update: bool,
) -> Result<Option<Invoice>, Failure> {
    if for_update {
        // Locked first, by itself: what is read next is what the lock protects.
        diesel::sql_query("SELECT FROM billing.invoices WHERE id = $1 FOR UPDATE")
            .bind::<SqlUuid, _>(id.0)
            .prepared()
            .execute(connection)
            .await?;
    }
    find_of(connection, id, None).await
}

/// One invoice, if it is there for the tenant; without one, whosever it is.
pub(super) async fn find_of(
    connection: &mut AsyncPgConnection,
    id: InvoiceId,
    tenant: Option<TenantId>,
) -> Result<Option<Invoice>, Failure> {
    let query = format!(
        "SELECT {INVOICE_COLUMNS} FROM billing.invoices i WHERE i.id = $1 AND ($2::uuid IS NULL OR i.tenant_id = $2)"
    );
    let rows: Vec<InvoiceRow> = diesel::sql_query(query)
        .bind::<SqlUuid, _>(id.0)
        .bind::<Nullable<SqlUuid>, _>(tenant.map(|tenant| tenant.0))
        .prepared()
        .load(connection)
        .await?;
    Ok(rows.into_iter().next().map(|row| row.invoice()).transpose()?)
}

/// The first day of a month as `period_start` and `usage_month` hold it.
pub(super) fn month(month: Month) -> PgDate {
    columns::date(month.first_day())
}
