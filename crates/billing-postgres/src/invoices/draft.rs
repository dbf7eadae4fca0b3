//! Sealing: an invoice takes open buckets, and is composed of exactly what it took.

use billing_domain::AccountId;
use billing_domain::invoicing::{InvoiceContents, compose, taxes, total};
use billing_domain::ports::{DraftOutcome, DraftRequest, Refusal};
use diesel::sql_types::{BigInt, Date, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::accounts;
use crate::buckets::BUCKET_ORDER;
use crate::columns;
use crate::ledger::{Book, hold_unchanged};
use crate::prepared::Prepare as _;
use crate::transaction::{Failure, Transaction};

use super::basis::{self, DUE_BUCKETS};
use super::{contents, rows};

pub(super) struct Preview<'a>(pub(super) &'a DraftRequest);

impl Transaction for Preview<'_> {
    const NAME: &'static str = "preview_invoice";
    const READ_ONLY: bool = true;
    type Output = InvoiceContents;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<InvoiceContents, Failure> {
        let mut made_of = compose(&basis::read(connection, self.0, true).await?)?;
        add_taxes(connection, self.0, &mut made_of).await?;
        Ok(made_of)
    }
}

pub(super) struct Draft<'a>(pub(super) &'a DraftRequest);

impl Transaction for Draft<'_> {
    const NAME: &'static str = "draft_invoice";
    type Output = DraftOutcome;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<DraftOutcome, Failure> {
        let request = self.0;
        if let Some(written) = rows::find(connection, request.id, false).await? {
            return Ok(DraftOutcome::Drafted(written.id));
        }
        // What was invoiced before must not grow while this is composed, nor prices be corrected.
        hold_account(connection, request.account).await?;
        hold_unchanged(connection, Book::Prices).await?;
        // The row first: of two runs one waits here for the other, and then finds the month taken.
        if insert(connection, request).await? == 0 {
            return Ok(DraftOutcome::Taken);
        }
        seal(connection, request).await?;
        let mut made_of = compose(&basis::read(connection, request, false).await?)?;
        if made_of.is_empty() {
            // Rolled back: the draft goes with the transaction that made it.
            return Err(Failure::Refused(Refusal::NotFound));
        }
        settle_corrections(connection, request).await?;
        add_taxes(connection, request, &mut made_of).await?;
        contents::write(connection, (request.id, request.tenant), &made_of).await?;
        sum_up(connection, request, &made_of).await?;
        Ok(DraftOutcome::Drafted(request.id))
    }
}

/// By the rates that are in force on the period's last day.
pub(super) async fn add_taxes(
    connection: &mut AsyncPgConnection,
    request: &DraftRequest,
    made_of: &mut InvoiceContents,
) -> Result<(), Failure> {
    let party = accounts::party_on(connection, request.account, request.month.last_day()).await?;
    let rates = party.map(|party| party.tax_rates).unwrap_or_default();
    made_of.taxes = taxes(made_of.subtotal(request.currency)?, &rates)?;
    Ok(())
}

/// One draft or void of an account at a time: what was invoiced before neither grows nor shrinks while it is composed.
pub(super) async fn hold_account(connection: &mut AsyncPgConnection, account: AccountId) -> Result<(), Failure> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))")
        .bind::<SqlUuid, _>(account.0)
        .prepared()
        .execute(connection)
        .await?;
    Ok(())
}

/// The void invoice of the month that nothing replaces yet, if there is one, is the one that this replaces.
async fn insert(connection: &mut AsyncPgConnection, request: &DraftRequest) -> Result<usize, Failure> {
    Ok(diesel::sql_query(
        "INSERT INTO billing.invoices (id, tenant_id, account_id, currency, period_start, status, subtotal_minor,
            total_messages, total_segments, drafted_at, replaces)
        VALUES ($1, $2, $3, $4, $5, 'DRAFT', 0, 0, 0, $6, (
            SELECT old.id FROM billing.invoices old
            WHERE old.account_id = $3 AND old.currency = $4 AND old.period_start = $5 AND old.status = 'VOID'
                AND old.disposition = 'rebill'
                AND NOT EXISTS (SELECT FROM billing.invoices later WHERE later.replaces = old.id)
            ORDER BY old.voided_at DESC LIMIT 1))
        ON CONFLICT (account_id, currency, period_start) WHERE status <> 'VOID' DO NOTHING",
    )
    .bind::<SqlUuid, _>(request.id.0)
    .bind::<SqlUuid, _>(request.tenant.0)
    .bind::<SqlUuid, _>(request.account.0)
    .bind::<Text, _>(request.currency.code())
    .bind::<Date, _>(rows::month(request.month))
    .bind::<Timestamptz, _>(columns::instant(request.at))
    .prepared()
    .execute(connection)
    .await?)
}

/// Seals what is due. Locked in the order in which ingest adds to it, sealed as it is then: an event that comes meanwhile
/// waits and opens a new bucket.
async fn seal(connection: &mut AsyncPgConnection, request: &DraftRequest) -> Result<(), Failure> {
    let query = format!(
        "WITH due AS (
            SELECT id FROM billing.usage_buckets WHERE {DUE_BUCKETS} ORDER BY {BUCKET_ORDER} FOR UPDATE
        )
        UPDATE billing.usage_buckets SET sealed_by = $5 WHERE id IN (SELECT id FROM due) AND sealed_by IS NULL"
    );
    basis::bind(query, request).bind::<SqlUuid, _>(request.id.0).prepared().execute(connection).await?;
    Ok(())
}

async fn settle_corrections(connection: &mut AsyncPgConnection, request: &DraftRequest) -> Result<(), Failure> {
    let query = "UPDATE billing.correction_deltas SET settled_by = $5
        WHERE account_id = $1 AND currency = $2 AND usage_month = ANY($3 || $4) AND settled_by IS NULL";
    basis::bind(query.to_owned(), request).bind::<SqlUuid, _>(request.id.0).prepared().execute(connection).await?;
    Ok(())
}

async fn sum_up(
    connection: &mut AsyncPgConnection,
    request: &DraftRequest,
    made_of: &InvoiceContents,
) -> Result<(), Failure> {
    let subtotal = made_of.subtotal(request.currency)?;
    let lines = &made_of.lines;
    diesel::sql_query(
        "UPDATE billing.invoices SET subtotal_minor = $2, total_minor = $3, total_messages = $4, total_segments = $5
        WHERE id = $1",
    )
    .bind::<SqlUuid, _>(request.id.0)
    .bind::<BigInt, _>(subtotal.minor)
    .bind::<BigInt, _>(total(subtotal, &made_of.taxes)?.minor)
    .bind::<BigInt, _>(contents::count(lines.iter().map(|line| line.messages).sum())?)
    .bind::<BigInt, _>(contents::count(lines.iter().map(|line| line.segments).sum())?)
    .prepared()
    .execute(connection)
    .await?;
    Ok(())
}
