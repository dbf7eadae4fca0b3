//! Billing one account and finishing one invoice. Who runs this bills accounts side by side.
//!
//! Every step may be repeated: killed anywhere, a later run finishes the work with the same number and the same bytes.

use std::error::Error;
use std::iter::successors;

use jiff::Timestamp;
use uuid::Uuid;

use crate::invoicing::{DraftPlan, Party, plan};
use crate::ports::{
    Billable, Clock, DocumentStore, DraftOutcome, DraftRequest, FinalizeOutcome, InvoiceRenderer, InvoiceStore,
    PinRequest, PortError, PutOutcome, RenderedDocument,
};
use crate::{Day, InvoiceId, Month};

/// What every invoice of a run shares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IssueTerms {
    /// Who sells.
    pub seller: Party,
    /// Days from issue to due, 0 to 365.
    pub payment_terms_days: u16,
}

/// What became of one invoice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finished {
    /// It is issued.
    Issued(InvoiceId),
    /// Another run took it, or it was declared void meanwhile.
    Elsewhere,
}

/// Why an invoice stays a DRAFT, or a credit note without its document.
#[derive(Debug, thiserror::Error)]
pub enum BillingError {
    /// Storing, rendering or remembering failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// What is stored at the invoice's key is not its document. Nothing is overwritten.
    #[error("another object is stored at the invoice's key")]
    OtherObject,
    /// The document renders to other bytes than were recorded, and the recorded ones are not stored.
    #[error("the document renders differently than recorded")]
    RendersDifferently,
    /// Due date outside the calendar.
    #[error("the due date is outside the calendar")]
    DueDate,
}

impl BillingError {
    /// Whether trying again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Port(error) if error.retryable)
    }
}

/// The drafts that an account is due, oldest month first.
#[must_use]
pub fn due(billable: &Billable, period: Month, at: Timestamp) -> Vec<DraftRequest> {
    let request = |DraftPlan { month, late }: DraftPlan| DraftRequest {
        id: InvoiceId(Uuid::new_v4()),
        tenant: billable.tenant,
        account: billable.account,
        currency: billable.currency,
        month,
        late,
        at,
    };
    plan(period, &billable.open, &billable.invoiced).into_iter().map(request).collect()
}

/// Seals one month's usage into a draft; the draft's id if this call made it.
///
/// # Errors
/// When the store fails.
pub async fn draft_invoice(store: &impl InvoiceStore, request: &DraftRequest) -> Result<Option<InvoiceId>, PortError> {
    match store.draft(request).await? {
        DraftOutcome::Drafted(id) => Ok(Some(id)),
        DraftOutcome::Taken | DraftOutcome::NoUsage => Ok(None),
    }
}

/// Takes a draft to its end: number, document, object, issue. Its failure is noted on it.
///
/// # Errors
/// [`BillingError`]: it stays a DRAFT.
pub async fn finish_invoice(
    store: &impl InvoiceStore,
    renderer: &impl InvoiceRenderer,
    documents: &impl DocumentStore,
    clock: &impl Clock,
    terms: &IssueTerms,
    invoice: InvoiceId,
) -> Result<Finished, BillingError> {
    let result = finish(store, renderer, documents, clock, terms, invoice).await;
    if let Err(error) = &result {
        // The reason is a help; that it could not be noted must not hide it.
        let _unnoted = store.park(invoice, &with_causes(error), clock.now()).await;
    }
    result
}

/// Who lists the drafts that are left has nothing but this.
fn with_causes(error: &dyn Error) -> String {
    let causes = successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

async fn finish<R: InvoiceRenderer>(
    store: &impl InvoiceStore,
    renderer: &R,
    documents: &impl DocumentStore,
    clock: &impl Clock,
    terms: &IssueTerms,
    invoice: InvoiceId,
) -> Result<Finished, BillingError> {
    let issue_date = Day::of(clock.now());
    let due_date = Day::from_epoch_days(issue_date.epoch_days() + i32::from(terms.payment_terms_days))
        .map_err(|_| BillingError::DueDate)?;
    let pin = PinRequest { issue_date, due_date, seller: terms.seller.clone(), template: R::TEMPLATE };
    let Some(document) = store.pin(invoice, &pin).await? else { return Ok(Finished::Elsewhere) };
    let key = crate::invoicing::object_key(document.invoice.account, document.invoice.period, invoice);
    let rendered = renderer.render(document).await?;
    let recorded = store.record_pdf(invoice, rendered.sha256).await?;
    keep(documents, &key, rendered, recorded).await?;
    match store.finalize(invoice, clock.now()).await? {
        FinalizeOutcome::Finalized => Ok(Finished::Issued(invoice)),
        FinalizeOutcome::Void => Ok(Finished::Elsewhere),
    }
}

/// Stores a document that has been rendered, at a key that only it may have: only bytes with the recorded hash, which an
/// earlier attempt may have recorded, and stored.
pub(super) async fn keep(
    documents: &impl DocumentStore,
    key: &str,
    mut rendered: RenderedDocument,
    recorded: [u8; 32],
) -> Result<(), BillingError> {
    if recorded != rendered.sha256 {
        rendered.bytes = documents.get(key).await?.ok_or(BillingError::RendersDifferently)?;
        rendered.sha256 = recorded;
    }
    match documents.put(key, &rendered).await? {
        PutOutcome::Stored => Ok(()),
        PutOutcome::OtherObject => Err(BillingError::OtherObject),
    }
}
