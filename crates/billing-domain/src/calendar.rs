//! Days and months in UTC. Inside, periods are half-open; on the wire days are inclusive at both ends.
//!
//! No clock is read here: "now" is always an argument.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

const SECONDS_PER_DAY: i64 = 86_400;

/// A text or number that is no day or month of the years 1970 to 9998.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CalendarError {
    /// Not `YYYY-MM-DD`, or no such day.
    #[error("a day is written YYYY-MM-DD")]
    Day,
    /// Not `YYYY-MM`, or no such month.
    #[error("a month is written YYYY-MM")]
    Month,
    /// The period would end before it begins.
    #[error("the period ends before it begins")]
    Backwards,
}

/// A day in UTC, as days since 1970-01-01. Prints and parses as `YYYY-MM-DD`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Day(i32);

impl Day {
    /// From days since 1970-01-01; 0 to 2,932,531 (9998-12-31).
    ///
    /// # Errors
    /// [`CalendarError::Day`] outside that range.
    pub fn from_epoch_days(days: i32) -> Result<Self, CalendarError> {
        if (0..=2_932_531).contains(&days) { Ok(Self(days)) } else { Err(CalendarError::Day) }
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn epoch_days(self) -> i32 {
        self.0
    }

    /// The UTC day of an instant; midnight belongs to the day that begins. Instants before 1970 count as 1970-01-01,
    /// those after 9998 as 9998-12-31: nothing that can be billed lies there.
    #[must_use]
    pub fn of(instant: Timestamp) -> Self {
        let days = instant.as_second().div_euclid(SECONDS_PER_DAY).clamp(0, 2_932_531);
        Self(i32::try_from(days).unwrap_or(0))
    }

    /// # Errors
    /// [`CalendarError::Day`] when the text is not exactly `YYYY-MM-DD` of an existing day.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let shape = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let date: Date =
            if shape { text.parse().map_err(|_| CalendarError::Day)? } else { return Err(CalendarError::Day) };
        Self::from_date(date)
    }

    /// # Errors
    /// [`CalendarError::Day`] outside 1970 to 9998.
    pub fn from_date(date: Date) -> Result<Self, CalendarError> {
        let midnight = date.to_zoned(TimeZone::UTC).map_err(|_| CalendarError::Day)?.timestamp();
        if midnight.as_second() < 0 || date.year() > 9998 { Err(CalendarError::Day) } else { Ok(Self::of(midnight)) }
    }

    /// The same day as a calendar date.
    #[must_use]
    pub fn date(self) -> Date {
        TimeZone::UTC.to_datetime(self.start()).date()
    }

    /// Its first instant.
    #[must_use]
    pub fn start(self) -> Timestamp {
        Timestamp::from_second(i64::from(self.0) * SECONDS_PER_DAY).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The day after.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The day before; 1970-01-01 has none and stays.
    #[must_use]
    pub fn previous(self) -> Self {
        Self((self.0 - 1).max(0))
    }

    /// The month it lies in.
    #[must_use]
    pub fn month(self) -> Month {
        let date = self.date();
        Month { year: date.year(), month: date.month() }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.date().fmt(f)
    }
}

/// A period of days, half-open: `from` is in it, `until` is the first day that is not. Never empty.
///
/// ```
/// use billing_domain::{Day, DayRange};
///
/// let (first, last) = (Day::parse("2026-10-01")?, Day::parse("2026-10-31")?);
/// let october = DayRange::inclusive(first, Some(last))?;
/// assert!(october.contains(last) && !october.contains(last.next()));
/// assert_eq!(october, DayRange::new(first, Some(last.next()))?);
/// assert!(DayRange::inclusive(last, Some(first)).is_err());
/// # Ok::<(), billing_domain::CalendarError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DayRange {
    from: Day,
    until: Option<Day>,
}

impl DayRange {
    /// Half-open; `None` is open for ever.
    ///
    /// # Errors
    /// [`CalendarError::Backwards`] when nothing would lie in it.
    pub fn new(from: Day, until: Option<Day>) -> Result<Self, CalendarError> {
        if until.is_some_and(|until| until <= from) { Err(CalendarError::Backwards) } else { Ok(Self { from, until }) }
    }

    /// As the wire says it: both days are in it.
    ///
    /// # Errors
    /// [`CalendarError::Backwards`] when `last` is before `first`.
    pub fn inclusive(first: Day, last: Option<Day>) -> Result<Self, CalendarError> {
        Self::new(first, last.map(Day::next))
    }

    /// The first day.
    #[must_use]
    pub fn from(self) -> Day {
        self.from
    }

    /// The first day after it, if it ends.
    #[must_use]
    pub fn until(self) -> Option<Day> {
        self.until
    }

    /// The last day in it, if it ends.
    #[must_use]
    pub fn last(self) -> Option<Day> {
        self.until.map(Day::previous)
    }

    /// Whether the day lies in it.
    #[must_use]
    pub fn contains(self, day: Day) -> bool {
        self.from <= day && self.until.is_none_or(|until| day < until)
    }

    /// How many of a month's days lie in it: 0 to 31.
    #[must_use]
    pub fn days_within(self, month: Month) -> u32 {
        let first = self.from.max(month.first_day());
        let until = month.last_day().next().min(self.until.unwrap_or(month.last_day().next()));
        u32::try_from(until.epoch_days() - first.epoch_days()).unwrap_or(0)
    }

