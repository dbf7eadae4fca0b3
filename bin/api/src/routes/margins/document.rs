//! What the API's document says of margins.

use super::question::GROUPINGS;
use super::sheet::FIGURES;
use super::view::{CostedView, FiguresView, MarginGroupView, MarginList, MarginTotalView, PartView};
use crate::http::problem::Kind;
use crate::routes::document::{Operation, day, text, text_of};

/// `GET /v1/admin/operator-costs/margin`.
pub(crate) fn listing() -> Operation {
    let csv = format!(
        "operatorId,{}\r\n41220,USD,1000,1250,12.500000,,,,900,1150,11.500000,12.650000,-1.150000,-10.00,100,100,1.000000,\
         0,0,0.000000\r\n",
        FIGURES.join(",")
    );
    Operation::new("listMargins", "Operator costs", "What usage earns, losses first")
        .says(
            "Revenue, cost and margin of every tenant's usage by operator, account, tier or day, and by currency. Usage \
             without a cost, or whose cost is in another currency, is named and never taken for free: then `cost`, `margin` \
             and `marginRate` of the whole are null, and `costed` has those of the rest. A day's usage of one account, \
             operator, direction and price is in one of the parts as a whole. Groups may change places between two pages \
             while usage comes in. As CSV: every group, without the totals. Every read is noted in the audit log.",
        )
        .parameter(
            "from",
            day(),
            "First day, inclusive, UTC. Given with `to` or not at all; default: first of this month.",
        )
        .parameter("to", day(), "Last day, inclusive, UTC. At most 400 days. Default: today.")
        .parameter("groupBy", text_of(&GROUPINGS.map(|(_, name)| name), "operator"), "By what; default `operator`.")
        .parameter("currency", text("USD"), "Of prices in this currency only.")
        .paged()
        .answers_or_csv("A page of groups.", &example(), &csv)
        .refuses(&[Kind::Malformed, Kind::Invalid])
}

fn example() -> MarginList {
    let figures = FiguresView {
        message_count: 1_000,
        segment_count: 1_250,
        revenue: "12.500000".into(),
        cost: None,
        margin: None,
        margin_rate: None,
        costed: CostedView {
            part: PartView { message_count: 900, segment_count: 1_150, revenue: "11.500000".into() },
            cost: "12.650000".into(),
            margin: Some("-1.150000".into()),
            margin_rate: Some("-10.00".into()),
        },
        uncosted: PartView { message_count: 100, segment_count: 100, revenue: "1.000000".into() },
        foreign_cost: PartView { message_count: 0, segment_count: 0, revenue: "0.000000".into() },
    };
    MarginList {
        from: "2026-10-01".into(),
        to: "2026-10-31".into(),
        group_by: "operator",
        as_of: "2026-11-01T12:00:00Z".into(),
        data: vec![MarginGroupView {
            operator_id: Some("41220".into()),
            currency: "USD".into(),
            figures: figures.clone(),
            ..MarginGroupView::default()
        }],
        totals: vec![MarginTotalView { currency: "USD".into(), group_count: 1, figures }],
        next_cursor: None,
    }
}
