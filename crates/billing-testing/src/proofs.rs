//! The fake of `InvoiceProofs`: what a test has put.

use std::collections::VecDeque;

use billing_domain::invoicing::InvoiceProof;
use billing_domain::ports::{InvoiceProofs, PortError, UsageExport, UsageRows};
use billing_domain::{InvoiceId, TenantId};

use crate::memory::Memory;

/// What is behind an invoice, as a test has put it.
#[derive(Clone, Debug)]
pub struct ProvenInvoice {
    /// Its proof.
    pub proof: InvoiceProof,
    /// Its usage, chunk by chunk; `None` is where it breaks off.
    pub usage: Vec<Option<&'static str>>,
}

/// An export under way.
#[derive(Debug)]
pub struct RememberedRows(VecDeque<Option<&'static str>>);

impl UsageRows for RememberedRows {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, PortError> {
        match self.0.pop_front() {
            Some(Some(chunk)) => Ok(Some(chunk.as_bytes().to_vec())),
            Some(None) => Err(PortError::transient("export_usage", "broken off as told")),
            None => Ok(None),
        }
    }
}

impl InvoiceProofs for Memory {
    type Rows = RememberedRows;

    async fn proof(&self, invoice: InvoiceId, tenant: Option<TenantId>) -> Result<Option<InvoiceProof>, PortError> {
        let state = self.open("prove_invoice")?;
        let is_seen = state.invoices.get(&invoice).is_some_and(|(i, _)| tenant.is_none_or(|tenant| tenant == i.tenant));
        Ok(state.proven.get(&invoice).filter(|_| is_seen).map(|proven| proven.proof.clone()))
    }

    async fn export_usage(
        &self,
        invoice: InvoiceId,
        tenant: Option<TenantId>,
    ) -> Result<UsageExport<RememberedRows>, PortError> {
        let state = self.open("export_usage")?;
        if state.exports_are_busy {
            return Ok(UsageExport::Busy);
        }
        let is_seen = state.invoices.get(&invoice).is_some_and(|(i, _)| tenant.is_none_or(|tenant| tenant == i.tenant));
        let proven = state.proven.get(&invoice).filter(|_| is_seen);
        Ok(proven.map_or(UsageExport::NotFound, |proven| {
            UsageExport::Rows(RememberedRows(proven.usage.iter().copied().collect()))
        }))
    }
}

impl Memory {
    /// Remembers what is behind an invoice.
    pub fn put_proven(&self, invoice: InvoiceId, proven: ProvenInvoice) {
        self.remembered().proven.insert(invoice, proven);
    }

    /// Lets no export begin.
    pub fn let_exports_be_busy(&self) {
        self.remembered().exports_are_busy = true;
    }
}
