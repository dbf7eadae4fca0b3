//! Columns to values and back. A row that cannot be read back is an inconsistency, named by table and column.

use billing_domain::usage::{Direction, DlrStatus, SegmentCount};
use billing_domain::{Currency, Day, DayRange, MicrosSum, OperatorId, Tier};
use diesel::data_types::{PgDate, PgTimestamp};
use jiff::Timestamp;

/// `timestamptz` as it travels: microseconds since 2000-01-01.
pub(crate) type Instant = PgTimestamp;

const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;
const POSTGRES_EPOCH_DAYS: i32 = 10_957;

/// A stored row that no code of ours has written like this.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{table}.{column} holds what cannot be there")]
pub(crate) struct Inconsistent {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
}

pub(crate) fn instant(timestamp: Timestamp) -> Instant {
    PgTimestamp(timestamp.as_microsecond() - POSTGRES_EPOCH_MICROS)
}

/// `infinity` and instants beyond the year 9999 become the last instant.
pub(crate) fn timestamp(instant: Instant) -> Timestamp {
    let micros = instant.0.saturating_add(POSTGRES_EPOCH_MICROS);
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

pub(crate) fn date(day: Day) -> PgDate {
    PgDate(day.epoch_days() - POSTGRES_EPOCH_DAYS)
}

/// Reads columns of one table, naming what it cannot read.
#[derive(Clone, Copy)]
pub(crate) struct Table(pub(crate) &'static str);

impl Table {
    pub(crate) fn bad(self, column: &'static str) -> Inconsistent {
        Inconsistent { table: self.0, column }
    }

    pub(crate) fn day(self, column: &'static str, date: PgDate) -> Result<Day, Inconsistent> {
        Day::from_epoch_days(date.0.saturating_add(POSTGRES_EPOCH_DAYS)).map_err(|_| self.bad(column))
    }

    pub(crate) fn days(
        self,
        column: &'static str,
        from: PgDate,
        until: Option<PgDate>,
    ) -> Result<DayRange, Inconsistent> {
        let until = until.map(|until| self.day(column, until)).transpose()?;
        DayRange::new(self.day(column, from)?, until).map_err(|_| self.bad(column))
    }

    pub(crate) fn operator(self, text: &str) -> Result<OperatorId, Inconsistent> {
        OperatorId::new(text).map_err(|_| self.bad("operator_id"))
    }

    pub(crate) fn direction(self, text: &str) -> Result<Direction, Inconsistent> {
        Direction::from_name(text).ok_or_else(|| self.bad("direction"))
    }

    pub(crate) fn currency(self, text: &str) -> Result<Currency, Inconsistent> {
        Currency::new(text).map_err(|_| self.bad("currency"))
    }

    pub(crate) fn tier(self, text: &str) -> Result<Tier, Inconsistent> {
        Tier::new(text).map_err(|_| self.bad("tier"))
    }

    pub(crate) fn dlr_status(self, text: &str) -> Result<DlrStatus, Inconsistent> {
        DlrStatus::from_name(text).ok_or_else(|| self.bad("dlr_status"))
    }

    pub(crate) fn segments(self, count: i16) -> Result<SegmentCount, Inconsistent> {
        SegmentCount::new(i64::from(count)).map_err(|_| self.bad("segments"))
    }

    /// A sum read as text, also one of 64 bits: the driver knows no 128-bit integer.
    pub(crate) fn sum(self, column: &'static str, text: &str) -> Result<MicrosSum, Inconsistent> {
        text.parse().map(MicrosSum).map_err(|_| self.bad(column))
    }

    pub(crate) fn count(self, column: &'static str, count: i64) -> Result<u64, Inconsistent> {
        u64::try_from(count).map_err(|_| self.bad(column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_days_survive_the_way_there_and_back() {
        for text in ["1970-01-01T00:00:00Z", "2026-10-31T23:59:59.999999Z", "2000-01-01T00:00:00Z"] {
            let at: Timestamp = text.parse().unwrap();
            assert_eq!(timestamp(instant(at)), at);
            let day = Day::of(at);
            assert_eq!(Table("t").day("d", date(day)), Ok(day));
        }
        assert_eq!(timestamp(PgTimestamp(i64::MAX)), Timestamp::MAX);
        assert_eq!(timestamp(PgTimestamp(i64::MIN)), Timestamp::MIN);
    }
}
