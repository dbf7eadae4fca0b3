//! Accounts as billing knows them: their one tenant, and the tier and currency that held from which day.
//!
//! Profiles are learned from events that carry a tier. What an invoice prints of a customer is not kept here.

use std::collections::HashMap;

use crate::{AccountId, Currency, Day, TenantId, Tier};

/// Tier and main currency of an account from one day on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProfileVersion {
    /// The first day it holds. The earliest version also holds for the days before it.
    pub from: Day,
    /// The price tier.
    pub tier: Tier,
    /// The main currency: of events that name none.
    pub currency: Currency,
}

/// One account: its tenant, and its profile's versions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountRecord {
    /// For ever.
    pub tenant: TenantId,
    /// By first day, ascending, never empty.
    pub profile: Vec<ProfileVersion>,
}

impl AccountRecord {
    /// The version in force on a day: the last that began by then, else the earliest.
    #[must_use]
    pub fn profile_on(&self, day: Day) -> Option<&ProfileVersion> {
        let begun = self.profile.partition_point(|version| version.from <= day);
        self.profile.get(begun.saturating_sub(1))
    }
}

/// What an event says of its account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observation {
    /// Of whom.
    pub account: AccountId,
    /// The tenant that the event names.
    pub tenant: TenantId,
    /// The event's UTC day.
    pub day: Day,
    /// The tier that the event names.
    pub tier: Tier,
    /// The currency that the event names.
    pub currency: Currency,
}

/// Every known account at one version.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccountDirectory {
    version: i64,
    accounts: HashMap<AccountId, AccountRecord>,
}

impl AccountDirectory {
    /// The directory of one version; every account or profile learned gives the next.
    #[must_use]
    pub fn new(version: i64, accounts: HashMap<AccountId, AccountRecord>) -> Self {
        Self { version, accounts }
    }

    /// The version that the database gave it.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// What is known of an account.
    #[must_use]
    pub fn get(&self, account: AccountId) -> Option<&AccountRecord> {
        self.accounts.get(&account)
    }

    /// Whether the observation says something new: an account not seen before, or another tier than the one in force
    /// on its day. An account's tenant is never learned anew, nor its main currency, and a day's first tier stands.
    #[must_use]
    pub fn is_news(&self, seen: &Observation) -> bool {
        let Some(known) = self.accounts.get(&seen.account) else { return true };
        let Some(in_force) = known.profile_on(seen.day) else { return known.tenant == seen.tenant };
        known.tenant == seen.tenant && in_force.tier != seen.tier && in_force.from != seen.day
    }

    /// Takes in one observation, as the database will: the rule by which profiles are learned.
    pub fn learn(&mut self, seen: &Observation) {
        if !self.is_news(seen) {
            return;
        }
        let record = self
            .accounts
            .entry(seen.account)
            .or_insert_with(|| AccountRecord { tenant: seen.tenant, profile: Vec::new() });
        let currency = record.profile.first().map_or(seen.currency, |first| first.currency);
        let at = record.profile.partition_point(|version| version.from <= seen.day);
        record.profile.insert(at, ProfileVersion { from: seen.day, tier: seen.tier.clone(), currency });
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn seen(day: &str, tier: &str, currency: &str) -> Observation {
        Observation {
            account: AccountId(Uuid::from_u128(1)),
            tenant: TenantId(Uuid::from_u128(2)),
            day: Day::parse(day).unwrap(),
            tier: Tier::new(tier).unwrap(),
            currency: Currency::new(currency).unwrap(),
        }
    }

    #[test]
    fn profiles_are_learned_from_the_day_they_were_seen() {
        let mut directory = AccountDirectory::default();
        for (day, tier, currency, news) in [
            ("2026-10-05", "STARTER", "USD", true),
            ("2026-10-06", "STARTER", "USD", false),
            ("2026-10-02", "STARTER", "USD", false),
            ("2026-10-09", "GROWTH", "AFN", true),
            ("2026-10-09", "STARTER", "USD", false),
            ("2026-10-01", "GROWTH", "USD", true),
        ] {
            let seen = seen(day, tier, currency);
            assert_eq!(directory.is_news(&seen), news, "{day} {tier}");
            directory.learn(&seen);
        }
        let record = directory.get(AccountId(Uuid::from_u128(1))).unwrap();
        for (day, tier) in [
            ("2026-09-01", "GROWTH"),
            ("2026-10-01", "GROWTH"),
            ("2026-10-05", "STARTER"),
            ("2026-10-08", "STARTER"),
            ("2026-12-01", "GROWTH"),
        ] {
            let version = record.profile_on(Day::parse(day).unwrap()).unwrap();
            assert_eq!((version.tier.as_str(), version.currency.code()), (tier, "USD"), "{day}");
        }
    }

    #[test]
    fn an_account_has_one_tenant() {
        let mut directory = AccountDirectory::default();
        directory.learn(&seen("2026-10-05", "STARTER", "USD"));
        let other = Observation { tenant: TenantId(Uuid::from_u128(9)), ..seen("2026-10-07", "GROWTH", "USD") };
        assert!(!directory.is_news(&other));
        directory.learn(&other);
        assert_eq!(directory.get(other.account).unwrap().tenant, TenantId(Uuid::from_u128(2)));
    }
}
