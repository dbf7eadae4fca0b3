//! What was received of the stream, and what is missing in it.
//!
//! Each batch notes the sequence numbers that it received, in its own transaction: as rows of consecutive ones, or, where the
//! stream gives its messages to several pods by turns, as one row with all of them. A sweep compares them with how far the
//! stream has been dealt with, keeps what is missing, and removes what is done with.

use billing_domain::ports::{PortError, StreamCheck, StreamFloor, StreamGap, StreamWatch};
use billing_domain::usage::{Receipt, UsageBatch};
use diesel::sql_types::{BigInt, Bool, Nullable, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::{SignedDuration, Timestamp};

use crate::Postgres;
use crate::columns::{self, Table};
use crate::retention::try_lock;
use crate::session::Session;
use crate::transaction::{Failure, Transaction};

const TABLE: Table = Table("stream_gaps");
/// The stream's nodes stamp messages by their own clocks: one that is behind may stamp a message of a new stream with
/// an instant before it was made.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(5);
const LOCK_KEY: i64 = 0x6269_6c6c_0011;
/// With more rows of consecutive numbers than this, a batch notes one row with all of them.
const RANGES_MAX: usize = 64;
const NOTE: &str =
    "INSERT INTO billing.received_ranges (first_sequence, last_sequence, published_from, published_until)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::timestamptz[])";
const NOTE_AS_ONE: &str = "INSERT INTO billing.received_ranges
        (first_sequence, last_sequence, published_from, published_until, received)
    SELECT min(first), max(last), min(published_from), max(published_until), range_agg(int8range(first, last, '[]'))
    FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::timestamptz[])
        AS range (first, last, published_from, published_until)";

impl StreamWatch for Postgres {
    async fn check_stream(&self, floor: &StreamFloor, now: Timestamp) -> Result<Option<StreamCheck>, PortError> {
        Ok(self.write(&CheckStream { floor, now }).await?)
    }

    async fn recorded_floor(&self) -> Result<Option<(Timestamp, u64)>, PortError> {
        Ok(self.write(&RecordedFloor).await?)
    }

    async fn gaps(&self) -> Result<Vec<StreamGap>, PortError> {
        Ok(self.write(&ListGaps).await?)
    }
}

/// A row of consecutive sequence numbers, and when the first and the last of them was published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range {
    first: u64,
    last: u64,
    published_from: Timestamp,
    published_until: Timestamp,
}

/// The sequence numbers that a batch has, as rows of consecutive ones: the first and the last of each, and when they were published.
pub(crate) struct Received {
    pub(crate) first: Vec<i64>,
    pub(crate) last: Vec<i64>,
    published_from: Vec<Timestamp>,
    published_until: Vec<Timestamp>,
}

impl Received {
    /// Whatever becomes of it.
    pub(crate) fn of(batch: &UsageBatch<'_>) -> Result<Self, Failure> {
        let ranges = ranges(batch.receipts().collect());
        let sequences =
            |f: fn(&Range) -> u64| ranges.iter().map(|range| sequence(f(range))).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            first: sequences(|range| range.first)?,
            last: sequences(|range| range.last)?,
            published_from: ranges.iter().map(|range| range.published_from).collect(),
            published_until: ranges.iter().map(|range| range.published_until).collect(),
        })
    }

    /// Notes it, in the batch's transaction.
    pub(crate) async fn note(&self, session: &Session) -> Result<(), Failure> {
        let Self { first, last, published_from, published_until } = self;
        let note = if first.len() > RANGES_MAX { NOTE_AS_ONE } else { NOTE };
        session.execute(note, &[first, last, published_from, published_until]).await?;
        Ok(())
    }
}

fn sequence(number: u64) -> Result<i64, Failure> {
    i64::try_from(number).map_err(|_| Failure::Broken("a stream sequence beyond 2^63"))
}

fn ranges(mut receipts: Vec<Receipt>) -> Vec<Range> {
    receipts.sort_unstable();
    let mut ranges: Vec<Range> = Vec::new();
    for Receipt { sequence, published_at } in receipts {
        match ranges.last_mut() {
            Some(range) if sequence <= range.last.saturating_add(1) => {
                range.last = sequence;
                range.published_from = range.published_from.min(published_at);
                range.published_until = range.published_until.max(published_at);
            }
            _ => ranges.push(Range {
                first: sequence,
                last: sequence,
                published_from: published_at,
                published_until: published_at,
            }),
        }
    }
    ranges
}

struct CheckStream<'a> {
    floor: &'a StreamFloor,
    now: Timestamp,
}

#[derive(diesel::QueryableByName)]
struct FloorRow {
    #[diesel(sql_type = Timestamptz)]
    stream_created_at: columns::Instant,
    #[diesel(sql_type = BigInt)]
    checked: i64,
    #[diesel(sql_type = BigInt)]
    last_sequence: i64,
}

