//! Reading accounts one by one and in pages.

use billing_domain::ports::{AccountHistory, AccountSummary, Page};
use billing_domain::{AccountId, Day, TenantId, Tier};
use diesel::sql_types::{BigInt, Date, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::columns::{self, Inconsistent, Table};
use crate::transaction::{Failure, Reach, Transaction};

use super::rows::{history, profile_order};

const TABLE: Table = Table("account_profiles");

pub(super) struct FindAccount(pub(super) AccountId);

impl Transaction for FindAccount {
    const NAME: &'static str = "find_account";
    const READ_ONLY: bool = true;
    type Output = Option<AccountHistory>;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        history(connection, self.0).await
    }
}

pub(super) struct ListAccounts<'a> {
    pub(super) tier: Option<&'a Tier>,
    pub(super) on: Day,
    pub(super) after: Option<Uuid>,
    pub(super) limit: u32,
}

#[derive(diesel::QueryableByName)]
struct SummaryRow {
    #[diesel(sql_type = SqlUuid)]
    account_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = Text)]
    tier: String,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = Nullable<Text>)]
    legal_name: Option<String>,
}

impl Transaction for ListAccounts<'_> {
    const NAME: &'static str = "list_accounts";
    const READ_ONLY: bool = true;
    type Output = Page<AccountSummary>;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        let order = profile_order("$2");
        let query = format!(
            "SELECT a.account_id, a.tenant_id, p.tier, p.currency, c.legal_name FROM billing.accounts a
            JOIN LATERAL (
                SELECT tier, currency FROM billing.account_profiles WHERE account_id = a.account_id
                ORDER BY {order} LIMIT 1) p ON true
            LEFT JOIN LATERAL (
                SELECT legal_name FROM billing.account_parties
                WHERE account_id = a.account_id AND effective_from <= $2
                ORDER BY effective_from DESC, position DESC LIMIT 1) c ON true
            WHERE ($1::text IS NULL OR p.tier = $1) AND ($3::uuid IS NULL OR a.account_id > $3)
            ORDER BY a.account_id LIMIT $4"
        );
        let rows: Vec<SummaryRow> = diesel::sql_query(query)
            .bind::<Nullable<Text>, _>(self.tier.map(Tier::as_str))
            .bind::<Date, _>(columns::date(self.on))
            .bind::<Nullable<SqlUuid>, _>(self.after)
            .bind::<BigInt, _>(i64::from(self.limit) + 1)
            .load(connection)
            .await?;
        let mut rows = rows.iter().map(summary).collect::<Result<Vec<_>, _>>()?;
        // One row more than asked for says that there is a next page.
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = if has_more { rows.last().map(|last| last.account.0) } else { None };
        Ok(Page { rows, next })
    }
}

fn summary(row: &SummaryRow) -> Result<AccountSummary, Inconsistent> {
    Ok(AccountSummary {
        account: AccountId(row.account_id),
        tenant: TenantId(row.tenant_id),
        tier: TABLE.tier(&row.tier)?,
        currency: TABLE.currency(&row.currency)?,
        legal_name: row.legal_name.clone(),
    })
}
