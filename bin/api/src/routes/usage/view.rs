//! Usage as JSON. Customers never see what operators charge, nor what is left of their price.

use billing_domain::usage::{BucketSums, UsageFigures, UsageQuestion, UsageReport};
use billing_domain::{Currency, Day};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::question::GRANULARITIES;

/// The usage of an account in its main currency, and in every currency when it used several.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = Usage)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageView {
    #[serde(flatten)]
    main: UsageInCurrency,
    /// One for each currency, the main one first; only when there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    currencies: Vec<UsageInCurrency>,
}

/// The usage of an account in one currency.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageInCurrency {
    /// Whose.
    account_id: Uuid,
    /// ISO 4217; null when the account has never used anything.
    #[schema(required = true, example = "USD")]
    currency: Option<String>,
    /// First day, inclusive, UTC.
    #[schema(format = Date, example = "2026-10-01")]
    from: String,
    /// Last day, inclusive, UTC.
    #[schema(format = Date, example = "2026-10-31")]
    to: String,
    /// `hour`, `day` or `month`.
    #[schema(example = "day")]
    granularity: &'static str,
    /// Until when the answer is complete.
    #[schema(value_type = String, format = DateTime, example = "2026-10-15T12:00:00Z")]
    as_of: String,
    /// Every period of the range, in order; those without usage are zero.
    buckets: Vec<UsageBucket>,
    /// The sums of all periods.
    totals: UsageSums,
}

/// One period.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsageBucket {
    /// `YYYY-MM-DD`, `YYYY-MM`, or the first instant of the hour.
    #[schema(example = "2026-10-01")]
    period: String,
    #[serde(flatten)]
    sums: UsageSums,
}

/// Sums, exact to the sixth decimal.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageSums {
    /// Messages, charged or not.
    message_count: u64,
    /// Their segments.
    segment_count: u64,
    /// What the customer pays.
    #[schema(example = "12.500000", pattern = r"^-?\d+\.\d{6}$")]
    total_customer_price: String,
    /// What operators charge; for staff only; null when it is not known for every message in this currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false, example = "8.750000", pattern = r"^-?\d+\.\d{6}$")]
    total_operator_cost: Option<Option<String>>,
    /// Price minus cost; for staff only; null when the cost is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false, example = "3.750000", pattern = r"^-?\d+\.\d{6}$")]
    margin: Option<Option<String>>,
}

impl UsageView {
    /// Of a report, with cost and margin for staff.
    pub(super) fn of_report(report: &UsageReport, staff: bool) -> Self {
        let mut all: Vec<_> = report
            .currencies
            .iter()
            .map(|figures| UsageInCurrency::of(&report.question, report.as_of, figures, staff))
            .collect();
        match all.len() {
            0 => Self::of_nothing(report, staff),
            1 => Self { main: all.remove(0), currencies: Vec::new() },
            _ => Self { main: all[0].clone(), currencies: all },
        }
    }

    /// Without the instant until when it is complete: as long as the rest is the same, nothing has been used.
    pub(super) fn undated(&self) -> Self {
        let mut view = self.clone();
        view.main.as_of.clear();
        view.currencies.iter_mut().for_each(|usage| usage.as_of.clear());
        view
    }

    /// Of an account that has never been seen.
    fn of_nothing(report: &UsageReport, staff: bool) -> Self {
        let totals = UsageSums::of(&BucketSums::default(), staff);
        let main = UsageInCurrency::new(&report.question, report.as_of, None, Vec::new(), totals);
        Self { main, currencies: Vec::new() }
    }
}

impl UsageInCurrency {
    fn of(question: &UsageQuestion, as_of: Timestamp, figures: &UsageFigures, staff: bool) -> Self {
        let bucket = |(period, sums): &(billing_domain::usage::Period, BucketSums)| UsageBucket {
            period: period.to_string(),
            sums: UsageSums::of(sums, staff),
        };
        let buckets = figures.periods.iter().map(bucket).collect();
        Self::new(question, as_of, Some(figures.currency), buckets, UsageSums::of(&figures.totals, staff))
    }

    fn new(
        question: &UsageQuestion,
        as_of: Timestamp,
        currency: Option<Currency>,
        buckets: Vec<UsageBucket>,
        totals: UsageSums,
    ) -> Self {
        let named = |(known, _): &&(_, _)| *known == question.granularity;
        Self {
            account_id: question.account.0,
            currency: currency.map(|currency| currency.to_string()),
            from: question.days.from().to_string(),
            to: question.days.last().as_ref().map(Day::to_string).unwrap_or_default(),
            granularity: GRANULARITIES.iter().find(named).map_or("", |(_, name)| name),
            as_of: as_of.to_string(),
            buckets,
            totals,
        }
    }
}

impl UsageSums {
    fn of(sums: &BucketSums, staff: bool) -> Self {
        Self {
            message_count: sums.messages,
            segment_count: sums.segments,
            total_customer_price: sums.amount.to_string(),
            total_operator_cost: staff.then(|| sums.known_cost().map(|cost| cost.to_string())),
            margin: staff.then(|| sums.margin().map(|margin| margin.to_string())),
        }
    }
}

/// What the API's document shows.
pub(super) fn example() -> UsageView {
    let sums = UsageSums {
        message_count: 1_000,
        segment_count: 1_250,
        total_customer_price: "12.500000".into(),
        total_operator_cost: Some(Some("8.750000".into())),
        margin: Some(Some("3.750000".into())),
    };
    let main = UsageInCurrency {
        account_id: Uuid::from_u128(0x0192_8c3e_5a7b_7c1d_9e2f_3a4b_5c6d_7e8f),
        currency: Some("USD".into()),
        from: "2026-10-01".into(),
        to: "2026-10-01".into(),
        granularity: "day",
        as_of: "2026-10-15T12:00:00Z".into(),
        buckets: vec![UsageBucket { period: "2026-10-01".into(), sums: sums.clone() }],
        totals: sums,
    };
    UsageView { main, currencies: Vec::new() }
}
