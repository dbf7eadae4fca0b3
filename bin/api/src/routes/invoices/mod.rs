//! `/v1/billing/invoices` and the route that declares an invoice void. Customers see what was issued to their own account;
//! staff see every account's, drafts included, and every such read is noted in the audit log.

mod body;
mod document;
mod download;
mod proof;
mod question;
mod sheet;
mod usage_csv;
mod view;
mod void_view;

use actix_web::HttpResponse;
use billing_domain::invoicing::{Invoice, InvoiceContents};
use billing_domain::ports::{ChangeOutcome, Refusal};
use billing_domain::{InvoiceId, TenantId};

use crate::auth::Caller;
use crate::http::problem::{Kind, Problem};
use crate::http::{answer, csv};
use crate::routes::call::Call;
use crate::routes::list::flag;
use crate::services::Store;

pub(crate) use document::{downloading, exporting_usage, listing, proving, showing, voiding};
pub(crate) use download::download;
pub(crate) use proof::prove;
pub(crate) use usage_csv::export_usage;
use view::{InvoiceList, InvoiceView, SummaryView};
use void_view::VoidEffectView;

/// A page of invoices, latest month first; or as CSV all of them.
pub(crate) async fn list<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let as_csv = csv::is_preferred(&call.request);
    let (filter, place) = question::read(&call, as_csv)?;
    let (account, after, limit) = (filter.account, place.after, place.limit);
    let asked = filter.clone();
    let page = call.services.run(async move |store: S| store.invoices(&asked, after, limit).await).await?;
    call.note_read(account, "invoices").await?;
    if as_csv {
        let file = sheet::of_list().answer(&call, (page.rows, page.next), move |store, after| {
            let filter = filter.clone();
            async move {
                let page = store.invoices(&filter, Some(after), limit).await?;
                Ok((page.rows, page.next))
            }
        });
        return file.map(answer::varied);
    }
    let (data, next_cursor) = (page.rows.iter().map(SummaryView::of).collect(), place.next(page.next));
    answer::ok(&InvoiceList { data, next_cursor, total: page.total }).map(answer::varied)
}

/// One invoice and what it is made of.
pub(crate) async fn show<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let (invoice, contents) = find(&call).await?;
    call.no_query()?;
    call.note_read(Some(invoice.account), "invoice").await?;
    let view = InvoiceView::of(&invoice, &contents);
    answer::ok(&if call.caller.is_staff() { view } else { view.for_customers() })
}

/// Declares an invoice void, once, or says what that would do.
pub(crate) async fn void<S: Store>(mut call: Call<S>) -> Result<HttpResponse, Problem> {
    let (invoice, contents) = find(&call).await?;
    let mut query = call.query()?;
    let is_dry_run = query.optional("dryRun", flag).unwrap_or(false);
    query.finish(Some(()))?;
    let body = call.body().await?;
    let (reason, disposition) = body::read(body.fields)?;
    let (id, action) = (invoice.id, call.action_once(&body.canonical)?);
    if is_dry_run {
        let outcome = call.services.run(async move |store: S| store.preview_void(id, disposition).await).await?;
        let effect = done(outcome)?;
        call.note_read(Some(invoice.account), "void preview").await?;
        return answer::ok(&VoidEffectView::of(&effect, disposition));
    }
    let outcome = call.services.run(async move |store: S| store.void(id, &reason, disposition, &action).await).await?;
    answer::ok(&InvoiceView::of(&done(outcome)?, &contents))
}

fn done<T>(outcome: ChangeOutcome<T>) -> Result<T, Problem> {
    let kind = match outcome {
        ChangeOutcome::Done(done) => return Ok(done),
        ChangeOutcome::Refused(Refusal::NotFound) => Kind::NotFound,
        ChangeOutcome::Refused(Refusal::Ended) => Kind::NotVoidable,
        ChangeOutcome::Refused(Refusal::KeyReused) => Kind::KeyReused,
        ChangeOutcome::Refused(Refusal::KeyInUse) => Kind::KeyInUse,
        ChangeOutcome::Refused(
            Refusal::Overlap | Refusal::RatedUsage | Refusal::Changed | Refusal::Correction(_) | Refusal::Replay(_),
        ) => Kind::Internal,
    };
    Err(kind.into())
}

/// The only tenant whose rows the caller may see.
fn tenant_seen(caller: &Caller) -> Option<TenantId> {
    if caller.is_staff() { None } else { caller.tenant }
}

/// The invoice that the path names, if it exists for the caller.
async fn find<S: Store>(call: &Call<S>) -> Result<(Invoice, InvoiceContents), Problem> {
    let id = InvoiceId(call.id()?);
    let tenant = tenant_seen(&call.caller);
    let found = call.services.run(async move |store: S| store.invoice(id, tenant).await).await?;
    found.filter(|(invoice, _)| may_see(&call.caller, invoice)).ok_or_else(|| Kind::NotFound.into())
}

/// Customers see what was issued to the one account of the one tenant that their token names.
fn may_see(caller: &Caller, invoice: &Invoice) -> bool {
    let is_own = caller.tenant == Some(invoice.tenant) && caller.account == Some(invoice.account);
    caller.is_staff() || (is_own && invoice.finalized_at.is_some())
}
