//! Invoices: from open buckets to an issued document, and back when one is declared void.

mod basis;
mod billable;
mod contents;
mod credit_notes;
mod draft;
mod export;
mod issue;
mod outbox;
mod parked;
mod proof;
mod read;
mod record;
mod rows;
mod runs;
mod sealed;
mod void;
mod void_preview;

use std::collections::BTreeMap;

use billing_domain::invoicing::{
    CreditNote, Disposition, EventTally, Invoice, InvoiceContents, InvoiceDocument, InvoiceProof, InvoiceRecord,
    VoidEffect, VoidReason,
};
use billing_domain::ports::{
    AdminAction, Billable, ChangeOutcome, CreditNotes, DraftOutcome, DraftRequest, FinalizeOutcome, InvoiceAudit,
    InvoiceFilter, InvoicePage, InvoiceProofs, InvoiceReader, InvoiceStore, InvoiceVoider, Outbox, OutboxEntry,
    ParkedDraft, PinRequest, PortError, Refusal, RunCounts, RunResult, RunTotals, UsageExport,
};
use billing_domain::{AccountId, CreditNoteId, InvoiceId, Month, TenantId};
use jiff::Timestamp;
use uuid::Uuid;

use crate::Postgres;
use crate::prices::outcome;
use crate::transaction::Ended;

use export::ExportedRows;
pub(crate) use export::Exports;

impl InvoiceStore for Postgres {
    async fn billable(&self, period: Month, account: Option<AccountId>) -> Result<Vec<Billable>, PortError> {
        Ok(self.write(&billable::ListBillable { period, account }).await?)
    }

    async fn unrated(&self, period: Month, account: Option<AccountId>) -> Result<BTreeMap<AccountId, u64>, PortError> {
        Ok(self.write(&billable::CountUnrated { period, account }).await?)
    }

    async fn unfinished(&self, period: Month, account: Option<AccountId>) -> Result<Vec<InvoiceId>, PortError> {
        Ok(self.write(&billable::ListUnfinished { period, account }).await?)
    }

    async fn preview(&self, request: &DraftRequest) -> Result<InvoiceContents, PortError> {
        Ok(self.write(&draft::Preview(request)).await?)
    }

    async fn draft(&self, request: &DraftRequest) -> Result<DraftOutcome, PortError> {
        match self.write(&draft::Draft(request)).await {
            Err(Ended::Refused(Refusal::NotFound)) => Ok(DraftOutcome::NoUsage),
            ended => Ok(ended?),
        }
    }

    async fn pin(&self, invoice: InvoiceId, request: &PinRequest) -> Result<Option<InvoiceDocument>, PortError> {
        Ok(self.write(&issue::Pin { invoice, request }).await?)
    }

    async fn record_pdf(&self, invoice: InvoiceId, sha256: [u8; 32]) -> Result<[u8; 32], PortError> {
        Ok(self.write(&issue::RecordPdf { invoice, sha256 }).await?)
    }

    async fn finalize(&self, invoice: InvoiceId, at: Timestamp) -> Result<FinalizeOutcome, PortError> {
        Ok(self.write(&issue::Finalize { invoice, at }).await?)
    }

    async fn park(&self, invoice: InvoiceId, reason: &str, at: Timestamp) -> Result<(), PortError> {
        Ok(self.write(&parked::Park { invoice, reason, at }).await?)
    }

    async fn parked(&self) -> Result<Vec<ParkedDraft>, PortError> {
        Ok(self.write(&parked::ListParked).await?)
    }

    async fn begin_run(&self, run: Uuid, period: Month, at: Timestamp) -> Result<(), PortError> {
        Ok(self.write(&runs::BeginRun { run, period, at }).await?)
    }

    async fn end_run(&self, run: Uuid, at: Timestamp, result: RunResult, counts: RunCounts) -> Result<(), PortError> {
        Ok(self.write(&runs::EndRun { run, at, result, counts }).await?)
    }
}

