//! The price book and its version.

use std::future::ready;

use billing_domain::ports::BookStamp;
use billing_domain::pricing::{
    BookCost, BookPrice, ChargeOn, ChargeUnit, CostKey, OperatorMatch, PriceKey, PriceScope, PricingModel,
};
use billing_domain::{AccountId, CostId, Micros, PriceBook, PriceId};
use diesel::data_types::PgDate;
use diesel::sql_types::{BigInt, Binary, Bool, Date, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::TryStreamExt as _;
use uuid::Uuid;

use crate::columns::{Inconsistent, Table};
use crate::transaction::{Failure, Transaction};

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
        // Row by row: a large book is never there as rows and as prices at once.
        let prices = diesel::sql_query(PRICES)
            .bind::<Text, _>(PricingModel::FlatPerMessage.name())
            .load_stream::<PriceRow>(connection)
            .await?
            .map_err(Failure::from)
            .and_then(|row| ready(row.price().map_err(Failure::from)))
            .try_collect()
            .await?;
        let costs = diesel::sql_query(COSTS)
            .load_stream::<CostRow>(connection)
            .await?
            .map_err(Failure::from)
            .and_then(|row| ready(row.cost().map_err(Failure::from)))
            .try_collect()
            .await?;
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

/// What rating needs and no more. A tier that is not the scope is not sent.
const PRICES: &str = "SELECT id, account_id, CASE WHEN account_id IS NULL THEN tier END AS tier,
        nullif(operator_id, '*') AS operator_id, direction, currency, model = $1 AS per_message, charge_on,
        unit_price_micros, lower(days) AS first_day, upper(days) AS until
    FROM billing.prices WHERE cancelled_at IS NULL";

#[derive(diesel::QueryableByName)]
struct PriceRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    account_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    tier: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    operator_id: Option<String>,
    #[diesel(sql_type = Text)]
    direction: String,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = Bool)]
    per_message: bool,
    #[diesel(sql_type = Text)]
    charge_on: String,
    #[diesel(sql_type = BigInt)]
    unit_price_micros: i64,
    #[diesel(sql_type = Date)]
    first_day: PgDate,
    #[diesel(sql_type = Nullable<Date>)]
    until: Option<PgDate>,
}

impl PriceRow {
    fn price(&self) -> Result<BookPrice, Inconsistent> {
        const TABLE: Table = Table("prices");
        let scope = match (self.account_id, &self.tier) {
            (Some(account), _) => PriceScope::Account(AccountId(account)),
            (None, Some(tier)) => PriceScope::Tier(TABLE.tier(tier)?),
            (None, None) => return Err(TABLE.bad("tier")),
        };
        let operator = match &self.operator_id {
            None => OperatorMatch::Any,
            Some(operator) => OperatorMatch::One(TABLE.operator(operator)?),
        };
        let (direction, currency) = (TABLE.direction(&self.direction)?, TABLE.currency(&self.currency)?);
        Ok(BookPrice {
            key: PriceKey { scope, operator, direction, currency },
            id: PriceId(self.id),
            unit_price: Micros(self.unit_price_micros),
            days: TABLE.days("days", self.first_day, self.until)?,
            unit: if self.per_message { ChargeUnit::Message } else { ChargeUnit::Segment },
            charge_on: ChargeOn::from_name(&self.charge_on).ok_or(TABLE.bad("charge_on"))?,
        })
    }
}

const COSTS: &str = "SELECT id, operator_id, direction, currency, cost_per_segment_micros, lower(days) AS first_day,
        upper(days) AS until
    FROM billing.operator_costs WHERE cancelled_at IS NULL";

#[derive(diesel::QueryableByName)]
struct CostRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    operator_id: String,
    #[diesel(sql_type = Text)]
    direction: String,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = BigInt)]
    cost_per_segment_micros: i64,
    #[diesel(sql_type = Date)]
    first_day: PgDate,
    #[diesel(sql_type = Nullable<Date>)]
    until: Option<PgDate>,
}

impl CostRow {
    fn cost(&self) -> Result<BookCost, Inconsistent> {
        const TABLE: Table = Table("operator_costs");
        let key = CostKey {
            operator: TABLE.operator(&self.operator_id)?,
            direction: TABLE.direction(&self.direction)?,
            currency: TABLE.currency(&self.currency)?,
        };
        Ok(BookCost {
            key,
            id: CostId(self.id),
            cost_per_segment: Micros(self.cost_per_segment_micros),
            days: TABLE.days("days", self.first_day, self.until)?,
        })
    }
}
