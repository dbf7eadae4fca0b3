//! Decks of prices.

use std::collections::HashSet;

use billing_domain::ports::AdminAction;
use billing_domain::pricing::deck::{
    CostTerms, Deck, DeckEntry as _, DeckPlan, DeckPrice, Margins, NewVersion, StandingVersion, price_margins,
};
use billing_domain::pricing::{OperatorMatch, PriceTerms};
use diesel::sql_types::{Array, BigInt, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::columns;
use crate::prices::change::overlap;
use crate::prices::rows::{COST_COLUMNS, CostRow, PRICE_COLUMNS, PriceRow};
use crate::transaction::Failure;

use super::{DeckTable, LineRow, line_numbers, sorted, versions};

impl DeckTable for DeckPrice {
    const TABLE: &'static str = "prices";
    const AMOUNT: &'static str = "unit_price_micros";
    const NOUN: &'static str = "price";
    const DEED: &'static str = "price";

    /// For a price for any operator also those of the same tier or account for one: these it is not paid for.
    async fn standing(
        connection: &mut AsyncPgConnection,
        deck: &Deck<Self>,
    ) -> Result<Vec<StandingVersion<PriceTerms>>, Failure> {
        let keys: HashSet<_> = deck.lines.iter().map(|line| DeckPrice::key(&line.entry.terms(None))).collect();
        let mut columns: [Vec<String>; 4] = Default::default();
        for key in keys {
            let words =
                [scope(&key.scope), key.operator.to_string(), key.direction.name().into(), key.currency.to_string()];
            for (column, word) in columns.iter_mut().zip(words) {
                column.push(word);
            }
        }
        let [scopes, operators, directions, currencies] = columns;
        let rows: Vec<PriceRow> = diesel::sql_query(format!(
            "WITH key AS MATERIALIZED (
                SELECT * FROM unnest($1, $2, $3, $4) AS key (scope, operator_id, direction, currency)
            )
            SELECT {PRICE_COLUMNS} FROM billing.prices
            WHERE cancelled_at IS NULL AND ((scope, operator_id, direction, currency) IN (SELECT * FROM key)
                OR (scope, direction, currency) IN
                    (SELECT scope, direction, currency FROM key WHERE operator_id = '*'))"
        ))
        .bind::<Array<Text>, _>(scopes)
        .bind::<Array<Text>, _>(operators)
        .bind::<Array<Text>, _>(directions)
        .bind::<Array<Text>, _>(currencies)
        .load(connection)
        .await?;
        rows.iter()
            .map(|row| {
                let price = row.price()?;
                let (id, version, is_superseded) = (price.id.0, price.version, row.is_superseded);
                Ok(StandingVersion { id, version, is_superseded, terms: price.terms })
            })
            .collect()
    }

    /// The rule of single changes, of all lines at once: tiers by what each price rated on each day, accounts by their
    /// own buckets.
    async fn rated(connection: &mut AsyncPgConnection, made: &[NewVersion<PriceTerms>]) -> Result<Vec<u32>, Failure> {
        let (of_accounts, of_tiers): (Vec<_>, Vec<_>) =
            made.iter().cloned().partition(|made| made.terms.account.is_some());
        let mut rows = ask(connection, OF_TIERS, &of_tiers).await?;
        rows.append(&mut ask(connection, OF_ACCOUNTS, &of_accounts).await?);
        sorted(rows)
    }

    async fn margins(connection: &mut AsyncPgConnection, plan: &DeckPlan<Self>) -> Result<Margins, Failure> {
        let rows: Vec<CostRow> =
            diesel::sql_query(format!("SELECT {COST_COLUMNS} FROM billing.operator_costs WHERE cancelled_at IS NULL"))
                .load(connection)
                .await?;
        let terms = |row: &CostRow| {
            let cost = row.cost()?;
            Ok(CostTerms { key: cost.key, cost_per_segment: cost.cost_per_segment, days: cost.days })
        };
        let costs = rows.iter().map(terms).collect::<Result<Vec<_>, Failure>>()?;
        Ok(price_margins(plan, &costs))
    }

    async fn insert(
        connection: &mut AsyncPgConnection,
        made: &[NewVersion<PriceTerms>],
        action: &AdminAction,
    ) -> Result<(), Failure> {
        let terms = || made.iter().map(|made| &made.terms);
        diesel::sql_query(
            "INSERT INTO billing.prices (id, tier, account_id, operator_id, direction, model, charge_on,
                unit_price_micros, currency, days, version, supersedes, created_by, created_at)
            SELECT id, tier, account_id, operator_id, direction, model, charge_on, unit_price_micros, currency,
                daterange(first_day, until), version, supersedes, $13, $14
            FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $15)
                AS line (id, tier, account_id, operator_id, direction, model, charge_on, unit_price_micros, currency,
                    first_day, until, version, supersedes)",
        )
        .bind::<Array<SqlUuid>, _>(made.iter().map(|made| made.id).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(terms().map(|terms| terms.tier.as_str()).collect::<Vec<_>>())
        .bind::<Array<Nullable<SqlUuid>>, _>(terms().map(|terms| terms.account.map(|id| id.0)).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(terms().map(|terms| terms.operator.to_string()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(terms().map(|terms| terms.direction.name()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(terms().map(|terms| terms.model.name()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(terms().map(|terms| terms.charge_on.name()).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(terms().map(|terms| terms.unit_price.0).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(terms().map(|terms| terms.currency.code()).collect::<Vec<_>>())
        .bind::<Array<Date>, _>(terms().map(|terms| columns::date(terms.days.from())).collect::<Vec<_>>())
        .bind::<Array<Nullable<Date>>, _>(
            terms().map(|terms| terms.days.until().map(columns::date)).collect::<Vec<_>>(),
        )
        .bind::<Array<Integer>, _>(versions(made)?)
        .bind::<Text, _>(&action.actor)
        .bind::<Timestamptz, _>(columns::instant(action.at))
        .bind::<Array<Nullable<SqlUuid>>, _>(made.iter().map(|made| made.old.map(|old| old.id)).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(overlap)?;
        Ok(())
    }
}

/// As the generated column has it.
fn scope(scope: &billing_domain::pricing::PriceScope) -> String {
    match scope {
        billing_domain::pricing::PriceScope::Account(account) => format!("account:{account}"),
        billing_domain::pricing::PriceScope::Tier(tier) => format!("tier:{tier}"),
    }
}

const OF_TIERS: &str = "
    rated AS MATERIALIZED (
        SELECT DISTINCT p.tier, p.operator_id = '*' AS is_for_any, b.direction, b.currency, b.operator_id, b.day, p.id
        FROM billing.usage_buckets b JOIN billing.prices p ON p.id = b.price_id
        WHERE b.merged_into IS NULL AND b.day >= (SELECT min(first_day) FROM line) AND p.account_id IS NULL
    )
    SELECT number AS line FROM line WHERE EXISTS (
        SELECT FROM rated
        WHERE rated.tier = line.tier AND rated.direction = line.direction AND rated.currency = line.currency
            AND rated.day >= line.first_day AND (line.operator_id IS NULL OR rated.operator_id = line.operator_id)
            AND (rated.id = line.superseded OR ((line.until IS NULL OR rated.day < line.until)
                AND line.operator_id IS NOT NULL AND rated.is_for_any)))";

const OF_ACCOUNTS: &str = "
    rated AS MATERIALIZED (
        SELECT DISTINCT b.account_id, p.account_id IS NULL AS is_for_tier, p.operator_id = '*' AS is_for_any,
            b.direction, b.currency, b.operator_id, b.day, p.id
        FROM billing.usage_buckets b JOIN billing.prices p ON p.id = b.price_id
        WHERE b.merged_into IS NULL AND b.account_id IN (SELECT account_id FROM line)
            AND b.day >= (SELECT min(first_day) FROM line)
    )
    SELECT number AS line FROM line WHERE EXISTS (
        SELECT FROM rated
        WHERE rated.account_id = line.account_id AND rated.direction = line.direction
            AND rated.currency = line.currency
            AND rated.day >= line.first_day AND (line.operator_id IS NULL OR rated.operator_id = line.operator_id)
            AND (rated.id = line.superseded OR ((line.until IS NULL OR rated.day < line.until)
                AND (rated.is_for_tier, rated.is_for_any) > (false, line.operator_id IS NULL))))";

/// Which of these lines one of the statements finds.
async fn ask(
    connection: &mut AsyncPgConnection,
    statement: &str,
    made: &[NewVersion<PriceTerms>],
) -> Result<Vec<LineRow>, Failure> {
    if made.is_empty() {
        return Ok(Vec::new());
    }
    let terms = || made.iter().map(|made| &made.terms);
    let operator = |terms: &PriceTerms| match &terms.operator {
        OperatorMatch::Any => None,
        OperatorMatch::One(operator) => Some(operator.to_string()),
    };
    let rows = diesel::sql_query(format!(
        "WITH line AS MATERIALIZED (
            SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)
                AS line (number, tier, account_id, operator_id, direction, currency, first_day, until, superseded)
        ), {statement}"
    ))
    .bind::<Array<BigInt>, _>(line_numbers(made))
    .bind::<Array<Text>, _>(terms().map(|terms| terms.tier.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(terms().map(|terms| terms.account.map(|id| id.0)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(terms().map(operator).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(terms().map(|terms| terms.direction.name()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(terms().map(|terms| terms.currency.code()).collect::<Vec<_>>())
    .bind::<Array<Date>, _>(terms().map(|terms| columns::date(terms.days.from())).collect::<Vec<_>>())
    .bind::<Array<Nullable<Date>>, _>(terms().map(|terms| terms.days.until().map(columns::date)).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(made.iter().map(|made| made.old.map(|old| old.id)).collect::<Vec<_>>())
    .load(connection)
    .await?;
    Ok(rows)
}