impl InvoiceReader for Postgres {
    async fn invoices(
        &self,
        filter: &InvoiceFilter,
        after: Option<(Month, InvoiceId)>,
        limit: u32,
    ) -> Result<InvoicePage, PortError> {
        Ok(self.read(&read::ListInvoices { filter, after, limit }).await?)
    }

    async fn invoice(
        &self,
        id: InvoiceId,
        tenant: Option<TenantId>,
    ) -> Result<Option<(Invoice, InvoiceContents)>, PortError> {
        Ok(self.write(&read::FindInvoice { id, tenant }).await?)
    }
}

impl InvoiceProofs for Postgres {
    type Rows = ExportedRows;

    async fn proof(&self, invoice: InvoiceId, tenant: Option<TenantId>) -> Result<Option<InvoiceProof>, PortError> {
        proof::prove(self, invoice, tenant).await
    }

    async fn export_usage(
        &self,
        invoice: InvoiceId,
        tenant: Option<TenantId>,
    ) -> Result<UsageExport<ExportedRows>, PortError> {
        export::begin(self, invoice, tenant).await
    }
}

impl InvoiceAudit for Postgres {
    async fn standing(&self, period: Month, account: Option<AccountId>) -> Result<Vec<InvoiceId>, PortError> {
        Ok(self.write(&record::ListStanding { period, account }).await?)
    }

    async fn invoice_record(&self, invoice: InvoiceId) -> Result<Option<InvoiceRecord>, PortError> {
        Ok(self.write(&record::ReadRecord(invoice)).await?)
    }

    async fn tallies(&self, buckets: &[i64]) -> Result<BTreeMap<i64, EventTally>, PortError> {
        Ok(self.write(&record::TallyEvents(buckets)).await?)
    }
}

impl InvoiceVoider for Postgres {
    async fn void(
        &self,
        id: InvoiceId,
        reason: &VoidReason,
        disposition: Disposition,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<Invoice>, PortError> {
        let credit_note = CreditNoteId(Uuid::new_v4());
        outcome(self.write(&void::VoidInvoice { id, credit_note, reason, disposition, action }).await)
    }

    async fn preview_void(
        &self,
        id: InvoiceId,
        disposition: Disposition,
    ) -> Result<ChangeOutcome<VoidEffect>, PortError> {
        outcome(self.write(&void_preview::PreviewVoid { id, disposition }).await)
    }
}

impl CreditNotes for Postgres {
    async fn credit_note(&self, invoice: &Invoice) -> Result<Option<CreditNote>, PortError> {
        Ok(self.write(&credit_notes::FindCreditNote(invoice)).await?)
    }

    async fn credit_note_document(&self, invoice: &Invoice) -> Result<Option<InvoiceDocument>, PortError> {
        Ok(self.write(&credit_notes::ReadCreditNote(invoice)).await?)
    }

    async fn record_credit_note(
        &self,
        invoice: &Invoice,
        template: &'static str,
        sha256: [u8; 32],
    ) -> Result<[u8; 32], PortError> {
        Ok(self.write(&credit_notes::RecordCreditNote { invoice, template, sha256 }).await?)
    }

    async fn mark_credit_note_stored(&self, invoice: &Invoice, at: Timestamp) -> Result<(), PortError> {
        Ok(self.write(&credit_notes::MarkCreditNoteStored { invoice, at }).await?)
    }
}

impl Outbox for Postgres {
    async fn unpublished(&self, limit: u32) -> Result<Vec<OutboxEntry>, PortError> {
        Ok(self.write(&outbox::ListUnpublished(limit)).await?)
    }

    async fn mark_published(&self, positions: &[i64], at: Timestamp) -> Result<(), PortError> {
        Ok(self.write(&outbox::MarkPublished { positions, at }).await?)
    }

    async fn run_totals(&self) -> Result<RunTotals, PortError> {
        Ok(self.write(&runs::SumRuns).await?)
    }
}
