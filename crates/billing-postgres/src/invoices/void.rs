//! Declaring an invoice void, and what becomes of its usage.

use billing_domain::invoicing::{Disposition, Invoice, VoidReason};
use billing_domain::ports::{AdminAction, Refusal};
use billing_domain::{CreditNoteId, Day, InvoiceId};
use diesel::sql_types::{Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::audit::audit;
use crate::buckets::{ADD_TO_OPEN, BUCKET_ORDER};
use crate::columns;
use crate::idempotency::claim_key;
use crate::transaction::{Failure, Reach, Transaction};

use super::draft::hold_account;
use super::parked::is_parked;
use super::{credit_notes, outbox, rows};

pub(super) struct VoidInvoice<'a> {
    pub(super) id: InvoiceId,
    /// Its credit note's, should it get one.
    pub(super) credit_note: CreditNoteId,
    pub(super) reason: &'a VoidReason,
    pub(super) disposition: Disposition,
    pub(super) action: &'a AdminAction,
}

impl Transaction for VoidInvoice<'_> {
    const NAME: &'static str = "void_invoice";
    type Output = Invoice;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Invoice, Failure> {
        let invoice = rows::find(connection, self.id, false).await?;
        let invoice = invoice.ok_or(Failure::Refused(Refusal::NotFound))?;
        let is_repeated = claim_key(connection, self.action, self.id.0).await?.is_some();
        hold_account(connection, invoice.account).await?;
        // Of fifty at once one holds the row; the others find it VOID.
        let invoice = rows::find(connection, self.id, true).await?;
        let invoice = invoice.ok_or(Failure::Broken("an invoice has gone"))?;
        if is_repeated {
            return Ok(invoice);
        }
        if self.is_done(&invoice) {
            return Ok(invoice);
        }
        let is_stuck = is_parked(connection, self.id).await?;
        if !invoice.status.can_be_voided(invoice.pinned.is_some(), is_stuck) {
            return Err(Failure::Refused(Refusal::Ended));
        }
        self.mark(connection).await?;
        match self.disposition {
            Disposition::Rebill => release(connection, self.id).await?,
            Disposition::Waive => waive(connection, self.id, self.action).await?,
        }
        let subject = format!("invoice {}", self.id);
        audit(connection, self.action, "invoice.void", &subject, Some(self.reason.as_str())).await?;
        if invoice.is_credited_when_void() {
            // Nobody was sent a draft, or told of it. Late, for the series is locked from here on.
            credit_notes::write(connection, &invoice, self.credit_note, Day::of(self.action.at)).await?;
            let traceparent = traceparent(&self.action.trace_id, self.id);
            outbox::write(connection, &invoice, "voided", traceparent.as_deref(), self.action.at).await?;
        }
        let voided = rows::find(connection, self.id, false).await?;
        voided.ok_or(Failure::Broken("an invoice that was just voided is not there"))
    }
}

/// The event goes on in the trace of the request, when that is a W3C trace id.
fn traceparent(trace_id: &str, invoice: InvoiceId) -> Option<String> {
    let is_w3c = trace_id.len() == 32 && trace_id.bytes().all(|b| b.is_ascii_hexdigit());
    is_w3c.then(|| format!("00-{trace_id}-{}-01", &invoice.0.simple().to_string()[..16]))
}

impl VoidInvoice<'_> {
    /// Whether an earlier attempt of this very call was committed and only its answer was lost.
    fn is_done(&self, invoice: &Invoice) -> bool {
        let at = columns::timestamp(columns::instant(self.action.at));
        invoice.voided.as_ref().is_some_and(|voided| voided.at == at && voided.by == self.action.actor)
    }

    async fn mark(&self, connection: &mut AsyncPgConnection) -> Result<(), Failure> {
        diesel::sql_query(
            "UPDATE billing.invoices SET status = 'VOID', voided_at = $2, voided_by = $3, void_reason = $4,
                disposition = $5
            WHERE id = $1",
        )
        .bind::<SqlUuid, _>(self.id.0)
        .bind::<Timestamptz, _>(columns::instant(self.action.at))
        .bind::<Text, _>(&self.action.actor)
        .bind::<Text, _>(self.reason.as_str())
        .bind::<Text, _>(self.disposition.name())
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Adds the sums of what the invoice sealed to the open buckets of the same keys, which a late event may have opened,
/// or makes them; the sealed buckets stay as the history of the void invoice.
async fn release(connection: &mut AsyncPgConnection, invoice: InvoiceId) -> Result<(), Failure> {
    lock_sealed(connection, invoice).await?;
    let query = format!(
        "WITH released AS (
            INSERT INTO billing.usage_buckets AS b (account_id, tenant_id, operator_id, direction, currency, price_id,
                day, messages, segments, units, amount_micros, cost_micros, uncosted, foreign_cost)
            SELECT account_id, tenant_id, operator_id, direction, currency, price_id, day, messages, segments, units,
                amount_micros, cost_micros, uncosted, foreign_cost
            FROM billing.usage_buckets WHERE sealed_by = $1 ORDER BY {BUCKET_ORDER}
            {ADD_TO_OPEN}
        )
        UPDATE billing.usage_buckets old SET merged_into = released.id
        FROM released
        WHERE old.sealed_by = $1 AND (old.account_id, old.day, old.operator_id, old.direction, old.currency, old.price_id)
            = (released.account_id, released.day, released.operator_id, released.direction, released.currency,
                released.price_id)"
    );
    diesel::sql_query(query).bind::<SqlUuid, _>(invoice.0).execute(connection).await?;
    // Corrections that it asked for wait for the next invoice again.
    diesel::sql_query("UPDATE billing.correction_deltas SET settled_by = NULL WHERE settled_by = $1")
        .bind::<SqlUuid, _>(invoice.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Locks what the invoice sealed, in a statement of its own: costs that are being filled in meanwhile are waited for,
/// and the next statement sees them.
async fn lock_sealed(connection: &mut AsyncPgConnection, invoice: InvoiceId) -> Result<(), Failure> {
    let query = format!("SELECT FROM billing.usage_buckets WHERE sealed_by = $1 ORDER BY {BUCKET_ORDER} FOR UPDATE");
    diesel::sql_query(query).bind::<SqlUuid, _>(invoice.0).execute(connection).await?;
    Ok(())
}

async fn waive(connection: &mut AsyncPgConnection, invoice: InvoiceId, action: &AdminAction) -> Result<(), Failure> {
    diesel::sql_query("UPDATE billing.usage_buckets SET waived_at = $2 WHERE sealed_by = $1")
        .bind::<SqlUuid, _>(invoice.0)
        .bind::<Timestamptz, _>(columns::instant(action.at))
        .execute(connection)
        .await?;
    Ok(())
}
