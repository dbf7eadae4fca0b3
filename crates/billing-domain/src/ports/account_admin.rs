//! Accounts as staff see and change them: tier and currency, and what invoices say of the customer.

use std::future::Future;

use jiff::Timestamp;
use uuid::Uuid;

use crate::invoicing::{LanguageTag, PartyVersion, TaxRate};
use crate::usage::{AccountRecord, ProfileVersion};
use crate::{AccountId, Currency, Day, TenantId, Tier};

use super::{AdminAction, Page, PortError};

/// Who entered a version, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The `sub` of their token.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A version, and where it came from. `None`: no member of staff entered it here (tier and currency: learned from an
/// event; a party: loaded into the database).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entered<T> {
    /// What holds from its first day on.
    pub version: T,
    /// By whom.
    pub entry: Option<Entry>,
}

/// Everything that is known of an account, and ever was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountHistory {
    /// Which account.
    pub account: AccountId,
    /// Its tenant, for ever.
    pub tenant: TenantId,
    /// By first day and, within a day, in the order in which they came. Never empty.
    pub profile: Vec<Entered<ProfileVersion>>,
    /// Likewise; empty when nobody has entered a name.
    pub parties: Vec<Entered<PartyVersion>>,
}

impl AccountHistory {
    /// Tier and currency as rating sees them.
    #[must_use]
    pub fn record(&self) -> AccountRecord {
        AccountRecord::of(self.tenant, self.profile.iter().map(|known| known.version.clone()))
    }

    /// What invoices say on a day: the last version that had begun, and of those that begin on one day the last entered.
    #[must_use]
    pub fn party_on(&self, day: Day) -> Option<&PartyVersion> {
        self.parties.iter().map(|known| &known.version).rfind(|version| version.from <= day)
    }
}

/// An account in a list, as it is on a day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountSummary {
    /// Which account.
    pub account: AccountId,
    /// Its tenant.
    pub tenant: TenantId,
    /// Its tier.
    pub tier: Tier,
    /// Its main currency.
    pub currency: Currency,
    /// Its name, if one has been entered.
    pub legal_name: Option<String>,
}

/// What shall hold of an account from a day on. What is `None` stays as it is on that day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountChange {
    /// Which account.
    pub account: AccountId,
    /// The first day on which it holds; may lie in the past or be one that a version begins on already.
    pub from: Day,
    /// Needed for an account that is not known; of one that is, its own.
    pub tenant: Option<TenantId>,
    /// Tier; from then on events teach nothing.
    pub tier: Option<Tier>,
    /// Main currency; likewise.
    pub currency: Option<Currency>,
    /// Legal name.
    pub legal_name: Option<String>,
    /// Lines of the address.
    pub address: Option<Vec<String>>,
    /// Tax id, or that there is none.
    pub tax_id: Option<Option<String>>,
    /// All taxes.
    pub tax_rates: Option<Vec<TaxRate>>,
    /// Language of its invoices.
    pub locale: Option<LanguageTag>,
}

impl AccountChange {
    /// A change that changes nothing yet.
    #[must_use]
    pub fn none(account: AccountId, from: Day) -> Self {
        Self {
            account,
            from,
            tenant: None,
            tier: None,
            currency: None,
            legal_name: None,
            address: None,
            tax_id: None,
            tax_rates: None,
            locale: None,
        }
    }
}

/// What a change cannot do without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccountField {
    /// The tenant of an account that is not known.
    Tenant,
    /// Its tier.
    Tier,
    /// Its currency.
    Currency,
    /// The name of a customer that has none yet.
    LegalName,
}

/// Why a change was refused; nothing was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccountRefusal {
    /// The account is not, or no longer, as the caller has seen it.
    Changed,
    /// The account has another tenant, for ever.
    OtherTenant,
    /// These are needed as well.
    Incomplete(Vec<AccountField>),
}

/// What became of a change of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccountOutcome {
    /// Done, now or before.
    Done {
        /// With the change.
        history: AccountHistory,
        /// Whether the account was not known before.
        is_new: bool,
    },
    /// Not done.
    Refused(AccountRefusal),
}

/// Accounts as staff see and change them.
pub trait AccountAdmin {
    /// Accounts by id, after `after`, as they are on that day; of one tier or of all.
    fn accounts(
        &self,
        tier: Option<&Tier>,
        on: Day,
        after: Option<Uuid>,
        limit: u32,
    ) -> impl Future<Output = Result<Page<AccountSummary>, PortError>> + Send;

    /// Everything known of an account, if it is known.
    fn account(&self, id: AccountId) -> impl Future<Output = Result<Option<AccountHistory>, PortError>> + Send;

    /// Adds the versions that [`next_versions`](crate::use_cases::next_versions) makes of the change; the account itself
    /// when it is not known. Audited. Another tier or currency gives the directory a new version, and excludes rating
    /// while it commits. Repeating it changes nothing. Only as the account was `seen`, if that is said.
    fn change_account(
        &self,
        change: &AccountChange,
        seen: Option<&AccountHistory>,
        action: &AdminAction,
    ) -> impl Future<Output = Result<AccountOutcome, PortError>> + Send;
}
