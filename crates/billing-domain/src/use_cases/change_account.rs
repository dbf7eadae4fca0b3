//! What a change of an account comes to: the versions to be added to its history. Nothing that stands is changed.

use crate::TenantId;
use crate::invoicing::{Party, PartyVersion};
use crate::ports::{AccountChange, AccountField, AccountHistory, AccountRefusal};
use crate::usage::{ProfileSource, ProfileVersion};

/// Versions to be added.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewVersions {
    /// The account's tenant.
    pub tenant: TenantId,
    /// Tier and currency, unless they are staff's word already.
    pub profile: Option<ProfileVersion>,
    /// What invoices say, unless they say it already.
    pub party: Option<PartyVersion>,
}

/// What is to be added for a change to hold from its day on. Whatever it leaves out is as it is on that day. A tier or a
/// currency alone makes both of them staff's word.
///
/// # Errors
/// [`AccountRefusal`].
pub fn next_versions(change: &AccountChange, known: Option<&AccountHistory>) -> Result<NewVersions, AccountRefusal> {
    if let (Some(known), Some(named)) = (known, change.tenant)
        && known.tenant != named
    {
        return Err(AccountRefusal::OtherTenant);
    }
    let tenant = known.map(|known| known.tenant).or(change.tenant);
    let mut missing = Vec::new();
    let profile = profile(change, known, &mut missing);
    let party = party(change, known, &mut missing);
    match tenant {
        Some(tenant) if missing.is_empty() => Ok(NewVersions { tenant, profile, party }),
        Some(_) => Err(AccountRefusal::Incomplete(missing)),
        None => {
            missing.insert(0, AccountField::Tenant);
            Err(AccountRefusal::Incomplete(missing))
        }
    }
}

fn profile(
    change: &AccountChange,
    known: Option<&AccountHistory>,
    missing: &mut Vec<AccountField>,
) -> Option<ProfileVersion> {
    let in_force = known.and_then(|known| known.record().profile_on(change.from).cloned());
    if in_force.is_some() && change.tier.is_none() && change.currency.is_none() {
        return None;
    }
    let tier = change.tier.clone().or_else(|| in_force.as_ref().map(|version| version.tier.clone()));
    let currency = change.currency.or_else(|| in_force.as_ref().map(|version| version.currency));
    missing.extend(tier.is_none().then_some(AccountField::Tier));
    missing.extend(currency.is_none().then_some(AccountField::Currency));
    let said = ProfileVersion { from: change.from, tier: tier?, currency: currency?, source: ProfileSource::Staff };
    // The earliest version also holds for the days before it; said of such a day, it begins earlier.
    let is_said = in_force
        .is_some_and(|version| version.from <= said.from && ProfileVersion { from: said.from, ..version } == said);
    if is_said { None } else { Some(said) }
}

