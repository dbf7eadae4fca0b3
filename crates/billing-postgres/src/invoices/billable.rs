//! What is to be billed: open usage, corrections and fees by account and currency, and drafts that were left.

use std::collections::{BTreeMap, BTreeSet};

use billing_domain::ports::Billable;
use billing_domain::{AccountId, InvoiceId, Month, TenantId};
use diesel::data_types::PgDate;
use diesel::sql_types::{BigInt, Bool, Date, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::columns::{self, Table};
use crate::transaction::{Failure, Transaction};

use super::basis::bears_fee;
use super::rows;

const TABLE: Table = Table("usage_buckets");

pub(super) struct ListBillable {
    pub(super) period: Month,
    pub(super) account: Option<AccountId>,
}

#[derive(diesel::QueryableByName)]
struct MonthRow {
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    account_id: Uuid,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = Date)]
    month: PgDate,
    #[diesel(sql_type = Bool)]
    is_open: bool,
    #[diesel(sql_type = BigInt)]
    uncosted: i64,
    #[diesel(sql_type = Bool)]
    is_named: bool,
}

#[derive(diesel::QueryableByName)]
struct UnratedRow {
    #[diesel(sql_type = SqlUuid)]
    account_id: Uuid,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl Transaction for ListBillable {
    const NAME: &'static str = "list_billable";
    const READ_ONLY: bool = true;
    type Output = Vec<Billable>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Vec<Billable>, Failure> {
        let (priced, fees) =
            ("p.cancelled_at IS NULL AND (p.monthly_fee_micros > 0 OR p.monthly_minimum_micros > 0)", bears_fee());
        let months: Vec<MonthRow> = diesel::sql_query(format!(
            "WITH usage AS (
                SELECT tenant_id, account_id, currency, date_trunc('month', day)::date AS month,
                    sum(uncosted)::bigint AS uncosted
                FROM billing.usage_buckets
                WHERE sealed_by IS NULL AND day < $1 AND ($2::uuid IS NULL OR account_id = $2)
                GROUP BY tenant_id, account_id, currency, date_trunc('month', day)::date
            ), corrected AS (
                SELECT tenant_id, account_id, currency, usage_month AS month, 0::bigint AS uncosted
                FROM billing.correction_deltas
                WHERE settled_by IS NULL AND usage_month < $1 AND ($2::uuid IS NULL OR account_id = $2)
            ), fees AS (
                -- A year back at most, and not for months before the account was known.
                SELECT a.tenant_id, a.account_id, p.currency, period.month, 0::bigint AS uncosted
                FROM (SELECT generate_series($1 - interval '12 months', $1 - interval '1 month', '1 month')::date
                    AS month) AS period
                JOIN billing.prices p ON {priced}
                JOIN billing.accounts a ON ($2::uuid IS NULL OR a.account_id = $2) AND {fees}
                WHERE period.month >= (SELECT date_trunc('month', min(effective_from))::date
                        FROM billing.account_profiles f WHERE f.account_id = a.account_id)
                    AND NOT EXISTS (SELECT FROM billing.invoices i WHERE i.account_id = a.account_id
                        AND i.currency = p.currency AND i.period_start = period.month
                        AND (i.status <> 'VOID' OR i.disposition = 'waive'))
            ), open AS (
                SELECT tenant_id, account_id, currency, month, sum(uncosted)::bigint AS uncosted
                FROM (TABLE usage UNION ALL TABLE corrected UNION ALL TABLE fees) AS due
                GROUP BY tenant_id, account_id, currency, month
            )
            SELECT tenant_id, account_id, currency, month, true AS is_open, uncosted,
                EXISTS (SELECT FROM billing.account_parties p WHERE p.account_id = open.account_id) AS is_named
            FROM open
            UNION ALL
            SELECT i.tenant_id, i.account_id, i.currency, i.period_start, false, 0, false
            FROM billing.invoices i
            WHERE i.status <> 'VOID'
                AND EXISTS (SELECT FROM open WHERE open.account_id = i.account_id AND open.currency = i.currency)
            ORDER BY account_id, currency, month",
        ))
        .bind::<Date, _>(rows::month(self.period.next()))
        .bind::<Nullable<SqlUuid>, _>(self.account.map(|account| account.0))
        .load(connection)
        .await?;
        collect(&months)
    }
}

fn collect(months: &[MonthRow]) -> Result<Vec<Billable>, Failure> {
    let mut found: BTreeMap<(Uuid, &str), Billable> = BTreeMap::new();
    for row in months {
        let currency = TABLE.currency(&row.currency)?;
        let billable = found.entry((row.account_id, &row.currency)).or_insert_with(|| Billable {
            tenant: TenantId(row.tenant_id),
            account: AccountId(row.account_id),
            currency,
            open: BTreeSet::new(),
            invoiced: BTreeSet::new(),
            uncosted: 0,
            is_named: false,
        });
        let month = TABLE.day("day", row.month)?.month();
        let months = if row.is_open { &mut billable.open } else { &mut billable.invoiced };
        months.insert(month);
        billable.is_named |= row.is_named;
        billable.uncosted += TABLE.count("uncosted", row.uncosted)?;
    }
    Ok(found.into_values().collect())
}

/// Accounts with usage that waits, whether or not anything of theirs is rated.
pub(super) struct CountUnrated {
    pub(super) period: Month,
    pub(super) account: Option<AccountId>,
}

impl Transaction for CountUnrated {
    const NAME: &'static str = "count_unrated_by_account";
    const READ_ONLY: bool = true;
    type Output = BTreeMap<AccountId, u64>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        let rows: Vec<UnratedRow> = diesel::sql_query(
            "SELECT account_id, count(*) AS count FROM billing.unrated_events
            WHERE charged_at < $1 AND ($2::uuid IS NULL OR account_id = $2) GROUP BY account_id",
        )
        .bind::<Timestamptz, _>(columns::instant(self.period.next().first_day().start()))
        .bind::<Nullable<SqlUuid>, _>(self.account.map(|account| account.0))
        .load(connection)
        .await?;
        let counted = rows.iter().map(|row| Ok((AccountId(row.account_id), TABLE.count("count", row.count)?)));
        counted.collect()
    }
}

pub(super) struct ListUnfinished {
    pub(super) period: Month,
    pub(super) account: Option<AccountId>,
}

impl Transaction for ListUnfinished {
    const NAME: &'static str = "list_unfinished";
    const READ_ONLY: bool = true;
    type Output = Vec<InvoiceId>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Vec<InvoiceId>, Failure> {
        #[derive(diesel::QueryableByName)]
        struct Id {
            #[diesel(sql_type = SqlUuid)]
            id: Uuid,
        }
        let ids: Vec<Id> = diesel::sql_query(
            "SELECT id FROM billing.invoices
            WHERE status = 'DRAFT' AND period_start <= $1 AND ($2::uuid IS NULL OR account_id = $2)
            ORDER BY period_start, account_id, currency",
        )
        .bind::<Date, _>(rows::month(self.period))
        .bind::<Nullable<SqlUuid>, _>(self.account.map(|account| account.0))
        .load(connection)
        .await?;
        Ok(ids.into_iter().map(|row| InvoiceId(row.id)).collect())
    }
}
