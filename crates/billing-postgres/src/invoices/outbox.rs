//! Events that wait to be published.

use billing_domain::InvoiceId;
use billing_domain::invoicing::Invoice;
use billing_domain::ports::{InvoiceEventKind, OutboxEntry};
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{self, Table};
use crate::prepared::Prepare as _;
use crate::transaction::{Failure, Transaction};

use super::rows;

const TABLE: Table = Table("outbox");

/// Puts an event into the outbox, in the transaction of what it tells.
pub(super) async fn write(
    connection: &mut AsyncPgConnection,
    invoice: &Invoice,
    kind: &'static str,
    traceparent: Option<&str>,
    at: Timestamp,
) -> Result<(), Failure> {
    diesel::sql_query(
        "INSERT INTO billing.outbox (invoice_id, kind, tenant_id, traceparent, created_at)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (invoice_id, kind) DO NOTHING",
    )
    .bind::<SqlUuid, _>(invoice.id.0)
    .bind::<Text, _>(kind)
    .bind::<SqlUuid, _>(invoice.tenant.0)
    .bind::<Nullable<Text>, _>(traceparent)
    .bind::<Timestamptz, _>(columns::instant(at))
    .prepared()
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) struct ListUnpublished(pub(super) u32);

#[derive(diesel::QueryableByName)]
struct EntryRow {
    #[diesel(sql_type = BigInt)]
    position: i64,
    #[diesel(sql_type = SqlUuid)]
    invoice_id: Uuid,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    traceparent: Option<String>,
}

impl Transaction for ListUnpublished {
    const NAME: &'static str = "list_unpublished";
    const READ_ONLY: bool = true;
    type Output = Vec<OutboxEntry>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Vec<OutboxEntry>, Failure> {
        let waiting: Vec<EntryRow> = diesel::sql_query(
            "SELECT position, invoice_id, kind, traceparent FROM billing.outbox
            WHERE published_at IS NULL ORDER BY position LIMIT $1",
        )
        .bind::<BigInt, _>(i64::from(self.0))
        .load(connection)
        .await?;
        let mut entries = Vec::with_capacity(waiting.len());
        for row in waiting {
            let kind = match row.kind.as_str() {
                "generated" => InvoiceEventKind::Generated,
                "voided" => InvoiceEventKind::Voided,
                _ => return Err(TABLE.bad("kind").into()),
            };
            let invoice = rows::find(connection, InvoiceId(row.invoice_id), false).await?;
            let invoice = invoice.ok_or_else(|| TABLE.bad("invoice_id"))?;
            entries.push(OutboxEntry { position: row.position, kind, invoice, traceparent: row.traceparent });
        }
        Ok(entries)
    }
}

pub(super) struct MarkPublished<'a> {
    pub(super) positions: &'a [i64],
    pub(super) at: Timestamp,
}

impl Transaction for MarkPublished<'_> {
    const NAME: &'static str = "mark_published";
    type Output = ();

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<(), Failure> {
        diesel::sql_query(
            "UPDATE billing.outbox SET published_at = $2 WHERE position = ANY($1) AND published_at IS NULL",
        )
        .bind::<Array<BigInt>, _>(self.positions)
        .bind::<Timestamptz, _>(columns::instant(self.at))
        .execute(connection)
        .await?;
        Ok(())
    }
}
