//! Usage as a CSV file: a line for each currency and period. Customers never see what operators charge, nor what is left of
//! their price.

use actix_web::HttpResponse;
use billing_domain::Day;
use billing_domain::usage::{BucketSums, UsageReport};

use crate::http::answer;
use crate::http::csv::{Cell, lines};
use crate::http::problem::Problem;

/// What everybody sees.
pub(super) const COLUMNS: [&str; 6] =
    ["accountId", "currency", "period", "messageCount", "segmentCount", "totalCustomerPrice"];
/// What staff see besides.
const STAFF_COLUMNS: [&str; 2] = ["totalOperatorCost", "margin"];

/// The file, with cost and margin for staff.
///
/// # Errors
/// 500 when it cannot be written.
pub(super) fn answer(report: &UsageReport, staff: bool) -> Result<HttpResponse, Problem> {
    let staff_columns = if staff { STAFF_COLUMNS.as_slice() } else { &[] };
    let head = COLUMNS.iter().chain(staff_columns).map(Cell::text).collect();
    let rows = report.currencies.iter().flat_map(|figures| {
        figures.periods.iter().map(move |(period, sums)| {
            let key = [Cell::text(report.question.account), Cell::text(figures.currency), Cell::text(period)];
            key.into_iter().chain(amounts(sums, staff)).collect()
        })
    });
    let bytes = lines(std::iter::once(head).chain(rows))?;
    let (from, to) = (report.question.days.from(), report.question.days.last());
    let file_name = format!("usage-{from}-{}.csv", to.as_ref().map(Day::to_string).unwrap_or_default());
    Ok(answer::varied(answer::csv(&file_name, bytes)))
}

fn amounts(sums: &BucketSums, staff: bool) -> Vec<Cell> {
    let mut cells = vec![Cell::number(sums.messages), Cell::number(sums.segments), Cell::number(sums.amount)];
    if staff {
        cells.extend([Cell::number_or_empty(sums.known_cost()), Cell::number_or_empty(sums.margin())]);
    }
    cells
}
