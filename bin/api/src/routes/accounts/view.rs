//! An account as JSON.

use billing_domain::Day;
use billing_domain::invoicing::{LanguageTag, PartyVersion, TaxRate};
use billing_domain::ports::{AccountHistory, AccountSummary, Entered};
use billing_domain::usage::{ProfileSource, ProfileVersion};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Versions of a kind that are shown.
const SHOWN_MAX: usize = 100;

/// An account as it is today, and its history.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountView {
    /// Who is billed.
    pub(super) account_id: Uuid,
    /// Its tenant, for ever.
    pub(super) tenant_id: Uuid,
    /// The tier whose prices it pays today.
    #[schema(example = "GROWTH")]
    pub(super) account_tier: String,
    /// Main currency, ISO 4217.
    #[schema(example = "USD")]
    pub(super) currency: String,
    /// On whose word it has this tier and currency: `EVENT` (learned) or `STAFF`.
    #[schema(example = "STAFF", pattern = "^(EVENT|STAFF)$")]
    pub(super) profile_source: String,
    /// As invoices print it; null: nobody has entered a name, and invoices print the account's id.
    #[schema(required = true)]
    pub(super) legal_name: Option<String>,
    /// Lines.
    pub(super) address: Vec<String>,
    /// Null: none.
    #[schema(required = true)]
    pub(super) tax_id: Option<String>,
    /// Each on the subtotal.
    pub(super) tax_rates: Vec<TaxRateView>,
    /// Language of its invoices.
    #[schema(example = "fa-AF")]
    pub(super) locale: String,
    /// What held, holds and will hold.
    pub(super) history: HistoryView,
}

/// One tax.
#[derive(Serialize, ToSchema)]
#[schema(as = TaxRate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TaxRateView {
    /// As invoices print it.
    #[schema(example = "VAT", min_length = 1, max_length = 64)]
    pub(super) name: String,
    /// 0 to 100, at most four decimals, in quotes.
    #[schema(example = "19", pattern = r"^\d{1,3}(\.\d{1,4})?$")]
    pub(super) percent: String,
}

/// All versions, latest first day first, of those of one day the last entered first; at most 100 of a kind.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountHistory)]
#[serde(rename_all = "camelCase")]
pub(super) struct HistoryView {
    /// Tier and currency. From the first day of a `STAFF` version on, `EVENT` versions do not count.
    pub(super) profile: Vec<ProfileVersionView>,
    /// What invoices say of the customer.
    pub(super) party: Vec<PartyVersionView>,
}

/// Tier and currency from a day on.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountProfileVersion)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProfileVersionView {
    /// First day, inclusive, UTC.
    #[schema(format = Date)]
    pub(super) effective_from: String,
    /// The tier whose prices it pays.
    #[schema(example = "GROWTH")]
    pub(super) account_tier: String,
    /// Main currency, ISO 4217.
    #[schema(example = "USD")]
    pub(super) currency: String,
    /// `EVENT` (learned) or `STAFF`.
    #[schema(example = "STAFF", pattern = "^(EVENT|STAFF)$")]
    pub(super) source: String,
    /// The `sub` of who entered it; null: learned.
    #[schema(required = true)]
    pub(super) created_by: Option<String>,
    /// When it was entered; null: learned.
    #[schema(required = true, format = DateTime)]
    pub(super) created_at: Option<String>,
}

/// What invoices say of the customer from a day on.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountPartyVersion)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartyVersionView {
    /// First day, inclusive, UTC.
    #[schema(format = Date)]
    pub(super) effective_from: String,
    /// As invoices print it.
    pub(super) legal_name: String,
    /// Lines.
    pub(super) address: Vec<String>,
    /// Null: none.
    #[schema(required = true)]
    pub(super) tax_id: Option<String>,
    /// Each on the subtotal.
    pub(super) tax_rates: Vec<TaxRateView>,
    /// Language of its invoices.
    #[schema(example = "fa-AF")]
    pub(super) locale: String,
    /// The `sub` of who entered it; null: loaded into the database.
    #[schema(required = true)]
    pub(super) created_by: Option<String>,
    /// When it was entered; null: loaded into the database.
    #[schema(required = true, format = DateTime)]
    pub(super) created_at: Option<String>,
}

