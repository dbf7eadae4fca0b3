//! What usage earns, summed from the buckets of every tenant: one statement for a page and for the sums of all pages.

use billing_domain::ports::MarginPage;
use billing_domain::usage::{
    MarginGrouping, MarginKey, MarginPlace, MarginQuestion, MarginRow, MarginSums, MarginTotal, UsagePart,
};
use billing_domain::{AccountId, Day};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Date, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::columns::{self, Inconsistent, Table};
use crate::transaction::{Failure, Reach, Transaction};

const TABLE: Table = Table("usage_buckets");

pub(crate) struct ReadMargins<'a> {
    pub(crate) question: &'a MarginQuestion,
    pub(crate) after: Option<&'a MarginPlace>,
    pub(crate) limit: u32,
}

impl Transaction for ReadMargins<'_> {
    const NAME: &'static str = "read_margins";
    const READ_ONLY: bool = true;
    type Output = MarginPage;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<MarginPage, Failure> {
        let server: ServerRow = diesel::sql_query("SELECT now() AS now").get_result(connection).await?;
        let Self { question, after, limit } = *self;
        let until = question.days.until().ok_or(Failure::Broken("a question of margins without an end"))?;
        let found: Vec<GroupRow> = diesel::sql_query(query(question.grouping))
            .bind::<Date, _>(columns::date(question.days.from()))
            .bind::<Date, _>(columns::date(until))
            .bind::<Nullable<Text>, _>(question.currency.as_ref().map(|currency| currency.code()))
            .bind::<Bool, _>(after.is_none())
            .bind::<Nullable<Text>, _>(after.and_then(|after| after.margin).map(|margin| margin.0.to_string()))
            .bind::<Nullable<Text>, _>(after.map(|after| after.currency.code()))
            .bind::<Nullable<Text>, _>(after.map(|after| after.key.as_str()))
            .bind::<BigInt, _>(i64::from(limit) + 1)
            .load(connection)
            .await?;
        let (mut rows, mut totals) = (Vec::new(), Vec::new());
        for row in &found {
            match &row.key {
                Some(key) => rows.push(row.group(question.grouping, key)?),
                None => totals.push(row.total()?),
            }
        }
        rows.sort_by_cached_key(MarginRow::place);
        totals.sort_by_key(|total| total.currency);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = if has_more { rows.last().map(MarginRow::place) } else { None };
        Ok(MarginPage { rows, next, totals, as_of: columns::timestamp(server.now) })
    }
}

/// `$1`, `$2` days, `$3` currency, `$4` from the beginning, `$5` to `$7` the place after which to go on, `$8` rows.
///
/// A bucket that was merged into another is history. One with a message without a cost, or with one in another currency,
/// goes to that part as a whole: how much of its segments and revenue that is, only its events know.
fn query(grouping: MarginGrouping) -> String {
    let (key, column, prices) = match grouping {
        MarginGrouping::Operator => ("b.operator_id", "b.operator_id", ""),
        MarginGrouping::Account => ("b.account_id::text", "b.account_id", ""),
        MarginGrouping::Tier => ("p.tier", "p.tier", "JOIN billing.prices p ON p.id = b.price_id"),
        MarginGrouping::Day => ("to_char(b.day, 'YYYY-MM-DD')", "b.day", ""),
    };
    let part = |name: &str, is_in: &str| {
        format!(
            "COALESCE(sum(b.messages) FILTER (WHERE {is_in}), 0) AS {name}_messages,
            COALESCE(sum(b.segments) FILTER (WHERE {is_in}), 0) AS {name}_segments,
            COALESCE(sum(b.amount_micros) FILTER (WHERE {is_in}), 0) AS {name}_revenue"
        )
    };
    let costed = "b.uncosted = 0 AND b.foreign_cost = 0";
    format!(
        "WITH sums AS MATERIALIZED (
            SELECT {key} COLLATE \"C\" AS key, b.currency COLLATE \"C\" AS currency, {}, {}, {},
                COALESCE(sum(b.cost_micros) FILTER (WHERE {costed}), 0) AS cost
            FROM billing.usage_buckets b {prices}
            WHERE b.merged_into IS NULL AND b.day >= $1 AND b.day < $2 AND ($3::text IS NULL OR b.currency = $3)
            GROUP BY {column}, b.currency
        ), ranked AS (
            SELECT *, CASE WHEN costed_messages > 0 THEN costed_revenue - cost END AS margin FROM sums
        )
        SELECT NULL::text AS key, currency::text, count(*) AS groups, {} FROM sums GROUP BY currency
        UNION ALL
        (SELECT key::text, currency::text, 1 AS groups, {} FROM ranked
        WHERE $4 OR CASE WHEN $5::text IS NULL THEN margin IS NULL AND (currency, key) > ($6::text, $7::text)
            ELSE margin IS NULL OR margin > $5::numeric OR (margin = $5::numeric AND (currency, key) > ($6, $7)) END
        ORDER BY margin, ranked.currency, ranked.key LIMIT $8)",
        part("costed", costed),
        part("uncosted", "b.uncosted > 0"),
        part("foreign", "b.uncosted = 0 AND b.foreign_cost > 0"),
        shown("sum"),
        shown(""),
    )
}

