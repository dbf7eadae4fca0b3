//! Reading the body that says what holds of an account from a day on.

use billing_domain::invoicing::{
    ADDRESS_LINES_MAX, LanguageTag, Percentage, TAX_RATES_MAX, TaxRate, party_line, party_tax_id,
};
use billing_domain::ports::AccountChange;
use billing_domain::{AccountId, Currency, Day, TenantId, Tier};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::TaxRateView;
use crate::http::fields::{Fields, day, uuid};
use crate::http::problem::Problem;

/// What may change; one of them has to.
const CHANGING: [&str; 7] = ["accountTier", "currency", "legalName", "address", "taxId", "taxRates", "locale"];
/// Absence means "as before", null means nothing.
const NEVER_NULL: [&str; 8] =
    ["tenantId", "accountTier", "currency", "legalName", "address", "taxRates", "locale", "effectiveFrom"];

/// What holds of an account from a day on: at least one field besides `tenantId` and `effectiveFrom`. What is left out
/// stays as it is on that day.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountChange)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChangeBody {
    /// Required for an account that is not known; of one that is, its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) tenant_id: Option<Uuid>,
    /// The tier whose prices it pays. Required for an account that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "GROWTH", min_length = 1, max_length = 64)]
    pub(super) account_tier: Option<String>,
    /// Main currency, ISO 4217. Required for an account that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "USD", pattern = "^[A-Z]{3}$")]
    pub(super) currency: Option<String>,
    /// As invoices print it. Required before anything else that they print of the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    pub(super) legal_name: Option<String>,
    /// At most 8 lines of 1 to 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 8)]
    pub(super) address: Option<Vec<String>>,
    /// Null: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 64)]
    pub(super) tax_id: Option<String>,
    /// At most 5, all of them: each is on the subtotal. An empty list: no taxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 5)]
    pub(super) tax_rates: Option<Vec<TaxRateView>>,
    /// Language of its invoices, as BCP 47 writes it; one that the invoices do not know is printed in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "fa-AF", pattern = "^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$")]
    pub(super) locale: Option<String>,
    /// First day, inclusive, UTC; default: today.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = Date, example = "2026-11-01")]
    pub(super) effective_from: Option<String>,
}

/// What shall hold of an account.
///
/// # Errors
/// 422.
pub(super) fn change(mut fields: Fields, account: AccountId, today: Day) -> Result<AccountChange, Problem> {
    if !CHANGING.iter().any(|name| fields.has(name)) {
        let others = CHANGING[1..].join(", ");
        fields.refuse(CHANGING[0], format!("is required, or one of {others}: something has to change"));
    }
    fields.forbid_null(&NEVER_NULL);
    let change = AccountChange {
        account,
        from: fields.optional("effectiveFrom", day).unwrap_or(today),
        tenant: fields.optional("tenantId", uuid).map(TenantId),
        tier: fields.optional("accountTier", Tier::new),
        currency: fields.optional("currency", Currency::new),
        legal_name: fields.optional("legalName", party_line),
        address: fields.texts("address", ADDRESS_LINES_MAX, party_line),
        tax_id: fields.nullable("taxId", party_tax_id),
        tax_rates: fields.objects("taxRates", TAX_RATES_MAX, tax_rate),
        locale: fields.optional("locale", LanguageTag::new),
    };
    fields.finish(Some(change))
}

fn tax_rate(fields: &mut Fields) -> Option<TaxRate> {
    let percent = fields.required("percent", Percentage::parse);
    // The rate is put in below: a name is judged whatever the percentage is.
    let named = fields.required("name", |name| TaxRate::new(name, percent.unwrap_or_default()));
    percent.and(named)
}
