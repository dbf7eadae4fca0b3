//! Usage as it is asked for: from the replica when it is fresh, fenced twice by tenant.

use billing_domain::ports::{AccountProfile, AdminAction, MarginPage, PortError, UsageAnswer, UsageReader};
use billing_domain::usage::{Granularity, MarginPlace, MarginQuestion, UsageCell, UsageQuestion};
use billing_domain::{AccountId, TenantId};
use diesel::QueryableByName;
use diesel::sql_types::{Date, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::future::try_join3;
use uuid::Uuid;

use crate::Postgres;
use crate::accounts::profile_order;
use crate::audit::audit;
use crate::buckets::SumColumns;
use crate::columns::{self, Table};
use crate::margins::ReadMargins;
use crate::prepared::Prepare as _;
use crate::transaction::{Failure, Reach, Transaction, begin_reading};

const TABLE: Table = Table("usage_buckets");

impl UsageReader for Postgres {
    async fn usage(&self, question: &UsageQuestion) -> Result<UsageAnswer, PortError> {
        let (answer, complete) = self.read_dated(&ReadUsage(question)).await?;
        let as_of = complete.map_or(answer.as_of, |complete| complete.min(answer.as_of));
        Ok(UsageAnswer { as_of, ..answer })
    }

    async fn margins(
        &self,
        question: &MarginQuestion,
        after: Option<&MarginPlace>,
        limit: u32,
    ) -> Result<MarginPage, PortError> {
        let (page, complete) = self.read_dated(&ReadMargins { question, after, limit }).await?;
        let as_of = complete.map_or(page.as_of, |complete| complete.min(page.as_of));
        Ok(MarginPage { as_of, ..page })
    }

    async fn note_read(
        &self,
        account: Option<AccountId>,
        what: &'static str,
        action: &AdminAction,
    ) -> Result<(), PortError> {
        Ok(self.write(&NoteRead { account, what, action }).await?)
    }
}

struct ReadUsage<'a>(&'a UsageQuestion);

#[derive(diesel::QueryableByName)]
struct AccountRow {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    tenant_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    currency: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    now: columns::Instant,
}

#[derive(QueryableByName)]
struct CellRow {
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = Timestamptz)]
    start: columns::Instant,
    #[diesel(embed)]
    sums: SumColumns,
}

impl Transaction for ReadUsage<'_> {
    const NAME: &'static str = "read_usage";
    const READ_ONLY: bool = true;
    const BEGINS_ITSELF: bool = true;
    type Output = UsageAnswer;

    fn reach(&self) -> Option<Reach> {
        Some(self.0.tenant.into())
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<UsageAnswer, Failure> {
        // All in one flight and in this order: only of an account that is not there, usage is asked in vain.
        let connection = &*connection;
        let begun = begin_reading(connection, self.reach());
        let ((), row, cells) = try_join3(begun, account(connection, self.0), cells(connection, self.0)).await?;
        let account = match (row.tenant_id, &row.currency) {
            (Some(tenant), Some(currency)) => Some(AccountProfile {
                tenant: TenantId(tenant),
                currency: Table("account_profiles").currency(currency)?,
            }),
            _ => None,
        };
        let cells = if account.is_some() { cells } else { Vec::new() };
        Ok(UsageAnswer { account, cells, as_of: columns::timestamp(row.now) })
    }
}

/// The tenant and currency of the account, as this tenant may see it.
async fn account(connection: &AsyncPgConnection, question: &UsageQuestion) -> Result<AccountRow, Failure> {
    let order = profile_order("(now() AT TIME ZONE 'UTC')::date");
    let asked = diesel::sql_query(format!(
        "SELECT p.tenant_id, p.currency, now() AS now
        FROM (SELECT) AS one LEFT JOIN LATERAL (
            SELECT tenant_id, currency FROM billing.account_profiles
            WHERE account_id = $1 AND ($2::uuid IS NULL OR tenant_id = $2)
            ORDER BY {order} LIMIT 1) AS p ON true"
    ))
    .bind::<SqlUuid, _>(question.account.0)
    .bind::<Nullable<SqlUuid>, _>(question.tenant.map(|tenant| tenant.0))
    .prepared();
    Ok(asked.get_result(&mut &*connection).await?)
}

