//! Reading the bodies that decide about a quarantined message.

use billing_domain::TenantId;
use billing_domain::invoicing::VoidReason;
use billing_domain::ports::ReplayTerms;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::fields::{Fields, uuid};
use crate::http::problem::Problem;

/// What is to be known for a replay that the message does not say; most need nothing.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReplayTermsBody {
    /// Whose it is: required for the reason `tenant_mismatch`, for the header that named another tenant is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) tenant_id: Option<Uuid>,
    /// Take usage of up to 14 months ago; default false: of up to 13.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) allow_old: Option<bool>,
}

/// Why a message is no usage and never will be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DiscardRequest {
    /// Kept with the message and in the audit log.
    #[schema(example = "a test of the gateway's new version", min_length = 1, max_length = 500)]
    pub(super) reason: String,
}

/// How to replay.
///
/// # Errors
/// 422.
pub(super) fn terms(mut fields: Fields) -> Result<ReplayTerms, Problem> {
    let tenant = fields.optional("tenantId", uuid).map(TenantId);
    let allow_old = fields.flag("allowOld").unwrap_or(false);
    fields.finish(Some(ReplayTerms { tenant, allow_old }))
}

/// Why to discard: by the rules of every reason that staff give.
///
/// # Errors
/// 422.
pub(super) fn reason(mut fields: Fields) -> Result<VoidReason, Problem> {
    let reason = fields.required("reason", VoidReason::new);
    fields.finish(reason)
}
