//! The chart of daily messages: which days, which scale, which labels. Drawn by the template.

use std::fmt::Write as _;

use jiff::ToSpan;
use jiff::civil::Date;
use serde::Serialize;

use crate::format;
use crate::locale::{Conventions, fill};

/// More bars than this cannot be told apart.
const MAX_DAYS: usize = 62;

/// A bar chart, measured in thousandths of its width and height.
#[derive(Debug, Serialize)]
pub(crate) struct Chart {
    /// An SVG file of bars and lines: for the typesetter one picture is several times cheaper than as many elements.
    drawing: String,
    /// The labels of the lines above the base, from the bottom up.
    grid: Vec<(u64, String)>,
    /// The day of the month under every few bars, in the middle.
    days: Vec<(usize, String)>,
    /// Says in words what the bars show.
    alt: String,
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
    let grid: Vec<(u64, String)> = (1..=steps)
        .map(|i| {
            let value = u128::from(step) * u128::from(i);
            (height(value), format::count(u64::try_from(value).unwrap_or(u64::MAX), c))
        })
        .collect();
    let bars: Vec<u64> = counts.iter().map(|&(_, n)| height(u128::from(n))).collect();
    let days = (counts.iter().enumerate())
        .filter(|(_, (day, _))| *day == start || day.day() % 5 == 0)
        .map(|(i, (day, _))| ((2 * i + 1) * 500 / counts.len(), day.day().to_string()))
        .collect();
    let alt = fill(&c.chart_alt, &[("date", &format::date(busiest, c)), ("count", &format::count(highest, c))]);
    Some(Chart { drawing: drawing(&bars, grid.iter().map(|(height, _)| *height)), grid, days, alt })
}

/// Each day is 100 wide, the whole 1,000 high; the template stretches it to its place. So lines are drawn as rectangles.
fn drawing(bars: &[u64], grid: impl Iterator<Item = u64>) -> String {
    let width = bars.len() * 100;
    let (mut lines, mut columns) = (String::new(), String::new());
    // Writing to a string cannot fail.
    for height in grid {
        let _ = write!(lines, "M0 {}h{width}v6H0z", 1_000 - height);
    }
    for (i, height) in bars.iter().enumerate().filter(|(_, height)| **height > 0) {
        let _ = write!(columns, "M{} 1000v-{height}h68v{height}z", i * 100 + 16);
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 1010"><path fill="#d6d6d6" d="{lines}"/><path fill="#5b6f8c" d="{columns}"/><path fill="#616161" d="M0 1000h{width}v10H0z"/></svg>"##
    )
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
        for bar in ["M16 1000v-125h68v125z", "M416 1000v-1000h68v1000z"] {
            assert!(chart.drawing.contains(bar), "{}", chart.drawing);
        }
        assert!(!chart.drawing.contains("M116 "), "a day without messages has no bar");
        assert!(chart.drawing.contains("viewBox=\"0 0 3100 1010\""), "31 days: {}", chart.drawing);
        let labels: Vec<(usize, &str)> = chart.days.iter().map(|(x, label)| (*x, label.as_str())).collect();
        assert_eq!(labels, [(16, "1"), (145, "5"), (306, "10"), (467, "15"), (629, "20"), (790, "25"), (951, "30")]);
        let grid: Vec<&str> = chart.grid.iter().map(|(_, label)| label.as_str()).collect();
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
        assert!(extreme.drawing.contains("M16 1000v-922h68v922z"), "{}", extreme.drawing);
    }
}