#[derive(diesel::QueryableByName)]
struct GapRow {
    #[diesel(sql_type = Timestamptz)]
    stream_created_at: columns::Instant,
    #[diesel(sql_type = BigInt)]
    first_sequence: i64,
    #[diesel(sql_type = BigInt)]
    last_sequence: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    published_after: Option<columns::Instant>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    published_before: Option<columns::Instant>,
    #[diesel(sql_type = Timestamptz)]
    found_at: columns::Instant,
}

impl GapRow {
    fn gap(&self) -> Result<StreamGap, Failure> {
        Ok(StreamGap {
            stream_created_at: columns::timestamp(self.stream_created_at),
            first: TABLE.count("first_sequence", self.first_sequence)?,
            last: TABLE.count("last_sequence", self.last_sequence)?,
            published_after: self.published_after.map(columns::timestamp),
            published_before: self.published_before.map(columns::timestamp),
            found_at: columns::timestamp(self.found_at),
        })
    }
}

impl Transaction for CheckStream<'_> {
    const NAME: &'static str = "check_stream";
    type Output = Option<StreamCheck>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Option<StreamCheck>, Failure> {
        if !try_lock(connection, LOCK_KEY).await? {
            return Ok(None);
        }
        let sequence =
            |number: u64| i64::try_from(number).map_err(|_| Failure::Broken("a stream sequence beyond 2^63"));
        let created_at = columns::instant(self.floor.created_at);
        let (settled, last) = (sequence(self.floor.settled)?, sequence(self.floor.last)?);
        let open: Vec<FloorRow> = diesel::sql_query(
            "SELECT stream_created_at, checked, last_sequence FROM billing.stream_floors WHERE NOT is_closed
            ORDER BY stream_created_at",
        )
        .load(connection)
        .await?;
        let mut found = Vec::new();
        let mut checked = None;
        for row in open {
            if row.stream_created_at == created_at {
                checked = Some(row.checked);
            } else if row.stream_created_at.0 < created_at.0 {
                // What was on the older stream when it went is gone with it.
                let span = Span { created_at: row.stream_created_at, before: Some(created_at) };
                found.extend(span.examine(connection, row.checked, row.last_sequence, self.now).await?);
                span.advance(connection, row.last_sequence, row.last_sequence, true).await?;
                checked = checked.or(Some(sequence(self.floor.base)?));
            } else {
                // An answer from before the stream was made anew.
                return Ok(None);
            }
        }
        let span = Span { created_at, before: None };
        // The first stream that this service meets may have been worked on before, by who noted nothing: it is followed
        // from where it stands when there is a first note.
        if checked.is_none() && !span.has_notes(connection).await? {
            return Ok(Some(StreamCheck { found: Vec::new(), missing: 0 }));
        }
        let checked = checked.unwrap_or(settled);
        if settled > checked {
            found.extend(span.examine(connection, checked, settled, self.now).await?);
        }
        span.advance(connection, settled.max(checked), last, false).await?;
        let found = found.iter().map(GapRow::gap).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(StreamCheck { found, missing: count_missing(connection).await? }))
    }
}

/// One stream's life.
struct Span {
    created_at: columns::Instant,
    before: Option<columns::Instant>,
}

impl Span {
    /// When a message of this stream may have been published.
    fn published(&self) -> (columns::Instant, columns::Instant) {
        let shifted = |instant| {
            let at: Timestamp = columns::timestamp(instant);
            columns::instant(at.checked_sub(SKEW_MAX).unwrap_or(at))
        };
        (shifted(self.created_at), self.before.map_or(columns::instant(Timestamp::MAX), shifted))
    }

    async fn has_notes(&self, connection: &mut AsyncPgConnection) -> Result<bool, Failure> {
        #[derive(diesel::QueryableByName)]
        struct Notes {
            #[diesel(sql_type = Bool)]
            are_there: bool,
        }
        let notes: Notes = diesel::sql_query(
            "SELECT EXISTS (SELECT FROM billing.received_ranges WHERE published_from >= $1) AS are_there",
        )
        .bind::<Timestamptz, _>(self.published().0)
        .get_result(connection)
        .await?;
        Ok(notes.are_there)
    }

