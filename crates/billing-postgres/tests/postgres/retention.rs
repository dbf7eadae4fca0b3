//! What has had its time goes, in bounded steps, one pod at a time; everything else stays.

use crate::support::{TestDatabase, now};
use billing_domain::ports::{Purged, Retention, RetentionLimits};

async fn purge_all(db: &TestDatabase) -> Purged {
    let mut sum = Purged::default();
    for _ in 0..1_000 {
        let step = db.worker.purge(&RetentionLimits::at(now())).await.unwrap().expect("nobody else purges");
        sum.claims += step.claims;
        sum.duplicates += step.duplicates;
        sum.raw += step.raw;
        sum.outbox += step.outbox;
        sum.keys += step.keys;
        if !step.is_more {
            return sum;
        }
    }
    panic!("purging has no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_is_kept_as_long_as_its_rule_says() {
    // Now is 2026-11-15T12:00:00Z.
    for (insert, left, goes) in [
        // message_keys: published, charged. Both must be 14 months past.
        ("claim '2025-09-15T11:59:59Z' '2025-09-15T11:59:59Z'", "message_keys", true),
        ("claim '2025-09-15T12:00:00Z' '2025-09-15T11:59:59Z'", "message_keys", false),
        ("claim '2025-09-15T11:59:59Z' '2025-09-15T12:00:00Z'", "message_keys", false),
        ("claim '2026-11-15T00:00:00Z' '2025-01-01T00:00:00Z'", "message_keys", false),
        ("duplicate '2025-09-15T11:59:59Z' '2025-09-15T11:59:59Z'", "duplicate_messages", true),
        ("duplicate '2025-09-15T11:59:59Z' '2025-09-15T12:00:00Z'", "duplicate_messages", false),
        ("raw '2026-10-16T11:59:59Z'", "quarantined_messages WHERE raw IS NOT NULL", true),
        ("raw '2026-10-16T12:00:00Z'", "quarantined_messages WHERE raw IS NOT NULL", false),
        ("raw '2020-01-01T00:00:00Z'", "quarantined_messages WHERE reason = 'malformed'", false),
        ("key '2026-11-14T11:59:59Z'", "idempotency_keys", true),
        ("key '2026-11-14T12:00:00Z'", "idempotency_keys", false),
        ("outbox '2026-10-16T11:59:59Z'", "outbox", true),
        ("outbox '2026-10-16T12:00:00Z'", "outbox", false),
        ("outbox NULL", "outbox", false),
        ("audit '2000-01-01T00:00:00Z'", "audit_log", false),
    ] {
        let db = TestDatabase::create().await;
        let mut words = insert.split(' ');
        let kind = words.next().unwrap();
        let (at, charged) = (words.next().unwrap(), words.next().unwrap_or("now()"));
        let sql = match kind {
            "claim" => format!(
                "INSERT INTO billing.message_keys (message_id, fingerprint, stream_sequence, published_at, charged_at)
                VALUES (gen_random_uuid(), gen_random_uuid(), 1, {at}, {charged})"
            ),
            "duplicate" => format!(
                "INSERT INTO billing.duplicate_messages (stream_sequence, published_at, message_id, account_id, charged_at)
                VALUES (1, {at}, gen_random_uuid(), gen_random_uuid(), {charged})"
            ),
            "raw" => format!(
                "INSERT INTO billing.quarantined_messages
                    (stream_sequence, published_at, reason, detail, raw, raw_bytes, created_at)
                VALUES (1, now(), 'malformed', 'not JSON', 'x', 1, {at})"
            ),
            "key" => format!(
                "INSERT INTO billing.idempotency_keys (subject, key, body_sha256, result_id, created_at)
                VALUES ('s', 'k', sha256('x'), gen_random_uuid(), {at})"
            ),
            "outbox" => format!(
                "INSERT INTO billing.invoices (id, tenant_id, account_id, currency, period_start, status, subtotal_minor,
                    total_messages, total_segments, drafted_at)
                VALUES ('00000000-0000-0000-0000-000000000001', gen_random_uuid(), gen_random_uuid(), 'USD',
                    '2026-01-01', 'DRAFT', 0, 0, 0, now());
                INSERT INTO billing.outbox (invoice_id, kind, tenant_id, created_at, published_at)
                VALUES ('00000000-0000-0000-0000-000000000001', 'generated', gen_random_uuid(), '2020-01-01', {at})"
            ),
            _ => format!(
                "INSERT INTO billing.audit_log (at, actor, action, subject, trace_id) VALUES ({at}, 'a', 'b', 'c', 'd')"
            ),
        };
        db.owner.batch_execute(&sql).await.expect(insert);
        let purged = purge_all(&db).await;
        let sum = purged.claims + purged.duplicates + purged.outbox + purged.keys + purged.raw;
        let kept_row = left.contains("reason");
        assert_eq!(sum, u64::from(goes || kept_row), "{insert}");
        let count = db.number(&format!("SELECT count(*) FROM billing.{left}")).await;
        assert_eq!(count, i64::from(!goes), "{insert}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_table_is_walked_by_blocks_once_a_day() {
    let db = TestDatabase::create().await;
    // About 600 blocks; every third claim is old.
    db.owner
        .batch_execute(
            "INSERT INTO billing.message_keys SELECT gen_random_uuid(), gen_random_uuid(), i,
                CASE WHEN i % 3 = 0 THEN timestamptz '2025-01-01' ELSE timestamptz '2026-11-01' END, '2025-01-01'
            FROM generate_series(1, 48000) AS i",
        )
        .await
        .unwrap();
    let first = db.worker.purge(&RetentionLimits::at(now())).await.unwrap().unwrap();
    assert!(first.is_more && (1..16_000).contains(&first.claims), "{first:?}");
    assert_eq!(purge_all(&db).await.claims, 16_000 - first.claims);
    assert_eq!(db.number("SELECT count(*) FROM billing.message_keys").await, 32_000);

    // The walk is over for today.
    db.owner.batch_execute("UPDATE billing.message_keys SET published_at = '2025-01-01'").await.unwrap();
    assert_eq!(purge_all(&db).await, Purged::default());
    let tomorrow = "2026-11-16T12:00:00Z".parse().unwrap();
    let step = db.worker.purge(&RetentionLimits::at(tomorrow)).await.unwrap().unwrap();
    assert!(step.is_more, "{step:?}");
    let plan: Vec<String> = db
        .owner
        .query("EXPLAIN DELETE FROM billing.message_keys WHERE ctid >= '(0,0)' AND ctid < '(256,0)'", &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(plan.iter().any(|line| line.contains("Tid Range Scan")), "{plan:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pod_purges_at_a_time() {
    let db = TestDatabase::create().await;
    let limits = RetentionLimits::at(now());
    db.owner.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(x'62696c6c0010'::bigint)").await.unwrap();
    assert_eq!(db.worker.purge(&limits).await.unwrap(), None);
    db.owner.batch_execute("COMMIT").await.unwrap();
    assert_eq!(db.worker.purge(&limits).await.unwrap(), Some(Purged::default()));
}