fn party(
    change: &AccountChange,
    known: Option<&AccountHistory>,
    missing: &mut Vec<AccountField>,
) -> Option<PartyVersion> {
    let in_force = known.and_then(|known| known.party_on(change.from));
    let says_nothing = change.legal_name.is_none()
        && change.address.is_none()
        && change.tax_id.is_none()
        && change.tax_rates.is_none()
        && change.locale.is_none();
    if says_nothing {
        return None;
    }
    let Some(name) = change.legal_name.clone().or_else(|| in_force.map(|version| version.party.name.clone())) else {
        missing.push(AccountField::LegalName);
        return None;
    };
    let before = in_force.cloned().unwrap_or_else(|| PartyVersion {
        from: change.from,
        party: Party { name: name.clone(), address: Vec::new(), tax_id: None },
        locale: crate::invoicing::LanguageTag::default(),
        tax_rates: Vec::new(),
    });
    let address = change.address.clone().unwrap_or(before.party.address);
    let tax_id = change.tax_id.clone().unwrap_or(before.party.tax_id);
    let said = PartyVersion {
        from: change.from,
        party: Party { name, address, tax_id },
        locale: change.locale.clone().unwrap_or(before.locale),
        tax_rates: change.tax_rates.clone().unwrap_or(before.tax_rates),
    };
    let is_said = in_force.is_some_and(|version| PartyVersion { from: said.from, ..version.clone() } == said);
    if is_said { None } else { Some(said) }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::invoicing::{LanguageTag, Percentage, TaxRate};
    use crate::ports::Entered;
    use crate::{AccountId, Currency, Day, Tier};

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn profile(from: &str, tier: &str, currency: &str, source: ProfileSource) -> ProfileVersion {
        let (tier, currency) = (Tier::new(tier).unwrap(), Currency::new(currency).unwrap());
        ProfileVersion { from: day(from), tier, currency, source }
    }

    fn party(from: &str, name: &str) -> PartyVersion {
        PartyVersion {
            from: day(from),
            party: Party { name: name.into(), address: vec!["Kabul".into()], tax_id: Some("9".into()) },
            locale: LanguageTag::new("fa").unwrap(),
            tax_rates: vec![TaxRate::new("VAT", Percentage::parse("10").unwrap()).unwrap()],
        }
    }

    /// Learned as STARTER USD from the 5th, said to be GROWTH AFN from the 20th; named from the 10th on.
    fn known() -> AccountHistory {
        use ProfileSource::{Event, Staff};
        AccountHistory {
            account: AccountId(Uuid::from_u128(1)),
            tenant: TenantId(Uuid::from_u128(2)),
            profile: [profile("2026-10-05", "STARTER", "USD", Event), profile("2026-10-20", "GROWTH", "AFN", Staff)]
                .map(|version| Entered { version, entry: None })
                .into(),
            parties: vec![Entered { version: party("2026-10-10", "Ghasi"), entry: None }],
        }
    }

    fn change(from: &str, set: impl FnOnce(&mut AccountChange)) -> AccountChange {
        let mut change = AccountChange::none(AccountId(Uuid::from_u128(1)), day(from));
        set(&mut change);
        change
    }

    #[test]
    fn tier_and_currency_become_staffs_word_together() {
        use ProfileSource::Staff;
        let tier = |tier: &str| Some(Tier::new(tier).unwrap());
        let afn = Currency::new("AFN").unwrap();
        for (change, expected) in [
            (change("2026-10-15", |_| {}), None),
            (change("2026-10-15", |c| c.tier = tier("CUSTOM")), Some(profile("2026-10-15", "CUSTOM", "USD", Staff))),
            (change("2026-10-15", |c| c.currency = Some(afn)), Some(profile("2026-10-15", "STARTER", "AFN", Staff))),
            // What was learned is not said yet.
            (change("2026-10-15", |c| c.tier = tier("STARTER")), Some(profile("2026-10-15", "STARTER", "USD", Staff))),
            (change("2026-10-01", |c| c.tier = tier("STARTER")), Some(profile("2026-10-01", "STARTER", "USD", Staff))),
            // What was said is not said again.
            (change("2026-10-20", |c| c.tier = tier("GROWTH")), None),
            (change("2026-12-01", |c| c.currency = Some(afn)), None),
            (change("2026-10-20", |c| c.tier = tier("CUSTOM")), Some(profile("2026-10-20", "CUSTOM", "AFN", Staff))),
            (change("2026-10-15", |c| c.locale = Some(LanguageTag::default())), None),
        ] {
            assert_eq!(next_versions(&change, Some(&known())).unwrap().profile, expected, "{change:?}");
        }
    }

    #[test]
    fn what_is_left_out_of_a_party_stays() {
        let base = |from: &str| party(from, "Ghasi");
        for (change, expected) in [
            (change("2026-10-15", |_| {}), None),
            (change("2026-10-15", |c| c.legal_name = Some("Ghasi".into())), None),
            (change("2026-10-15", |c| c.legal_name = Some("Neu".into())), Some(party("2026-10-15", "Neu"))),
            (change("2026-10-10", |c| c.legal_name = Some("Neu".into())), Some(party("2026-10-10", "Neu"))),
            (change("2026-10-15", |c| c.tax_rates = Some(Vec::new())), {
                Some(PartyVersion { tax_rates: Vec::new(), ..base("2026-10-15") })
            }),
            (change("2026-10-15", |c| c.tax_id = Some(None)), {
                let mut version = base("2026-10-15");
                version.party.tax_id = None;
                Some(version)
            }),
            (change("2026-10-15", |c| c.address = Some(Vec::new())), {
                let mut version = base("2026-10-15");
                version.party.address = Vec::new();
                Some(version)
            }),
            // Before the first version there is nothing to go by.
            (change("2026-10-09", |c| c.legal_name = Some("Alt".into())), {
                let party = Party { name: "Alt".into(), address: Vec::new(), tax_id: None };
                let (from, locale) = (day("2026-10-09"), LanguageTag::default());
                Some(PartyVersion { from, party, locale, tax_rates: Vec::new() })
            }),
        ] {
            assert_eq!(next_versions(&change, Some(&known())).unwrap().party, expected, "{change:?}");
        }
    }

    #[test]
    fn what_is_missing_or_contradicts_is_refused() {
        use AccountField::{Currency as CurrencyField, LegalName, Tenant, Tier as TierField};
        let stranger = change("2026-10-15", |c| c.tenant = Some(TenantId(Uuid::from_u128(3))));
        let unnamed = change("2026-10-01", |c| c.tax_id = Some(None));
        for (change, known, expected) in [
            (&stranger, Some(known()), AccountRefusal::OtherTenant),
            (&stranger, None, AccountRefusal::Incomplete(vec![TierField, CurrencyField])),
            (&unnamed, Some(known()), AccountRefusal::Incomplete(vec![LegalName])),
            (&unnamed, None, AccountRefusal::Incomplete(vec![Tenant, TierField, CurrencyField, LegalName])),
        ] {
            assert_eq!(next_versions(change, known.as_ref()), Err(expected), "{change:?}");
        }
        let own = change("2026-10-15", |c| c.tenant = Some(known().tenant));
        assert!(next_versions(&own, Some(&known())).is_ok());
    }
}
