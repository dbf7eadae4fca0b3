//! The fakes of `InvoiceReader` and `InvoiceVoider`. Usage is neither released nor waived.

use billing_domain::invoicing::{Disposition, Invoice, InvoiceContents, InvoiceStatus, VoidReason, Voided};
use billing_domain::ports::{
    AdminAction, ChangeOutcome, InvoiceFilter, InvoicePage, InvoiceReader, InvoiceVoider, PortError, Refusal,
};
use billing_domain::{InvoiceId, Month, TenantId};

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
    let (invoice, _) = state.invoices.get_mut(&id).ok_or(Refusal::NotFound)?;
    if earlier(&state.keys, action)?.is_some() {
        return Ok(invoice.clone());
    }
    if !invoice.status.can_be_voided(invoice.pinned.is_some()) {
        return Err(Refusal::Ended);
    }
    (invoice.status, invoice.voided) = (InvoiceStatus::Void, Some(voided()));
    remember(&mut state.keys, action, id.0);
    Ok(invoice.clone())
}
