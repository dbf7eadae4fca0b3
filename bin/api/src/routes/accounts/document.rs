//! What the API's document says of accounts.

use uuid::Uuid;

use super::body::ChangeBody;
use super::view::{
    AccountList, AccountView, HistoryView, PartyVersionView, ProfileVersionView, SummaryView, TaxRateView,
};
use crate::http::problem::Kind;
use crate::routes::document::{Operation, text};

const TAG: &str = "Accounts";
const ACCOUNT: Uuid = Uuid::from_u128(0x5f0c_2b1e_0000_4000_8000_0000_0000_0001);
const TENANT: Uuid = Uuid::from_u128(0x5f0c_2b1e_0000_4000_8000_0000_0000_00ff);

/// `GET /v1/admin/pricing/accounts`.
pub(crate) fn listing() -> Operation {
    let account = SummaryView {
        account_id: ACCOUNT,
        tenant_id: TENANT,
        account_tier: "GROWTH".into(),
        currency: "USD".into(),
        legal_name: Some("Kabul Ride".into()),
    };
    Operation::new("listAccounts", TAG, "Accounts as they are today, by id")
        .says("Those that staff have entered and those that were learned from events. The read is audit-logged.")
        .parameter("accountTier", text("GROWTH"), "Of this tier today (UTC).")
        .paged()
        .answers(200, "A page of accounts.", &AccountList { data: vec![account], next_cursor: None })
        .refuses(&[Kind::Malformed, Kind::Invalid])
}

/// `GET /v1/admin/pricing/accounts/{id}`.
pub(crate) fn showing() -> Operation {
    Operation::new("getAccount", TAG, "One account with its history")
        .says("Its tier, its currency and what invoices say of it, as they are today (UTC). The read is audit-logged.")
        .id("The `accountId`.")
        .answers(200, "The account.", &example())
        .refuses(&[Kind::Malformed, Kind::NotFound, Kind::Invalid])
}

/// `PATCH /v1/admin/pricing/accounts/{id}`.
pub(crate) fn changing() -> Operation {
    let change = ChangeBody {
        tenant_id: Some(TENANT),
        account_tier: Some("GROWTH".into()),
        currency: Some("USD".into()),
        legal_name: Some("Kabul Ride".into()),
        address: Some(address()),
        tax_id: Some("9000120000".into()),
        tax_rates: Some(tax_rates()),
        locale: Some("fa-AF".into()),
        effective_from: Some("2026-11-01".into()),
    };
    Operation::new("changeAccount", TAG, "Enter what holds of an account from a day on")
        .says(
            "Makes the next version; what is left out stays as it is on that day, and versions of other days stay as they \
             are. Of several versions that begin on one day the last entered holds. An account that is not known is made. A \
             tier or currency entered here is not overwritten by what events say later; an event's own tier still wins for \
             that event. Rated usage and issued invoices never change. Repeating it changes nothing.",
        )
        .id("The `accountId`; of an account that has not been seen yet, the one that the gateway will name.")
        .conditional()
        .body(&change)
        .answers(200, "The account as it is today.", &example())
        .creates("The account, which was not known before.", &example())
        .refuses(&[Kind::NotFound, Kind::Invalid, Kind::OtherTenant])
}

fn address() -> Vec<String> {
    vec!["Shahr-e-Naw, Street 7".into(), "Kabul".into()]
}

fn tax_rates() -> Vec<TaxRateView> {
    vec![TaxRateView { name: "VAT".into(), percent: "10".into() }]
}

fn example() -> AccountView {
    let (by, at) = (Some("pricing@ghasi.example".to_owned()), Some("2026-10-15T12:00:00Z".to_owned()));
    let profile = ProfileVersionView {
        effective_from: "2026-11-01".into(),
        account_tier: "GROWTH".into(),
        currency: "USD".into(),
        source: "STAFF".into(),
        created_by: by.clone(),
        created_at: at.clone(),
    };
    let party = PartyVersionView {
        effective_from: "2026-11-01".into(),
        legal_name: "Kabul Ride".into(),
        address: address(),
        tax_id: Some("9000120000".into()),
        tax_rates: tax_rates(),
        locale: "fa-AF".into(),
        created_by: by,
        created_at: at,
    };
    AccountView {
        account_id: ACCOUNT,
        tenant_id: TENANT,
        account_tier: "GROWTH".into(),
        currency: "USD".into(),
        profile_source: "STAFF".into(),
        legal_name: Some("Kabul Ride".into()),
        address: address(),
        tax_id: Some("9000120000".into()),
        tax_rates: tax_rates(),
        locale: "fa-AF".into(),
        history: HistoryView { profile: vec![profile], party: vec![party] },
    }
}
