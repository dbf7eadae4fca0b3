//! A list of invoices as a CSV file: the fields of JSON, side by side.

use billing_domain::invoicing::Invoice;

use super::view::SummaryView;
use crate::http::csv::Cell;
use crate::routes::spreadsheet::Sheet;

/// As JSON names them.
pub(super) const COLUMNS: [&str; 12] = [
    "invoiceId",
    "invoiceNumber",
    "accountId",
    "periodStart",
    "periodEnd",
    "totalMessages",
    "totalSegments",
    "subtotalAmount",
    "totalAmount",
    "currency",
    "status",
    "generatedAt",
];

/// How the list looks.
pub(super) fn of_list() -> Sheet<Invoice> {
    Sheet { file_name: "invoices.csv".into(), columns: COLUMNS.to_vec(), fields: |invoice| Ok(fields(invoice)) }
}

fn fields(invoice: &Invoice) -> Vec<Cell> {
    let row = SummaryView::of(invoice);
    vec![
        Cell::text(row.invoice_id),
        Cell::text_or_empty(row.invoice_number),
        Cell::text(row.account_id),
        Cell::text(row.period_start),
        Cell::text(row.period_end),
        Cell::number(row.total_messages),
        Cell::number(row.total_segments),
        Cell::number(row.subtotal_amount),
        Cell::number(row.total_amount),
        Cell::text(row.currency),
        Cell::text(row.status),
        Cell::text(row.generated_at),
    ]
}
