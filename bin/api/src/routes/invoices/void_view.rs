//! What declaring an invoice void would do, as JSON.

use billing_domain::invoicing::{Disposition, Reissue, ReleasedUsage, VoidEffect};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::{AdjustmentView, LineView, TaxView};

/// What declaring an invoice void would do. Nothing was written.
#[derive(Serialize, ToSchema)]
#[schema(as = VoidEffect)]
#[serde(rename_all = "camelCase")]
pub(super) struct VoidEffectView {
    /// Always true.
    pub(super) dry_run: bool,
    pub(super) invoice_id: Uuid,
    /// `rebill` or `waive`.
    #[schema(example = "rebill")]
    pub(super) disposition: &'static str,
    /// The invoice's total, which a credit note would credit; null for a draft, which needs none.
    #[schema(required = true, example = "13.75", pattern = r"^-?\d+(\.\d+)?$")]
    pub(super) credited_amount: Option<String>,
    /// By month: what would be billed again, or never if it is waived.
    pub(super) usage: Vec<ReleasedUsageView>,
    /// What the next run would issue in its place, as of now; null when it is waived or would come to nothing.
    #[schema(required = true)]
    pub(super) reissue: Option<ReissueView>,
}

/// One month's usage on the invoice.
#[derive(Serialize, ToSchema)]
#[schema(as = ReleasedUsage)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReleasedUsageView {
    #[schema(example = "2026-10")]
    pub(super) month: String,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub(super) currency: String,
    pub(super) message_count: u64,
    pub(super) segment_count: u64,
    /// What it costs by its prices, unrounded.
    #[schema(example = "12.500000", pattern = r"^-?\d+\.\d{6}$")]
    pub(super) exact_amount: String,
}

/// The invoice that would stand for it, with what came late.
#[derive(Serialize, ToSchema)]
#[schema(as = Reissue)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReissueView {
    pub(super) lines: Vec<LineView>,
    pub(super) adjustments: Vec<AdjustmentView>,
    pub(super) taxes: Vec<TaxView>,
    #[schema(example = "12.50", pattern = r"^-?\d+(\.\d+)?$")]
    pub(super) subtotal_amount: String,
    #[schema(example = "13.75", pattern = r"^-?\d+(\.\d+)?$")]
    pub(super) total_amount: String,
}

impl VoidEffectView {
    pub(super) fn of(effect: &VoidEffect, disposition: Disposition) -> Self {
        let invoice = &effect.invoice;
        let month = |usage: &ReleasedUsage| ReleasedUsageView {
            month: usage.month.to_string(),
            currency: invoice.currency.to_string(),
            message_count: usage.messages,
            segment_count: usage.segments,
            exact_amount: usage.exact.to_string(),
        };
        Self {
            dry_run: true,
            invoice_id: invoice.id.0,
            disposition: disposition.name(),
            credited_amount: invoice.is_credited_when_void().then(|| invoice.total.to_string()),
            usage: effect.usage.iter().map(month).collect(),
            reissue: effect.reissue.as_ref().map(ReissueView::of),
        }
    }
}

impl ReissueView {
    fn of(reissue: &Reissue) -> Self {
        Self {
            lines: reissue.contents.lines.iter().map(LineView::of).collect(),
            adjustments: reissue.contents.adjustments.iter().map(AdjustmentView::of).collect(),
            taxes: reissue.contents.taxes.iter().map(TaxView::of).collect(),
            subtotal_amount: reissue.subtotal.to_string(),
            total_amount: reissue.total.to_string(),
        }
    }
}