/// An account in a list, as it is today.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountSummary)]
#[serde(rename_all = "camelCase")]
pub(super) struct SummaryView {
    /// Who is billed.
    pub(super) account_id: Uuid,
    /// Its tenant.
    pub(super) tenant_id: Uuid,
    /// The tier whose prices it pays.
    #[schema(example = "GROWTH")]
    pub(super) account_tier: String,
    /// Main currency, ISO 4217.
    #[schema(example = "USD")]
    pub(super) currency: String,
    /// Null: nobody has entered a name.
    #[schema(required = true)]
    pub(super) legal_name: Option<String>,
}

/// A page of accounts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountList {
    /// By id.
    pub(super) data: Vec<SummaryView>,
    /// Where to go on; null on the last page.
    #[schema(required = true)]
    pub(super) next_cursor: Option<String>,
}

impl AccountView {
    /// As it is on a day; `None` when nothing is known of its tier.
    pub(super) fn of(history: &AccountHistory, today: Day) -> Option<Self> {
        let record = history.record();
        let profile = record.profile_on(today)?;
        let party = history.party_on(today);
        Some(Self {
            account_id: history.account.0,
            tenant_id: history.tenant.0,
            account_tier: profile.tier.to_string(),
            currency: profile.currency.to_string(),
            profile_source: source(profile).into(),
            legal_name: party.map(|version| version.party.name.clone()),
            address: party.map(|version| version.party.address.clone()).unwrap_or_default(),
            tax_id: party.and_then(|version| version.party.tax_id.clone()),
            tax_rates: party.map(tax_rates).unwrap_or_default(),
            locale: party.map_or_else(LanguageTag::default, |version| version.locale.clone()).to_string(),
            history: HistoryView {
                profile: history.profile.iter().rev().take(SHOWN_MAX).map(ProfileVersionView::of).collect(),
                party: history.parties.iter().rev().take(SHOWN_MAX).map(PartyVersionView::of).collect(),
            },
        })
    }
}

impl ProfileVersionView {
    fn of(known: &Entered<ProfileVersion>) -> Self {
        Self {
            effective_from: known.version.from.to_string(),
            account_tier: known.version.tier.to_string(),
            currency: known.version.currency.to_string(),
            source: source(&known.version).into(),
            created_by: known.entry.as_ref().map(|entry| entry.by.clone()),
            created_at: known.entry.as_ref().map(|entry| entry.at.to_string()),
        }
    }
}

impl PartyVersionView {
    fn of(known: &Entered<PartyVersion>) -> Self {
        let party = &known.version.party;
        Self {
            effective_from: known.version.from.to_string(),
            legal_name: party.name.clone(),
            address: party.address.clone(),
            tax_id: party.tax_id.clone(),
            tax_rates: tax_rates(&known.version),
            locale: known.version.locale.to_string(),
            created_by: known.entry.as_ref().map(|entry| entry.by.clone()),
            created_at: known.entry.as_ref().map(|entry| entry.at.to_string()),
        }
    }
}

impl SummaryView {
    /// Of an account in a list.
    pub(super) fn of(summary: &AccountSummary) -> Self {
        Self {
            account_id: summary.account.0,
            tenant_id: summary.tenant.0,
            account_tier: summary.tier.to_string(),
            currency: summary.currency.to_string(),
            legal_name: summary.legal_name.clone(),
        }
    }
}

fn source(version: &ProfileVersion) -> &'static str {
    match version.source {
        ProfileSource::Event => "EVENT",
        ProfileSource::Staff => "STAFF",
    }
}

fn tax_rates(version: &PartyVersion) -> Vec<TaxRateView> {
    let view = |tax: &TaxRate| TaxRateView { name: tax.name().into(), percent: tax.rate().to_string() };
    version.tax_rates.iter().map(view).collect()
}
