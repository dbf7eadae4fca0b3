//! What the API's document says of invoices.

use uuid::Uuid;

use super::body::VoidRequest;
use super::download::{DOCUMENT_NAMES, DownloadView};
use super::proof::{BucketSumsView, EventSumsView, LineProofView, LineSumsView, ProofView, ReceiptsView};
use super::question::STATUSES;
use super::sheet::COLUMNS;
use super::usage_csv::HEADER;
use super::view::{AdjustmentView, InvoiceList, InvoiceView, LineView, SummaryView, TaxView};
use super::void_view::{ReissueView, ReleasedUsageView, VoidEffectView};
use crate::http::problem::Kind;
use crate::routes::document::{Operation, day, flag, text_of, uuid};

const TAG: &str = "Invoices";
const ID: Uuid = Uuid::from_u128(0x0192_8c3e_0000_7000_8000_0000_0000_0003);
const ACCOUNT: Uuid = Uuid::from_u128(0x0192_8c3e_5a7b_7c1d_9e2f_3a4b_5c6d_7e8f);
const PRICE: Uuid = Uuid::from_u128(0x0192_8c3e_0000_7000_8000_0000_0000_0001);

/// `GET /v1/billing/invoices`.
pub(crate) fn listing() -> Operation {
    let csv = format!(
        "{}\r\n{ID},INV-2026-000123,{ACCOUNT},2026-10-01,2026-10-31,800,1000,11.25,12.38,USD,FINALIZED,\
         2026-11-01T00:05:12.345678Z\r\n",
        COLUMNS.join(",")
    );
    Operation::new("listInvoices", TAG, "Invoices, latest month first")
        .says(
            "Customers see what was issued to their own account, void invoices included, and never a draft. Staff see \
             every account's invoices in every state; every such read is noted in the audit log. As CSV: every invoice, of \
             any number; a transfer that breaks off is not complete.",
        )
        .parameter("accountId", uuid(), "Of this account; default: the token's own, for staff every account.")
        .parameter("status", text_of(&STATUSES.map(|(_, name)| name), "FINALIZED"), "In this state.")
        .parameter("from", day(), "For months whose first day is this day or later.")
        .parameter("to", day(), "For months whose first day is this day or earlier.")
        .paged()
        .answers_or_csv(
            "A page of invoices.",
            &InvoiceList { data: vec![summary()], next_cursor: None, total: 1 },
            &csv,
        )
        .refuses(&[Kind::Malformed, Kind::NotFound, Kind::Invalid])
}

/// `GET /v1/billing/invoices/{id}`.
pub(crate) fn showing() -> Operation {
    Operation::new("getInvoice", TAG, "One invoice and what it is made of")
        .says(
            "Lines and adjustments make the subtotal, subtotal and taxes the total. A month's amounts are always those of \
             all its usage so far, less what earlier invoices asked for, so that late usage, void invoices and new ones \
             end at the same cent.",
        )
        .id("The `invoiceId`.")
        .answers(200, "The invoice.", &invoice())
        .refuses(&[Kind::Malformed, Kind::NotFound, Kind::Invalid])
}

/// `GET /v1/billing/invoices/{id}/download`.
pub(crate) fn downloading() -> Operation {
    let example = DownloadView {
        url: format!("https://objects.example/ghasi-invoices/invoices/{ACCOUNT}/2026-10/{ID}.pdf?X-Amz-Expires=900"),
        expires_at: "2026-11-01T12:15:00Z".into(),
    };
    Operation::new("downloadInvoice", TAG, "An invoice's document")
        .says(
            "A URL that is good for 15 minutes. With `Accept: application/pdf` the document itself, checked against the hash \
             that was recorded when it was issued. A void invoice keeps its document, and if it was issued it has a credit \
             note as well: its document is made when it is first asked for, and is the same ever after.",
        )
        .id("The `invoiceId`.")
        .parameter(
            "document",
            text_of(&DOCUMENT_NAMES, "credit-note"),
            "`invoice` (default), or `credit-note`: what cancels a void invoice; 404 when there is none.",
        )
        .answers_or_pdf("Where it can be fetched, or the PDF.", &example)
        .refuses(&[Kind::Malformed, Kind::NotFound, Kind::Invalid, Kind::DocumentNotReady])
}

/// `GET /v1/billing/invoices/{id}/proof`.
pub(crate) fn proving() -> Operation {
    Operation::new("proveInvoice", TAG, "What an invoice was made from")
        .says(
            "Counted anew from the rated events whenever it is asked for: per line what the line says, what the buckets hold \
             that the invoice sealed, and what the events add up to that were summed in them. And what became of every message \
             that came for the account and month.",
        )
        .id("The `invoiceId`.")
        .answers(200, "The proof.", &proof())
        .refuses(&[Kind::Malformed, Kind::NotFound, Kind::Invalid])
}

/// `GET /v1/billing/invoices/{id}/usage.csv`.
pub(crate) fn exporting_usage() -> Operation {
    let line = format!("{ID},2026-10-05T08:00:00.000000Z,41220,MT,2,DELIVERED,{PRICE},0.012500,0.025000,USD");
    Operation::new("exportInvoiceUsage", TAG, "The rated events behind an invoice")
        .says(
            "One line a message, by day, and within a day in the order of the stream; late usage of earlier months comes first. \
             Of any length: it is sent as it is read. A transfer that breaks off is not complete; one that is complete has ended \
             as HTTP ends it. A pod sends one of an account at once, else 429, and few in all, else 503. What a spreadsheet would take for a formula begins with an \
             apostrophe.",
        )
        .id("The `invoiceId`.")
        .answers_whole_csv("The events.", &format!("{HEADER}{line}\n"))
        .refuses(&[Kind::Malformed, Kind::NotFound, Kind::Invalid, Kind::Exporting])
}

