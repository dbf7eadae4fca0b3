//! What usage earns, as JSON.

use billing_domain::Day;
use billing_domain::ports::MarginPage;
use billing_domain::usage::{MarginKey, MarginQuestion, MarginRate, MarginRow, MarginSums, MarginTotal, UsagePart};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::question::GROUPINGS;
use crate::http::problem::{Kind, Problem};

/// A page of groups, and the sums of all groups.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MarginList {
    /// First day, inclusive, UTC.
    #[schema(format = Date, example = "2026-10-01")]
    pub(super) from: String,
    /// Last day, inclusive, UTC.
    #[schema(format = Date, example = "2026-10-31")]
    pub(super) to: String,
    /// `operator`, `account`, `tier` or `day`.
    #[schema(example = "operator")]
    pub(super) group_by: &'static str,
    /// Until when the answer is complete.
    #[schema(format = DateTime)]
    pub(super) as_of: String,
    /// The lowest `costed.margin` first; groups in which nothing is costed last.
    pub(super) data: Vec<MarginGroupView>,
    /// Of all groups on all pages, one for each currency.
    pub(super) totals: Vec<MarginTotalView>,
    /// Where to go on; null on the last page.
    #[schema(required = true)]
    pub(super) next_cursor: Option<String>,
}

/// The usage of a group, in one currency. One of the first four says of which.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = MarginGroup)]
#[serde(rename_all = "camelCase")]
pub(super) struct MarginGroupView {
    /// With `groupBy=operator`: who carried it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "41220")]
    pub(super) operator_id: Option<String>,
    /// With `groupBy=account`: who pays for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) account_id: Option<Uuid>,
    /// With `groupBy=tier`: that of the price that rated it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "GROWTH")]
    pub(super) account_tier: Option<String>,
    /// With `groupBy=day`: when it was charged, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = Date)]
    pub(super) day: Option<String>,
    /// Of the prices, ISO 4217.
    #[schema(example = "USD")]
    pub(super) currency: String,
    #[serde(flatten)]
    pub(super) figures: FiguresView,
}

/// The usage of all groups in one currency.
#[derive(Serialize, ToSchema)]
#[schema(as = MarginTotal)]
#[serde(rename_all = "camelCase")]
pub(super) struct MarginTotalView {
    /// Of the prices, ISO 4217.
    #[schema(example = "USD")]
    pub(super) currency: String,
    /// How many groups there are.
    pub(super) group_count: u64,
    #[serde(flatten)]
    pub(super) figures: FiguresView,
}

/// Revenue, cost and margin. The three parts make the whole.
#[derive(Clone, Default, Serialize, ToSchema)]
#[schema(as = MarginFigures)]
#[serde(rename_all = "camelCase")]
pub(super) struct FiguresView {
    /// Messages, charged or not.
    pub(super) message_count: u64,
    /// Their segments.
    pub(super) segment_count: u64,
    /// What the customers pay for it by their prices; what a month's total, corrections and taxes make of it is not in it.
    #[schema(example = "12.500000", pattern = r"^-?\d+\.\d{6}$")]
    pub(super) revenue: String,
    /// What operators charge; null when it is not known for every message in this currency.
    #[schema(required = true, example = "8.750000", pattern = r"^-?\d+\.\d{6}$")]
    pub(super) cost: Option<String>,
    /// Revenue less cost, below 0 a loss; null when the cost is.
    #[schema(required = true, example = "3.750000", pattern = r"^-?\d+\.\d{6}$")]
    pub(super) margin: Option<String>,
    /// The margin in percent of the revenue; null when the margin is, and without revenue.
    #[schema(required = true, example = "30.00", pattern = r"^-?\d+\.\d{2}$")]
    pub(super) margin_rate: Option<String>,
    /// The part whose cost is known in this currency: the list is in the order of its margin.
    pub(super) costed: CostedView,
    /// The part without a cost.
    pub(super) uncosted: PartView,
    /// The part whose cost is in another currency: its margin is not known.
    pub(super) foreign_cost: PartView,
}

