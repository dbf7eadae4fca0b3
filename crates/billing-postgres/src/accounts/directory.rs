//! The directory that completes usage, and what events teach it.

use billing_domain::usage::{AccountDirectory, AccountRecord, Observation};
use billing_domain::{AccountId, TenantId};
use diesel::sql_types::{Array, BigInt, Date, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::columns::{self, Inconsistent};
use crate::ledger::{Book, bump, hold_exclusive};
use crate::transaction::{Failure, Transaction};

use super::rows::{ProfileRow, profiles};

pub(super) struct ReadVersion;

impl Transaction for ReadVersion {
    const NAME: &'static str = "read_accounts_version";
    const READ_ONLY: bool = true;
    type Output = i64;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<i64, Failure> {
        version(connection).await
    }
}

pub(super) struct LoadDirectory;

impl Transaction for LoadDirectory {
    const NAME: &'static str = "load_accounts";
    const READ_ONLY: bool = true;
    type Output = AccountDirectory;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<AccountDirectory, Failure> {
        let version = version(connection).await?;
        let rows = profiles(connection, None).await?;
        Ok(AccountDirectory::new(version, records(&rows)?))
    }
}

async fn version(connection: &mut AsyncPgConnection) -> Result<i64, Failure> {
    #[derive(diesel::QueryableByName)]
    struct Version {
        #[diesel(sql_type = BigInt)]
        version: i64,
    }
    let row: Version = diesel::sql_query("SELECT version FROM billing.book_versions WHERE book = 'accounts'")
        .get_result(connection)
        .await?;
    Ok(row.version)
}

fn records(rows: &[ProfileRow]) -> Result<Vec<(AccountId, AccountRecord)>, Inconsistent> {
    let of_one = |rows: &[ProfileRow]| {
        let versions = rows.iter().map(ProfileRow::version).collect::<Result<Vec<_>, _>>()?;
        Ok((AccountId(rows[0].account_id), AccountRecord::of(TenantId(rows[0].tenant_id), versions)))
    };
    rows.chunk_by(|a, b| a.account_id == b.account_id).map(of_one).collect()
}

pub(super) struct Learn<'a>(pub(super) &'a [Observation]);

impl Transaction for Learn<'_> {
    const NAME: &'static str = "learn_accounts";
    type Output = ();

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<(), Failure> {
        hold_exclusive(connection, Book::Accounts).await?;
        let mut named: Vec<Uuid> = self.0.iter().map(|seen| seen.account.0).collect();
        named.sort_unstable();
        named.dedup();
        let known = profiles(connection, Some(named)).await?;
        let mut directory = AccountDirectory::new(0, records(&known)?);
        let mut news: Vec<&Observation> = Vec::new();
        for seen in self.0 {
            if directory.is_news(seen) {
                directory.learn(seen);
                news.push(seen);
            }
        }
        if news.is_empty() {
            return Ok(());
        }
        insert(connection, &news, &directory).await?;
        bump(connection, Book::Accounts).await?;
        Ok(())
    }
}

async fn insert(
    connection: &mut AsyncPgConnection,
    news: &[&Observation],
    learned: &AccountDirectory,
) -> Result<(), Failure> {
    let accounts = || news.iter().map(|seen| seen.account.0).collect::<Vec<_>>();
    let tenants = || news.iter().map(|seen| seen.tenant.0).collect::<Vec<_>>();
    diesel::sql_query(
        "INSERT INTO billing.accounts (account_id, tenant_id) SELECT DISTINCT * FROM unnest($1, $2)
        ON CONFLICT (account_id) DO NOTHING",
    )
    .bind::<Array<SqlUuid>, _>(accounts())
    .bind::<Array<SqlUuid>, _>(tenants())
    .execute(connection)
    .await?;
    // The main currency is the account's first, which the directory knows; the observation's may be another.
    let currency = |seen: &Observation| {
        let version = learned.get(seen.account).and_then(|record| record.profile_on(seen.day));
        version.map_or(seen.currency, |version| version.currency)
    };
    let currencies: Vec<_> = news.iter().map(|seen| currency(seen)).collect();
    diesel::sql_query(
        "INSERT INTO billing.account_profiles (account_id, tenant_id, effective_from, tier, currency)
        SELECT * FROM unnest($1, $2, $3, $4, $5)",
    )
    .bind::<Array<SqlUuid>, _>(accounts())
    .bind::<Array<SqlUuid>, _>(tenants())
    .bind::<Array<Date>, _>(news.iter().map(|seen| columns::date(seen.day)).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(news.iter().map(|seen| seen.tier.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(currencies.iter().map(|currency| currency.code()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
