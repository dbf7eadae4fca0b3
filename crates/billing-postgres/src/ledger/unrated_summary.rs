//! What waits, by key: for the sweep that rates it and for staff who look at it. Keys are found by leaping from one to the
//! next in their index, so the work grows with the keys and not with what waits under them.

use billing_domain::ports::{UnratedCount, UnratedFilter, UnratedGroup, UnratedKey, UnratedPage};
use billing_domain::usage::{UnratedReason, UnratedUsage};
use billing_domain::{AccountId, MessageId, TenantId};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use uuid::Uuid;

use crate::columns::{self, Table};
use crate::transaction::{Failure, Reach, Transaction};

use super::waiting::{WAITING_COLUMNS, WaitingRow, waiting};

const TABLE: Table = Table("unrated_events");
/// Keys begin with an account's id in hexadecimal, which sorts before this.
const AFTER_ALL_KEYS: &str = "g";

#[derive(QueryableByName)]
struct GroupRow {
    #[diesel(sql_type = Text)]
    place: String,
    #[diesel(sql_type = SqlUuid)]
    account_id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    tenant_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    tier: Option<String>,
    #[diesel(sql_type = Text)]
    operator_id: String,
    #[diesel(sql_type = Text)]
    direction: String,
    #[diesel(sql_type = Nullable<Text>)]
    currency: Option<String>,
    #[diesel(sql_type = Text)]
    reason: String,
    #[diesel(sql_type = Timestamptz)]
    oldest: columns::Instant,
    #[diesel(sql_type = Timestamptz)]
    newest: columns::Instant,
    #[diesel(sql_type = BigInt)]
    messages: i64,
}

/// The groups for the sweep, uncounted.
pub(super) struct ListGroups<'a> {
    pub(super) after: Option<&'a str>,
    pub(super) limit: u32,
}

impl Transaction for ListGroups<'_> {
    const NAME: &'static str = "list_waiting_groups";
    const READ_ONLY: bool = true;
    type Output = Vec<UnratedGroup>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        let from = self.after.unwrap_or_default();
        let rows = groups(connection, (from, AFTER_ALL_KEYS), None, i64::from(self.limit), false).await?;
        rows.iter().map(group).collect()
    }
}

/// The groups for staff, with their sizes.
pub(crate) struct SummariseUnrated<'a> {
    pub(crate) filter: &'a UnratedFilter,
    pub(crate) after: Option<&'a str>,
    pub(crate) limit: u32,
}

impl Transaction for SummariseUnrated<'_> {
    const NAME: &'static str = "summarise_unrated";
    const READ_ONLY: bool = true;
    type Output = UnratedPage;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<UnratedPage, Failure> {
        let UnratedFilter { account, operator } = self.filter;
        let operator = operator.as_ref().map(|operator| operator.as_str());
        // Words of a key are separated by blanks, after which comes '!'.
        let (first, last) = match (account, operator) {
            (None, _) => (String::new(), AFTER_ALL_KEYS.to_owned()),
            (Some(account), None) => (format!("{account} "), format!("{account}!")),
            (Some(account), Some(operator)) => (format!("{account} {operator} "), format!("{account} {operator}!")),
        };
        let from = self.after.map_or(first.as_str(), |after| after.max(&first));
        let rows = groups(connection, (from, &last), operator, i64::from(self.limit) + 1, true).await?;
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let next = if rows.len() > limit { rows.get(limit - 1).map(|row| row.place.clone()) } else { None };
        let count =
            |row: &GroupRow| Ok(UnratedCount { group: group(row)?, messages: TABLE.count("key", row.messages)? });
        Ok(UnratedPage { rows: rows.iter().take(limit).map(count).collect::<Result<_, Failure>>()?, next })
    }
}

/// Groups with keys between two texts, both exclusive.
async fn groups(
    connection: &mut AsyncPgConnection,
    (from, until): (&str, &str),
    operator: Option<&str>,
    limit: i64,
    is_counted: bool,
) -> Result<Vec<GroupRow>, diesel::result::Error> {
    // The counts look dearer than they are: compiling the query would take longer than running it.
    connection.batch_execute("SET LOCAL jit = off").await?;
    diesel::sql_query(
        "WITH RECURSIVE keys AS (
            (SELECT key FROM billing.unrated_events WHERE key > $1 AND key < $2 ORDER BY key LIMIT 1)
            UNION ALL
            SELECT (SELECT later.key FROM billing.unrated_events later
                WHERE later.key > keys.key AND later.key < $2 ORDER BY later.key LIMIT 1)
            FROM keys WHERE keys.key IS NOT NULL
        ), page AS (
            SELECT key FROM keys WHERE key IS NOT NULL AND ($3::text IS NULL OR split_part(key, ' ', 2) = $3) LIMIT $4
        )
        SELECT page.key AS place, first.*, last.charged_at AS newest,
            CASE WHEN $5 THEN (SELECT count(*) FROM (
                SELECT FROM billing.unrated_events counted WHERE counted.key = page.key LIMIT $6) AS upto)
            ELSE 0 END AS messages
        FROM page, LATERAL (
            SELECT account_id, tenant_id, tier, operator_id, direction, currency, reason, charged_at AS oldest
            FROM billing.unrated_events u WHERE u.key = page.key ORDER BY u.charged_at LIMIT 1) AS first, LATERAL (
            SELECT charged_at FROM billing.unrated_events u WHERE u.key = page.key ORDER BY u.charged_at DESC LIMIT 1) AS last
        ORDER BY page.key",
    )
    .bind::<Text, _>(from)
    .bind::<Text, _>(until)
    .bind::<Nullable<Text>, _>(operator)
    .bind::<BigInt, _>(limit)
    .bind::<Bool, _>(is_counted)
    .bind::<BigInt, _>(i64::try_from(UnratedCount::MAX).unwrap_or(i64::MAX))
    .load(connection)
    .await
}

fn group(row: &GroupRow) -> Result<UnratedGroup, Failure> {
    let key = UnratedKey {
        reason: reason(&row.reason)?,
        account: AccountId(row.account_id),
        tenant: row.tenant_id.map(TenantId),
        tier: row.tier.as_deref().map(|tier| TABLE.tier(tier)).transpose()?,
        operator: TABLE.operator(&row.operator_id)?,
        direction: TABLE.direction(&row.direction)?,
        currency: row.currency.as_deref().map(|currency| TABLE.currency(currency)).transpose()?,
    };
    let (oldest, newest) = (columns::timestamp(row.oldest), columns::timestamp(row.newest));
    Ok(UnratedGroup { key, oldest, newest, place: row.place.clone() })
}

pub(super) fn reason(name: &str) -> Result<UnratedReason, Failure> {
    [UnratedReason::NoPrice, UnratedReason::UnknownAccount]
        .into_iter()
        .find(|reason| reason.name() == name)
        .ok_or_else(|| TABLE.bad("reason").into())
}

/// One message, if it waits.
pub(crate) async fn find_waiting(
    connection: &mut AsyncPgConnection,
    message: MessageId,
) -> Result<Option<UnratedUsage>, Failure> {
    let rows: Vec<WaitingRow> =
        diesel::sql_query(format!("SELECT {WAITING_COLUMNS} FROM billing.unrated_events WHERE message_id = $1"))
            .bind::<SqlUuid, _>(message.0)
            .load(connection)
            .await?;
    rows.into_iter().next().map(|row| Ok(waiting(&row)?.usage)).transpose()
}
