//! The renderer as billing's port: the domain's document in this crate's words, off the async threads.

use std::sync::Arc;

use billing_domain::Month;
use billing_domain::invoicing::{self, DocumentKind, InvoiceDocument as Billed};
use billing_domain::ports::{InvoiceRenderer, PortError, RenderedDocument};
use billing_domain::pricing::OperatorMatch;
use sha2::{Digest, Sha256};
use tracing::Instrument as _;

use crate::renderer::check_lines;
use crate::{
    Credited, DocumentAdjustment, DocumentLine, InvoiceDocument, Locale, Party, RenderError, Renderer, SetupError,
    TaxLine,
};

const OPERATION: &str = "render_invoice";

/// Renders invoices. Cheap to clone; the fonts are shared.
#[derive(Clone)]
pub struct TypstRenderer(Arc<Renderer>);

impl TypstRenderer {
    /// Warms the fonts and templates up.
    ///
    /// # Errors
    /// [`SetupError`] when they cannot be used.
    pub fn new() -> Result<Self, SetupError> {
        Ok(Self(Arc::new(Renderer::new()?)))
    }

    /// Renders on a thread for blocking work; with the hash of the bytes.
    ///
    /// # Errors
    /// Permanent: [`RenderError`](crate::RenderError) as its source, or a panic of the typesetter.
    pub async fn render_document(&self, document: InvoiceDocument) -> Result<RenderedDocument, PortError> {
        let renderer = Arc::clone(&self.0);
        let rendered = tokio::task::spawn_blocking(move || {
            let bytes = renderer.render(&document)?;
            let sha256 = Sha256::digest(&bytes).into();
            Ok(RenderedDocument { bytes, sha256 })
        });
        match rendered.instrument(tracing::info_span!("render_invoice")).await {
            Ok(rendered) => rendered.map_err(|error: RenderError| PortError::permanent(OPERATION, error)),
            Err(panicked) => Err(PortError::permanent(OPERATION, panicked)),
        }
    }
}

impl InvoiceRenderer for TypstRenderer {
    const TEMPLATE: &'static str = "invoice-3";

    async fn render(&self, document: Billed) -> Result<RenderedDocument, PortError> {
        // Before it is translated: that would copy all of it.
        let lines = document.lines.len() + document.adjustments.len();
        check_lines(&document.pinned.number.to_string(), lines)
            .map_err(|error| PortError::permanent(OPERATION, error))?;
        self.render_document(translate(&document)).await
    }
}

fn translate(billed: &Billed) -> InvoiceDocument {
    let invoice = &billed.invoice;
    let account = invoice.account.to_string();
    let customer = match &billed.customer {
        Some(known) => Party { account_id: Some(account), ..party(known) },
        None => Party { name: account, ..Party::default() },
    };
    let pinned = &billed.pinned;
    let (invoice_id, invoice_number, issue_date, credits) = match &billed.kind {
        DocumentKind::Invoice => (invoice.id.to_string(), pinned.number.to_string(), pinned.issue_date, None),
        DocumentKind::CreditNote { id, number, issue_date, reason } => {
            let (invoice_number, of) = (pinned.number.to_string(), pinned.issue_date.date());
            let credited = Credited { invoice_number, issue_date: of, reason: reason.clone() };
            (id.to_string(), number.to_string(), *issue_date, Some(credited))
        }
    };
    InvoiceDocument {
        invoice_id,
        invoice_number,
        replaces: billed.replaces.map(|number| number.to_string()),
        credits,
        issue_date: issue_date.date(),
        due_date: billed.pinned.due_date.date(),
        period_start: invoice.period.first_day().date(),
        period_end: invoice.period.last_day().date(),
        currency: invoice.currency.code().to_owned(),
        minor_digits: invoice.currency.minor_digits(),
        seller: party(&billed.seller),
        customer,
        lines: billed.lines.iter().map(|line| row(line, invoice.period)).collect(),
        adjustments: billed.adjustments.iter().map(adjustment).collect(),
        subtotal_minor: invoice.subtotal.minor.into(),
        taxes: billed.taxes.iter().map(tax).collect(),
        total_minor: invoice.total.minor.into(),
        locale: Locale::of(billed.locale.language()),
        daily: billed.daily_messages.iter().map(|(day, messages)| (day.date(), *messages)).collect(),
    }
}

fn party(known: &invoicing::Party) -> Party {
    Party { name: known.name.clone(), address: known.address.clone(), tax_id: known.tax_id.clone(), account_id: None }
}