    /// Keeps what is missing after `checked` and up to `until`.
    async fn examine(
        &self,
        connection: &mut AsyncPgConnection,
        checked: i64,
        until: i64,
        now: Timestamp,
    ) -> Result<Vec<GapRow>, Failure> {
        let (from, before) = self.published();
        Ok(diesel::sql_query(
            "WITH received AS (SELECT * FROM billing.received_ranges WHERE published_from >= $4 AND published_from < $5),
            missing AS (SELECT lower(gap) AS first, upper(gap) - 1 AS last FROM unnest(
                int8multirange(int8range($2, $3, '(]')) - COALESCE((SELECT range_agg(COALESCE(received.received,
                int8multirange(int8range(first_sequence, last_sequence, '[]')))) FROM received), '{}'::int8multirange)) AS gap)
            INSERT INTO billing.stream_gaps
                (stream_created_at, first_sequence, last_sequence, published_after, published_before, found_at)
            SELECT $1, first, last,
                -- Of a row around the gap only its first and last message are known.
                COALESCE((SELECT max(CASE WHEN last_sequence < first THEN published_until ELSE published_from END)
                        FROM received WHERE first_sequence < first),
                    (SELECT published_until FROM billing.stream_floors WHERE stream_created_at = $1)),
                (SELECT min(CASE WHEN first_sequence > last THEN published_from ELSE published_until END)
                    FROM received WHERE last_sequence > last), $6
            FROM missing ORDER BY first
            RETURNING stream_created_at, first_sequence, last_sequence, published_after, published_before, found_at",
        )
        .bind::<Timestamptz, _>(self.created_at)
        .bind::<BigInt, _>(checked)
        .bind::<BigInt, _>(until)
        .bind::<Timestamptz, _>(from)
        .bind::<Timestamptz, _>(before)
        .bind::<Timestamptz, _>(columns::instant(now))
        .load(connection)
        .await?)
    }

    /// Notes how far the stream has been looked at, and removes what was received until there.
    async fn advance(
        &self,
        connection: &mut AsyncPgConnection,
        checked: i64,
        last: i64,
        is_closed: bool,
    ) -> Result<(), Failure> {
        let (from, before) = self.published();
        diesel::sql_query(
            "WITH done AS (DELETE FROM billing.received_ranges
                WHERE (last_sequence <= $2 AND published_from >= $5 AND published_from < $6)
                    -- Of a stream that is closed: something was delivered or replayed that was set aside then.
                    OR (NOT $4 AND published_from < $5)
                RETURNING published_until)
            INSERT INTO billing.stream_floors AS floor
                (stream_created_at, checked, last_sequence, published_until, is_closed)
            SELECT $1, $2, $3, (SELECT max(published_until) FROM done), $4
            ON CONFLICT (stream_created_at) DO UPDATE SET checked = EXCLUDED.checked,
                last_sequence = greatest(floor.last_sequence, EXCLUDED.last_sequence),
                published_until = greatest(floor.published_until, EXCLUDED.published_until),
                is_closed = EXCLUDED.is_closed",
        )
        .bind::<Timestamptz, _>(self.created_at)
        .bind::<BigInt, _>(checked)
        .bind::<BigInt, _>(last)
        .bind::<Bool, _>(is_closed)
        .bind::<Timestamptz, _>(from)
        .bind::<Timestamptz, _>(before)
        .execute(connection)
        .await?;
        Ok(())
    }
}

async fn count_missing(connection: &mut AsyncPgConnection) -> Result<u64, Failure> {
    #[derive(diesel::QueryableByName)]
    struct Missing {
        #[diesel(sql_type = BigInt)]
        missing: i64,
    }
    let row: Missing = diesel::sql_query(
        "SELECT COALESCE(sum(last_sequence - first_sequence + 1), 0)::bigint AS missing FROM billing.stream_gaps",
    )
    .get_result(connection)
    .await?;
    Ok(TABLE.count("missing", row.missing)?)
}

struct ListGaps;

struct RecordedFloor;

impl Transaction for RecordedFloor {
    const NAME: &'static str = "recorded_floor";
    const READ_ONLY: bool = true;
    type Output = Option<(Timestamp, u64)>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        let rows: Vec<FloorRow> = diesel::sql_query(
            "SELECT stream_created_at, checked, last_sequence FROM billing.stream_floors WHERE NOT is_closed
            ORDER BY stream_created_at DESC LIMIT 1",
        )
        .load(connection)
        .await?;
        let floor = |row: &FloorRow| {
            Ok((columns::timestamp(row.stream_created_at), Table("stream_floors").count("checked", row.checked)?))
        };
        rows.last().map(floor).transpose()
    }
}

impl Transaction for ListGaps {
    const NAME: &'static str = "list_gaps";
    const READ_ONLY: bool = true;
    type Output = Vec<StreamGap>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Vec<StreamGap>, Failure> {
        let rows: Vec<GapRow> = diesel::sql_query(
            "SELECT stream_created_at, first_sequence, last_sequence, published_after, published_before, found_at
            FROM billing.stream_gaps ORDER BY id",
        )
        .load(connection)
        .await?;
        rows.iter().map(GapRow::gap).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_numbers_become_one_row() {
        for (sequences, expected) in [
            (&[][..], ""),
            (&[7], "7-7"),
            (&[3, 1, 2, 2, 3], "1-3"),
            (&[1, 2, 4, 5, 9], "1-2 4-5 9-9"),
            (&[u64::MAX, u64::MAX - 1], "18446744073709551614-18446744073709551615"),
        ] {
            let receipt = |sequence: &u64| Receipt { sequence: *sequence, published_at: Timestamp::UNIX_EPOCH };
            let found = ranges(sequences.iter().map(receipt).collect());
            let shown: Vec<_> = found.iter().map(|range| format!("{}-{}", range.first, range.last)).collect();
            assert_eq!(shown.join(" "), expected);
        }
    }
}
