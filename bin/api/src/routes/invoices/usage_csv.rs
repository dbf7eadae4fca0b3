//! `GET /v1/billing/invoices/{id}/usage.csv`: the rated events behind an invoice, as they come out of the store. What goes
//! wrong before the first line is a problem; after that the transfer breaks off.

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use billing_domain::ports::{UsageExport, UsageRows};

use super::{find, tenant_seen};
use crate::http::answer;
use crate::http::problem::{Kind, Problem};
use crate::http::stream::{self, Filler};
use crate::routes::call::Call;
use crate::services::Store;

/// The fields that the store writes, in their order.
pub(super) const HEADER: &str =
    "messageId,chargedAt,operatorId,direction,segmentCount,dlrStatus,pricingTableId,unitPrice,amount,currency\n";

/// Every event of every bucket that the invoice sealed.
pub(crate) async fn export_usage<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let (invoice, _) = find(&call).await?;
    call.no_query()?;
    call.note_read(Some(invoice.account), "invoice usage").await?;
    let (id, tenant) = (invoice.id, tenant_seen(&call.caller));
    let turn = call.services.exporting.take(invoice.account).ok_or(Kind::Exporting)?;
    let begun = call.services.run(async move |store: S| {
        let mut rows = match store.export_usage(id, tenant).await? {
            UsageExport::Rows(rows) => rows,
            UsageExport::NotFound => return Err(Kind::NotFound.into()),
            UsageExport::Busy => return Err(Kind::Overloaded.into()),
        };
        let first = rows.next().await?;
        Ok::<_, Problem>((first, rows))
    });
    let (first, rows) = begun.await?;
    let (filler, body) = stream::answer();
    let trace_id = call.trace.trace_id.clone();
    call.services.spawn(async move {
        pass_on(rows, first, filler, trace_id).await;
        drop(turn);
    });
    let name = invoice.pinned.map_or_else(|| "draft".to_owned(), |pinned| pinned.number.to_string());
    Ok(answer::csv_stream(&format!("{name}-usage.csv"), body))
}

/// Until all are out, the store fails, or nobody takes them any more: then the export is dropped, which ends it.
async fn pass_on<R: UsageRows>(mut rows: R, first: Option<Vec<u8>>, mut filler: Filler, trace_id: String) {
    let mut taken = filler.put(Bytes::from_static(HEADER.as_bytes())).await;
    let mut chunk = first;
    while let (Ok(()), Some(bytes)) = (&taken, chunk) {
        taken = filler.put(bytes).await;
        chunk = match rows.next().await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(trace_id, error = billing_runtime::chain(&error), "an export is broken off");
                return;
            }
        };
    }
    if let Err(gone) = taken {
        tracing::info!(trace_id, reason = %gone, "an export is given up");
    } else if filler.end().await.is_ok() {
        tracing::info!(trace_id, "an export is complete");
    }
}
