//! The fake of `AccountAdmin`.

use billing_domain::ports::{
    AccountAdmin, AccountChange, AccountHistory, AccountOutcome, AccountRefusal, AccountSummary, AdminAction, Entered,
    Entry, Page, PortError,
};
use billing_domain::use_cases::next_versions;
use billing_domain::{AccountId, Day, Tier};
use uuid::Uuid;

use crate::memory::{Flaw, Memory};

impl AccountAdmin for Memory {
    async fn accounts(
        &self,
        tier: Option<&Tier>,
        on: Day,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Page<AccountSummary>, PortError> {
        let state = self.open("list_accounts")?;
        let mut rows: Vec<AccountSummary> = state
            .histories
            .values()
            .filter(|history| after.is_none_or(|after| history.account.0 > after))
            .filter_map(|history| summary(history, on))
            .filter(|summary| tier.is_none_or(|tier| *tier == summary.tier))
            .collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = if has_more { rows.last().map(|last| last.account.0) } else { None };
        Ok(Page { rows, next })
    }

    async fn account(&self, id: AccountId) -> Result<Option<AccountHistory>, PortError> {
        Ok(self.open("find_account")?.histories.get(&id).cloned())
    }

    async fn change_account(
        &self,
        change: &AccountChange,
        seen: Option<&AccountHistory>,
        action: &AdminAction,
    ) -> Result<AccountOutcome, PortError> {
        let mut state = self.open("change_account")?;
        let known = state.histories.get(&change.account);
        if seen.is_some() && seen != known && !state.has(Flaw::LosesUpdates) {
            return Ok(AccountOutcome::Refused(AccountRefusal::Changed));
        }
        let is_new = known.is_none();
        let blind = AccountChange { tenant: None, ..change.clone() };
        let change = if state.has(Flaw::TakesOtherTenants) && !is_new { &blind } else { change };
        let new = match next_versions(change, known) {
            Ok(new) => new,
            Err(refusal) => return Ok(AccountOutcome::Refused(refusal)),
        };
        let history = state.histories.entry(change.account).or_insert_with(|| AccountHistory {
            account: change.account,
            tenant: new.tenant,
            profile: Vec::new(),
            parties: Vec::new(),
        });
        let entry = Some(Entry { by: action.actor.clone(), at: action.at });
        let is_said = new.profile.is_some();
        if let Some(version) = new.profile {
            insert(&mut history.profile, Entered { version, entry: entry.clone() }, |version| version.from);
        }
        if let Some(version) = new.party {
            insert(&mut history.parties, Entered { version, entry }, |version| version.from);
        }
        let history = history.clone();
        state.directory_version += i64::from(is_said);
        Ok(AccountOutcome::Done { history, is_new })
    }
}

/// After those that begin on the same day.
pub(crate) fn insert<T>(versions: &mut Vec<Entered<T>>, new: Entered<T>, from: fn(&T) -> Day) {
    let at = versions.partition_point(|known| from(&known.version) <= from(&new.version));
    versions.insert(at, new);
}

fn summary(history: &AccountHistory, on: Day) -> Option<AccountSummary> {
    let record = history.record();
    let profile = record.profile_on(on)?;
    Some(AccountSummary {
        account: history.account,
        tenant: history.tenant,
        tier: profile.tier.clone(),
        currency: profile.currency,
        legal_name: history.party_on(on).map(|version| version.party.name.clone()),
    })
}
