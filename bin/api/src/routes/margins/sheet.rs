//! What usage earns, as a CSV file: the figures of JSON, side by side.

use billing_domain::Day;
use billing_domain::usage::{MarginGrouping, MarginQuestion, MarginRow};

use super::view::{FiguresView, PartView};
use crate::http::csv::Cell;
use crate::http::problem::Problem;
use crate::routes::spreadsheet::Sheet;

/// Every column but the first, which names the group.
pub(super) const FIGURES: [&str; 19] = [
    "currency",
    "messageCount",
    "segmentCount",
    "revenue",
    "cost",
    "margin",
    "marginRate",
    "costedMessageCount",
    "costedSegmentCount",
    "costedRevenue",
    "costedCost",
    "costedMargin",
    "costedMarginRate",
    "uncostedMessageCount",
    "uncostedSegmentCount",
    "uncostedRevenue",
    "foreignCostMessageCount",
    "foreignCostSegmentCount",
    "foreignCostRevenue",
];

/// How the answer to a question looks.
pub(super) fn of(question: &MarginQuestion) -> Sheet<MarginRow> {
    let key = match question.grouping {
        MarginGrouping::Operator => "operatorId",
        MarginGrouping::Account => "accountId",
        MarginGrouping::Tier => "accountTier",
        MarginGrouping::Day => "day",
    };
    let (from, to) = (question.days.from(), question.days.last());
    Sheet {
        file_name: format!("margins-{from}-{}.csv", to.as_ref().map(Day::to_string).unwrap_or_default()),
        columns: [&[key], FIGURES.as_slice()].concat(),
        fields,
    }
}

fn fields(row: &MarginRow) -> Result<Vec<Cell>, Problem> {
    let FiguresView {
        message_count,
        segment_count,
        revenue,
        cost,
        margin,
        margin_rate,
        costed,
        uncosted,
        foreign_cost,
    } = FiguresView::of(&row.sums)?;
    let part = |PartView { message_count, segment_count, revenue }: PartView| {
        [Cell::number(message_count), Cell::number(segment_count), Cell::number(revenue)]
    };
    let mut fields = vec![
        Cell::text(&row.key),
        Cell::text(row.currency),
        Cell::number(message_count),
        Cell::number(segment_count),
        Cell::number(revenue),
        Cell::number_or_empty(cost),
        Cell::number_or_empty(margin),
        Cell::number_or_empty(margin_rate),
    ];
    fields.extend(part(costed.part));
    fields.push(Cell::number(costed.cost));
    fields.extend([Cell::number_or_empty(costed.margin), Cell::number_or_empty(costed.margin_rate)]);
    fields.extend(part(uncosted));
    fields.extend(part(foreign_cost));
    Ok(fields)
}
