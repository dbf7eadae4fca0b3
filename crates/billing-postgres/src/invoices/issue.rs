//! From draft to issued: number, hash, issue. Each step once, however often it is called.

use billing_domain::invoicing::{
    DocumentAdjustment, DocumentKind, DocumentLine, Invoice, InvoiceDocument, InvoiceNumber, InvoiceStatus,
    LanguageTag, Party, TaxLine, object_key,
};
use billing_domain::ports::{FinalizeOutcome, PinRequest};
use billing_domain::{Day, InvoiceId};
use diesel::data_types::PgDate;
use diesel::sql_types::{Array, BigInt, Binary, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::Timestamp;

use crate::accounts;
use crate::columns::{self, Table};
use crate::prepared::Prepare as _;
use crate::prices;
use crate::transaction::{Failure, Transaction};

use super::{contents, outbox, rows};

const TABLE: Table = Table("invoices");

pub(super) struct Pin<'a> {
    pub(super) invoice: InvoiceId,
    pub(super) request: &'a PinRequest,
}

impl Transaction for Pin<'_> {
    const NAME: &'static str = "pin_invoice";
    type Output = Option<InvoiceDocument>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        let Some(invoice) = rows::find(connection, self.invoice, true).await? else { return Ok(None) };
        if invoice.status != InvoiceStatus::Draft {
            return Ok(None);
        }
        // All that can be read before the number is: once it is taken, every other account waits for its own.
        let body = Body::read(connection, &invoice).await?;
        if invoice.pinned.is_none() {
            self.pin(connection, &invoice).await?;
        }
        let pinned = rows::find(connection, self.invoice, false).await?;
        let pinned = pinned.ok_or(Failure::Broken("an invoice that was just numbered is not there"))?;
        body.document(connection, pinned).await.map(Some)
    }
}

