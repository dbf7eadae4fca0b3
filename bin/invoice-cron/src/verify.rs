//! `verify`: every invoice of a month that is not void, made again from its events; its document fetched and hashed.
//! Nothing is mended.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use anyhow::bail;
use billing_domain::invoicing::{Difference, Invoice, InvoiceStatus, Part};
use billing_domain::ports::{DocumentStore, InvoiceAudit, PortError};
use billing_domain::use_cases::{Recounted, recount_invoice};
use billing_domain::{AccountId, InvoiceId, Month};
use billing_runtime::{Shutdown, chain};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use crate::progress::Progress;

/// What it verifies with.
pub(crate) struct Verifier<S, D> {
    pub(crate) store: S,
    pub(crate) documents: D,
    pub(crate) progress: Progress,
}

/// What was found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    period: String,
    verified: u64,
    differing: Vec<Differing>,
    seconds: u64,
}

/// An invoice that is not what its events make of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Differing {
    invoice_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
    differences: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    part: &'static str,
    subject: String,
    field: &'static str,
    stored: String,
    found: String,
    #[serde(skip)]
    sentence: String,
}

/// Looks at all of them, `parallel` at a time. What cannot be read for good is a difference.
pub(crate) async fn verify<S, D>(
    verifier: &Arc<Verifier<S, D>>,
    period: Month,
    account: Option<AccountId>,
    parallel: u32,
    shutdown: &Shutdown,
) -> anyhow::Result<Report>
where
    S: InvoiceAudit + Send + Sync + 'static,
    D: DocumentStore + Send + Sync + 'static,
{
    let began = Instant::now();
    let parallel = usize::try_from(parallel).unwrap_or(1);
    let standing = verifier.store.standing(period, account).await?;
    let total = u64::try_from(standing.len()).unwrap_or(u64::MAX);
    verifier.progress.begin("verify", total);
    let mut waiting = standing.into_iter();
    let mut under_way = JoinSet::new();
    let mut report = Report { period: period.to_string(), verified: 0, differing: Vec::new(), seconds: 0 };
    loop {
        while under_way.len() < parallel && !shutdown.is_requested() {
            let Some(id) = waiting.next() else { break };
            let verifier = Arc::clone(verifier);
            under_way.spawn(async move { verifier.look_at(id).await });
        }
        let Some(ended) = under_way.join_next().await else { break };
        report.differing.extend(ended??);
        report.verified += 1;
        verifier.progress.step();
    }
    if waiting.next().is_some() {
        bail!("asked to stop when {} of {total} invoices were verified", report.verified);
    }
    report.differing.sort_by(|a, b| (&a.account_id, &a.invoice_id).cmp(&(&b.account_id, &b.invoice_id)));
    report.seconds = began.elapsed().as_secs();
    Ok(report)
}

impl<S: InvoiceAudit, D: DocumentStore> Verifier<S, D> {
    async fn look_at(&self, id: InvoiceId) -> Result<Option<Differing>, PortError> {
        let found = match recount_invoice(&self.store, id).await {
            Err(error) if !error.retryable => return Ok(Some(Differing::unreadable(id, &error))),
            found => found?,
        };
        // Declared void meanwhile, it would still be there: only a foreign hand takes it away.
        let Some(Recounted { invoice, mut differences }) = found else { return Ok(None) };
        differences.extend(self.document(&invoice).await?);
        Ok((!differences.is_empty()).then(|| Differing::of(&invoice, &differences)))
    }

    /// What differs of its document. A draft may have none yet.
    async fn document(&self, invoice: &Invoice) -> Result<Option<Difference>, PortError> {
        if invoice.status == InvoiceStatus::Draft {
            return Ok(None);
        }
        let recorded = invoice.pdf_sha256.map_or_else(|| "absent".to_owned(), |sha256| hex(&sha256));
        let key = invoice.object_key.clone().unwrap_or_default();
        let bytes = if key.is_empty() { None } else { self.documents.get(&key).await? };
        let found = bytes.map_or_else(|| "absent".to_owned(), |bytes| hex(&Sha256::digest(&bytes)));
        let differs = found != recorded || found == "absent";
        Ok(differs.then_some(Difference {
            part: Part::Document,
            subject: key,
            field: "sha256",
            stored: recorded,
            found,
        }))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Differing {
    fn of(invoice: &Invoice, differences: &[Difference]) -> Self {
        Self {
            invoice_id: invoice.id.to_string(),
            invoice_number: invoice.pinned.map(|pinned| pinned.number.to_string()),
            account_id: Some(invoice.account.to_string()),
            differences: differences.iter().map(Row::of).collect(),
        }
    }

    fn unreadable(id: InvoiceId, error: &PortError) -> Self {
        let row = Difference {
            part: Part::Invoice,
            subject: String::new(),
            field: "rows",
            stored: chain(error),
            found: "nothing that can be read".to_owned(),
        };
        Self { invoice_id: id.to_string(), invoice_number: None, account_id: None, differences: vec![Row::of(&row)] }
    }
}

impl Row {
    fn of(difference: &Difference) -> Self {
        let sentence = difference.to_string();
        let Difference { part, subject, field, stored, found } = difference.clone();
        Self { part: part.name(), subject, field, stored, found, sentence }
    }
}

impl Report {
    /// Whether there is nothing to tell.
    pub(crate) fn is_clean(&self) -> bool {
        self.differing.is_empty()
    }

    /// Prints it to standard output.
    pub(crate) fn print(&self, as_json: bool) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if as_json {
            serde_json::to_writer(&mut out, self)?;
            return Ok(writeln!(out)?);
        }
        for invoice in &self.differing {
            let number = invoice.invoice_number.as_deref().unwrap_or("invoice");
            let account = invoice.account_id.as_deref().unwrap_or("unknown");
            for row in &invoice.differences {
                writeln!(out, "{number} {} of account {account}: {}", invoice.invoice_id, row.sentence)?;
            }
        }
        let Self { period, verified, differing, seconds } = self;
        Ok(writeln!(out, "{period}: {verified} invoices verified, {} differ, in {seconds} s", differing.len())?)
    }
}
