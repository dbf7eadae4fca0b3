//! What the API's document says of usage.

use super::question::GRANULARITIES;
use super::sheet::COLUMNS;
use super::view::example;
use crate::http::problem::Kind;
use crate::routes::document::{Operation, day, operator_id, text_of, uuid};

/// `GET /v1/billing/usage`.
pub(crate) fn document() -> Operation {
    let csv =
        format!("{}\r\n0192ab34-0000-4000-8000-000000000001,USD,2026-10-01,1000,1250,12.500000\r\n", COLUMNS.join(","));
    Operation::new("getUsage", "Usage", "Usage of an account")
        .says(
            "Messages, segments and amounts for every hour, day or month of a range, and their totals. \
             An account that used several currencies gets one object per currency under `currencies`. \
             Customers see their own account only, and neither `totalOperatorCost` nor `margin`. \
             Staff may ask for any account; every such read is noted in the audit log. As CSV: a line for each currency and \
             period; staff have two columns more.",
        )
        .parameter(
            "from",
            day(),
            "First day, inclusive, UTC. Given with `to` or not at all; default: first of this month.",
        )
        .parameter("to", day(), "Last day, inclusive, UTC. At most 400 days, by hour at most 31. Default: today.")
        .parameter("granularity", text_of(&GRANULARITIES.map(|(_, name)| name), "day"), "How finely; default `day`.")
        .parameter("operatorId", operator_id(), "Only what this operator carried.")
        .parameter("accountId", uuid(), "Whose usage; default: the token's account.")
        .answers_or_csv("The usage.", &example(), &csv)
        .refuses(&[Kind::Malformed, Kind::NotFound, Kind::Invalid])
}