/// The columns of [`GroupRow`]'s sums, summed up or as they are.
fn shown(sum: &str) -> String {
    let parts = ["costed", "uncosted", "foreign"].map(|name| {
        format!(
            "{sum}({name}_messages)::bigint AS {name}_messages, {sum}({name}_segments)::bigint AS {name}_segments,
            {sum}({name}_revenue)::text AS {name}_revenue"
        )
    });
    format!("{}, {sum}(cost)::text AS cost", parts.join(", "))
}

#[derive(QueryableByName)]
struct ServerRow {
    #[diesel(sql_type = Timestamptz)]
    now: columns::Instant,
}

#[derive(QueryableByName)]
struct GroupRow {
    /// NULL: of all groups.
    #[diesel(sql_type = Nullable<Text>)]
    key: Option<String>,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = BigInt)]
    groups: i64,
    #[diesel(sql_type = BigInt)]
    costed_messages: i64,
    #[diesel(sql_type = BigInt)]
    costed_segments: i64,
    #[diesel(sql_type = Text)]
    costed_revenue: String,
    #[diesel(sql_type = BigInt)]
    uncosted_messages: i64,
    #[diesel(sql_type = BigInt)]
    uncosted_segments: i64,
    #[diesel(sql_type = Text)]
    uncosted_revenue: String,
    #[diesel(sql_type = BigInt)]
    foreign_messages: i64,
    #[diesel(sql_type = BigInt)]
    foreign_segments: i64,
    #[diesel(sql_type = Text)]
    foreign_revenue: String,
    #[diesel(sql_type = Text)]
    cost: String,
}

impl GroupRow {
    fn group(&self, grouping: MarginGrouping, key: &str) -> Result<MarginRow, Inconsistent> {
        let key = match grouping {
            MarginGrouping::Operator => MarginKey::Operator(TABLE.operator(key)?),
            MarginGrouping::Account => {
                MarginKey::Account(AccountId(Uuid::parse_str(key).map_err(|_| TABLE.bad("account_id"))?))
            }
            MarginGrouping::Tier => MarginKey::Tier(Table("prices").tier(key)?),
            MarginGrouping::Day => MarginKey::Day(Day::parse(key).map_err(|_| TABLE.bad("day"))?),
        };
        Ok(MarginRow { key, currency: TABLE.currency(&self.currency)?, sums: self.sums()? })
    }

    fn total(&self) -> Result<MarginTotal, Inconsistent> {
        let groups = TABLE.count("groups", self.groups)?;
        Ok(MarginTotal { currency: TABLE.currency(&self.currency)?, groups, sums: self.sums()? })
    }

    fn sums(&self) -> Result<MarginSums, Inconsistent> {
        let part = |messages, segments, revenue: &str| {
            Ok(UsagePart {
                messages: TABLE.count("messages", messages)?,
                segments: TABLE.count("segments", segments)?,
                revenue: TABLE.sum("amount_micros", revenue)?,
            })
        };
        Ok(MarginSums {
            costed: part(self.costed_messages, self.costed_segments, &self.costed_revenue)?,
            cost: TABLE.sum("cost_micros", &self.cost)?,
            uncosted: part(self.uncosted_messages, self.uncosted_segments, &self.uncosted_revenue)?,
            foreign: part(self.foreign_messages, self.foreign_segments, &self.foreign_revenue)?,
        })
    }
}
