//! Proving invoices: what they were made from, shown, exported and recounted. Nothing here changes anything.

use std::collections::BTreeMap;
use std::future::Future;

use crate::invoicing::{EventTally, InvoiceProof, InvoiceRecord};
use crate::{AccountId, InvoiceId, Month, TenantId};

use super::PortError;

/// The rated events behind an invoice, on their way out. Dropped before its end, it stops where it is.
pub trait UsageRows: Send + 'static {
    /// The next bytes: whole lines of CSV without a header, ended by a line feed, of these fields: message id, time of the
    /// charge (RFC 3339, UTC), operator, direction, segments, delivery status, price id, unit price, amount, currency.
    /// Amounts have six decimals; what a spreadsheet would take for a formula begins with an apostrophe. By day, and within
    /// a day in the order of the stream. `None` when all are out.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>, PortError>> + Send;
}

/// What became of the wish to export an invoice's usage.
#[derive(Debug)]
pub enum UsageExport<R> {
    /// Here it comes.
    Rows(R),
    /// No such invoice within the tenant that may be seen.
    NotFound,
    /// As many are under way as there may be.
    Busy,
}

/// Shows what invoices stand on.
pub trait InvoiceProofs {
    /// An export under way.
    type Rows: UsageRows;

    /// What an invoice was made from, and what became of its account's messages of its month; if it exists within the
    /// tenant that may be seen.
    fn proof(
        &self,
        invoice: InvoiceId,
        tenant: Option<TenantId>,
    ) -> impl Future<Output = Result<Option<InvoiceProof>, PortError>> + Send;

    /// The rated events that an invoice was made from. Few at once, on connections of their own.
    fn export_usage(
        &self,
        invoice: InvoiceId,
        tenant: Option<TenantId>,
    ) -> impl Future<Output = Result<UsageExport<Self::Rows>, PortError>> + Send;
}

/// Fetches what an invoice is recounted from.
pub trait InvoiceAudit {
    /// The invoices of a month that are not void, by account.
    fn standing(
        &self,
        period: Month,
        account: Option<AccountId>,
    ) -> impl Future<Output = Result<Vec<InvoiceId>, PortError>> + Send;

    /// One invoice as it is stored, and what stood when it was drafted.
    fn invoice_record(
        &self,
        invoice: InvoiceId,
    ) -> impl Future<Output = Result<Option<InvoiceRecord>, PortError>> + Send;

    /// What the events of some buckets add up to, those of buckets that were merged into them included.
    fn tallies(&self, buckets: &[i64]) -> impl Future<Output = Result<BTreeMap<i64, EventTally>, PortError>> + Send;
}
