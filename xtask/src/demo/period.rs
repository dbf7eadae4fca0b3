//! The month that is billed, and instants within it.

use std::fmt;

use anyhow::{Context, Result};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// One UTC month.
#[derive(Clone, Copy)]
pub(crate) struct Period {
    first: Date,
}

impl Period {
    /// The month before the one of `now`.
    pub(crate) fn before(now: Timestamp) -> Result<Self> {
        let today = now.to_zoned(TimeZone::UTC).date();
        let first = today.first_of_month().checked_sub(1.month()).context("there is no month before this one")?;
        Ok(Self { first })
    }

    /// 28 to 31.
    pub(crate) fn days(self) -> u8 {
        u8::try_from(self.first.days_in_month()).unwrap_or(28)
    }

    /// The n-th day, from 1, as `YYYY-MM-DD`.
    pub(crate) fn day(self, n: u8) -> String {
        format!("{self}-{n:02}")
    }

    /// First and last day, as `YYYY-MM-DD`.
    pub(crate) fn ends(self) -> (String, String) {
        (self.day(1), self.day(self.days()))
    }

    /// Such as `October 2026`.
    pub(crate) fn in_words(self) -> String {
        self.first.strftime("%B %Y").to_string()
    }

    /// Whether the n-th day is the weekend's first: Friday.
    pub(crate) fn is_friday(self, n: u8) -> bool {
        let day = self.first.checked_add(i64::from(n.saturating_sub(1)).days());
        day.is_ok_and(|day| day.weekday() == jiff::civil::Weekday::Friday)
    }

    /// Milliseconds from the epoch to the instant that lies so many into the month.
    pub(crate) fn epoch_millis(self, into: u64) -> u64 {
        let start = self.first.to_zoned(TimeZone::UTC).map_or(0, |start| start.timestamp().as_millisecond());
        u64::try_from(start).unwrap_or_default() + into
    }

    /// RFC 3339, to the millisecond.
    pub(crate) fn instant(self, into: u64) -> String {
        let (day, rest) = (into / DAY_MILLIS + 1, into % DAY_MILLIS);
        let (seconds, millis) = (rest / 1_000, rest % 1_000);
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        format!("{self}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
    }

    /// The day of the instant that lies so many milliseconds into the month, from 1.
    pub(crate) fn day_of(into: u64) -> u8 {
        u8::try_from(into / DAY_MILLIS + 1).unwrap_or(u8::MAX)
    }
}

/// `YYYY-MM`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.first.year(), self.first.month())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_before() {
        for (now, period, days) in [
            ("2026-11-22T18:00:00Z", "2026-10", 31),
            ("2026-11-01T00:00:00Z", "2026-10", 31),
            ("2026-01-31T23:59:59Z", "2025-12", 31),
            ("2028-03-31T00:00:00Z", "2028-02", 29),
        ] {
            let found = Period::before(now.parse().unwrap()).unwrap();
            assert_eq!((found.to_string(), found.days()), (period.to_owned(), days), "{now}");
        }
    }

    #[test]
    fn instants_of_a_month() {
        let period = Period::before("2026-11-22T18:00:00Z".parse().unwrap()).unwrap();
        for (into, expected) in [(0, "2026-10-01T00:00:00.000Z"), (31 * DAY_MILLIS - 1, "2026-10-31T23:59:59.999Z")] {
            assert_eq!(period.instant(into), expected);
            let instant: Timestamp = expected.parse().unwrap();
            assert_eq!(period.epoch_millis(into), u64::try_from(instant.as_millisecond()).unwrap());
        }
        assert!(period.is_friday(2) && !period.is_friday(1));
    }
}
