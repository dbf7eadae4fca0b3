//! An invoice as JSON: amounts to be paid have exactly the currency's minor digits, exact ones six.

use billing_domain::invoicing::{Adjustment, Invoice, InvoiceContents, InvoiceLine, TaxLine};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// An invoice in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = InvoiceSummary)]
#[serde(rename_all = "camelCase")]
pub(super) struct SummaryView {
    /// Also of its document and its event.
    pub(super) invoice_id: Uuid,
    /// One series per year of issue; null while a draft has none.
    #[schema(required = true, example = "INV-2026-000123")]
    pub(super) invoice_number: Option<String>,
    /// Who owes.
    pub(super) account_id: Uuid,
    /// First day of the month that it is for, UTC.
    #[schema(format = Date)]
    pub(super) period_start: String,
    /// Last day of the month, inclusive.
    #[schema(format = Date)]
    pub(super) period_end: String,
    /// Messages on its lines.
    pub(super) total_messages: u64,
    /// Segments on its lines.
    pub(super) total_segments: u64,
    /// The sum of its lines' and adjustments' amounts.
    #[schema(example = "12.50", pattern = r"^-?\d+(\.\d+)?$")]
    pub(super) subtotal_amount: String,
    /// Subtotal and taxes; below 0 in the customer's favour.
    #[schema(example = "13.75", pattern = r"^-?\d+(\.\d+)?$")]
    pub(super) total_amount: String,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub(super) currency: String,
    /// `DRAFT` (for staff only), `FINALIZED` or `VOID`.
    #[schema(example = "FINALIZED")]
    pub(super) status: &'static str,
    /// When it was issued; of a draft, when it was drafted.
    #[schema(format = DateTime)]
    pub(super) generated_at: String,
}

/// A page of invoices.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct InvoiceList {
    /// Latest month first.
    pub(super) data: Vec<SummaryView>,
    /// Where to go on; null on the last page.
    #[schema(required = true)]
    pub(super) next_cursor: Option<String>,
    /// How many there are on all pages.
    pub(super) total: u64,
}

/// An invoice and what it is made of.
#[derive(Serialize, ToSchema)]
#[schema(as = Invoice)]
#[serde(rename_all = "camelCase")]
pub(super) struct InvoiceView {
    #[serde(flatten)]
    pub(super) summary: SummaryView,
    /// The UTC day on which its number was given; null while a draft has none.
    #[schema(required = true, format = Date)]
    pub(super) issue_date: Option<String>,
    /// By which it is to be paid; null while a draft has no number.
    #[schema(required = true, format = Date)]
    pub(super) due_date: Option<String>,
    /// As they are printed.
    pub(super) lines: Vec<LineView>,
    /// What the months' totals add or take.
    pub(super) adjustments: Vec<AdjustmentView>,
    /// Each on the subtotal.
    pub(super) taxes: Vec<TaxView>,
    /// The void invoice that it stands for.
    #[schema(required = true)]
    pub(super) replaces: Option<Uuid>,
    /// The issued invoice that stands for this one since it is void.
    #[schema(required = true)]
    pub(super) replaced_by: Option<Uuid>,
    /// The `sub` of who declared it void; only when it is, and for staff only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) voided_by: Option<String>,
    /// When; only when it is void.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub(super) voided_at: Option<String>,
    /// In their words; only when it is void, and for customers only if there is a credit note, which shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) void_reason: Option<String>,
    /// What became of its usage: `rebill` or `waive`; only when it is void.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) disposition: Option<&'static str>,
    /// The document that cancels it; only when it was issued and is void.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "CN-2026-000123")]
    pub(super) credit_note_number: Option<String>,
}

/// One line: the usage of one month with one operator at one price.
#[derive(Serialize, ToSchema)]
#[schema(as = InvoiceLine)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineView {
    /// The invoice's own month, or an earlier one whose usage came late.
    #[schema(example = "2026-10")]
    pub(super) usage_month: String,
    /// Who carried the messages.
    #[schema(example = "41220")]
    pub(super) operator_id: String,
    /// `MT` or `MO`.
    #[schema(example = "MT")]
    pub(super) direction: &'static str,
    /// The price of the messages.
    pub(super) pricing_table_id: Uuid,
    /// Messages.
    pub(super) message_count: u64,
    /// Their segments.
    pub(super) segment_count: u64,
    /// Before it was rounded.
    #[schema(example = "12.498750", pattern = r"^-?\d+\.\d{6}$")]
    pub(super) exact_amount: String,
    /// What is owed for it: all of the month so far, rounded, less what earlier invoices asked for.
    #[schema(example = "12.50", pattern = r"^-?\d+(\.\d+)?$")]
    pub(super) amount: String,
}

