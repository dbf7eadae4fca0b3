//! Rows of corrections.

use std::collections::{BTreeSet, HashMap};

use billing_domain::ports::Page;
use billing_domain::pricing::Correction;
use billing_domain::{CorrectionId, InvoiceId, Micros, PriceId};
use diesel::QueryableByName;
use diesel::data_types::PgDate;
use diesel::sql_types::{Array, BigInt, Date, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::columns::{self, Table};
use crate::prepared::Prepare as _;
use crate::transaction::{Failure, Transaction};

use super::list::page;
use super::model::{MODEL_COLUMNS, ModelColumns};

const TABLE: Table = Table("price_corrections");

#[derive(QueryableByName)]
struct CorrectionRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    price_id: Uuid,
    #[diesel(sql_type = Date)]
    first_day: PgDate,
    #[diesel(sql_type = Nullable<Date>)]
    until: Option<PgDate>,
    #[diesel(sql_type = BigInt)]
    unit_price_micros: i64,
    #[diesel(embed)]
    model: ModelColumns,
    #[diesel(sql_type = Text)]
    reason: String,
    #[diesel(sql_type = Text)]
    created_by: String,
    #[diesel(sql_type = Timestamptz)]
    created_at: columns::Instant,
}

impl CorrectionRow {
    fn correction(&self) -> Result<Correction, Failure> {
        Ok(Correction {
            id: CorrectionId(self.id),
            price: PriceId(self.price_id),
            days: TABLE.days("days", self.first_day, self.until)?,
            unit_price: Micros(self.unit_price_micros),
            model: self.model.model(TABLE)?,
            reason: self.reason.clone(),
            created_by: self.created_by.clone(),
            created_at: columns::timestamp(self.created_at),
        })
    }
}

const COLUMNS: &str =
    "id, price_id, lower(days) AS first_day, upper(days) AS until, unit_price_micros, reason, created_by,
    created_at";

/// All corrections of some prices.
pub(crate) async fn corrections_of(
    connection: &mut AsyncPgConnection,
    prices: &BTreeSet<PriceId>,
) -> Result<HashMap<PriceId, Vec<Correction>>, Failure> {
    let query = format!("SELECT {COLUMNS}, {MODEL_COLUMNS} FROM billing.price_corrections WHERE price_id = ANY($1)");
    let rows: Vec<CorrectionRow> = diesel::sql_query(query)
        .bind::<Array<SqlUuid>, _>(prices.iter().map(|price| price.0).collect::<Vec<_>>())
        .prepared()
        .load(connection)
        .await?;
    by_price(&rows)
}

/// Those that had been made when an invoice was drafted.
pub(crate) async fn corrections_before(
    connection: &mut AsyncPgConnection,
    prices: &BTreeSet<PriceId>,
    invoice: InvoiceId,
) -> Result<HashMap<PriceId, Vec<Correction>>, Failure> {
    let query = format!(
        "SELECT {COLUMNS}, {MODEL_COLUMNS} FROM billing.price_corrections
        WHERE price_id = ANY($1) AND made_order < (SELECT drafted_order FROM billing.invoices i WHERE i.id = $2)"
    );
    let rows: Vec<CorrectionRow> = diesel::sql_query(query)
        .bind::<Array<SqlUuid>, _>(prices.iter().map(|price| price.0).collect::<Vec<_>>())
        .bind::<SqlUuid, _>(invoice.0)
        .load(connection)
        .await?;
    by_price(&rows)
}

fn by_price(rows: &[CorrectionRow]) -> Result<HashMap<PriceId, Vec<Correction>>, Failure> {
    let mut found: HashMap<PriceId, Vec<Correction>> = HashMap::new();
    for row in rows {
        let correction = row.correction()?;
        found.entry(correction.price).or_default().push(correction);
    }
    Ok(found)
}

/// One correction, if it was made.
pub(super) async fn find(connection: &mut AsyncPgConnection, id: CorrectionId) -> Result<Option<Correction>, Failure> {
    let query = format!("SELECT {COLUMNS}, {MODEL_COLUMNS} FROM billing.price_corrections WHERE id = $1");
    let rows: Vec<CorrectionRow> = diesel::sql_query(query).bind::<SqlUuid, _>(id.0).load(connection).await?;
    rows.as_slice().first().map(CorrectionRow::correction).transpose()
}

pub(super) async fn insert(connection: &mut AsyncPgConnection, correction: &Correction) -> Result<(), Failure> {
    let model = ModelColumns::of(&correction.model);
    diesel::sql_query(
        "INSERT INTO billing.price_corrections (id, price_id, days, unit_price_micros, model, steps_above,
            steps_price_micros, package_size, package_price_micros, reason, created_by, created_at)
        VALUES ($1, $2, daterange($3, $4), $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind::<SqlUuid, _>(correction.id.0)
    .bind::<SqlUuid, _>(correction.price.0)
    .bind::<Date, _>(columns::date(correction.days.from()))
    .bind::<Nullable<Date>, _>(correction.days.until().map(columns::date))
    .bind::<BigInt, _>(correction.unit_price.0)
    .bind::<Text, _>(&model.model)
    .bind::<Array<BigInt>, _>(&model.steps_above)
    .bind::<Array<BigInt>, _>(&model.steps_price_micros)
    .bind::<Nullable<BigInt>, _>(model.package_size)
    .bind::<Nullable<BigInt>, _>(model.package_price_micros)
    .bind::<Text, _>(&correction.reason)
    .bind::<Text, _>(&correction.created_by)
    .bind::<Timestamptz, _>(columns::instant(correction.created_at))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) struct ListCorrections {
    pub(super) price: Option<PriceId>,
    pub(super) after: Option<Uuid>,
    pub(super) limit: u32,
}

impl Transaction for ListCorrections {
    const NAME: &'static str = "list_corrections";
    const READ_ONLY: bool = true;
    type Output = Page<Correction>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Page<Correction>, Failure> {
        let query = format!(
            "SELECT {COLUMNS}, {MODEL_COLUMNS} FROM billing.price_corrections
            WHERE ($1::uuid IS NULL OR price_id = $1) AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3"
        );
        let rows: Vec<CorrectionRow> = diesel::sql_query(query)
            .bind::<Nullable<SqlUuid>, _>(self.price.map(|price| price.0))
            .bind::<Nullable<SqlUuid>, _>(self.after)
            .bind::<BigInt, _>(i64::from(self.limit) + 1)
            .load(connection)
            .await?;
        let corrections = rows.iter().map(CorrectionRow::correction).collect::<Result<Vec<_>, _>>()?;
        Ok(page(corrections, self.limit, |correction| correction.id.0))
    }
}
