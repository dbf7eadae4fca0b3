//! Quarantined messages: looked at, replayed exactly once, discarded; and every message stays counted once.

use crate::support::{TestDatabase, account, action, now, price, receipt, tenant, usage};
use billing_domain::TenantId;
use billing_domain::ports::{
    Accounts, ChangeOutcome, HeldState, KeptBytes, PriceAdmin, PriceBookStore, Quarantine, QuarantineAdmin,
    QuarantineFilter, Refusal, ReplayError, ReplayOutcome, ReplayTerms, ReplayedAs, Resolution, Retention,
    RetentionLimits, UsageLedger,
};
use billing_domain::usage::{QuarantineReason, Receipt, ReportedUsage, SegmentCount};
use billing_domain::use_cases::{Delivery, Replayer, Unreadable, prepare_batch};
use jiff::Timestamp;

/// Received = recorded + duplicates + unrated + quarantined.
const RECEIVED: &str = "SELECT format('%s recorded %s duplicate %s unrated %s quarantined',
    (SELECT count(*) FROM billing.billing_events), (SELECT count(*) FROM billing.duplicate_messages),
    (SELECT count(*) FROM billing.unrated_events),
    (SELECT count(*) FROM billing.quarantined_messages WHERE replayed_at IS NULL))";

fn malformed() -> Result<ReportedUsage, Unreadable> {
    Err(Unreadable { reason: QuarantineReason::Malformed, detail: "not JSON".into(), account: None })
}

