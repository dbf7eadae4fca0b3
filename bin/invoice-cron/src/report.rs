//! What the run tells at its end: lines for a person, or one JSON object for a machine.

use std::io::Write;

use billing_domain::Month;
use billing_domain::invoicing::{Adjustment, InvoiceContents, InvoiceLine, TaxLine, total};
use billing_domain::ports::DraftRequest;
use serde::Serialize;

use crate::plan::Note;
use crate::run::Outcome;

/// The whole report.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    period: String,
    dry_run: bool,
    issued: u64,
    elsewhere: u64,
    failed: Vec<FailedAccount>,
    held: Vec<String>,
    unrated: Vec<AccountCount>,
    uncosted: Vec<AccountCount>,
    without_name: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    would_issue: Vec<Preview>,
    seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    spent_milliseconds: Option<Spent>,
}

/// Where the time of the accounts went, in milliseconds; they are billed side by side, and added up here.
#[derive(Serialize)]
pub(crate) struct Spent {
    /// All of it.
    pub(crate) accounts: u64,
    pub(crate) rendering: u64,
    /// In the object store.
    pub(crate) storing: u64,
    pub(crate) database: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FailedAccount {
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
    invoices: Vec<String>,
    reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountCount {
    account_id: String,
    messages: u64,
}

/// An invoice that a dry run would issue.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Preview {
    account_id: String,
    period: String,
    currency: String,
    messages: u64,
    lines: Vec<Line>,
    adjustments: Vec<AdjustmentLine>,
    subtotal: String,
    taxes: Vec<Tax>,
    total: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    usage_month: String,
    operator_id: String,
    direction: &'static str,
    pricing_table_id: String,
    messages: u64,
    segments: u64,
    exact_amount: String,
    amount: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdjustmentLine {
    usage_month: String,
    pricing_table_id: String,
    kind: &'static str,
    units: u64,
    due: String,
    amount: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tax {
    name: String,
    rate: String,
    amount: String,
}

impl Preview {
    /// What a draft would come to.
    pub(crate) fn of(request: &DraftRequest, contents: &InvoiceContents) -> anyhow::Result<Self> {
        let InvoiceContents { lines, adjustments, taxes } = contents;
        let subtotal = contents.subtotal(request.currency)?;
        Ok(Self {
            account_id: request.account.to_string(),
            period: request.month.to_string(),
            currency: request.currency.to_string(),
            messages: lines.iter().map(|line| line.messages).sum(),
            lines: lines.iter().map(Line::of).collect(),
            adjustments: adjustments.iter().map(AdjustmentLine::of).collect(),
            subtotal: subtotal.to_string(),
            taxes: taxes.iter().map(Tax::of).collect(),
            total: total(subtotal, taxes)?.to_string(),
        })
    }

    /// The invoice in a line, and what it is made of below.
    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let Self { account_id, period, currency, messages, lines, adjustments, subtotal, taxes, total } = self;
        let count = lines.len();
        writeln!(out, "account {account_id}, {period}: {total} {currency}, {count} lines, {messages} messages")?;
        for Line { usage_month, operator_id, direction, messages, segments, exact_amount, amount, .. } in lines {
            let of = format!("{messages} messages, {segments} segments, exactly {exact_amount}");
            writeln!(out, "  {usage_month} {operator_id} {direction}: {amount} ({of})")?;
        }
        for AdjustmentLine { usage_month, kind, units, due, amount, reason, .. } in adjustments {
            let why = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
            writeln!(out, "  {usage_month} {kind}: {amount} ({units} units, {due} due so far){why}")?;
        }
        writeln!(out, "  subtotal: {subtotal}")?;
        for Tax { name, rate, amount } in taxes {
            writeln!(out, "  {name} {rate} %: {amount}")?;
        }
        Ok(())
    }
}

impl Line {
    fn of(line: &InvoiceLine) -> Self {
        Self {
            usage_month: line.usage_month.to_string(),
            operator_id: line.operator.to_string(),
            direction: line.direction.name(),
            pricing_table_id: line.price.to_string(),
            messages: line.messages,
            segments: line.segments,
            exact_amount: line.exact.to_string(),
            amount: line.amount.to_string(),
        }
    }
}

impl AdjustmentLine {
    fn of(adjustment: &Adjustment) -> Self {
        Self {
            usage_month: adjustment.usage_month.to_string(),
            pricing_table_id: adjustment.price.to_string(),
            kind: adjustment.kind.name(),
            units: adjustment.units,
            due: adjustment.due.to_string(),
            amount: adjustment.amount.to_string(),
            reason: adjustment.reason.clone(),
        }
    }
}

impl Tax {
    fn of(tax: &TaxLine) -> Self {
        Self { name: tax.name.clone(), rate: tax.rate.to_string(), amount: tax.amount.to_string() }
    }
}

impl Report {
    pub(crate) fn new(period: Month, outcome: &Outcome, notes: &[Note], seconds: u64) -> Self {
        let failed = outcome.failures.iter().map(|failure| FailedAccount {
            account_id: failure.job.account.map(|account| account.to_string()),
            invoices: failure.job.unfinished.iter().map(ToString::to_string).collect(),
            reason: failure.reason.clone(),
        });
        let count = |of: fn(&Note) -> u64| {
            let counted = notes.iter().filter(move |note| of(note) > 0);
            counted.map(|note| AccountCount { account_id: note.account.to_string(), messages: of(note) }).collect()
        };
        let accounts = |which: fn(&Note) -> bool| {
            notes.iter().filter(move |note| which(note)).map(|note| note.account.to_string()).collect()
        };
        Self {
            period: period.to_string(),
            dry_run: false,
            issued: outcome.counts.invoiced,
            elsewhere: outcome.counts.skipped,
            failed: failed.collect(),
            held: accounts(|note| note.is_held),
            unrated: count(|note| note.unrated),
            uncosted: count(|note| note.uncosted),
            without_name: accounts(|note| note.is_nameless),
            would_issue: Vec::new(),
            seconds,
            spent_milliseconds: None,
        }
    }

    pub(crate) fn dry(period: Month, would_issue: Vec<Preview>, notes: &[Note], seconds: u64) -> Self {
        Self { dry_run: true, would_issue, ..Self::new(period, &Outcome::default(), notes, seconds) }
    }

    /// Says where the time went.
    pub(crate) fn with(self, spent: Spent) -> Self {
        Self { spent_milliseconds: Some(spent), ..self }
    }

    /// Prints it to standard output.
    pub(crate) fn print(&self, as_json: bool) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if as_json {
            serde_json::to_writer(&mut out, self)?;
            return Ok(writeln!(out)?);
        }
        for note in &self.unrated {
            let held = if self.held.contains(&note.account_id) { ", held" } else { "" };
            writeln!(out, "account {}: {} messages without a price{held}", note.account_id, note.messages)?;
        }
        for note in &self.uncosted {
            writeln!(out, "account {}: {} messages without an operator cost", note.account_id, note.messages)?;
        }
        for account in &self.without_name {
            writeln!(out, "account {account}: no legal name is known, its id is printed")?;
        }
        for would in &self.would_issue {
            would.print(&mut out)?;
        }
        for failed in &self.failed {
            let who = failed.account_id.as_deref().map_or("draft".to_owned(), |account| format!("account {account}"));
            writeln!(out, "{who} {}: {}", failed.invoices.join(" "), failed.reason)?;
        }
        let Self { period, issued, elsewhere, seconds, .. } = self;
        if self.dry_run {
            return Ok(writeln!(
                out,
                "{period}: {} invoices would be issued; nothing was written",
                self.would_issue.len()
            )?);
        }
        let (failed, held) = (self.failed.len(), self.held.len());
        writeln!(
            out,
            "{period}: {issued} issued, {elsewhere} done elsewhere, {failed} failed, {held} held, in {seconds} s"
        )?;
        Ok(())
    }
}
