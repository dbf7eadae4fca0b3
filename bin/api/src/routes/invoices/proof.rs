//! `GET /v1/billing/invoices/{id}/proof`: what an invoice was made from, counted when it is asked for.

use std::sync::Arc;

use actix_web::HttpResponse;
use billing_domain::invoicing::{Invoice, InvoiceProof, LineProof, Receipts};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{find, tenant_seen};
use crate::http::answer;
use crate::http::problem::{Kind, Problem};
use crate::routes::call::Call;
use crate::services::Store;

/// What an invoice stands on.
#[derive(Serialize, ToSchema)]
#[schema(as = InvoiceProof)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProofView {
    /// Of which invoice.
    pub(super) invoice_id: Uuid,
    /// Who owes.
    pub(super) account_id: Uuid,
    /// First day of the month that it is for, UTC.
    #[schema(format = Date)]
    pub(super) period_start: String,
    /// Last day of the month, inclusive.
    #[schema(format = Date)]
    pub(super) period_end: String,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub(super) currency: String,
    /// Whether every line and the receipts agree.
    pub(super) agrees: bool,
    /// When it was counted; on a replica, up to when that was complete.
    #[schema(format = DateTime)]
    pub(super) as_of: String,
    /// In the order of the invoice.
    pub(super) lines: Vec<LineProofView>,
    /// What became of every message that came for the account and month, on whichever invoice.
    pub(super) receipts: ReceiptsView,
    /// SHA-256 of the PDF as it was recorded before it was stored, in hexadecimal; null while there is none.
    #[schema(required = true, pattern = "^[0-9a-f]{64}$")]
    pub(super) document_sha256: Option<String>,
}

/// One line, and what it was made from.
#[derive(Serialize, ToSchema)]
#[schema(as = InvoiceLineProof)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineProofView {
    /// The month of the usage.
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
    /// Whether line, buckets and events say the same, and every event is in the bucket of its own day and price.
    pub(super) agrees: bool,
    /// What the line says; null when usage was sealed that no line names.
    #[schema(required = true)]
    pub(super) line: Option<LineSumsView>,
    /// What the sealed buckets hold.
    pub(super) buckets: BucketSumsView,
    /// What the rated events add up to that were summed in these buckets; null when the month's events are archived.
    #[schema(required = true)]
    pub(super) events: Option<EventSumsView>,
}

/// What a line says.
#[derive(Serialize, ToSchema)]
#[schema(as = InvoiceLineSums)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineSumsView {
    /// Messages.
    pub(super) message_count: u64,
    /// Their segments.
    pub(super) segment_count: u64,
    /// Before it was rounded.
    #[schema(example = "12.500000", pattern = r"^-?\d+\.\d{6}$")]
    pub(super) exact_amount: String,
}

/// What the sealed buckets of a line hold.
#[derive(Serialize, ToSchema)]
#[schema(as = SealedBucketSums)]
#[serde(rename_all = "camelCase")]
pub(super) struct BucketSumsView {
    /// Buckets: one a day, more where a void invoice's usage is billed again.
    pub(super) bucket_count: u64,
    /// Messages.
    pub(super) message_count: u64,
    /// Their segments.
    pub(super) segment_count: u64,
    /// What is charged of them: segments, or messages where the price is per message.
    pub(super) units: u64,
    /// The sum of the events' amounts.
    #[schema(example = "12.500000", pattern = r"^-?\d+\.\d{6}$")]
    pub(super) exact_amount: String,
}

/// What the rated events of a line add up to.
#[derive(Serialize, ToSchema)]
#[schema(as = RatedEventSums)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventSumsView {
    /// Events, charged or not: each is one message.
    pub(super) event_count: u64,
    /// Their segments.
    pub(super) segment_count: u64,
    /// What the price charges of them.
    pub(super) units: u64,
    /// The sum of their amounts.
    #[schema(example = "12.500000", pattern = r"^-?\d+\.\d{6}$")]
    pub(super) exact_amount: String,
    /// The lowest place on the stream; null without events.
    #[schema(required = true)]
    pub(super) first_sequence: Option<u64>,
    /// The highest.
    #[schema(required = true)]
    pub(super) last_sequence: Option<u64>,
}

