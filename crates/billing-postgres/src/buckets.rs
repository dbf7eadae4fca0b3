//! What every statement about buckets shares: their key, their sums, their order, and how sums are added to an open one.

use billing_domain::usage::{BucketKey, BucketSums};
use billing_domain::{AccountId, PriceId, TenantId};
use diesel::data_types::PgDate;
use diesel::sql_types::{BigInt, Date, Text, Uuid as SqlUuid};
use uuid::Uuid;

use crate::columns::{Inconsistent, Table};

const TABLE: Table = Table("usage_buckets");

/// The order in which every writer takes buckets: the domain's order of their keys, in SQL.
pub(crate) const BUCKET_ORDER: &str =
    "account_id, tenant_id, operator_id COLLATE \"C\", direction DESC, currency COLLATE \"C\", price_id, day";

/// The end of an `INSERT INTO billing.usage_buckets AS b`: the sums go to the open bucket of the key, or become it.
pub(crate) const ADD_TO_OPEN: &str = "ON CONFLICT (account_id, day, operator_id, direction, currency, price_id)
        WHERE sealed_by IS NULL
    DO UPDATE SET messages = b.messages + EXCLUDED.messages, segments = b.segments + EXCLUDED.segments,
        units = b.units + EXCLUDED.units,
        amount_micros = b.amount_micros + EXCLUDED.amount_micros, cost_micros = b.cost_micros + EXCLUDED.cost_micros,
        uncosted = b.uncosted + EXCLUDED.uncosted, foreign_cost = b.foreign_cost + EXCLUDED.foreign_cost
    RETURNING id, account_id, tenant_id, operator_id, direction, currency, price_id, day";

/// The columns of a bucket's key.
#[derive(diesel::QueryableByName)]
pub(crate) struct KeyColumns {
    #[diesel(sql_type = SqlUuid)]
    account_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = Text)]
    operator_id: String,
    #[diesel(sql_type = Text)]
    direction: String,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = SqlUuid)]
    price_id: Uuid,
    #[diesel(sql_type = Date)]
    day: PgDate,
}

impl KeyColumns {
    pub(crate) fn key(&self) -> Result<BucketKey, Inconsistent> {
        Ok(BucketKey {
            account: AccountId(self.account_id),
            tenant: TenantId(self.tenant_id),
            operator: TABLE.operator(&self.operator_id)?,
            direction: TABLE.direction(&self.direction)?,
            currency: TABLE.currency(&self.currency)?,
            price: PriceId(self.price_id),
            day: TABLE.day("day", self.day)?,
        })
    }
}

/// The columns of a bucket's sums but for the units, which only invoices ask for; amounts as text under the names
/// `amount` and `cost`.
#[derive(diesel::QueryableByName)]
pub(crate) struct SumColumns {
    #[diesel(sql_type = BigInt)]
    messages: i64,
    #[diesel(sql_type = BigInt)]
    segments: i64,
    #[diesel(sql_type = Text)]
    amount: String,
    #[diesel(sql_type = Text)]
    cost: String,
    #[diesel(sql_type = BigInt)]
    uncosted: i64,
    #[diesel(sql_type = BigInt)]
    foreign_cost: i64,
}

impl SumColumns {
    pub(crate) fn sums(&self) -> Result<BucketSums, Inconsistent> {
        Ok(BucketSums {
            messages: TABLE.count("messages", self.messages)?,
            segments: TABLE.count("segments", self.segments)?,
            units: 0,
            amount: TABLE.sum("amount_micros", &self.amount)?,
            cost: TABLE.sum("cost_micros", &self.cost)?,
            uncosted: TABLE.count("uncosted", self.uncosted)?,
            foreign_cost: TABLE.count("foreign_cost", self.foreign_cost)?,
        })
    }
}