    /// Whether a day lies in both.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.until.is_none_or(|until| other.from < until) && other.until.is_none_or(|until| self.from < until)
    }
}

/// A calendar month in UTC: the billing period `[first instant, first instant of the next)`. Prints as `YYYY-MM`.
///
/// ```
/// use billing_domain::Month;
///
/// assert_eq!(Month::of("2026-10-31T23:59:59.999999Z".parse()?).to_string(), "2026-10");
/// assert_eq!(Month::of("2026-11-01T00:00:00Z".parse()?).to_string(), "2026-11");
/// assert_eq!(Month::of("2026-11-01T04:29:59+04:30".parse()?).to_string(), "2026-10");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// # Errors
    /// [`CalendarError::Month`] unless the year is 1970 to 9998 and the month 1 to 12.
    pub fn new(year: i16, month: i8) -> Result<Self, CalendarError> {
        let known = (1970..=9998).contains(&year) && (1..=12).contains(&month);
        if known { Ok(Self { year, month }) } else { Err(CalendarError::Month) }
    }

    /// # Errors
    /// [`CalendarError::Month`] when the text is not exactly `YYYY-MM`.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        if text.len() != 7 {
            return Err(CalendarError::Month);
        }
        Day::parse(&format!("{text}-01")).map(Day::month).map_err(|_| CalendarError::Month)
    }

    /// The month of an instant; its first midnight belongs to it.
    #[must_use]
    pub fn of(instant: Timestamp) -> Self {
        Day::of(instant).month()
    }

    /// Calendar year.
    #[must_use]
    pub fn year(self) -> i16 {
        self.year
    }

    /// 1 to 12.
    #[must_use]
    pub fn month(self) -> i8 {
        self.month
    }

    /// The first day.
    #[must_use]
    pub fn first_day(self) -> Day {
        Day::from_date(Date::constant(self.year, self.month, 1)).unwrap_or(Day(0))
    }

    /// The last day.
    #[must_use]
    pub fn last_day(self) -> Day {
        self.next().first_day().previous()
    }

    /// All its days.
    #[must_use]
    pub fn days(self) -> DayRange {
        DayRange { from: self.first_day(), until: Some(self.next().first_day()) }
    }

    /// The month after.
    #[must_use]
    pub fn next(self) -> Self {
        if self.month == 12 { Self { year: self.year + 1, month: 1 } } else { Self { month: self.month + 1, ..self } }
    }

    /// The month before.
    #[must_use]
    pub fn previous(self) -> Self {
        if self.month == 1 { Self { year: self.year - 1, month: 12 } } else { Self { month: self.month - 1, ..self } }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn midnight_belongs_to_the_day_and_month_that_begin() {
        for (instant, day, month) in [
            ("2026-10-31T23:59:59.999999999Z", "2026-10-31", "2026-10"),
            ("2026-11-01T00:00:00Z", "2026-11-01", "2026-11"),
            ("2026-11-01T04:30:00+04:30", "2026-11-01", "2026-11"),
            ("2026-11-01T04:29:59+04:30", "2026-10-31", "2026-10"),
            ("2028-02-29T12:00:00Z", "2028-02-29", "2028-02"),
        ] {
            let instant: Timestamp = instant.parse().unwrap();
            assert_eq!(Day::of(instant).to_string(), day);
            assert_eq!(Month::of(instant).to_string(), month);
        }
    }

    #[test]
    fn days_and_months_are_read_strictly() {
        for (text, ok) in [
            ("2026-02-28", true),
            ("2026-02-29", false),
            ("2026-2-1", false),
            ("20260201", false),
            ("2026-02-01T00:00", false),
            ("1969-12-31", false),
            ("", false),
        ] {
            assert_eq!(Day::parse(text).is_ok(), ok, "{text}");
        }
        for (text, ok) in [("2026-12", true), ("2026-13", false), ("2026-1", false), ("2026-01-01", false)] {
            assert_eq!(Month::parse(text).is_ok(), ok, "{text}");
        }
    }

    #[test]
    fn ranges_are_inclusive_outside_and_half_open_inside() {
        let day = |text| Day::parse(text).unwrap();
        let october = DayRange::inclusive(day("2026-10-01"), Some(day("2026-10-31"))).unwrap();
        assert_eq!(october, Month::parse("2026-10").unwrap().days());
        assert!(october.contains(day("2026-10-31")) && !october.contains(day("2026-11-01")));
        assert_eq!(october.last(), Some(day("2026-10-31")));
        let from_november = DayRange::inclusive(day("2026-11-01"), None).unwrap();
        assert!(!october.overlaps(from_november) && !from_november.overlaps(october));
        let one_day = DayRange::inclusive(day("2026-10-31"), Some(day("2026-10-31"))).unwrap();
        assert!(october.overlaps(one_day) && one_day.overlaps(october));
        assert_eq!(DayRange::inclusive(day("2026-10-02"), Some(day("2026-10-01"))), Err(CalendarError::Backwards));
    }

    proptest! {
        #[test]
        fn months_tile_the_days(days in 0_i32..100_000) {
            let day = Day::from_epoch_days(days).unwrap();
            let month = day.month();
            prop_assert!(month.days().contains(day));
            prop_assert_eq!(month.next().first_day(), month.last_day().next());
            prop_assert_eq!(month.next().previous(), month);
            prop_assert_eq!(Day::parse(&day.to_string()), Ok(day));
        }
    }
}
