//! Accounts as billing knows them: their one tenant, and the tier and currency that held from which day.
//!
//! Profiles are learned from events that carry a tier, until staff say what holds: from that day on their word stands,
//! and no event teaches anything. An event's own tier still wins for that event. What an invoice prints of a customer is
//! not kept here.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use crate::{AccountId, Currency, Day, TenantId, Tier};

/// Who says what an account's tier and currency are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProfileSource {
    /// An event that named another tier than the one known.
    Event,
    /// A member of staff.
    Staff,
}

/// Tier and main currency of an account from one day on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProfileVersion {
    /// The first day it holds. The earliest version also holds for the days before it.
    pub from: Day,
    /// The price tier.
    pub tier: Tier,
    /// The main currency: of events that name none.
    pub currency: Currency,
    /// On whose word.
    pub source: ProfileSource,
}

/// One account: its tenant, and its profile's versions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountRecord {
    /// For ever.
    pub tenant: TenantId,
    /// By first day, ascending, each day once, never empty.
    pub profile: Vec<ProfileVersion>,
}

impl AccountRecord {
    /// Of everything that was ever learned and said, by first day and, within a day, in the order in which it came. From
    /// the first day of staff's word on, only staff's word counts, and of one day the last.
    #[must_use]
    pub fn of(tenant: TenantId, versions: impl IntoIterator<Item = ProfileVersion>) -> Self {
        let mut profile: Vec<ProfileVersion> = Vec::new();
        for version in versions {
            match profile.last_mut() {
                Some(last) if last.source == ProfileSource::Staff && version.source == ProfileSource::Event => {}
                Some(last) if last.from == version.from => *last = version,
                _ => profile.push(version),
            }
        }
        Self { tenant, profile }
    }

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
    accounts: HashMap<AccountId, AccountRecord, FxBuildHasher>,
}

impl AccountDirectory {
    /// The directory of one version; every account or profile learned gives the next.
    #[must_use]
    pub fn new(version: i64, accounts: impl IntoIterator<Item = (AccountId, AccountRecord)>) -> Self {
        Self { version, accounts: accounts.into_iter().collect() }
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
    /// on its day. An account's tenant is never learned anew, nor its main currency; a day's first tier stands, and so
    /// does what staff have said.
    #[must_use]
    pub fn is_news(&self, seen: &Observation) -> bool {
        let Some(known) = self.accounts.get(&seen.account) else { return true };
        let Some(in_force) = known.profile_on(seen.day) else { return known.tenant == seen.tenant };
        let is_said = in_force.source == ProfileSource::Staff && in_force.from <= seen.day;
        known.tenant == seen.tenant && in_force.tier != seen.tier && in_force.from != seen.day && !is_said
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
        let (from, tier) = (seen.day, seen.tier.clone());
        record.profile.insert(at, ProfileVersion { from, tier, currency, source: ProfileSource::Event });
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

    fn version(from: &str, tier: &str, currency: &str, source: ProfileSource) -> ProfileVersion {
        let (tier, currency) = (Tier::new(tier).unwrap(), Currency::new(currency).unwrap());
        ProfileVersion { from: Day::parse(from).unwrap(), tier, currency, source }
    }

    #[test]
    fn what_staff_say_stands_from_its_day_on() {
        use ProfileSource::{Event, Staff};
        let record = AccountRecord::of(
            TenantId(Uuid::from_u128(2)),
            [
                version("2026-10-01", "STARTER", "USD", Event),
                version("2026-10-05", "GROWTH", "USD", Event),
                version("2026-10-10", "ODD", "USD", Event),
                version("2026-10-10", "TYPO", "AFN", Staff),
                version("2026-10-10", "CUSTOM", "AFN", Staff),
                version("2026-10-12", "GROWTH", "USD", Event),
                version("2026-10-20", "ENTERPRISE", "AFN", Staff),
            ],
        );
        for (day, tier, currency) in [
            ("2026-09-01", "STARTER", "USD"),
            ("2026-10-09", "GROWTH", "USD"),
            ("2026-10-10", "CUSTOM", "AFN"),
            ("2026-10-19", "CUSTOM", "AFN"),
            ("2026-10-20", "ENTERPRISE", "AFN"),
        ] {
            let found = record.profile_on(Day::parse(day).unwrap()).unwrap();
            assert_eq!((found.tier.as_str(), found.currency.code()), (tier, currency), "{day}");
        }
        let account = AccountId(Uuid::from_u128(1));
        let mut directory = AccountDirectory::new(1, [(account, record)]);
        for (day, tier, news) in [
            ("2026-10-09", "OTHER", true),
            ("2026-10-10", "OTHER", false),
            ("2026-10-15", "OTHER", false),
            ("2026-11-15", "STARTER", false),
        ] {
            let seen = seen(day, tier, "USD");
            assert_eq!(directory.is_news(&seen), news, "{day} {tier}");
            directory.learn(&seen);
        }
        assert_eq!(directory.get(account).unwrap().profile.len(), 5);
    }

    #[test]
    fn staff_know_an_account_before_its_first_event() {
        let account = AccountId(Uuid::from_u128(1));
        let said = version("2026-10-10", "CUSTOM", "AFN", ProfileSource::Staff);
        let record = AccountRecord::of(TenantId(Uuid::from_u128(2)), [said]);
        let mut directory = AccountDirectory::new(1, [(account, record)]);
        for (day, tier, news) in
            [("2026-10-03", "CUSTOM", false), ("2026-10-05", "GROWTH", true), ("2026-10-10", "GROWTH", false)]
        {
            let seen = seen(day, tier, "USD");
            assert_eq!(directory.is_news(&seen), news, "{day} {tier}");
            directory.learn(&seen);
        }
        let tiers: Vec<_> = directory.get(account).unwrap().profile.iter().map(|known| known.tier.as_str()).collect();
        assert_eq!(tiers, ["GROWTH", "CUSTOM"]);
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
