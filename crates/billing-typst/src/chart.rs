//! The chart of daily messages: which days, which scale, which labels. Drawn by the template.

use jiff::ToSpan;
use jiff::civil::Date;
use serde::Serialize;

use crate::format;
use crate::locale::{Conventions, fill};

/// More bars than this cannot be told apart.
const MAX_DAYS: usize = 62;

/// A bar chart, measured in thousandths of its height.
#[derive(Debug, Serialize)]
pub(crate) struct Chart {
    bars: Vec<Bar>,
    /// Lines across the chart above its base, from the bottom up.
    grid: Vec<GridLine>,
    /// Says in words what the bars show.
    alt: String,
}

#[derive(Debug, Serialize)]
struct Bar {
    height: u64,
    /// The day of the month, under every few bars.
    label: Option<String>,
}

#[derive(Debug, Serialize)]
struct GridLine {
    height: u64,
    label: String,
}

/// The chart of the days from `start` to `end`, both included.
pub(crate) fn chart(daily: &[(Date, u64)], start: Date, end: Date, c: &Conventions) -> Option<Chart> {
    if daily.is_empty() || end < start {
        return None;
    }
    let days: Vec<Date> = start.series(1.day()).take_while(|day| *day <= end).take(MAX_DAYS + 1).collect();
    if days.len() > MAX_DAYS {
        return None;
    }
    let counts: Vec<(Date, u64)> = days.into_iter().map(|day| (day, sum_of(daily, day))).collect();
    let (busiest, highest) = counts.iter().copied().max_by_key(|&(day, n)| (n, std::cmp::Reverse(day)))?;
    let step = step(highest);
    let steps = highest.div_ceil(step).max(1);
    let top = u128::from(step) * u128::from(steps);
    let height = |n: u128| u64::try_from(n * 1000 / top).unwrap_or(1000);
    let grid = (1..=steps)
        .map(|i| {
            let value = u128::from(step) * u128::from(i);
            let label = format::count(u64::try_from(value).unwrap_or(u64::MAX), c);
            GridLine { height: height(value), label }
        })
        .collect();
    let bars = counts
        .iter()
        .map(|&(day, n)| {
            let label = (day == start || day.day() % 5 == 0).then(|| day.day().to_string());
            Bar { height: height(u128::from(n)), label }
        })
        .collect();
    let alt = fill(&c.chart_alt, &[("date", &format::date(busiest, c)), ("count", &format::count(highest, c))]);
    Some(Chart { bars, grid, alt })
}

fn sum_of(daily: &[(Date, u64)], day: Date) -> u64 {
    daily.iter().filter(|(d, _)| *d == day).fold(0, |sum, (_, n)| sum.saturating_add(*n))
}

/// The distance between two grid lines, 1, 2 or 5 with zeros: so that there are two to five of them.
fn step(highest: u64) -> u64 {
    let mut unit: u64 = 1;
    loop {
        for factor in [1, 2, 5] {
            let step = unit.saturating_mul(factor);
            if highest.div_ceil(step) <= 4 || step == u64::MAX {
                return step;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::document::Locale;
    use crate::locale::Locales;

    #[test]
    fn grid_lines_are_round_and_few() {
        for (highest, want) in [
            (0, 1),
            (1, 1),
            (4, 1),
            (5, 2),
            (8, 2),
            (9, 5),
            (20, 5),
            (21, 10),
            (999, 500),
            (41_000, 20_000),
            (7_000_000, 2_000_000),
        ] {
            assert_eq!(step(highest), want, "{highest}");
        }
        assert!(u64::MAX.div_ceil(step(u64::MAX)) <= 4);
    }

    #[test]
    fn each_day_of_the_period_has_a_bar() {
        let locales = Locales::load().unwrap();
        let en = locales.get(Locale::En);
        let (first, last) = (date(2026, 10, 1), date(2026, 10, 31));
        let daily = [(first, 10), (date(2026, 10, 5), 40), (date(2026, 10, 5), 40), (date(2026, 11, 1), 999)];
        let chart = chart(&daily, first, last, en).unwrap();
        let heights: Vec<u64> = chart.bars.iter().map(|b| b.height).collect();
        assert_eq!((heights.len(), heights[0], heights[1], heights[4]), (31, 125, 0, 1000));
        let labels: Vec<&str> = chart.bars.iter().filter_map(|b| b.label.as_deref()).collect();
        assert_eq!(labels, ["1", "5", "10", "15", "20", "25", "30"]);
        let grid: Vec<&str> = chart.grid.iter().map(|g| g.label.as_str()).collect();
        assert_eq!(grid, ["20", "40", "60", "80"]);
        assert!(chart.alt.contains("5 October 2026") && chart.alt.contains("80"), "{}", chart.alt);
    }

    #[test]
    fn no_chart_without_data_or_with_too_long_a_period() {
        let locales = Locales::load().unwrap();
        let en = locales.get(Locale::En);
        let day = date(2026, 10, 1);
        assert!(chart(&[], day, day, en).is_none());
        assert!(chart(&[(day, 1)], day, date(2027, 10, 1), en).is_none());
        assert!(chart(&[(day, 1)], day, date(2026, 9, 1), en).is_none());
        let extreme = chart(&[(day, u64::MAX), (day, 1)], day, day, en).unwrap();
        assert!(extreme.bars[0].height <= 1000);
    }
}
