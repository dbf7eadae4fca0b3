//! Reading prices and costs one by one and in pages.

use std::collections::{BTreeMap, BTreeSet};

use billing_domain::ports::{CostFilter, Page, PriceFilter};
use billing_domain::pricing::PriceTerms;
use billing_domain::{CostId, OperatorCost, Price, PriceId};
use diesel::sql_types::{Array, BigInt, Date, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::columns;
use crate::prepared::Prepare as _;
use crate::transaction::{Failure, Reach, Transaction};

use super::rows::{COST_COLUMNS, CostRow, PRICE_COLUMNS, PriceRow};

pub(super) struct ListPrices<'a> {
    pub(super) filter: &'a PriceFilter,
    pub(super) after: Option<Uuid>,
    pub(super) limit: u32,
}

impl Transaction for ListPrices<'_> {
    const NAME: &'static str = "list_prices";
    const READ_ONLY: bool = true;
    type Output = Page<Price>;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Page<Price>, Failure> {
        let query = format!(
            "SELECT {PRICE_COLUMNS} FROM billing.prices
            WHERE ($1::text IS NULL OR tier = $1) AND ($2::text IS NULL OR operator_id = $2)
                AND ($3::uuid IS NULL OR account_id = $3)
                AND ($4::date IS NULL OR (days @> $4 AND cancelled_at IS NULL))
                AND ($5::uuid IS NULL OR id > $5)
            ORDER BY id LIMIT $6"
        );
        let rows: Vec<PriceRow> = diesel::sql_query(query)
            .bind::<Nullable<Text>, _>(self.filter.tier.as_ref().map(|tier| tier.as_str()))
            .bind::<Nullable<Text>, _>(self.filter.operator.as_ref().map(ToString::to_string))
            .bind::<Nullable<SqlUuid>, _>(self.filter.account.map(|account| account.0))
            .bind::<Nullable<Date>, _>(self.filter.active_on.map(columns::date))
            .bind::<Nullable<SqlUuid>, _>(self.after)
            .bind::<BigInt, _>(i64::from(self.limit) + 1)
            .load(connection)
            .await?;
        let prices = rows.iter().map(PriceRow::price).collect::<Result<Vec<_>, _>>()?;
        Ok(page(prices, self.limit, |price| price.id.0))
    }
}

/// What some prices say.
pub(crate) async fn by_id(
    connection: &mut AsyncPgConnection,
    ids: &BTreeSet<PriceId>,
) -> Result<BTreeMap<PriceId, PriceTerms>, Failure> {
    let rows: Vec<PriceRow> =
        diesel::sql_query(format!("SELECT {PRICE_COLUMNS} FROM billing.prices WHERE id = ANY($1)"))
            .bind::<Array<SqlUuid>, _>(ids.iter().map(|id| id.0).collect::<Vec<_>>())
            .prepared()
            .load(connection)
            .await?;
    rows.iter().map(|row| row.price().map(|price| (price.id, price.terms))).collect()
}

pub(super) struct ListCosts<'a> {
    pub(super) filter: &'a CostFilter,
    pub(super) after: Option<Uuid>,
    pub(super) limit: u32,
}

impl Transaction for ListCosts<'_> {
    const NAME: &'static str = "list_costs";
    const READ_ONLY: bool = true;
    type Output = Page<OperatorCost>;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Page<OperatorCost>, Failure> {
        let query = format!(
            "SELECT {COST_COLUMNS} FROM billing.operator_costs
            WHERE ($1::text IS NULL OR operator_id = $1) AND ($2::text IS NULL OR direction = $2)
                AND ($3::text IS NULL OR currency = $3)
                AND ($4::date IS NULL OR (days @> $4 AND cancelled_at IS NULL))
                AND ($5::uuid IS NULL OR id > $5)
            ORDER BY id LIMIT $6"
        );
        let rows: Vec<CostRow> = diesel::sql_query(query)
            .bind::<Nullable<Text>, _>(self.filter.operator.as_ref().map(|operator| operator.as_str()))
            .bind::<Nullable<Text>, _>(self.filter.direction.map(|direction| direction.name()))
            .bind::<Nullable<Text>, _>(self.filter.currency.as_ref().map(|currency| currency.code()))
            .bind::<Nullable<Date>, _>(self.filter.active_on.map(columns::date))
            .bind::<Nullable<SqlUuid>, _>(self.after)
            .bind::<BigInt, _>(i64::from(self.limit) + 1)
            .load(connection)
            .await?;
        let costs = rows.iter().map(CostRow::cost).collect::<Result<Vec<_>, _>>()?;
        Ok(page(costs, self.limit, |cost| cost.id.0))
    }
}

/// One row more than asked for says that there is a next page.
pub(super) fn page<T>(mut rows: Vec<T>, limit: u32, key: fn(&T) -> Uuid) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = if has_more { rows.last().map(key) } else { None };
    Page { rows, next }
}

pub(super) struct FindPrice(pub(super) PriceId);

impl Transaction for FindPrice {
    const NAME: &'static str = "find_price";
    const READ_ONLY: bool = true;
    type Output = Option<Price>;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Option<Price>, Failure> {
        let row = price_row(connection, self.0).await?;
        row.map(|row| row.price()).transpose()
    }
}

pub(super) struct FindCost(pub(super) CostId);

impl Transaction for FindCost {
    const NAME: &'static str = "find_cost";
    const READ_ONLY: bool = true;
    type Output = Option<OperatorCost>;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Option<OperatorCost>, Failure> {
        let row = cost_row(connection, self.0).await?;
        row.map(|row| row.cost()).transpose()
    }
}

pub(super) async fn price_row(connection: &mut AsyncPgConnection, id: PriceId) -> Result<Option<PriceRow>, Failure> {
    let rows: Vec<PriceRow> = diesel::sql_query(format!("SELECT {PRICE_COLUMNS} FROM billing.prices WHERE id = $1"))
        .bind::<SqlUuid, _>(id.0)
        .load(connection)
        .await?;
    Ok(rows.into_iter().next())
}

pub(super) async fn cost_row(connection: &mut AsyncPgConnection, id: CostId) -> Result<Option<CostRow>, Failure> {
    let query = format!("SELECT {COST_COLUMNS} FROM billing.operator_costs WHERE id = $1");
    let rows: Vec<CostRow> = diesel::sql_query(query).bind::<SqlUuid, _>(id.0).load(connection).await?;
    Ok(rows.into_iter().next())
}
