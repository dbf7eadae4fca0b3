//! Rows of prices and operator costs.

use billing_domain::pricing::{ChargeOn, CostKey, OperatorMatch, PriceTerms, PricingModel};
use billing_domain::{AccountId, CostId, Micros, OperatorCost, Price, PriceId};
use diesel::data_types::PgDate;
use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use crate::columns::{self, Table};
use crate::transaction::Failure;

/// What every query of prices selects.
pub(super) const PRICE_COLUMNS: &str = "id, tier, account_id, operator_id, direction, model, charge_on,
    unit_price_micros, currency, lower(days) AS first_day, upper(days) AS until, version, created_by, created_at,
    cancelled_at,
    EXISTS (SELECT FROM billing.prices later WHERE later.supersedes = prices.id) AS is_superseded";

#[derive(diesel::QueryableByName)]
pub(super) struct PriceRow {
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
    #[diesel(sql_type = Text)]
    model: String,
    #[diesel(sql_type = Text)]
    charge_on: String,
    #[diesel(sql_type = BigInt)]
    unit_price_micros: i64,
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
    pub(super) fn price(&self) -> Result<Price, Failure> {
        const TABLE: Table = Table("prices");
        let operator = match self.operator_id.as_str() {
            "*" => OperatorMatch::Any,
            operator => OperatorMatch::One(TABLE.operator(operator)?),
        };
        let terms = PriceTerms {
            tier: TABLE.tier(&self.tier)?,
            account: self.account_id.map(AccountId),
            operator,
            direction: TABLE.direction(&self.direction)?,
            model: PricingModel::from_name(&self.model).ok_or(TABLE.bad("model"))?,
            charge_on: ChargeOn::from_name(&self.charge_on).ok_or(TABLE.bad("charge_on"))?,
            unit_price: Micros(self.unit_price_micros),
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
}

/// What every query of operator costs selects.
pub(super) const COST_COLUMNS: &str = "id, operator_id, direction, cost_per_segment_micros, currency,
    lower(days) AS first_day, upper(days) AS until, version, created_by, created_at,
    cancelled_at,
    EXISTS (SELECT FROM billing.operator_costs later WHERE later.supersedes = operator_costs.id) AS is_superseded";

#[derive(diesel::QueryableByName)]
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
