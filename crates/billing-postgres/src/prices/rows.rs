//! Rows of prices and operator costs.

use billing_domain::pricing::{ChargeOn, CostKey, Discount, MonthlyTerms, OperatorMatch, PriceTerms};
use billing_domain::{AccountId, CostId, Micros, OperatorCost, Price, PriceId};
use diesel::QueryableByName;
use diesel::data_types::PgDate;
use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use crate::columns::{self, Table};
use crate::transaction::Failure;

use super::model::ModelColumns;

const TABLE: Table = Table("prices");

/// What every query of prices selects.
pub(crate) const PRICE_COLUMNS: &str = "id, tier, account_id, operator_id, direction, model, steps_above,
    steps_price_micros, package_size, package_price_micros, charge_on, unit_price_micros, free_units,
    discount_basis_points, monthly_minimum_micros, monthly_fee_micros, currency, lower(days) AS first_day, upper(days) AS until, version, created_by, created_at,
    cancelled_at,
    EXISTS (SELECT FROM billing.prices later WHERE later.supersedes = prices.id) AS is_superseded";

#[derive(QueryableByName)]
pub(crate) struct PriceRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    tier: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    account_id: Option<Uuid>,
    #[diesel(sql_type = Text)]
    operator_id: String,
    #[diesel(sql_type = Text)]
    direction: String,
    #[diesel(embed)]
    model: ModelColumns,
    #[diesel(sql_type = Text)]
    charge_on: String,
    #[diesel(sql_type = BigInt)]
    unit_price_micros: i64,
    #[diesel(sql_type = BigInt)]
    free_units: i64,
    #[diesel(sql_type = Integer)]
    discount_basis_points: i32,
    #[diesel(sql_type = BigInt)]
    monthly_minimum_micros: i64,
    #[diesel(sql_type = BigInt)]
    monthly_fee_micros: i64,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = Date)]
    first_day: PgDate,
    #[diesel(sql_type = Nullable<Date>)]
    until: Option<PgDate>,
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    created_by: String,
    #[diesel(sql_type = Timestamptz)]
    created_at: columns::Instant,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    cancelled_at: Option<columns::Instant>,
    #[diesel(sql_type = Bool)]
    pub(super) is_superseded: bool,
}

impl PriceRow {
    pub(crate) fn price(&self) -> Result<Price, Failure> {
        let operator = match self.operator_id.as_str() {
            "*" => OperatorMatch::Any,
            operator => OperatorMatch::One(TABLE.operator(operator)?),
        };
        let terms = PriceTerms {
            tier: TABLE.tier(&self.tier)?,
            account: self.account_id.map(AccountId),
            operator,
            direction: TABLE.direction(&self.direction)?,
            model: self.model.model(TABLE)?,
            charge_on: ChargeOn::from_name(&self.charge_on).ok_or(TABLE.bad("charge_on"))?,
            unit_price: Micros(self.unit_price_micros),
            monthly: self.monthly()?,
            currency: TABLE.currency(&self.currency)?,
            days: TABLE.days("days", self.first_day, self.until)?,
        };
        Ok(Price {
            id: PriceId(self.id),
            terms,
            version: u32::try_from(self.version).map_err(|_| TABLE.bad("version"))?,
            created_by: self.created_by.clone(),
            created_at: columns::timestamp(self.created_at),
            cancelled_at: self.cancelled_at.map(columns::timestamp),
        })
    }

    fn monthly(&self) -> Result<MonthlyTerms, Failure> {
        let points = u16::try_from(self.discount_basis_points).ok().map(Discount::from_basis_points);
        Ok(MonthlyTerms {
            free_units: TABLE.count("free_units", self.free_units)?,
            discount: points.and_then(Result::ok).ok_or(TABLE.bad("discount_basis_points"))?,
            minimum: Micros(self.monthly_minimum_micros),
            fee: Micros(self.monthly_fee_micros),
        })
    }
}

/// What every query of operator costs selects.
pub(super) const COST_COLUMNS: &str = "id, operator_id, direction, cost_per_segment_micros, currency,
    lower(days) AS first_day, upper(days) AS until, version, created_by, created_at,
    cancelled_at,
    EXISTS (SELECT FROM billing.operator_costs later WHERE later.supersedes = operator_costs.id) AS is_superseded";

#[derive(QueryableByName)]
pub(super) struct CostRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    operator_id: String,
    #[diesel(sql_type = Text)]
    direction: String,
    #[diesel(sql_type = BigInt)]
    cost_per_segment_micros: i64,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = Date)]
    first_day: PgDate,
    #[diesel(sql_type = Nullable<Date>)]
    until: Option<PgDate>,
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    created_by: String,
    #[diesel(sql_type = Timestamptz)]
    created_at: columns::Instant,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    cancelled_at: Option<columns::Instant>,
    #[diesel(sql_type = Bool)]
    pub(super) is_superseded: bool,
}

impl CostRow {
    pub(super) fn cost(&self) -> Result<OperatorCost, Failure> {
        const TABLE: Table = Table("operator_costs");
        let key = CostKey {
            operator: TABLE.operator(&self.operator_id)?,
            direction: TABLE.direction(&self.direction)?,
            currency: TABLE.currency(&self.currency)?,
        };
        Ok(OperatorCost {
            id: CostId(self.id),
            key,
            cost_per_segment: Micros(self.cost_per_segment_micros),
            days: TABLE.days("days", self.first_day, self.until)?,
            version: u32::try_from(self.version).map_err(|_| TABLE.bad("version"))?,
            created_by: self.created_by.clone(),
            created_at: columns::timestamp(self.created_at),
            cancelled_at: self.cancelled_at.map(columns::timestamp),
        })
    }
}
