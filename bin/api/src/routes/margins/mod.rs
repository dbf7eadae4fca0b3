//! `GET /v1/admin/operator-costs/margin`: what usage earns, those groups first that lose most.

mod document;
mod question;
mod sheet;
mod view;

use actix_web::HttpResponse;
use billing_domain::use_cases::query_margins;
use tracing::{Instrument as _, info_span};

use crate::http::problem::Problem;
use crate::http::{answer, csv};
use crate::routes::call::Call;
use crate::services::Store;

pub(crate) use document::listing;
pub(crate) use question::PATH;
use view::MarginList;

/// A page of groups and the sums of all, or as CSV every group. It is about every tenant, which is noted in the audit log.
pub(crate) async fn list<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let as_csv = csv::is_preferred(&call.request);
    let (question, place) = question::read(&call, as_csv)?;
    let (after, limit) = (place.after.clone(), place.limit);
    let read = async move |store: S| {
        query_margins(&store, &question, after.as_ref(), limit).instrument(info_span!("query_margins")).await
    };
    let page = call.services.run(read).await?;
    call.note_read(None, "margins").await?;
    if as_csv {
        let file = sheet::of(&question).answer(&call, (page.rows, page.next), move |store, after| async move {
            let page = store.margins(&question, Some(&after), limit).await?;
            Ok((page.rows, page.next))
        });
        return file.map(answer::varied);
    }
    let next_cursor = place.next(page.next.clone());
    let list = MarginList::of(&question, &page, next_cursor)?;
    answer::meaning(&list, &list.undated()).map(answer::varied)
}
