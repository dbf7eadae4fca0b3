//! What staff enter of an account: versions are added, none is changed.

use billing_domain::invoicing::PartyVersion;
use billing_domain::ports::{AccountChange, AccountHistory, AccountOutcome, AccountRefusal, AdminAction};
use billing_domain::usage::ProfileVersion;
use billing_domain::use_cases::{NewVersions, next_versions};
use diesel::sql_types::{Array, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::audit::audit;
use crate::columns;
use crate::ledger::{Book, bump, hold_exclusive};
use crate::transaction::{Failure, Reach, Transaction};

use super::rows::history;

pub(super) struct ChangeAccount<'a> {
    pub(super) change: &'a AccountChange,
    pub(super) seen: Option<&'a AccountHistory>,
    pub(super) action: &'a AdminAction,
}

impl Transaction for ChangeAccount<'_> {
    const NAME: &'static str = "change_account";
    type Output = AccountOutcome;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<AccountOutcome, Failure> {
        hold_exclusive(connection, Book::Accounts).await?;
        let known = history(connection, self.change.account).await?;
        if self.seen.is_some() && self.seen != known.as_ref() {
            return Ok(AccountOutcome::Refused(AccountRefusal::Changed));
        }
        let new = match next_versions(self.change, known.as_ref()) {
            Ok(new) => new,
            Err(refusal) => return Ok(AccountOutcome::Refused(refusal)),
        };
        let is_new = known.is_none();
        if let (Some(history), NewVersions { profile: None, party: None, .. }) = (known, &new) {
            return Ok(AccountOutcome::Done { history, is_new });
        }
        if is_new {
            self.insert_account(connection, &new).await?;
        }
        if let Some(version) = &new.profile {
            self.insert_profile(connection, &new, version).await?;
            bump(connection, Book::Accounts).await?;
        }
        if let Some(version) = &new.party {
            self.insert_party(connection, &new, version).await?;
        }
        let subject = format!("account {}", self.change.account);
        audit(connection, self.action, "account.change", &subject, Some(&detail(self.change, &new))).await?;
        let stored = history(connection, self.change.account).await?;
        let history = stored.ok_or(Failure::Broken("an account that was just written is not there"))?;
        Ok(AccountOutcome::Done { history, is_new })
    }
}

/// What was entered, without names and numbers of the customer.
fn detail(change: &AccountChange, new: &NewVersions) -> String {
    let profile = new.profile.as_ref().map(|version| format!("tier {}, currency {}", version.tier, version.currency));
    let party = new.party.as_ref().map(|_| "what invoices say of the customer".to_owned());
    let what: Vec<_> = profile.into_iter().chain(party).collect();
    format!("from {}: {}", change.from, what.join("; "))
}

impl ChangeAccount<'_> {
    async fn insert_account(&self, connection: &mut AsyncPgConnection, new: &NewVersions) -> Result<(), Failure> {
        diesel::sql_query("INSERT INTO billing.accounts (account_id, tenant_id) VALUES ($1, $2)")
            .bind::<SqlUuid, _>(self.change.account.0)
            .bind::<SqlUuid, _>(new.tenant.0)
            .execute(connection)
            .await?;
        Ok(())
    }

    async fn insert_profile(
        &self,
        connection: &mut AsyncPgConnection,
        new: &NewVersions,
        version: &ProfileVersion,
    ) -> Result<(), Failure> {
        diesel::sql_query(
            "INSERT INTO billing.account_profiles (account_id, tenant_id, effective_from, tier, currency, created_by,
                created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind::<SqlUuid, _>(self.change.account.0)
        .bind::<SqlUuid, _>(new.tenant.0)
        .bind::<Date, _>(columns::date(version.from))
        .bind::<Text, _>(version.tier.as_str())
        .bind::<Text, _>(version.currency.code())
        .bind::<Text, _>(&self.action.actor)
        .bind::<Timestamptz, _>(columns::instant(self.action.at))
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn insert_party(
        &self,
        connection: &mut AsyncPgConnection,
        new: &NewVersions,
        version: &PartyVersion,
    ) -> Result<(), Failure> {
        let rate = |parts: u32| i32::try_from(parts).map_err(|_| Failure::Broken("a tax rate beyond 2^31"));
        let names: Vec<_> = version.tax_rates.iter().map(|tax| tax.name()).collect();
        let rates = version.tax_rates.iter().map(|tax| rate(tax.rate().ten_thousandths()));
        diesel::sql_query(
            "INSERT INTO billing.account_parties (account_id, tenant_id, effective_from, legal_name, address, tax_id,
                locale, tax_names, tax_rates, created_by, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind::<SqlUuid, _>(self.change.account.0)
        .bind::<SqlUuid, _>(new.tenant.0)
        .bind::<Date, _>(columns::date(version.from))
        .bind::<Text, _>(&version.party.name)
        .bind::<Array<Text>, _>(&version.party.address)
        .bind::<Nullable<Text>, _>(&version.party.tax_id)
        .bind::<Text, _>(version.locale.as_str())
        .bind::<Array<Text>, _>(names)
        .bind::<Array<Integer>, _>(rates.collect::<Result<Vec<_>, _>>()?)
        .bind::<Text, _>(&self.action.actor)
        .bind::<Timestamptz, _>(columns::instant(self.action.at))
        .execute(connection)
        .await?;
        Ok(())
    }
}
