//! `GET /v1/billing/usage`: what an account used in a range of days.

mod document;
mod question;
mod sheet;
mod view;

use actix_web::HttpResponse;
use billing_domain::use_cases::{QueryError, query_usage};
use tracing::{Instrument as _, info_span};

use crate::http::problem::{FieldError, Kind, Place, Problem};
use crate::http::{answer, csv};
use crate::routes::call::Call;
use crate::services::Store;

pub(crate) use document::document;
use view::UsageView;

/// Usage of the token's own account, or for staff of any account, which is noted in the audit log.
pub(crate) async fn show<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let question = question::read(&call)?;
    let is_own = call.caller.account == Some(question.account);
    let query = async move |store: S| query_usage(&store, &question).instrument(info_span!("query_usage")).await;
    let report = call.services.run(query).await?;
    if !report.is_known && !is_own {
        return Err(Kind::NotFound.into());
    }
    call.note_read(Some(report.question.account), "usage").await?;
    let staff = call.caller.is_staff();
    if csv::is_preferred(&call.request) {
        return sheet::answer(&report, staff);
    }
    let view = UsageView::of_report(&report, staff);
    answer::meaning(&view, &view.undated()).map(answer::varied)
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Refused(refused) => {
                let error = FieldError { place: Place::Query, pointer: "/to".into(), detail: refused.to_string() };
                Self::refused(Kind::Invalid, vec![error])
            }
            QueryError::Port(port) => port.into(),
            QueryError::Sum(overflow) => Self::caused(Kind::Internal, overflow),
        }
    }
}