/// Records deliveries as ingest does at that moment; the id of the last one that was quarantined.
async fn deliver(db: &TestDatabase, at: Timestamp, deliveries: &[Delivery<'_>]) -> i64 {
    db.worker.prepare_partitions(at).await.unwrap();
    let (book, directory) = (db.worker.book().await.unwrap(), db.worker.directory().await.unwrap());
    let batch = prepare_batch(deliveries, at, &directory, &book);
    db.worker.record(&batch).await.unwrap();
    db.number("SELECT max(id) FROM billing.quarantined_messages").await
}

async fn hold(db: &TestDatabase, content: Result<ReportedUsage, Unreadable>) -> (i64, Receipt) {
    let receipt = receipt();
    (deliver(db, now(), &[Delivery { receipt, raw: b"raw", content }]).await, receipt)
}

/// Replays a message whose bytes say that now; at that moment.
async fn replay(
    db: &TestDatabase,
    id: i64,
    says: Result<ReportedUsage, Unreadable>,
    terms: ReplayTerms,
    at: &str,
) -> ReplayOutcome {
    let decode = move |named: Option<TenantId>, _: &[u8]| {
        let mut usage = says.clone()?;
        usage.tenant = named.or(usage.tenant);
        Ok(usage)
    };
    let mut action = action("cli:alice");
    action.at = at.parse().unwrap();
    Replayer::new(&db.worker, decode).await.unwrap().replay(id, terms, &action).await.unwrap()
}

const NOW: &str = "2026-11-15T12:00:00Z";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_usage_by_todays_rules_is_recorded_once_and_the_rest_stays() {
    use QuarantineReason::{Conflict, Future, Malformed, TenantMismatch, TooOld};
    use ReplayOutcome::{Became, Refused, Stays};
    let db = TestDatabase::create().await;
    let long_since = price("STARTER", "*", "0.01", "2025-01-01", None);
    db.api.create_price(&long_since, &action("admin")).await.unwrap();
    let (standing_at, standing) = usage(account(1), "2026-11-10T08:00:00Z");
    db.record(&[(standing_at, standing.clone())]).await;
    let plain = ReplayTerms::default();
    let old = ReplayTerms { allow_old: true, ..plain };
    let of_tenant = |number| ReplayTerms { tenant: Some(tenant(number)), ..plain };
    let good = || usage(account(1), "2026-11-10T08:00:00Z").1;
    let charged = |at: &str| usage(account(1), at).1;
    let stays = |reason, detail: &str| Stays(reason, detail.to_owned());

    let unpriced = ReportedUsage { tier: billing_domain::Tier::new("GOLD").ok(), ..good() };
    let other = ReportedUsage { segments: SegmentCount::new(9).unwrap(), ..standing.clone() };
    let foreign = ReportedUsage { tenant: Some(tenant(2)), ..good() };
    let ahead = charged("2026-11-20T00:00:00Z");
    let old_a_little = charged("2025-10-01T00:00:00Z");
    let too_old = charged("2025-09-01T00:00:00Z");
    let was_in_time = charged("2025-10-20T00:00:00Z");
    for (name, held_as, says, terms, at, expected) in [
        ("mended decoder", malformed(), Ok(good()), plain, NOW, Became(ReplayedAs::Recorded)),
        ("still malformed", malformed(), malformed(), plain, NOW, stays(Malformed, "not JSON")),
        ("no price", malformed(), Ok(unpriced), plain, NOW, Became(ReplayedAs::Unrated)),
        ("published again", malformed(), Ok(standing.clone()), plain, NOW, Became(ReplayedAs::Duplicate)),
        (
            "other content",
            malformed(),
            Ok(other.clone()),
            plain,
            NOW,
            stays(Conflict, "the message id stands with other content"),
        ),
        ("a conflict stays one", Ok(other.clone()), Ok(other), plain, NOW, {
            stays(Conflict, "the message id stands with other content")
        }),
        ("still ahead", Ok(ahead.clone()), Ok(ahead.clone()), plain, NOW, {
            stays(Future, "charged at 2026-11-20T00:00:00Z, which has not come yet")
        }),
        ("its time has come", Ok(ahead.clone()), Ok(ahead), plain, "2026-11-20T00:00:00Z", {
            Became(ReplayedAs::Recorded)
        }),
        ("too old", Ok(old_a_little.clone()), Ok(old_a_little.clone()), plain, NOW, {
            stays(TooOld, "charged at 2025-10-01T00:00:00Z, more than 13 months ago")
        }),
        ("old, and wanted", Ok(old_a_little.clone()), Ok(old_a_little), old, NOW, Became(ReplayedAs::Recorded)),
        ("older than claims", Ok(too_old.clone()), Ok(too_old), old, NOW, {
            stays(TooOld, "charged at 2025-09-01T00:00:00Z, more than 13 months ago")
        }),
        ("in time when it came", malformed(), Ok(was_in_time), plain, "2026-12-10T00:00:00Z", {
            Became(ReplayedAs::Recorded)
        }),
        ("whose is it?", Ok(foreign.clone()), Ok(foreign.clone()), plain, NOW, Refused(ReplayError::TenantNeeded)),
        ("not theirs", Ok(foreign.clone()), Ok(foreign.clone()), of_tenant(2), NOW, {
            stays(TenantMismatch, "names another tenant than the account's")
        }),
        ("theirs", Ok(foreign.clone()), Ok(foreign), of_tenant(1), NOW, Became(ReplayedAs::Recorded)),
    ] {
        let before = db.text(RECEIVED).await;
        let (id, _) = hold(&db, held_as).await;
        let outcome = replay(&db, id, says.clone(), terms, at).await;
        assert_eq!(outcome, expected, "{name}, from {before}");
        // Whatever it became, doing it again does nothing.
        let after = db.text(RECEIVED).await;
        let again = replay(&db, id, says, terms, at).await;
        let expected_again = if matches!(expected, Became(_)) { Refused(ReplayError::Resolved) } else { expected };
        assert_eq!((again, db.text(RECEIVED).await), (expected_again, after), "{name}, again");
    }
    assert_all_is_counted_and_audited(&db).await;
}

async fn assert_all_is_counted_and_audited(db: &TestDatabase) {
    assert_eq!(db.text(RECEIVED).await, "6 recorded 1 duplicate 1 unrated 8 quarantined");
    let sequences = "SELECT count(DISTINCT sequence) FROM (SELECT stream_sequence FROM billing.message_keys UNION ALL
        SELECT stream_sequence FROM billing.duplicate_messages UNION ALL
        SELECT stream_sequence FROM billing.quarantined_messages WHERE replayed_at IS NULL) AS received (sequence)";
    assert_eq!(db.number(sequences).await, 16);
    let audited = "SELECT count(*) FROM billing.audit_log WHERE action = 'replay_quarantined' AND actor = 'cli:alice'";
    assert_eq!(db.number(audited).await, 30);
    assert_eq!(db.number("SELECT count(*) FROM billing.audit_log WHERE action = 'settle_replay'").await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_cut_off_between_record_and_note_is_finished_by_the_next() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    let (_, says) = usage(account(1), "2026-11-10T08:00:00Z");
    let (id, receipt) = hold(&db, malformed()).await;
    // The ledger has it; the note was never made.
    db.record(&[(receipt, says.clone())]).await;
    for expected in [ReplayOutcome::Became(ReplayedAs::Recorded), ReplayOutcome::Refused(ReplayError::Resolved)] {
        assert_eq!(replay(&db, id, Ok(says.clone()), ReplayTerms::default(), NOW).await, expected);
        assert_eq!(db.text(RECEIVED).await, "1 recorded 0 duplicate 0 unrated 0 quarantined");
    }
    // Delivered once more, it is neither recorded nor set aside again.
    deliver(&db, now(), &[Delivery { receipt, raw: b"raw", content: malformed() }]).await;
    assert_eq!(db.text(RECEIVED).await, "1 recorded 0 duplicate 0 unrated 0 quarantined");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_replays_of_one_message_record_it_once() {
    let db = std::sync::Arc::new(TestDatabase::create().await);
    db.add_price("STARTER", "*", "0.01").await;
    let (_, says) = usage(account(1), "2026-11-10T08:00:00Z");
    let (id, _) = hold(&db, malformed()).await;
    let replays: Vec<_> = (0..5)
        .map(|_| {
            let (db, says) = (db.clone(), says.clone());
            tokio::spawn(async move { replay(&db, id, Ok(says), ReplayTerms::default(), NOW).await })
        })
        .collect();
    for outcome in replays {
        let outcome = outcome.await.unwrap();
        let expected = [ReplayOutcome::Became(ReplayedAs::Recorded), ReplayOutcome::Refused(ReplayError::Resolved)];
        assert!(expected.contains(&outcome), "{outcome:?}");
    }
    assert_eq!(db.text(RECEIVED).await, "1 recorded 0 duplicate 0 unrated 0 quarantined");
    assert_eq!(db.number("SELECT count(*) FROM billing.audit_log WHERE action = 'settle_replay'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_kept_whole_is_not_replayed() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    let large = vec![b'7'; 1 << 20];
    let says = || Ok(usage(account(1), "2026-11-10T08:00:00Z").1);
    for (raw, purged, expected) in [
        (&large[..], false, ReplayOutcome::Refused(ReplayError::Cut)),
        (&large[1..], false, ReplayOutcome::Became(ReplayedAs::Recorded)),
        (&large[1..], true, ReplayOutcome::Refused(ReplayError::Gone)),
    ] {
        let id = deliver(&db, now(), &[Delivery { receipt: receipt(), raw, content: malformed() }]).await;
        if purged {
            db.owner.batch_execute("UPDATE billing.quarantined_messages SET raw = NULL").await.unwrap();
        }
        assert_eq!(replay(&db, id, says(), ReplayTerms::default(), NOW).await, expected);
    }
    assert_eq!(
        replay(&db, 999, says(), ReplayTerms::default(), NOW).await,
        ReplayOutcome::Refused(ReplayError::NotFound)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_message_is_closed_and_stays_counted() {
    let db = TestDatabase::create().await;
    let (id, _) = hold(&db, malformed()).await;
    let mut later = action("cli:bob");
    later.at = "2026-11-15T12:00:01Z".parse().unwrap();
    for (id, action, expected) in [
        (id + 1, action("cli:bob"), Some(Refusal::NotFound)),
        (id, action("cli:bob"), None),
        // The answer was lost: the same call again.
        (id, action("cli:bob"), None),
        (id, later, Some(Refusal::Ended)),
    ] {
        let refused = match db.worker.discard_held(id, "a test message", &action).await.unwrap() {
            ChangeOutcome::Done(_) => None,
            ChangeOutcome::Refused(refusal) => Some(refusal),
        };
        assert_eq!(refused, expected);
    }
    let says = Ok(usage(account(1), "2026-11-10T08:00:00Z").1);
    let replayed = replay(&db, id, says, ReplayTerms::default(), NOW).await;
    assert_eq!(replayed, ReplayOutcome::Refused(ReplayError::Resolved));
    assert_eq!(db.text(RECEIVED).await, "0 recorded 0 duplicate 0 unrated 1 quarantined");
    let audited = "SELECT string_agg(action || ' ' || detail, ';') FROM billing.audit_log WHERE detail IS NOT NULL";
    assert_eq!(db.text(audited).await, "discard_quarantined a test message");
    let (held, bytes) = db.worker.open_held(id, "show_quarantined", &action("cli:bob")).await.unwrap().unwrap();
    let by = held.resolved.map(|(resolution, who, _)| (resolution, who));
    assert_eq!(by, Some((Resolution::Discarded("a test message".into()), "cli:bob".into())));
    assert!(matches!(bytes, KeptBytes::Whole(raw) if raw == b"raw"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged_and_every_page_is_audited() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    let (first, _) = hold(&db, malformed()).await;
    let (second, _) = hold(&db, Ok(usage(account(1), "2026-11-20T00:00:00Z").1)).await;
    let (third, _) = hold(&db, Ok(usage(account(2), "2026-11-20T00:00:00Z").1)).await;
    let (closed, _) = hold(&db, malformed()).await;
    db.worker.discard_held(closed, "test", &action("cli:bob")).await.unwrap();
    let open = || QuarantineFilter { state: Some(HeldState::Open), ..QuarantineFilter::default() };
    let (mut pages, mut of_account) = (0, 0);
    let far = Some("2999-01-01T00:00:00Z".parse().unwrap());
    for (filter, expected) in [
        (open(), vec![first, second, third]),
        (QuarantineFilter { state: None, ..open() }, vec![first, second, third, closed]),
        (QuarantineFilter { reason: Some(QuarantineReason::Future), ..open() }, vec![second, third]),
        (QuarantineFilter { account: Some(account(2)), ..open() }, vec![third]),
        (QuarantineFilter { since: far, ..open() }, vec![]),
    ] {
        for limit in [1, 2, 100] {
            let (mut after, mut found) = (None, Vec::new());
            loop {
                pages += 1;
                of_account += i64::from(filter.account.is_some());
                let page = db.worker.list_held(&filter, after, limit, &action("cli:bob")).await.unwrap();
                found.extend(page.rows.iter().map(|held| held.id));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected, "{filter:?} by {limit}");
        }
    }
    let audited = "SELECT count(*) FROM billing.audit_log WHERE action = 'list_quarantined'";
    assert_eq!(db.number(audited).await, pages);
    let named = format!("{audited} AND subject = 'account {}'", account(2));
    assert_eq!(db.number(&named).await, of_account);
}

/// What staff do through the api is done with the api's rights, which are none to a message's bytes.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_shown_goes_when_the_bytes_go() {
    let db = TestDatabase::create().await;
    let raw = br#"{"to":"+93701234567"}"#;
    let id = deliver(&db, now(), &[Delivery { receipt: receipt(), raw, content: malformed() }]).await;
    let shown = async || db.api.show_held(id, &action("staff")).await.unwrap().unwrap().shown;
    assert_eq!(shown().await.as_deref(), Some(r#"{"to":"+***********"}"#));
    let far: Timestamp = "2999-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(db.worker.purge(&RetentionLimits::at(far)).await.unwrap().map(|purged| purged.raw), Some(1));
    assert_eq!(shown().await, None);
    let audited = "SELECT count(*) FROM billing.audit_log WHERE action = 'show_quarantined' AND actor = 'staff'";
    assert_eq!(db.number(audited).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_for_one_message_one_waits() {
    let db = std::sync::Arc::new(TestDatabase::create().await);
    let (id, _) = hold(&db, malformed()).await;
    let requests: Vec<_> = (0..5)
        .map(|_| {
            let db = db.clone();
            let (terms, request) = (ReplayTerms::default(), uuid::Uuid::new_v4());
            tokio::spawn(async move { db.api.request_replay(id, terms, request, &action("staff")).await.unwrap() })
        })
        .collect();
    let mut done = 0;
    for request in requests {
        match request.await.unwrap() {
            ChangeOutcome::Done(_) => done += 1,
            ChangeOutcome::Refused(refusal) => assert_eq!(refusal, Refusal::Replay(ReplayError::Waiting)),
        }
    }
    assert_eq!((done, db.number("SELECT count(*) FROM billing.replay_requests").await), (1, 1));
    assert_eq!(db.number("SELECT count(*) FROM billing.audit_log WHERE action = 'request_replay'").await, 1);
}