/// One adjustment: what a month's total makes of one price.
#[derive(Serialize, ToSchema)]
#[schema(as = InvoiceAdjustment)]
#[serde(rename_all = "camelCase")]
pub(super) struct AdjustmentView {
    /// The month that it is for.
    #[schema(example = "2026-10")]
    pub(super) usage_month: String,
    /// The price that asks for it.
    pub(super) pricing_table_id: Uuid,
    /// `CORRECTION`, `GRADUATED`, `VOLUME`, `PACKAGE`, `FREE_UNITS`, `DISCOUNT`, `MONTHLY_MINIMUM` or `MONTHLY_FEE`.
    #[schema(example = "DISCOUNT")]
    pub(super) kind: &'static str,
    /// Segments or messages, whatever the price counts, charged in the month so far.
    pub(super) units: u64,
    /// What it comes to for all of the month so far.
    #[schema(example = "-1.25", pattern = r"^-?\d+(\.\d+)?$")]
    pub(super) due: String,
    /// The same, less what earlier invoices asked for it; below 0 a credit.
    #[schema(example = "-1.25", pattern = r"^-?\d+(\.\d+)?$")]
    pub(super) amount: String,
    /// Why the price was corrected; of a correction only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) reason: Option<String>,
}

/// One tax.
#[derive(Serialize, ToSchema)]
#[schema(as = InvoiceTax)]
#[serde(rename_all = "camelCase")]
pub(super) struct TaxView {
    /// What it is called.
    #[schema(example = "VAT")]
    pub(super) name: String,
    /// In percent, without trailing zeros.
    #[schema(example = "10", pattern = r"^\d{1,3}(\.\d{1,4})?$")]
    pub(super) rate: String,
    /// What it is a part of: the subtotal.
    #[schema(example = "12.50", pattern = r"^-?\d+(\.\d+)?$")]
    pub(super) base: String,
    /// Rounded.
    #[schema(example = "1.25", pattern = r"^-?\d+(\.\d+)?$")]
    pub(super) amount: String,
}

impl SummaryView {
    /// Of a stored invoice.
    pub(super) fn of(invoice: &Invoice) -> Self {
        Self {
            invoice_id: invoice.id.0,
            invoice_number: invoice.pinned.map(|pinned| pinned.number.to_string()),
            account_id: invoice.account.0,
            period_start: invoice.period.first_day().to_string(),
            period_end: invoice.period.last_day().to_string(),
            total_messages: invoice.messages,
            total_segments: invoice.segments,
            subtotal_amount: invoice.subtotal.to_string(),
            total_amount: invoice.total.to_string(),
            currency: invoice.currency.to_string(),
            status: invoice.status.name(),
            generated_at: invoice.finalized_at.unwrap_or(invoice.drafted_at).to_string(),
        }
    }
}

impl InvoiceView {
    /// Of a stored invoice.
    pub(super) fn of(invoice: &Invoice, contents: &InvoiceContents) -> Self {
        let voided = invoice.voided.as_ref();
        Self {
            summary: SummaryView::of(invoice),
            issue_date: invoice.pinned.map(|pinned| pinned.issue_date.to_string()),
            due_date: invoice.pinned.map(|pinned| pinned.due_date.to_string()),
            lines: contents.lines.iter().map(LineView::of).collect(),
            adjustments: contents.adjustments.iter().map(AdjustmentView::of).collect(),
            taxes: contents.taxes.iter().map(TaxView::of).collect(),
            replaces: invoice.replaces.map(|id| id.0),
            replaced_by: invoice.replaced_by.map(|id| id.0),
            voided_by: voided.map(|voided| voided.by.clone()),
            voided_at: voided.map(|voided| voided.at.to_string()),
            void_reason: voided.map(|voided| voided.reason.clone()),
            disposition: voided.map(|voided| voided.disposition.name()),
            credit_note_number: invoice.credit_note.map(|number| number.to_string()),
        }
    }

    /// Without who declared it void; and why, unless the credit note tells them.
    pub(super) fn for_customers(self) -> Self {
        let void_reason = self.void_reason.filter(|_| self.credit_note_number.is_some());
        Self { voided_by: None, void_reason, ..self }
    }
}

impl LineView {
    pub(super) fn of(line: &InvoiceLine) -> Self {
        Self {
            usage_month: line.usage_month.to_string(),
            operator_id: line.operator.to_string(),
            direction: line.direction.name(),
            pricing_table_id: line.price.0,
            message_count: line.messages,
            segment_count: line.segments,
            exact_amount: line.exact.to_string(),
            amount: line.amount.to_string(),
        }
    }
}

impl AdjustmentView {
    pub(super) fn of(adjustment: &Adjustment) -> Self {
        Self {
            usage_month: adjustment.usage_month.to_string(),
            pricing_table_id: adjustment.price.0,
            kind: adjustment.kind.name(),
            units: adjustment.units,
            due: adjustment.due.to_string(),
            amount: adjustment.amount.to_string(),
            reason: adjustment.reason.clone(),
        }
    }
}

impl TaxView {
    pub(super) fn of(tax: &TaxLine) -> Self {
        Self {
            name: tax.name.clone(),
            rate: tax.rate.to_string(),
            base: tax.base.to_string(),
            amount: tax.amount.to_string(),
        }
    }
}
