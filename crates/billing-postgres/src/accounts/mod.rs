//! Accounts: the directory that completes usage, what staff change of them, and what invoices say of a customer.

mod change;
mod directory;
mod list;
mod rows;

use billing_domain::ports::{
    AccountAdmin, AccountChange, AccountHistory, AccountOutcome, AccountSummary, Accounts, AdminAction, Page, PortError,
};
use billing_domain::usage::{AccountDirectory, Observation};
use billing_domain::{AccountId, Day, Tier};
use uuid::Uuid;

use crate::Postgres;

pub(crate) use rows::{party_on, profile_order};

impl Accounts for Postgres {
    async fn directory_version(&self) -> Result<i64, PortError> {
        Ok(self.write(&directory::ReadVersion).await?)
    }

    async fn directory(&self) -> Result<AccountDirectory, PortError> {
        Ok(self.write(&directory::LoadDirectory).await?)
    }

    async fn learn(&self, observations: &[Observation]) -> Result<(), PortError> {
        Ok(self.write(&directory::Learn(observations)).await?)
    }
}

impl AccountAdmin for Postgres {
    async fn accounts(
        &self,
        tier: Option<&Tier>,
        on: Day,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Page<AccountSummary>, PortError> {
        Ok(self.read(&list::ListAccounts { tier, on, after, limit }).await?)
    }

    async fn account(&self, id: AccountId) -> Result<Option<AccountHistory>, PortError> {
        Ok(self.write(&list::FindAccount(id)).await?)
    }

    async fn change_account(
        &self,
        change: &AccountChange,
        seen: Option<&AccountHistory>,
        action: &AdminAction,
    ) -> Result<AccountOutcome, PortError> {
        Ok(self.write(&change::ChangeAccount { change, seen, action }).await?)
    }
}
