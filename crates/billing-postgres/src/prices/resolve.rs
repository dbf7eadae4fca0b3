//! What stands for a question about a price: the handful of prices and costs that can answer it. Which of them does is
//! decided by `billing-domain`.

use billing_domain::ports::{PriceAsked, PricesFound};
use billing_domain::pricing::{PriceEnquiry, PriceScope, Rule};
use billing_domain::{AccountId, Currency, Day, OperatorCost, Price, Tier};
use diesel::OptionalExtension;
use diesel::sql_types::{Array, Date, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::accounts::profile_order;
use crate::columns::{self, Table};
use crate::transaction::{Failure, Reach, Transaction};

use super::rows::{COST_COLUMNS, CostRow, PRICE_COLUMNS, PriceRow};

pub(super) struct FindPrices<'a>(pub(super) &'a PriceAsked);

impl Transaction for FindPrices<'_> {
    const NAME: &'static str = "find_prices";
    const READ_ONLY: bool = true;
    type Output = Option<PricesFound>;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Option<PricesFound>, Failure> {
        let Some(enquiry) = complete(connection, self.0).await? else { return Ok(None) };
        let prices = standing(connection, &enquiry).await?;
        let costs = costs(connection, &enquiry).await?;
        Ok(Some(PricesFound { enquiry, prices, costs }))
    }
}

/// Adds what the account's profile says of that day; `None` when it should say something and is not known.
pub(super) async fn complete(
    connection: &mut AsyncPgConnection,
    asked: &PriceAsked,
) -> Result<Option<PriceEnquiry>, Failure> {
    let profile = match (asked.account, &asked.tier, asked.currency) {
        (_, Some(_), Some(_)) | (None, ..) => None,
        (Some(account), ..) => profile(connection, account, asked.day).await?,
    };
    let (tier, currency) = profile.unzip();
    let (Some(tier), Some(currency)) = (asked.tier.clone().or(tier), asked.currency.or(currency)) else {
        return Ok(None);
    };
    let PriceAsked { account, operator, direction, day, .. } = asked.clone();
    Ok(Some(PriceEnquiry { account, tier, operator, direction, currency, day }))
}

async fn profile(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    day: Day,
) -> Result<Option<(Tier, Currency)>, Failure> {
    const TABLE: Table = Table("account_profiles");
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        tier: String,
        #[diesel(sql_type = Text)]
        currency: String,
    }
    let order = profile_order("$2");
    let row: Option<Row> = diesel::sql_query(format!(
        "SELECT tier, currency FROM billing.account_profiles WHERE account_id = $1 ORDER BY {order} LIMIT 1"
    ))
    .bind::<SqlUuid, _>(account.0)
    .bind::<Date, _>(columns::date(day))
    .get_result(connection)
    .await
    .optional()?;
    row.map(|row| Ok((TABLE.tier(&row.tier)?, TABLE.currency(&row.currency)?))).transpose()
}

/// The prices that stand for the four keys of an enquiry on its day, each found by the index that keeps periods apart.
pub(super) async fn standing(
    connection: &mut AsyncPgConnection,
    enquiry: &PriceEnquiry,
) -> Result<Vec<Price>, Failure> {
    let keys: Vec<_> = Rule::ALL.into_iter().filter_map(|rule| enquiry.key(rule)).collect();
    let scope = |scope: &PriceScope| match scope {
        PriceScope::Account(account) => format!("account:{account}"),
        PriceScope::Tier(tier) => format!("tier:{tier}"),
    };
    let rows: Vec<PriceRow> = diesel::sql_query(format!(
        "SELECT {PRICE_COLUMNS} FROM unnest($1, $2) AS asked (asked_scope, asked_operator)
        JOIN billing.prices ON scope = asked_scope AND operator_id = asked_operator
        WHERE cancelled_at IS NULL AND direction = $3 AND currency = $4 AND days @> $5"
    ))
    .bind::<Array<Text>, _>(keys.iter().map(|key| scope(&key.scope)).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(keys.iter().map(|key| key.operator.to_string()).collect::<Vec<_>>())
    .bind::<Text, _>(enquiry.direction.name())
    .bind::<Text, _>(enquiry.currency.code())
    .bind::<Date, _>(columns::date(enquiry.day))
    .load(connection)
    .await?;
    rows.iter().map(PriceRow::price).collect()
}

async fn costs(connection: &mut AsyncPgConnection, enquiry: &PriceEnquiry) -> Result<Vec<OperatorCost>, Failure> {
    let rows: Vec<CostRow> = diesel::sql_query(format!(
        "SELECT {COST_COLUMNS} FROM billing.operator_costs
        WHERE cancelled_at IS NULL AND operator_id = $1 AND direction = $2 AND days @> $3"
    ))
    .bind::<Text, _>(enquiry.operator.as_str())
    .bind::<Text, _>(enquiry.direction.name())
    .bind::<Date, _>(columns::date(enquiry.day))
    .load(connection)
    .await?;
    rows.iter().map(CostRow::cost).collect()
}
