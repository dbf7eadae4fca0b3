//! The price book and its version.

use billing_domain::PriceBook;
use billing_domain::ports::BookStamp;
use diesel::sql_types::{BigInt, Binary, Nullable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::transaction::{Failure, Transaction};

use super::rows::{COST_COLUMNS, CostRow, PRICE_COLUMNS, PriceRow};

#[derive(diesel::QueryableByName)]
struct StampRow {
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Nullable<Binary>)]
    snapshot_sha256: Option<Vec<u8>>,
}

async fn stamp(connection: &mut AsyncPgConnection) -> Result<BookStamp, Failure> {
    let row: StampRow =
        diesel::sql_query("SELECT version, snapshot_sha256 FROM billing.book_versions WHERE book = 'prices'")
            .get_result(connection)
            .await?;
    Ok(BookStamp { version: row.version, snapshot_sha256: row.snapshot_sha256.and_then(|bytes| bytes.try_into().ok()) })
}

pub(super) struct ReadStamp;

impl Transaction for ReadStamp {
    const NAME: &'static str = "read_book_version";
    const READ_ONLY: bool = true;
    type Output = BookStamp;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<BookStamp, Failure> {
        stamp(connection).await
    }
}

/// Read-only transactions see one snapshot: the version and the rows belong together.
pub(super) struct LoadBook;

impl Transaction for LoadBook {
    const NAME: &'static str = "load_price_book";
    const READ_ONLY: bool = true;
    type Output = PriceBook;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<PriceBook, Failure> {
        let stamp = stamp(connection).await?;
        let prices: Vec<PriceRow> =
            diesel::sql_query(format!("SELECT {PRICE_COLUMNS} FROM billing.prices WHERE cancelled_at IS NULL"))
                .load(connection)
                .await?;
        let costs: Vec<CostRow> =
            diesel::sql_query(format!("SELECT {COST_COLUMNS} FROM billing.operator_costs WHERE cancelled_at IS NULL"))
                .load(connection)
                .await?;
        let prices = prices.iter().map(PriceRow::price).collect::<Result<Vec<_>, _>>()?;
        let costs = costs.iter().map(CostRow::cost).collect::<Result<Vec<_>, _>>()?;
        PriceBook::build(stamp.version, prices, costs)
            .map_err(|_| Failure::Broken("stored prices of one key share a day"))
    }
}

pub(super) struct PinSnapshot {
    pub(super) version: i64,
    pub(super) sha256: [u8; 32],
}

impl Transaction for PinSnapshot {
    const NAME: &'static str = "pin_snapshot";
    type Output = ();

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<(), Failure> {
        diesel::sql_query(
            "UPDATE billing.book_versions SET snapshot_sha256 = $2
            WHERE book = 'prices' AND version = $1 AND snapshot_sha256 IS NULL",
        )
        .bind::<BigInt, _>(self.version)
        .bind::<Binary, _>(self.sha256.to_vec())
        .execute(connection)
        .await?;
        Ok(())
    }
}
