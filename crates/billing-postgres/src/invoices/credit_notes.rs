//! Credit notes: written with the void invoice, their documents recorded and stored when they are first asked for.

use billing_domain::invoicing::{
    CreditNote, CreditNoteNumber, DocumentKind, Invoice, InvoiceDocument, credit_note_key,
};
use billing_domain::{CreditNoteId, Day};
use diesel::data_types::PgDate;
use diesel::sql_types::{BigInt, Binary, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{self, Inconsistent, Table};
use crate::transaction::{Failure, Reach, Transaction};

use super::{issue, rows};

const TABLE: Table = Table("credit_notes");

/// Writes the credit note of an invoice that is being declared void. Its number is counted up in this transaction, and the
/// series stays locked until that ends: so none is lost, and none is given twice.
pub(super) async fn write(
    connection: &mut AsyncPgConnection,
    invoice: &Invoice,
    id: CreditNoteId,
    issue_date: Day,
) -> Result<(), Failure> {
    #[derive(diesel::QueryableByName)]
    struct Next {
        #[diesel(sql_type = BigInt)]
        next: i64,
    }
    let year = issue_date.month().year();
    let row: Next = diesel::sql_query("SELECT billing.next_credit_note($1) AS next")
        .bind::<Integer, _>(i32::from(year))
        .get_result(connection)
        .await?;
    let sequence = u32::try_from(row.next).map_err(|_| Failure::Broken("a credit note's number beyond 2^32"))?;
    diesel::sql_query(
        "INSERT INTO billing.credit_notes (id, invoice_id, tenant_id, account_id, number, issue_date, s3_key)
        VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind::<SqlUuid, _>(id.0)
    .bind::<SqlUuid, _>(invoice.id.0)
    .bind::<SqlUuid, _>(invoice.tenant.0)
    .bind::<SqlUuid, _>(invoice.account.0)
    .bind::<Text, _>(CreditNoteNumber::new(year, sequence).to_string())
    .bind::<Date, _>(columns::date(issue_date))
    .bind::<Text, _>(credit_note_key(invoice.account, invoice.period, id))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) struct FindCreditNote<'a>(pub(super) &'a Invoice);

impl Transaction for FindCreditNote<'_> {
    const NAME: &'static str = "find_credit_note";
    const READ_ONLY: bool = true;
    type Output = Option<CreditNote>;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Tenant(self.0.tenant))
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Option<CreditNote>, Failure> {
        find(connection, self.0).await
    }
}

pub(super) struct ReadCreditNote<'a>(pub(super) &'a Invoice);

impl Transaction for ReadCreditNote<'_> {
    const NAME: &'static str = "read_credit_note";
    const READ_ONLY: bool = true;
    type Output = Option<InvoiceDocument>;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Tenant(self.0.tenant))
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Option<InvoiceDocument>, Failure> {
        let Some(note) = find(connection, self.0).await? else { return Ok(None) };
        let invoice = rows::find(connection, self.0.id, false).await?;
        let invoice = invoice.ok_or(Failure::Broken("the invoice of a credit note is not there"))?;
        let voided = invoice.voided.as_ref().ok_or_else(|| Table("invoices").bad("voided_at"))?;
        let CreditNote { id, number, issue_date, .. } = note;
        let kind = DocumentKind::CreditNote { id, number, issue_date, reason: voided.reason.clone() };
        let of_invoice = issue::document(connection, invoice).await?;
        // When the usage was is the invoice's business, and so is what it replaces.
        Ok(Some(InvoiceDocument { kind, replaces: None, daily_messages: Vec::new(), ..of_invoice }))
    }
}

pub(super) struct RecordCreditNote<'a> {
    pub(super) invoice: &'a Invoice,
    pub(super) template: &'static str,
    pub(super) sha256: [u8; 32],
}

impl Transaction for RecordCreditNote<'_> {
    const NAME: &'static str = "record_credit_note";
    type Output = [u8; 32];

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Tenant(self.invoice.tenant))
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<[u8; 32], Failure> {
        diesel::sql_query(
            "UPDATE billing.credit_notes SET template = $2, pdf_sha256 = $3
            WHERE invoice_id = $1 AND pdf_sha256 IS NULL",
        )
        .bind::<SqlUuid, _>(self.invoice.id.0)
        .bind::<Text, _>(self.template)
        .bind::<Binary, _>(self.sha256.to_vec())
        .execute(connection)
        .await?;
        let recorded = find(connection, self.invoice).await?.and_then(|note| note.pdf_sha256);
        recorded.ok_or(Failure::Broken("a credit note to record is not there"))
    }
}

pub(super) struct MarkCreditNoteStored<'a> {
    pub(super) invoice: &'a Invoice,
    pub(super) at: Timestamp,
}

impl Transaction for MarkCreditNoteStored<'_> {
    const NAME: &'static str = "mark_credit_note_stored";
    type Output = ();

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Tenant(self.invoice.tenant))
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<(), Failure> {
        diesel::sql_query("UPDATE billing.credit_notes SET stored_at = $2 WHERE invoice_id = $1 AND stored_at IS NULL")
            .bind::<SqlUuid, _>(self.invoice.id.0)
            .bind::<Timestamptz, _>(columns::instant(self.at))
            .execute(connection)
            .await?;
        Ok(())
    }
}

#[derive(diesel::QueryableByName)]
struct CreditNoteRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    number: String,
    #[diesel(sql_type = Date)]
    issue_date: PgDate,
    #[diesel(sql_type = Text)]
    s3_key: String,
    #[diesel(sql_type = Nullable<Binary>)]
    pdf_sha256: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    stored_at: Option<columns::Instant>,
}

async fn find(connection: &mut AsyncPgConnection, invoice: &Invoice) -> Result<Option<CreditNote>, Failure> {
    let rows: Vec<CreditNoteRow> = diesel::sql_query(
        "SELECT id, number, issue_date, s3_key, pdf_sha256, stored_at FROM billing.credit_notes WHERE invoice_id = $1",
    )
    .bind::<SqlUuid, _>(invoice.id.0)
    .load(connection)
    .await?;
    Ok(rows.into_iter().next().map(CreditNoteRow::credit_note).transpose()?)
}

impl CreditNoteRow {
    fn credit_note(self) -> Result<CreditNote, Inconsistent> {
        let sha256 = self.pdf_sha256.map(<[u8; 32]>::try_from).transpose();
        Ok(CreditNote {
            id: CreditNoteId(self.id),
            number: CreditNoteNumber::parse(&self.number).map_err(|_| TABLE.bad("number"))?,
            issue_date: TABLE.day("issue_date", self.issue_date)?,
            object_key: self.s3_key,
            pdf_sha256: sha256.map_err(|_| TABLE.bad("pdf_sha256"))?,
            is_stored: self.stored_at.is_some(),
        })
    }
}