/// Days come from the buckets; hours from the events of the same buckets. A bucket that was merged into another after
/// a void is history and counts no more, but its events do.
async fn cells(connection: &AsyncPgConnection, question: &UsageQuestion) -> Result<Vec<UsageCell>, Failure> {
    let query = match question.granularity {
        Granularity::Day | Granularity::Month => {
            "SELECT currency, day::timestamp AT TIME ZONE 'UTC' AS start, sum(messages)::bigint AS messages,
                sum(segments)::bigint AS segments, sum(amount_micros)::text AS amount, sum(cost_micros)::text AS cost,
                sum(uncosted)::bigint AS uncosted, sum(foreign_cost)::bigint AS foreign_cost
            FROM billing.usage_buckets
            WHERE merged_into IS NULL AND account_id = $1 AND ($2::uuid IS NULL OR tenant_id = $2)
                AND day >= $3 AND day < $4 AND ($5::text IS NULL OR operator_id = $5)
            GROUP BY currency, day"
        }
        Granularity::Hour => {
            "SELECT e.currency, date_trunc('hour', e.charged_at, 'UTC') AS start, count(*) AS messages,
                sum(e.segments)::bigint AS segments, sum(e.amount_micros)::text AS amount,
                COALESCE(sum(e.cost_micros) FILTER (WHERE e.cost_currency = e.currency), 0)::text AS cost,
                count(*) FILTER (WHERE e.cost_id IS NULL) AS uncosted,
                count(*) FILTER (WHERE e.cost_currency <> e.currency) AS foreign_cost
            FROM billing.usage_buckets b JOIN billing.billing_events e ON e.bucket_id = b.id
            WHERE b.account_id = $1 AND ($2::uuid IS NULL OR b.tenant_id = $2)
                AND b.day >= $3 AND b.day < $4 AND ($5::text IS NULL OR b.operator_id = $5)
                AND e.charged_at >= $3::timestamp AT TIME ZONE 'UTC' AND e.charged_at < $4::timestamp AT TIME ZONE 'UTC'
            GROUP BY e.currency, date_trunc('hour', e.charged_at, 'UTC')"
        }
    };
    let until = question.days.until().ok_or(Failure::Broken("a usage question without an end"))?;
    let asked = diesel::sql_query(query)
        .bind::<SqlUuid, _>(question.account.0)
        .bind::<Nullable<SqlUuid>, _>(question.tenant.map(|tenant| tenant.0))
        .bind::<Date, _>(columns::date(question.days.from()))
        .bind::<Date, _>(columns::date(until))
        .bind::<Nullable<Text>, _>(question.operator.as_ref().map(|operator| operator.as_str()));
    let rows: Vec<CellRow> = match question.granularity {
        // Planned for its days each time: how many events there are depends on them.
        Granularity::Hour => asked.load(&mut &*connection).await?,
        Granularity::Day | Granularity::Month => asked.prepared().load(&mut &*connection).await?,
    };
    rows.iter().map(cell).collect()
}

fn cell(row: &CellRow) -> Result<UsageCell, Failure> {
    let currency = TABLE.currency(&row.currency)?;
    Ok(UsageCell { currency, start: columns::timestamp(row.start), sums: row.sums.sums()? })
}

struct NoteRead<'a> {
    account: Option<AccountId>,
    what: &'static str,
    action: &'a AdminAction,
}

impl Transaction for NoteRead<'_> {
    const NAME: &'static str = "note_read";
    type Output = ();

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<(), Failure> {
        let subject = self.account.map_or("every account".to_owned(), |account| format!("account {account}"));
        audit(connection, self.action, self.what, &subject, self.action.reason.as_deref()).await
    }
}
