//! Drafts that could not be finished: noted with the reason, listed for who mends it.

use billing_domain::invoicing::InvoiceNumber;
use billing_domain::ports::ParkedDraft;
use billing_domain::{AccountId, InvoiceId};
use diesel::data_types::PgDate;
use diesel::sql_types::{Date, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{self, Inconsistent, Table};
use crate::transaction::{Failure, Transaction};

const TABLE: Table = Table("invoices");

pub(super) struct Park<'a> {
    pub(super) invoice: InvoiceId,
    pub(super) reason: &'a str,
    pub(super) at: Timestamp,
}

impl Transaction for Park<'_> {
    const NAME: &'static str = "park_invoice";
    type Output = ();

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<(), Failure> {
        diesel::sql_query(
            "UPDATE billing.invoices SET parked_reason = $2, parked_at = COALESCE(parked_at, $3)
            WHERE id = $1 AND status = 'DRAFT'",
        )
        .bind::<SqlUuid, _>(self.invoice.0)
        .bind::<Text, _>(self.reason)
        .bind::<Timestamptz, _>(columns::instant(self.at))
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Whether a draft could not be finished when that was last tried.
pub(super) async fn is_parked(connection: &mut AsyncPgConnection, invoice: InvoiceId) -> Result<bool, Failure> {
    let found = diesel::sql_query("SELECT FROM billing.invoices WHERE id = $1 AND parked_reason IS NOT NULL")
        .bind::<SqlUuid, _>(invoice.0)
        .execute(connection)
        .await?;
    Ok(found > 0)
}

pub(super) struct ListParked;

#[derive(diesel::QueryableByName)]
struct ParkedRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    account_id: Uuid,
    #[diesel(sql_type = Date)]
    period_start: PgDate,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = Nullable<Text>)]
    number: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    parked_at: Option<columns::Instant>,
    #[diesel(sql_type = Text)]
    parked_reason: String,
}

impl Transaction for ListParked {
    const NAME: &'static str = "list_parked";
    const READ_ONLY: bool = true;
    type Output = Vec<ParkedDraft>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Vec<ParkedDraft>, Failure> {
        let rows: Vec<ParkedRow> = diesel::sql_query(
            "SELECT id, account_id, period_start, currency, number, parked_at, parked_reason FROM billing.invoices
            WHERE status = 'DRAFT' AND parked_reason IS NOT NULL ORDER BY period_start, account_id, currency",
        )
        .load(connection)
        .await?;
        Ok(rows.into_iter().map(ParkedRow::draft).collect::<Result<_, _>>()?)
    }
}

impl ParkedRow {
    fn draft(self) -> Result<ParkedDraft, Inconsistent> {
        let number = self.number.as_deref().map(InvoiceNumber::parse).transpose();
        Ok(ParkedDraft {
            invoice: InvoiceId(self.id),
            account: AccountId(self.account_id),
            period: TABLE.day("period_start", self.period_start)?.month(),
            currency: TABLE.currency(&self.currency)?,
            number: number.map_err(|_| TABLE.bad("number"))?,
            since: self.parked_at.map(columns::timestamp),
            reason: self.parked_reason,
        })
    }
}