/// Usage with a known cost.
#[derive(Clone, Default, Serialize, ToSchema)]
#[schema(as = CostedUsage)]
#[serde(rename_all = "camelCase")]
pub(super) struct CostedView {
    #[serde(flatten)]
    pub(super) part: PartView,
    /// What operators charge for it.
    #[schema(example = "8.750000", pattern = r"^-?\d+\.\d{6}$")]
    pub(super) cost: String,
    /// Its revenue less its cost; null when there is no such usage.
    #[schema(required = true, example = "3.750000", pattern = r"^-?\d+\.\d{6}$")]
    pub(super) margin: Option<String>,
    /// Its margin in percent of its revenue; null without either.
    #[schema(required = true, example = "30.00", pattern = r"^-?\d+\.\d{2}$")]
    pub(super) margin_rate: Option<String>,
}

/// A part of a group's usage.
#[derive(Clone, Default, Serialize, ToSchema)]
#[schema(as = UsagePart)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartView {
    /// Messages.
    pub(super) message_count: u64,
    /// Their segments.
    pub(super) segment_count: u64,
    /// What the customers pay for it.
    #[schema(example = "12.500000", pattern = r"^-?\d+\.\d{6}$")]
    pub(super) revenue: String,
}

impl MarginList {
    /// # Errors
    /// 500 for a sum that does not fit.
    pub(super) fn of(
        question: &MarginQuestion,
        page: &MarginPage,
        next_cursor: Option<String>,
    ) -> Result<Self, Problem> {
        let named = |(known, _): &&(_, _)| *known == question.grouping;
        Ok(Self {
            from: question.days.from().to_string(),
            to: question.days.last().as_ref().map(Day::to_string).unwrap_or_default(),
            group_by: GROUPINGS.iter().find(named).map_or("", |(_, name)| name),
            as_of: page.as_of.to_string(),
            data: page.rows.iter().map(MarginGroupView::of).collect::<Result<_, _>>()?,
            totals: page.totals.iter().map(MarginTotalView::of).collect::<Result<_, _>>()?,
            next_cursor,
        })
    }

    /// All but the instant until when it is complete: as long as this is the same, nothing has been used.
    pub(super) fn undated(&self) -> impl Serialize + '_ {
        (&self.from, &self.to, self.group_by, &self.data, &self.totals, &self.next_cursor)
    }
}

impl MarginGroupView {
    fn of(row: &MarginRow) -> Result<Self, Problem> {
        let (currency, figures) = (row.currency.to_string(), FiguresView::of(&row.sums)?);
        let group = Self { currency, figures, ..Self::default() };
        Ok(match &row.key {
            MarginKey::Operator(operator) => Self { operator_id: Some(operator.to_string()), ..group },
            MarginKey::Account(account) => Self { account_id: Some(account.0), ..group },
            MarginKey::Tier(tier) => Self { account_tier: Some(tier.to_string()), ..group },
            MarginKey::Day(day) => Self { day: Some(day.to_string()), ..group },
        })
    }
}

impl MarginTotalView {
    fn of(total: &MarginTotal) -> Result<Self, Problem> {
        let figures = FiguresView::of(&total.sums)?;
        Ok(Self { currency: total.currency.to_string(), group_count: total.groups, figures })
    }
}

impl FiguresView {
    /// # Errors
    /// 500 for a sum that does not fit.
    pub(super) fn of(sums: &MarginSums) -> Result<Self, Problem> {
        let whole = sums.whole().map_err(|error| Problem::caused(Kind::Internal, error))?;
        let PartView { message_count, segment_count, revenue } = PartView::of(whole);
        let costed = CostedView {
            part: PartView::of(sums.costed),
            cost: sums.cost.to_string(),
            margin: sums.margin().map(|margin| margin.to_string()),
            margin_rate: sums.rate().as_ref().map(MarginRate::to_string),
        };
        // What is not known of a part is not known of the whole.
        let known = |value: &Option<String>| value.clone().filter(|_| sums.is_costed());
        Ok(Self {
            message_count,
            segment_count,
            revenue,
            cost: known(&Some(costed.cost.clone())),
            margin: known(&costed.margin),
            margin_rate: known(&costed.margin_rate),
            costed,
            uncosted: PartView::of(sums.uncosted),
            foreign_cost: PartView::of(sums.foreign),
        })
    }
}

impl PartView {
    fn of(part: UsagePart) -> Self {
        let UsagePart { messages, segments, revenue } = part;
        Self { message_count: messages, segment_count: segments, revenue: revenue.to_string() }
    }
}
