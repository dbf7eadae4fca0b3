//! Messages that were on the stream and never recorded are found, once, whatever the stream has been through.

use crate::support::{TestDatabase, account, now, receipt, usage};
use billing_domain::ports::{StreamCheck, StreamFloor, StreamWatch};
use billing_domain::usage::Receipt;

const FIRST_STREAM: &str = "2026-11-01T00:00:00Z";
const SECOND_STREAM: &str = "2026-11-10T00:00:00Z";

async fn receive(db: &TestDatabase, day: &str, ranges: &[(i64, i64)]) {
    for (first, last) in ranges {
        // A message a second.
        let sql = format!(
            "INSERT INTO billing.received_ranges VALUES ({first}, {last}, timestamptz '{day}' + interval '{first} s',
                timestamptz '{day}' + interval '{last} s')"
        );
        db.owner.batch_execute(&sql).await.unwrap();
    }
}

async fn check(db: &TestDatabase, stream: &str, settled: u64, last: u64) -> StreamCheck {
    let floor = StreamFloor { created_at: stream.parse().unwrap(), base: 0, settled, last };
    db.worker.check_stream(&floor, now()).await.unwrap().expect("nobody else looks")
}

/// What was found, as `first-last after/before`, in seconds of the day.
fn shown(check: &StreamCheck) -> String {
    let second = |at: Option<jiff::Timestamp>| at.map_or("?".into(), |at| (at.as_second() % 86_400).to_string());
    let gaps = check.found.iter().map(|gap| {
        format!("{}-{} {}/{}", gap.first, gap.last, second(gap.published_after), second(gap.published_before))
    });
    format!("{} of {}", gaps.collect::<Vec<_>>().join(", "), check.missing)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_found_once_and_when_it_is_settled() {
    let db = TestDatabase::create().await;
    // Nothing has been noted: who consumed before did not, and nothing is taken for lost.
    assert_eq!(shown(&check(&db, FIRST_STREAM, 1_000, 2_000).await), " of 0");
    receive(&db, FIRST_STREAM, &[(1_001, 1_010)]).await;
    assert_eq!(shown(&check(&db, FIRST_STREAM, 1_000, 2_000).await), " of 0");
    for (received, settled, expected) in [
        (&[][..], 1_010, " of 0"),
        // Out of order, overlapping, delivered again: all the same.
        (&[(1_016, 1_020), (1_011, 1_015), (1_013, 1_017), (1_002, 1_003)], 1_020, " of 0"),
        // What is not settled may still come.
        (&[(1_025, 1_030)], 1_020, " of 0"),
        (&[(1_021, 1_024)], 1_030, " of 0"),
        // Two holes, one of them at the end.
        (&[(1_033, 1_034), (1_037, 1_040)], 1_042, "1031-1032 1030/1033, 1035-1036 1034/1037, 1041-1042 1040/? of 6"),
        (&[(1_043, 1_050)], 1_050, " of 6"),
        // An answer from before: nothing is looked at again.
        (&[], 1_000, " of 6"),
        // All of it lost: the messages before were published until then.
        (&[], 1_060, "1051-1060 1050/? of 16"),
    ] {
        receive(&db, FIRST_STREAM, received).await;
        assert_eq!(shown(&check(&db, FIRST_STREAM, settled, 2_000).await), expected, "{received:?} {settled}");
    }
    assert_eq!(db.number("SELECT count(*) FROM billing.received_ranges").await, 0);
    let listed: Vec<_> = db.worker.gaps().await.unwrap().iter().map(|gap| gap.messages()).collect();
    assert_eq!(listed, [2, 2, 2, 10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_made_anew_begins_at_its_first_number() {
    let db = TestDatabase::create().await;
    receive(&db, FIRST_STREAM, &[(1, 10)]).await;
    assert_eq!(shown(&check(&db, FIRST_STREAM, 5, 10).await), " of 0");
    receive(&db, FIRST_STREAM, &[(11, 20)]).await;
    assert_eq!(shown(&check(&db, FIRST_STREAM, 18, 25).await), " of 0");
    // It went with five messages on it, and the new one has lost its first two.
    receive(&db, SECOND_STREAM, &[(3, 10)]).await;
    let found = check(&db, SECOND_STREAM, 10, 12).await;
    assert_eq!(shown(&found), "21-25 20/?, 1-2 ?/3 of 7");
    assert_eq!(found.found[0].stream_created_at.to_string(), FIRST_STREAM);
    assert_eq!(db.worker.recorded_floor().await.unwrap(), Some((SECOND_STREAM.parse().unwrap(), 10)));
    // An answer of the old one that comes late is not looked at.
    let late = StreamFloor { created_at: FIRST_STREAM.parse().unwrap(), base: 0, settled: 25, last: 25 };
    assert_eq!(db.worker.check_stream(&late, now()).await.unwrap(), None);
    receive(&db, SECOND_STREAM, &[(11, 12)]).await;
    // Replayed from the quarantine: a number of the stream that is no more.
    receive(&db, FIRST_STREAM, &[(7, 7)]).await;
    assert_eq!(shown(&check(&db, SECOND_STREAM, 12, 12).await), " of 7");
    assert_eq!(db.number("SELECT count(*) FROM billing.received_ranges").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failover_lost_is_named() {
    let db = TestDatabase::create().await;
    receive(&db, FIRST_STREAM, &[(1, 100)]).await;
    check(&db, FIRST_STREAM, 90, 100).await;
    check(&db, FIRST_STREAM, 100, 100).await;
    // The promoted standby has neither the last batch, nor the note of it, nor the look that came after it.
    db.owner.batch_execute("UPDATE billing.stream_floors SET checked = 90, last_sequence = 90").await.unwrap();
    receive(&db, FIRST_STREAM, &[(101, 110)]).await;
    assert_eq!(shown(&check(&db, FIRST_STREAM, 110, 110).await), "91-100 100/101 of 10");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_batch_notes_what_it_received_whatever_became_of_it() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    let good = usage(account(1), "2026-11-10T08:00:00Z");
    let unrated = usage(account(2), "2025-12-31T08:00:00Z");
    let ahead = usage(account(1), "2026-11-20T08:00:00Z");
    let duplicate = (receipt(), good.1.clone());
    let batch = [good, unrated, ahead, duplicate];
    let sequences: std::collections::BTreeSet<i64> =
        batch.iter().map(|(receipt, _)| i64::try_from(receipt.sequence).unwrap()).collect();
    for _ in 0..2 {
        db.record(&batch).await;
        let noted = "SELECT DISTINCT generate_series(first_sequence, last_sequence) FROM billing.received_ranges";
        let noted: std::collections::BTreeSet<i64> =
            db.owner.query(noted, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        assert_eq!(noted, sequences);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_are_served_by_turns_note_a_row_each_and_a_hole_in_it_is_found() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    let at = |sequence: u64| {
        (FIRST_STREAM.parse::<jiff::Timestamp>().unwrap()) + jiff::SignedDuration::from_secs(sequence.cast_signed())
    };
    let batch = |first: u64| {
        let sequences = (first..=200).step_by(2).filter(|sequence| *sequence != 101);
        let one = |sequence| (Receipt { sequence, published_at: at(sequence) }, usage(account(1), FIRST_STREAM).1);
        sequences.map(one).collect::<Vec<_>>()
    };
    db.record(&batch(1)).await;
    db.record(&batch(2)).await;
    assert_eq!(db.number("SELECT count(*) FROM billing.received_ranges").await, 2, "a row for each batch");
    // Nothing of the stream had been dealt with before.
    db.owner
        .execute(
            "INSERT INTO billing.stream_floors VALUES ($1::text::timestamptz, 0, 0, NULL, false)",
            &[&FIRST_STREAM],
        )
        .await
        .unwrap();
    assert_eq!(shown(&check(&db, FIRST_STREAM, 200, 200).await), "101-101 2/199 of 1");
    assert_eq!(db.number("SELECT count(*) FROM billing.received_ranges").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pod_looks_at_a_time() {
    let db = TestDatabase::create().await;
    db.owner.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(x'62696c6c0011'::bigint)").await.unwrap();
    let floor = StreamFloor { created_at: FIRST_STREAM.parse().unwrap(), base: 0, settled: 1, last: 1 };
    assert_eq!(db.worker.check_stream(&floor, now()).await.unwrap(), None);
}
