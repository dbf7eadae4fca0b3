//! Decks of operator costs.

use std::collections::HashSet;

use billing_domain::ports::AdminAction;
use billing_domain::pricing::deck::{CostTerms, Deck, DeckPlan, Margins, NewVersion, StandingVersion, cost_margins};
use diesel::sql_types::{Array, BigInt, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::columns;
use crate::prices::change::overlap;
use crate::prices::rows::{COST_COLUMNS, CostRow, PRICE_COLUMNS, PriceRow};
use crate::transaction::Failure;

use super::{DeckTable, LineRow, line_numbers, sorted, versions};

impl DeckTable for CostTerms {
    const TABLE: &'static str = "operator_costs";
    const AMOUNT: &'static str = "cost_per_segment_micros";
    const NOUN: &'static str = "operator cost";
    const DEED: &'static str = "operator_cost";

    async fn standing(
        connection: &mut AsyncPgConnection,
        deck: &Deck<Self>,
    ) -> Result<Vec<StandingVersion<Self>>, Failure> {
        let operators: HashSet<_> = deck.lines.iter().map(|line| line.entry.key.operator.to_string()).collect();
        let rows: Vec<CostRow> = diesel::sql_query(format!(
            "SELECT {COST_COLUMNS} FROM billing.operator_costs
            WHERE cancelled_at IS NULL AND operator_id IN (SELECT unnest($1))"
        ))
        .bind::<Array<Text>, _>(operators.into_iter().collect::<Vec<_>>())
        .load(connection)
        .await?;
        rows.iter()
            .map(|row| {
                let cost = row.cost()?;
                let terms = CostTerms { key: cost.key, cost_per_segment: cost.cost_per_segment, days: cost.days };
                Ok(StandingVersion { id: cost.id.0, version: cost.version, is_superseded: row.is_superseded, terms })
            })
            .collect()
    }

    /// A cost that has been pinned on events is not taken back; a first one may begin in the past.
    async fn rated(connection: &mut AsyncPgConnection, made: &[NewVersion<Self>]) -> Result<Vec<u32>, Failure> {
        let changed: Vec<_> = made.iter().filter(|made| made.old.is_some()).cloned().collect();
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let terms = || changed.iter().map(|made| &made.terms);
        let rows: Vec<LineRow> = diesel::sql_query(
            "WITH line AS MATERIALIZED (
                SELECT * FROM unnest($1, $2, $3, $4) AS line (number, operator_id, direction, first_day)
            ), costed AS MATERIALIZED (
                SELECT operator_id, direction, max(day) AS day FROM billing.usage_buckets
                WHERE merged_into IS NULL AND day >= (SELECT min(first_day) FROM line) AND uncosted < messages
                GROUP BY operator_id, direction
            )
            SELECT number AS line FROM line JOIN costed USING (operator_id, direction) WHERE first_day <= day",
        )
        .bind::<Array<BigInt>, _>(line_numbers(&changed))
        .bind::<Array<Text>, _>(terms().map(|terms| terms.key.operator.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(terms().map(|terms| terms.key.direction.name()).collect::<Vec<_>>())
        .bind::<Array<Date>, _>(terms().map(|terms| columns::date(terms.days.from())).collect::<Vec<_>>())
        .load(connection)
        .await?;
        sorted(rows)
    }

    async fn margins(connection: &mut AsyncPgConnection, plan: &DeckPlan<Self>) -> Result<Margins, Failure> {
        let operators: HashSet<_> = plan.lines().map(|(_, terms)| terms.key.operator.to_string()).collect();
        let first_day = plan.lines().map(|(_, terms)| terms.days.from()).min();
        let rows: Vec<PriceRow> = diesel::sql_query(format!(
            "SELECT {PRICE_COLUMNS} FROM billing.prices
            WHERE cancelled_at IS NULL AND (upper_inf(days) OR upper(days) > $2)
                AND (operator_id = '*' OR operator_id IN (SELECT unnest($1)))"
        ))
        .bind::<Array<Text>, _>(operators.into_iter().collect::<Vec<_>>())
        .bind::<Nullable<Date>, _>(first_day.map(columns::date))
        .load(connection)
        .await?;
        let prices = rows.iter().map(|row| Ok(row.price()?.terms)).collect::<Result<Vec<_>, Failure>>()?;
        Ok(cost_margins(plan, &prices))
    }

    async fn insert(
        connection: &mut AsyncPgConnection,
        made: &[NewVersion<Self>],
        action: &AdminAction,
    ) -> Result<(), Failure> {
        let terms = || made.iter().map(|made| &made.terms);
        diesel::sql_query(
            "INSERT INTO billing.operator_costs (id, operator_id, direction, cost_per_segment_micros, currency, days,
                version, supersedes, created_by, created_at)
            SELECT id, operator_id, direction, cost_per_segment_micros, currency, daterange(first_day, until), version,
                supersedes, $9, $10
            FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $11)
                AS line (id, operator_id, direction, cost_per_segment_micros, currency, first_day, until, version,
                    supersedes)",
        )
        .bind::<Array<SqlUuid>, _>(made.iter().map(|made| made.id).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(terms().map(|terms| terms.key.operator.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(terms().map(|terms| terms.key.direction.name()).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(terms().map(|terms| terms.cost_per_segment.0).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(terms().map(|terms| terms.key.currency.code()).collect::<Vec<_>>())
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
