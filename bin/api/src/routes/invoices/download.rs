//! `GET /v1/billing/invoices/{id}/download`: where the document can be fetched, or for who prefers `application/pdf` the
//! document itself. A void invoice keeps its document.

use actix_web::HttpResponse;
use actix_web::http::header::{Accept, Header as _};
use billing_domain::invoicing::{Invoice, InvoiceNumber, InvoiceStatus};
use billing_domain::ports::DocumentStore as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::find;
use crate::http::answer;
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

/// The address of the document, or its bytes.
pub(crate) async fn download<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let (invoice, _) = find(&call).await?;
    call.no_query()?;
    let document = Document::of(invoice)?;
    call.note_read(Some(document.invoice.account), "invoice document").await?;
    if prefers_pdf(&call) { bytes(&call, document).await } else { address(&call, document).await }
}

/// What is known of a document that was stored.
struct Document {
    invoice: Invoice,
    number: InvoiceNumber,
    key: String,
    sha256: [u8; 32],
}

impl Document {
    /// An invoice is issued after its document was stored, not before.
    fn of(mut invoice: Invoice) -> Result<Self, Problem> {
        match (invoice.finalized_at, invoice.pinned, invoice.object_key.take(), invoice.pdf_sha256) {
            (Some(_), Some(pinned), Some(key), Some(sha256)) => {
                Ok(Self { invoice, number: pinned.number, key, sha256 })
            }
            _ if invoice.status == InvoiceStatus::Draft => Err(Kind::DocumentNotReady.into()),
            // Declared void before it was issued: there never will be one.
            _ => Err(Kind::NotFound.into()),
        }
    }
}

async fn address<S: Store>(call: &Call<S>, document: Document) -> Result<HttpResponse, Problem> {
    let (documents, now) = (call.services.documents.clone(), call.now);
    let signed = call.services.run(async move |_: S| documents.presign(&document.key, now).await).await?;
    let (url, expires_at) = signed;
    answer::ok(&DownloadView { url, expires_at: expires_at.to_string() })
}

async fn bytes<S: Store>(call: &Call<S>, document: Document) -> Result<HttpResponse, Problem> {
    let Document { invoice, number, key, sha256 } = document;
    let documents = call.services.documents.clone();
    let bytes = call.services.run(async move |_: S| documents.get(&key).await).await?;
    let missing = || format!("the document of {number} ({}) is not in the object store", invoice.id);
    let bytes = bytes.ok_or_else(|| Problem::caused(Kind::DocumentNotReady, missing()))?;
    if Sha256::digest(&bytes).as_slice() != sha256 {
        let other = format!("the stored document of {number} ({}) is not the one that was issued", invoice.id);
        return Err(Problem::caused(Kind::Internal, other));
    }
    Ok(answer::pdf(&format!("{number}.pdf"), sha256, bytes))
}

/// Whether a PDF is what the caller would like best. What cannot be read is no wish.
fn prefers_pdf<S: Store>(call: &Call<S>) -> bool {
    Accept::parse(&call.request).is_ok_and(|accept| accept.preference().essence_str() == answer::PDF)
}
