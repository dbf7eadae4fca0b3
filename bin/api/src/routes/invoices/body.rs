//! Reading the body that declares an invoice void.

use billing_domain::invoicing::{Disposition, VoidReason};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::fields::{Fields, one_of};
use crate::http::problem::Problem;

const DISPOSITIONS: [(Disposition, &str); 2] = [(Disposition::Rebill, "rebill"), (Disposition::Waive, "waive")];

/// Why an invoice is void, and what becomes of its usage.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VoidRequest {
    /// Printed on the credit note, which the customer reads; kept with the invoice and in the audit log.
    #[schema(example = "wrong price for operator 41220", min_length = 1, max_length = 500)]
    pub(super) reason: String,
    /// `rebill` (default): a later run bills the usage again. `waive`: it is never billed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "rebill", pattern = "^(rebill|waive)$")]
    pub(super) disposition: Option<String>,
}

/// Reason and disposition.
///
/// # Errors
/// 422.
pub(super) fn read(mut fields: Fields) -> Result<(VoidReason, Disposition), Problem> {
    let reason = fields.required("reason", VoidReason::new);
    let disposition = fields.optional("disposition", one_of(&DISPOSITIONS)).unwrap_or_default();
    fields.finish(reason.map(|reason| (reason, disposition)))
}
