//! The fakes of `InvoiceReader` and `InvoiceVoider`. Usage is neither released nor waived, and a preview tells what an
//! invoice's lines say.

use std::collections::BTreeMap;

use billing_domain::invoicing::{
    CreditNote, CreditNoteNumber, Disposition, Invoice, InvoiceContents, InvoiceStatus, Reissue, ReleasedUsage,
    VoidEffect, VoidReason, Voided, credit_note_key,
};
use billing_domain::ports::{
    AdminAction, ChangeOutcome, InvoiceFilter, InvoicePage, InvoiceReader, InvoiceVoider, PortError, Refusal,
};
use billing_domain::{CreditNoteId, Day, InvoiceId, MicrosSum, Month, TenantId};
use uuid::Uuid;

use crate::idempotency::{earlier, remember};
use crate::memory::{Memory, State};

impl InvoiceReader for Memory {
    async fn invoices(
        &self,
        filter: &InvoiceFilter,
        after: Option<(Month, InvoiceId)>,
        limit: u32,
    ) -> Result<InvoicePage, PortError> {
        let state = self.open("list_invoices")?;
        let place = |invoice: &Invoice| (invoice.period, invoice.id);
        let all = state.invoices.values().map(|(invoice, _)| invoice);
        let mut rows: Vec<Invoice> = all.filter(|invoice| matches(filter, invoice)).cloned().collect();
        let total = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        rows.retain(|invoice| after.is_none_or(|after| place(invoice) < after));
        rows.sort_by_key(|invoice| std::cmp::Reverse(place(invoice)));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = if has_more { rows.last().map(place) } else { None };
        Ok(InvoicePage { rows, next, total })
    }

    async fn invoice(
        &self,
        id: InvoiceId,
        tenant: Option<TenantId>,
    ) -> Result<Option<(Invoice, InvoiceContents)>, PortError> {
        let found = self.open("find_invoice")?.invoices.get(&id).cloned();
        Ok(found.filter(|(invoice, _)| tenant.is_none_or(|tenant| tenant == invoice.tenant)))
    }
}

impl InvoiceVoider for Memory {
    async fn void(
        &self,
        id: InvoiceId,
        reason: &VoidReason,
        disposition: Disposition,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<Invoice>, PortError> {
        let mut state = self.open("void_invoice")?;
        let done = void(&mut state, id, action, || Voided {
            at: action.at,
            by: action.actor.clone(),
            reason: reason.as_str().to_owned(),
            disposition,
        });
        Ok(done.map_or_else(ChangeOutcome::Refused, ChangeOutcome::Done))
    }

    async fn preview_void(
        &self,
        id: InvoiceId,
        disposition: Disposition,
    ) -> Result<ChangeOutcome<VoidEffect>, PortError> {
        let state = self.open("preview_void")?;
        let Some((invoice, contents)) = state.invoices.get(&id) else {
            return Ok(ChangeOutcome::Refused(Refusal::NotFound));
        };
        if !invoice.status.can_be_voided(invoice.pinned.is_some(), state.parked.contains(&id)) {
            return Ok(ChangeOutcome::Refused(Refusal::Ended));
        }
        let reissue = (disposition == Disposition::Rebill).then(|| Reissue {
            contents: contents.clone(),
            subtotal: invoice.subtotal,
            total: invoice.total,
        });
        Ok(ChangeOutcome::Done(VoidEffect { invoice: invoice.clone(), usage: usage(contents), reissue }))
    }
}

fn usage(contents: &InvoiceContents) -> Vec<ReleasedUsage> {
    let mut months: BTreeMap<Month, ReleasedUsage> = BTreeMap::new();
    for line in &contents.lines {
        let none = ReleasedUsage { month: line.usage_month, messages: 0, segments: 0, exact: MicrosSum::ZERO };
        let sum = months.entry(line.usage_month).or_insert(none);
        sum.messages += line.messages;
        sum.segments += line.segments;
        sum.exact = MicrosSum(sum.exact.0 + line.exact.0);
    }
    months.into_values().collect()
}

fn matches(filter: &InvoiceFilter, invoice: &Invoice) -> bool {
    let first = invoice.period.first_day();
    let is_issued = invoice.status != InvoiceStatus::Draft && invoice.finalized_at.is_some();
    filter.tenant.is_none_or(|tenant| tenant == invoice.tenant)
        && filter.account.is_none_or(|account| account == invoice.account)
        && filter.status.is_none_or(|status| status == invoice.status)
        && filter.from.is_none_or(|from| from <= first)
        && filter.to.is_none_or(|to| first <= to)
        && (filter.with_drafts || is_issued)
}

fn void(
    state: &mut State,
    id: InvoiceId,
    action: &AdminAction,
    voided: impl FnOnce() -> Voided,
) -> Result<Invoice, Refusal> {
    let State { invoices, parked, keys, credit_notes, .. } = state;
    let (invoice, _) = invoices.get_mut(&id).ok_or(Refusal::NotFound)?;
    if earlier(keys, action)?.is_some() {
        return Ok(invoice.clone());
    }
    if !invoice.status.can_be_voided(invoice.pinned.is_some(), parked.contains(&id)) {
        return Err(Refusal::Ended);
    }
    (invoice.status, invoice.voided) = (InvoiceStatus::Void, Some(voided()));
    if invoice.is_credited_when_void() {
        let issue_date = Day::of(action.at);
        let of_year = credit_notes.values().filter(|note| note.number.year() == issue_date.month().year());
        let sequence = u32::try_from(of_year.count()).unwrap_or(u32::MAX).saturating_add(1);
        let number = CreditNoteNumber::new(issue_date.month().year(), sequence);
        let note = CreditNoteId(Uuid::new_v4());
        let object_key = credit_note_key(invoice.account, invoice.period, note);
        invoice.credit_note = Some(number);
        let note = CreditNote { id: note, number, issue_date, object_key, pdf_sha256: None, is_stored: false };
        credit_notes.insert(id, note);
    }
    remember(keys, action, id.0);
    Ok(invoice.clone())
}
