//! `GET /v1/billing/invoices/{id}/download`: where a document can be fetched, or for who prefers `application/pdf` the
//! document itself: the invoice, which keeps its document when it is void, or the credit note that cancels it, whose
//! document is made when it is first asked for.

use actix_web::HttpResponse;
use actix_web::http::header::{Accept, Header as _};
use billing_domain::InvoiceId;
use billing_domain::invoicing::{Invoice, InvoiceStatus};
use billing_domain::ports::DocumentStore as _;
use billing_domain::use_cases::issue_credit_note;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tracing::{Instrument as _, info_span};
use utoipa::ToSchema;

use super::find;
use crate::http::answer;
use crate::http::fields::one_of;
use crate::http::problem::{Kind, Problem};
use crate::routes::call::Call;
use crate::services::Store;

/// Where a document can be fetched.
#[derive(Serialize, ToSchema)]
#[schema(as = InvoiceDownload)]
#[serde(rename_all = "camelCase")]
pub(super) struct DownloadView {
    /// Whoever has it can fetch the document until it expires: it is not to be passed on or kept.
    pub(super) url: String,
    /// 15 minutes from now.
    #[schema(format = DateTime)]
    pub(super) expires_at: String,
}

/// Which of an invoice's documents.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Invoice,
    CreditNote,
}

/// Every document with its name on the wire.
const DOCUMENTS: [(Wanted, &str); 2] = [(Wanted::Invoice, "invoice"), (Wanted::CreditNote, "credit-note")];
/// Their names.
pub(super) const DOCUMENT_NAMES: [&str; 2] = [DOCUMENTS[0].1, DOCUMENTS[1].1];

/// The address of the document, or its bytes.
pub(crate) async fn download<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let (invoice, _) = find(&call).await?;
    let mut query = call.query()?;
    let wanted = query.optional("document", one_of(&DOCUMENTS)).unwrap_or(Wanted::Invoice);
    query.finish(Some(()))?;
    let account = invoice.account;
    let (document, what) = match wanted {
        Wanted::Invoice => (Document::of_invoice(invoice)?, "invoice document"),
        Wanted::CreditNote => (Document::of_credit_note(&call, invoice).await?, "credit note document"),
    };
    call.note_read(Some(account), what).await?;
    let answered = if prefers_pdf(&call) { bytes(&call, document).await } else { address(&call, document).await };
    answered.map(answer::varied)
}

/// What is known of a document that was stored.
struct Document {
    invoice: InvoiceId,
    /// Of its own series.
    number: String,
    key: String,
    sha256: [u8; 32],
}

impl Document {
    /// An invoice is issued after its document was stored, not before.
    fn of_invoice(invoice: Invoice) -> Result<Self, Problem> {
        match (invoice.finalized_at, invoice.pinned, invoice.object_key, invoice.pdf_sha256) {
            (Some(_), Some(pinned), Some(key), Some(sha256)) => {
                Ok(Self { invoice: invoice.id, number: pinned.number.to_string(), key, sha256 })
            }
            _ if invoice.status == InvoiceStatus::Draft => Err(Kind::DocumentNotReady.into()),
            // Declared void before it was issued: there never will be one.
            _ => Err(Kind::NotFound.into()),
        }
    }

    /// Made now, if nobody has asked for it before. An invoice that stands has none, and a draft that became void neither.
    async fn of_credit_note<S: Store>(call: &Call<S>, invoice: Invoice) -> Result<Self, Problem> {
        let (documents, renderer) = (call.services.documents.clone(), call.services.renderer.clone());
        let (id, now) = (invoice.id, call.now);
        let issue = async move |store: S| {
            let issue = issue_credit_note(&store, &renderer, &documents, &invoice, now);
            issue.instrument(info_span!("issue_credit_note")).await
        };
        let note = call.services.run(issue).await?.ok_or(Kind::NotFound)?;
        let sha256 = note.pdf_sha256.ok_or(Kind::Internal)?;
        Ok(Self { invoice: id, number: note.number.to_string(), key: note.object_key, sha256 })
    }
}

async fn address<S: Store>(call: &Call<S>, document: Document) -> Result<HttpResponse, Problem> {
    let (documents, now) = (call.services.documents.clone(), call.now);
    let signed = call.services.run(async move |_: S| documents.presign(&document.key, now).await).await?;
    let (url, expires_at) = signed;
    answer::secret(&DownloadView { url, expires_at: expires_at.to_string() })
}

async fn bytes<S: Store>(call: &Call<S>, document: Document) -> Result<HttpResponse, Problem> {
    let Document { invoice, number, key, sha256 } = document;
    let documents = call.services.documents.clone();
    let bytes = call.services.run(async move |_: S| documents.get(&key).await).await?;
    let missing = || format!("the document of {number} ({invoice}) is not in the object store");
    let bytes = bytes.ok_or_else(|| Problem::caused(Kind::DocumentNotReady, missing()))?;
    if Sha256::digest(&bytes).as_slice() != sha256 {
        let other = format!("the stored document of {number} ({invoice}) is not the one that was issued");
        return Err(Problem::caused(Kind::Internal, other));
    }
    Ok(answer::pdf(&format!("{number}.pdf"), sha256, bytes))
}

/// Whether a PDF is what the caller would like best. What cannot be read is no wish.
fn prefers_pdf<S: Store>(call: &Call<S>) -> bool {
    Accept::parse(&call.request).is_ok_and(|accept| accept.preference().essence_str() == answer::PDF)
}