fn row(billed: &invoicing::DocumentLine, period: Month) -> DocumentLine {
    let line = &billed.line;
    DocumentLine {
        usage_month: (line.usage_month.year(), line.usage_month.month()),
        late: line.usage_month != period,
        operator: line.operator.to_string(),
        direction: line.direction.name().to_owned(),
        unit: billed.unit,
        unit_price_micros: billed.unit_price.0,
        messages: line.messages,
        segments: line.segments,
        amount_minor: line.amount.minor.into(),
    }
}

fn adjustment(billed: &invoicing::DocumentAdjustment) -> DocumentAdjustment {
    let adjustment = &billed.adjustment;
    let operator = match &billed.operator {
        OperatorMatch::Any => None,
        OperatorMatch::One(operator) => Some(operator.to_string()),
    };
    DocumentAdjustment {
        usage_month: (adjustment.usage_month.year(), adjustment.usage_month.month()),
        kind: adjustment.kind,
        operator,
        direction: billed.direction.name().to_owned(),
        unit: billed.unit,
        units: adjustment.units,
        due_minor: adjustment.due.minor.into(),
        amount_minor: adjustment.amount.minor.into(),
        reason: adjustment.reason.clone(),
    }
}

fn tax(billed: &invoicing::TaxLine) -> TaxLine {
    TaxLine {
        label: billed.name.clone(),
        rate_percent: billed.rate.to_string(),
        amount_minor: billed.amount.minor.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use billing_domain::invoicing::{Invoice, InvoiceLine, InvoiceNumber, InvoiceStatus, LanguageTag, PinnedTerms};
    use billing_domain::pricing::ChargeUnit;
    use billing_domain::usage::Direction;
    use billing_domain::{
        AccountId, Currency, Day, InvoiceId, Micros, MicrosSum, MinorAmount, Month, OperatorId, PriceId, TenantId,
    };
    use uuid::Uuid;

    use super::*;

    fn billed(lines: usize) -> Billed {
        let currency = Currency::new("USD").unwrap();
        let amount = MinorAmount { minor: 125, currency };
        let period = Month::new(2026, 10).unwrap();
        let pinned = PinnedTerms {
            number: InvoiceNumber::new(2026, 123),
            issue_date: Day::parse("2026-11-01").unwrap(),
            due_date: Day::parse("2026-12-01").unwrap(),
        };
        let invoice = Invoice {
            id: InvoiceId(Uuid::nil()),
            tenant: TenantId(Uuid::nil()),
            account: AccountId(Uuid::nil()),
            currency,
            period,
            status: InvoiceStatus::Draft,
            pinned: Some(pinned),
            messages: 100,
            segments: 100,
            subtotal: amount,
            total: amount,
            drafted_at: jiff::Timestamp::UNIX_EPOCH,
            finalized_at: None,
            object_key: None,
            pdf_sha256: None,
            replaces: None,
            replaced_by: None,
            voided: None,
            credit_note: None,
        };
        let line = invoicing::DocumentLine {
            line: InvoiceLine {
                usage_month: period,
                operator: OperatorId::new("op-20").unwrap(),
                direction: Direction::Mt,
                price: PriceId(Uuid::nil()),
                messages: 100,
                segments: 100,
                exact: MicrosSum(1_250_000),
                amount,
            },
            unit: ChargeUnit::Segment,
            unit_price: Micros(12_500),
        };
        Billed {
            kind: DocumentKind::Invoice,
            invoice,
            pinned,
            seller: invoicing::Party { name: "Ghasi".to_owned(), address: Vec::new(), tax_id: None },
            customer: None,
            replaces: None,
            locale: LanguageTag::default(),
            lines: vec![line; lines],
            adjustments: Vec::new(),
            taxes: Vec::new(),
            daily_messages: Vec::new(),
        }
    }

    #[tokio::test]
    async fn what_is_billed_is_in_the_file_with_the_hash_of_its_bytes() {
        let rendered = TypstRenderer::new().unwrap().render(billed(1)).await.unwrap();
        assert_eq!(rendered.sha256, <[u8; 32]>::from(Sha256::digest(&rendered.bytes)));
        let text = crate::pdf_text::text(&rendered.bytes);
        for want in ["INV-2026-000123", "op-20", "MT, per segment", "0.0125", "USD\u{a0}1.25", &Uuid::nil().to_string()]
        {
            assert!(text.contains(want), "{want} is not in {text}");
        }
    }

    #[tokio::test]
    async fn a_million_lines_are_refused_for_good() {
        let error = TypstRenderer::new().unwrap().render(billed(1_000_000)).await.err().unwrap();
        assert!(!error.retryable);
        let said = error.source().map(ToString::to_string);
        let want = "invoice INV-2026-000123 has 1000000 lines, more than the 5000 that a document may hold";
        assert_eq!(said.as_deref(), Some(want));
    }
}