impl Pin<'_> {
    async fn pin(&self, connection: &mut AsyncPgConnection, invoice: &Invoice) -> Result<(), Failure> {
        let seller = &self.request.seller;
        let customer = accounts::party_on(connection, invoice.account, self.request.issue_date).await?;
        let (customer, locale) = customer.map(|found| (found.party, found.locale)).unzip();
        let number = next_number(connection, self.request.issue_date).await?;
        diesel::sql_query(
            "UPDATE billing.invoices SET number = $2, issue_date = $3, due_date = $4, seller_name = $5,
                seller_address = $6, seller_tax_id = $7, template = $8, s3_key = $9, customer_name = $10,
                customer_address = $11, customer_tax_id = $12, customer_locale = $13
            WHERE id = $1",
        )
        .bind::<SqlUuid, _>(self.invoice.0)
        .bind::<Text, _>(number.to_string())
        .bind::<Date, _>(columns::date(self.request.issue_date))
        .bind::<Date, _>(columns::date(self.request.due_date))
        .bind::<Text, _>(&seller.name)
        .bind::<Array<Text>, _>(&seller.address)
        .bind::<Nullable<Text>, _>(&seller.tax_id)
        .bind::<Text, _>(self.request.template)
        .bind::<Text, _>(object_key(invoice.account, invoice.period, invoice.id))
        .bind::<Nullable<Text>, _>(customer.as_ref().map(|party| &party.name))
        .bind::<Nullable<Array<Text>>, _>(customer.as_ref().map(|party| &party.address))
        .bind::<Nullable<Text>, _>(customer.as_ref().and_then(|party| party.tax_id.as_ref()))
        .bind::<Nullable<Text>, _>(locale.as_ref().map(LanguageTag::as_str))
        .prepared()
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Counts the year's series up. The row stays locked until the number is on its invoice, so no number is lost.
async fn next_number(connection: &mut AsyncPgConnection, issued: Day) -> Result<InvoiceNumber, Failure> {
    #[derive(diesel::QueryableByName)]
    struct Last {
        #[diesel(sql_type = BigInt)]
        last: i64,
    }
    let year = issued.month().year();
    let row: Last = diesel::sql_query(
        "INSERT INTO billing.number_series AS s (series, year, last) VALUES ($1, $2, 1)
        ON CONFLICT (series, year) DO UPDATE SET last = s.last + 1 RETURNING last",
    )
    .bind::<Text, _>(InvoiceNumber::SERIES)
    .bind::<Integer, _>(i32::from(year))
    .prepared()
    .get_result(connection)
    .await?;
    let sequence = u32::try_from(row.last).map_err(|_| Failure::Broken("an invoice number beyond 2^32"))?;
    Ok(InvoiceNumber::new(year, sequence))
}

#[derive(diesel::QueryableByName)]
struct PartiesRow {
    #[diesel(sql_type = Nullable<Text>)]
    seller_name: Option<String>,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    seller_address: Option<Vec<String>>,
    #[diesel(sql_type = Nullable<Text>)]
    seller_tax_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    customer_name: Option<String>,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    customer_address: Option<Vec<String>>,
    #[diesel(sql_type = Nullable<Text>)]
    customer_tax_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    customer_locale: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    replaces_number: Option<String>,
}

#[derive(diesel::QueryableByName)]
struct DailyRow {
    #[diesel(sql_type = Date)]
    day: PgDate,
    #[diesel(sql_type = BigInt)]
    messages: i64,
}

/// What an invoice's document shows.
pub(super) async fn document(connection: &mut AsyncPgConnection, invoice: Invoice) -> Result<InvoiceDocument, Failure> {
    Body::read(connection, &invoice).await?.document(connection, invoice).await
}

/// What a document shows that a draft has from the beginning.
struct Body {
    lines: Vec<DocumentLine>,
    adjustments: Vec<DocumentAdjustment>,
    taxes: Vec<TaxLine>,
    daily_messages: Vec<(Day, u64)>,
}

impl Body {
    async fn read(connection: &mut AsyncPgConnection, invoice: &Invoice) -> Result<Self, Failure> {
        // Without a range of days: planned for any range, it would read every bucket of the month by its day.
        let daily: Vec<DailyRow> = diesel::sql_query(
            "SELECT day, sum(messages)::bigint AS messages FROM billing.usage_buckets
            WHERE sealed_by = $1 GROUP BY day ORDER BY day",
        )
        .bind::<SqlUuid, _>(invoice.id.0)
        .prepared()
        .load(connection)
        .await?;
        let made_of = contents::read(connection, invoice).await?;
        let named = made_of.lines.iter().map(|line| line.price).chain(made_of.adjustments.iter().map(|a| a.price));
        let terms = prices::by_id(connection, &named.collect()).await?;
        let of = |price| terms.get(&price).ok_or(Failure::Broken("a line's price is not there"));
        let lines = made_of.lines.into_iter().map(|line| {
            let terms = of(line.price)?;
            Ok(DocumentLine { line, unit: terms.model.unit(), unit_price: terms.unit_price })
        });
        let adjustments = made_of.adjustments.into_iter().map(|adjustment| {
            let terms = of(adjustment.price)?;
            let (operator, direction, unit) = (terms.operator.clone(), terms.direction, terms.model.unit());
            Ok(DocumentAdjustment { adjustment, operator, direction, unit })
        });
        let daily = daily.iter().map(|row| Ok((TABLE.day("day", row.day)?, TABLE.count("messages", row.messages)?)));
        let daily: Vec<(Day, u64)> = daily.collect::<Result<_, Failure>>()?;
        Ok(Self {
            lines: lines.collect::<Result<_, Failure>>()?,
            adjustments: adjustments.collect::<Result<_, Failure>>()?,
            taxes: made_of.taxes,
            daily_messages: daily.into_iter().filter(|(day, _)| day.month() == invoice.period).collect(),
        })
    }

    /// With what was pinned since.
    async fn document(self, connection: &mut AsyncPgConnection, invoice: Invoice) -> Result<InvoiceDocument, Failure> {
        let parties: PartiesRow = diesel::sql_query(
            "SELECT i.seller_name, i.seller_address, i.seller_tax_id, i.customer_name, i.customer_address,
                i.customer_tax_id, i.customer_locale, old.number AS replaces_number
            FROM billing.invoices i LEFT JOIN billing.invoices old ON old.id = i.replaces WHERE i.id = $1",
        )
        .bind::<SqlUuid, _>(invoice.id.0)
        .prepared()
        .get_result(connection)
        .await?;
        let locale = parties.customer_locale.as_deref().map(LanguageTag::new).transpose();
        let party = |name: Option<String>, address: Option<Vec<String>>, tax_id| {
            name.map(|name| Party { name, address: address.unwrap_or_default(), tax_id })
        };
        let replaces = parties.replaces_number.as_deref().map(InvoiceNumber::parse).transpose();
        let Self { lines, adjustments, taxes, daily_messages } = self;
        Ok(InvoiceDocument {
            kind: DocumentKind::Invoice,
            pinned: invoice.pinned.ok_or_else(|| TABLE.bad("number"))?,
            seller: party(parties.seller_name, parties.seller_address, parties.seller_tax_id)
                .ok_or_else(|| TABLE.bad("seller_name"))?,
            customer: party(parties.customer_name, parties.customer_address, parties.customer_tax_id),
            replaces: replaces.map_err(|_| TABLE.bad("number"))?,
            locale: locale.map_err(|_| TABLE.bad("customer_locale"))?.unwrap_or_default(),
            lines,
            adjustments,
            taxes,
            daily_messages,
            invoice,
        })
    }
}

pub(super) struct RecordPdf {
    pub(super) invoice: InvoiceId,
    pub(super) sha256: [u8; 32],
}

impl Transaction for RecordPdf {
    const NAME: &'static str = "record_pdf";
    type Output = [u8; 32];

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<[u8; 32], Failure> {
        let recorded = diesel::sql_query(
            "UPDATE billing.invoices SET pdf_sha256 = $2 WHERE id = $1 AND status = 'DRAFT' AND pdf_sha256 IS NULL",
        )
        .bind::<SqlUuid, _>(self.invoice.0)
        .bind::<Binary, _>(self.sha256.to_vec())
        .prepared()
        .execute(connection)
        .await?;
        if recorded == 1 {
            return Ok(self.sha256);
        }
        let invoice = rows::find(connection, self.invoice, false).await?;
        // A draft that was voided meanwhile has no hash: any will do, for it is not going to be issued.
        Ok(invoice.and_then(|invoice| invoice.pdf_sha256).unwrap_or(self.sha256))
    }
}

pub(super) struct Finalize {
    pub(super) invoice: InvoiceId,
    pub(super) at: Timestamp,
}

impl Transaction for Finalize {
    const NAME: &'static str = "finalize_invoice";
    type Output = FinalizeOutcome;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<FinalizeOutcome, Failure> {
        let invoice = rows::find(connection, self.invoice, true).await?;
        let invoice = invoice.ok_or(Failure::Broken("an invoice to issue is not there"))?;
        match invoice.status {
            InvoiceStatus::Finalized => return Ok(FinalizeOutcome::Finalized),
            InvoiceStatus::Void => return Ok(FinalizeOutcome::Void),
            InvoiceStatus::Draft => {}
        }
        diesel::sql_query(
            "UPDATE billing.invoices SET status = 'FINALIZED', finalized_at = $2, parked_reason = NULL WHERE id = $1",
        )
        .bind::<SqlUuid, _>(self.invoice.0)
        .bind::<Timestamptz, _>(columns::instant(self.at))
        .prepared()
        .execute(connection)
        .await?;
        outbox::write(connection, &invoice, "generated", None, self.at).await?;
        Ok(FinalizeOutcome::Finalized)
    }
}