/// What became of the messages that came for one account and month.
#[derive(Serialize, ToSchema)]
#[schema(as = InvoiceReceipts)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReceiptsView {
    /// Distinct places on the stream among all of the following: a redelivery is not a second receipt.
    pub(super) received: u64,
    /// Rated events charged in the month, in every currency, on whichever invoice or on none yet.
    pub(super) recorded: u64,
    /// Second publications of messages charged in the month.
    pub(super) duplicates: u64,
    /// Messages published in the month that cannot be usage; once replayed, they count as what they became.
    pub(super) quarantined: u64,
    /// Messages charged in the month that wait for a price.
    pub(super) unrated: u64,
    /// Whether received = recorded + duplicates + quarantined + unrated.
    pub(super) agrees: bool,
}

/// The proof of one invoice.
pub(crate) async fn prove<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let (invoice, _) = find(&call).await?;
    call.no_query()?;
    let turn = Arc::clone(&call.services.proofs).try_acquire_owned().map_err(|_| Kind::Overloaded)?;
    let (id, tenant) = (invoice.id, tenant_seen(&call.caller));
    let proof = call.services.run(async move |store: S| {
        let proof = store.proof(id, tenant).await;
        // Taken for as long as it is counted, not for as long as somebody waits for it.
        drop(turn);
        proof
    });
    let proof = proof.await?;
    let proof = proof.ok_or(Kind::NotFound)?;
    call.note_read(Some(invoice.account), "invoice proof").await?;
    let view = ProofView::of(&invoice, &proof);
    answer::meaning(&view, &view.undated())
}

impl ProofView {
    fn of(invoice: &Invoice, proof: &InvoiceProof) -> Self {
        let hex = |sha256: [u8; 32]| sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            invoice_id: invoice.id.0,
            account_id: invoice.account.0,
            period_start: invoice.period.first_day().to_string(),
            period_end: invoice.period.last_day().to_string(),
            currency: invoice.currency.to_string(),
            agrees: proof.agrees(),
            as_of: proof.as_of.to_string(),
            lines: proof.lines.iter().map(LineProofView::of).collect(),
            receipts: ReceiptsView::of(&proof.receipts),
            document_sha256: invoice.pdf_sha256.map(hex),
        }
    }

    /// What may be otherwise when it is counted again.
    fn undated(&self) -> impl Serialize + '_ {
        (self.invoice_id, self.agrees, &self.lines, &self.receipts, &self.document_sha256)
    }
}

impl LineProofView {
    fn of(proof: &LineProof) -> Self {
        let (month, operator, direction, price) = &proof.key;
        Self {
            usage_month: month.to_string(),
            operator_id: operator.to_string(),
            direction: direction.name(),
            pricing_table_id: price.0,
            agrees: proof.agrees(),
            line: proof.line.as_ref().map(|line| LineSumsView {
                message_count: line.messages,
                segment_count: line.segments,
                exact_amount: line.exact.to_string(),
            }),
            buckets: BucketSumsView {
                bucket_count: proof.buckets,
                message_count: proof.sealed.messages,
                segment_count: proof.sealed.segments,
                units: proof.sealed.units,
                exact_amount: proof.sealed.amount.to_string(),
            },
            events: proof.events.map(|(events, units)| EventSumsView {
                event_count: events.messages,
                segment_count: events.segments,
                units,
                exact_amount: events.amount.to_string(),
                first_sequence: events.places.map(|(first, _)| first),
                last_sequence: events.places.map(|(_, last)| last),
            }),
        }
    }
}

impl ReceiptsView {
    fn of(receipts: &Receipts) -> Self {
        let Receipts { received, recorded, duplicates, quarantined, unrated } = *receipts;
        Self { received, recorded, duplicates, quarantined, unrated, agrees: receipts.agrees() }
    }
}
