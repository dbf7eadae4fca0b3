//! The answer to "how much did this account use": cells of the store become periods and totals, by currency.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::{AccountId, Currency, Day, DayRange, MoneyError, Month, OperatorId, TenantId};

use super::bucket::BucketSums;

/// The longest range by day or month: 13 months and the days around them.
pub(super) const DAYS_MAX: i32 = 400;
/// The longest range by hour.
const HOURLY_DAYS_MAX: i32 = 31;

/// How finely usage is summed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Granularity {
    /// UTC hours; at most 31 days.
    Hour,
    /// UTC days.
    #[default]
    Day,
    /// UTC months.
    Month,
}

/// One period of a report. Prints as its granularity is named on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Period {
    /// The hour that begins at this instant: RFC 3339.
    Hour(Timestamp),
    /// `YYYY-MM-DD`.
    Day(Day),
    /// `YYYY-MM`.
    Month(Month),
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hour(start) => start.fmt(f),
            Self::Day(day) => day.fmt(f),
            Self::Month(month) => month.fmt(f),
        }
    }
}

/// A range that cannot be reported on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReportError {
    /// More days than the granularity allows.
    #[error("the range has more than {0} days")]
    TooLong(i32),
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageQuestion {
    /// The only tenant whose rows may be seen; `None` for staff.
    pub tenant: Option<TenantId>,
    /// Whose usage.
    pub account: AccountId,
    /// Which days.
    pub days: DayRange,
    /// How finely.
    pub granularity: Granularity,
    /// Of one operator only.
    pub operator: Option<OperatorId>,
}

impl UsageQuestion {
    /// Refuses a range that is too long for its granularity.
    ///
    /// # Errors
    /// [`ReportError::TooLong`].
    pub fn check(&self) -> Result<(), ReportError> {
        let days_max = if self.granularity == Granularity::Hour { HOURLY_DAYS_MAX } else { DAYS_MAX };
        check_length(self.days, days_max)
    }
}

/// Refuses a range of more than so many days.
pub(super) fn check_length(days: DayRange, days_max: i32) -> Result<(), ReportError> {
    let asked = days.until().map_or(i32::MAX, |until| until.epoch_days() - days.from().epoch_days());
    if asked > days_max { Err(ReportError::TooLong(days_max)) } else { Ok(()) }
}

/// Sums of one currency and period, as the store holds them; several may fall into one period.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageCell {
    /// Of the prices.
    pub currency: Currency,
    /// The hour's or day's first instant.
    pub start: Timestamp,
    /// The sums.
    pub sums: BucketSums,
}

/// The usage of one currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageFigures {
    /// Of all amounts in it.
    pub currency: Currency,
    /// Every period of the range, in order; those without usage are 0.
    pub periods: Vec<(Period, BucketSums)>,
    /// The sums of all periods.
    pub totals: BucketSums,
}

/// Usage of one account, main currency first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageReport {
    /// As asked.
    pub question: UsageQuestion,
    /// Whether the account exists for who asks.
    pub is_known: bool,
    /// The instant up to which the answer is complete.
    pub as_of: Timestamp,
    /// One for each currency used, the main one first. Without usage: the profile's currency, or none if unknown.
    pub currencies: Vec<UsageFigures>,
}

/// Sums cells into every period of the range, per currency. The main currency is the profile's, if it was used, else
/// the one with the most messages.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn summarise(
    question: &UsageQuestion,
    profile_currency: Option<Currency>,
    cells: &[UsageCell],
) -> Result<Vec<UsageFigures>, MoneyError> {
    let mut by_currency: BTreeMap<Currency, Vec<&UsageCell>> = BTreeMap::new();
    for cell in cells {
        by_currency.entry(cell.currency).or_default().push(cell);
    }
    if let (true, Some(currency)) = (by_currency.is_empty(), profile_currency) {
        by_currency.insert(currency, Vec::new());
    }
    let mut figures = by_currency
        .into_iter()
        .map(|(currency, cells)| figures(question, currency, &cells))
        .collect::<Result<Vec<_>, _>>()?;
    figures.sort_by_key(|f| (Some(f.currency) != profile_currency, std::cmp::Reverse(f.totals.messages)));
    Ok(figures)
}

fn figures(question: &UsageQuestion, currency: Currency, cells: &[&UsageCell]) -> Result<UsageFigures, MoneyError> {
    let mut periods: BTreeMap<Period, BucketSums> =
        periods(question).into_iter().map(|period| (period, BucketSums::default())).collect();
    let mut totals = BucketSums::default();
    for cell in cells {
        periods.entry(period_of(question.granularity, cell.start)).or_default().merge(&cell.sums)?;
        totals.merge(&cell.sums)?;
    }
    Ok(UsageFigures { currency, periods: periods.into_iter().collect(), totals })
}

fn period_of(granularity: Granularity, instant: Timestamp) -> Period {
    match granularity {
        Granularity::Hour => {
            let hour = instant.as_second().div_euclid(3600) * 3600;
            Period::Hour(Timestamp::from_second(hour).unwrap_or(instant))
        }
        Granularity::Day => Period::Day(Day::of(instant)),
        Granularity::Month => Period::Month(Month::of(instant)),
    }
}

/// Every period of the range; a question that passed its check has at most 744.
fn periods(question: &UsageQuestion) -> Vec<Period> {
    let Some(until) = question.days.until() else { return Vec::new() };
    let mut periods = Vec::new();
    let mut at = question.days.from().start();
    let step = if question.granularity == Granularity::Hour { 3_600 } else { 86_400 };
    while at < until.start() {
        periods.push(period_of(question.granularity, at));
        at = at.checked_add(SignedDuration::from_secs(step)).unwrap_or(Timestamp::MAX);
    }
    periods.dedup();
    periods
}
