//! A consumer's place on a stream: kept apart from the consumer, which can be lost.

use async_nats::datetime::DateTime;
use jiff::Timestamp;

/// When a stream was made: a stream that is deleted and made again counts its messages from 1 again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Created(i128);

/// Everything up to this message of this stream is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) created: Created,
    pub(crate) acknowledged: u64,
}

impl Place {
    /// The later of two places on one stream; of two streams, the one looked at last.
    pub(crate) fn or_later(self, other: Self) -> Self {
        if self.created == other.created && self.acknowledged > other.acknowledged { self } else { other }
    }

    /// How far the stream that stands is recorded; `None` when that is not known. A place beyond its end is none: the
    /// stream has lost messages that it had given out, and will give their numbers out again.
    pub(crate) fn on(self, created: Created, last_sequence: u64) -> Option<u64> {
        (self.created == created && self.acknowledged <= last_sequence).then_some(self.acknowledged)
    }
}

/// To the microsecond, as the database keeps it too.
impl From<DateTime> for Created {
    fn from(at: DateTime) -> Self {
        Self(at.unix_timestamp_nanos().div_euclid(1_000))
    }
}

impl From<Timestamp> for Created {
    fn from(at: Timestamp) -> Self {
        Self(at.as_microsecond().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_holds_for_its_own_stream_only() {
        let place = |created, acknowledged| Place { created: Created(created), acknowledged };
        for (noted, then, stream, last, expected) in [
            (place(1, 50), place(1, 70), 1, 100, Some(70)),
            (place(1, 70), place(1, 50), 1, 100, Some(70)),
            (place(1, 70), place(1, 70), 1, 70, Some(70)),
            (place(1, 70), place(1, 70), 1, 69, None),
            (place(1, 70), place(1, 70), 2, 100, None),
            (place(1, 70), place(2, 5), 2, 100, Some(5)),
            (place(1, 70), place(2, 5), 1, 100, None),
        ] {
            assert_eq!(noted.or_later(then).on(Created(stream), last), expected, "{noted:?} {then:?} {stream} {last}");
        }
    }

    #[test]
    fn one_instant_is_one_however_it_is_told() {
        let at = DateTime::from_unix_timestamp_nanos(1_762_000_000_123_456_789).unwrap();
        let kept: Timestamp = Timestamp::from_microsecond(1_762_000_000_123_456).unwrap();
        assert_eq!(Created::from(at), Created::from(kept));
    }
}