/// `POST /v1/admin/invoices/{id}/void`.
pub(crate) fn voiding() -> Operation {
    let request = VoidRequest { reason: "wrong price for operator 41220".into(), disposition: Some("rebill".into()) };
    let voided = InvoiceView {
        summary: SummaryView { status: "VOID", ..summary() },
        voided_by: Some("finance@ghasi.example".into()),
        voided_at: Some("2026-11-03T09:30:00Z".into()),
        void_reason: Some(request.reason.clone()),
        disposition: Some("rebill"),
        credit_note_number: Some("CN-2026-000007".into()),
        ..invoice()
    };
    let InvoiceView { lines, adjustments, taxes, .. } = invoice();
    let usage = ReleasedUsageView {
        month: "2026-10".into(),
        currency: "USD".into(),
        message_count: 800,
        segment_count: 1_000,
        exact_amount: "12.500000".into(),
    };
    let effect = VoidEffectView {
        dry_run: true,
        invoice_id: ID,
        disposition: "rebill",
        credited_amount: Some("12.38".into()),
        usage: vec![usage],
        reissue: Some(ReissueView {
            lines,
            adjustments,
            taxes,
            subtotal_amount: "11.25".into(),
            total_amount: "12.38".into(),
        }),
    };
    Operation::new("voidInvoice", TAG, "Declare an invoice void")
        .says(
            "Once, and for good; its number stays used. Its usage is billed again by a later run, on an invoice that names \
             the one it replaces, or never if it is waived. An invoice that was issued gets a credit note, numbered and dated \
             with it, which shows the reason; a draft gets none, for the customer never had it. Only the role \
             `platform.finance` may do this. With `dryRun=true` nothing is written, and the answer is what would be done.",
        )
        .id("The `invoiceId` of an issued invoice, or of a draft that has a number.")
        .parameter("dryRun", flag(), "Say what would be done, and write nothing. Default: false.")
        .idempotent()
        .body(&request)
        .answers_either("The void invoice, or with `dryRun=true` what would be done.", &voided, &effect)
        .refuses(&[Kind::NotFound, Kind::Invalid, Kind::NotVoidable, Kind::KeyReused, Kind::KeyInUse])
}

fn proof() -> ProofView {
    let (message_count, segment_count, units) = (800, 1_000, 1_000);
    let exact_amount = || "12.500000".to_owned();
    let (first_sequence, last_sequence) = (Some(1_204_411), Some(9_860_102));
    let line = LineProofView {
        usage_month: "2026-10".into(),
        operator_id: "41220".into(),
        direction: "MT",
        pricing_table_id: PRICE,
        agrees: true,
        line: Some(LineSumsView { message_count, segment_count, exact_amount: exact_amount() }),
        buckets: BucketSumsView { bucket_count: 31, message_count, segment_count, units, exact_amount: exact_amount() },
        events: Some(EventSumsView {
            event_count: message_count,
            segment_count,
            units,
            exact_amount: exact_amount(),
            first_sequence,
            last_sequence,
        }),
    };
    ProofView {
        invoice_id: ID,
        account_id: ACCOUNT,
        period_start: "2026-10-01".into(),
        period_end: "2026-10-31".into(),
        currency: "USD".into(),
        agrees: true,
        as_of: "2026-11-03T09:30:00Z".into(),
        lines: vec![line],
        receipts: ReceiptsView {
            received: 803,
            recorded: 800,
            duplicates: 2,
            quarantined: 1,
            unrated: 0,
            agrees: true,
        },
        document_sha256: Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into()),
    }
}

fn summary() -> SummaryView {
    SummaryView {
        invoice_id: ID,
        invoice_number: Some("INV-2026-000123".into()),
        account_id: ACCOUNT,
        period_start: "2026-10-01".into(),
        period_end: "2026-10-31".into(),
        total_messages: 800,
        total_segments: 1_000,
        subtotal_amount: "11.25".into(),
        total_amount: "12.38".into(),
        currency: "USD".into(),
        status: "FINALIZED",
        generated_at: "2026-11-01T00:05:12.345678Z".into(),
    }
}

fn invoice() -> InvoiceView {
    let line = LineView {
        usage_month: "2026-10".into(),
        operator_id: "41220".into(),
        direction: "MT",
        pricing_table_id: PRICE,
        message_count: 800,
        segment_count: 1_000,
        exact_amount: "12.500000".into(),
        amount: "12.50".into(),
    };
    let adjustment = AdjustmentView {
        usage_month: "2026-10".into(),
        pricing_table_id: PRICE,
        kind: "DISCOUNT",
        units: 1_000,
        due: "-1.25".into(),
        amount: "-1.25".into(),
        reason: None,
    };
    let tax = TaxView { name: "VAT".into(), rate: "10".into(), base: "11.25".into(), amount: "1.13".into() };
    InvoiceView {
        summary: summary(),
        issue_date: Some("2026-11-01".into()),
        due_date: Some("2026-12-01".into()),
        lines: vec![line],
        adjustments: vec![adjustment],
        taxes: vec![tax],
        replaces: None,
        replaced_by: None,
        voided_by: None,
        voided_at: None,
        void_reason: None,
        disposition: None,
        credit_note_number: None,
    }
}
