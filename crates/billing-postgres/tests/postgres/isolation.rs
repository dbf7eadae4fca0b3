//! One tenant's rows are out of another's reach, by row-level security alone.

use crate::support::{TestDatabase, account, tenant, usage};
use billing_domain::ports::RecordOutcome;
use tokio_postgres::NoTls;

const FENCED: [&str; 5] = ["accounts", "account_profiles", "usage_buckets", "billing_events", "unrated_events"];

#[tokio::test(flavor = "multi_thread")]
async fn the_api_role_sees_what_its_transaction_says_and_nothing_else() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    let mut waiting = usage(account(1), "2026-11-10T08:00:00Z");
    waiting.1.direction = billing_domain::usage::Direction::Mo;
    let outcome = db.record(&[usage(account(1), "2026-11-10T08:00:00Z"), waiting]).await;
    assert!(matches!(outcome, RecordOutcome::Recorded(counts) if counts.rated == 1 && counts.unrated == 1));

    let mut login: tokio_postgres::Config = db.url.parse().unwrap();
    let (mut api, connection) =
        login.user("billing_test_api").password(crate::support::PASSWORD).connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let own = format!("SET LOCAL app.tenant_id = '{}'", tenant(1));
    let other = format!("SET LOCAL app.tenant_id = '{}'", tenant(2));
    for (setting, expected) in
        [("SELECT 1", 0), (own.as_str(), 1), (other.as_str(), 0), ("SET LOCAL app.reach = 'platform'", 1)]
    {
        for table in FENCED {
            let transaction = api.transaction().await.unwrap();
            transaction.batch_execute(setting).await.unwrap();
            let seen = transaction.query_one(&format!("SELECT count(*) FROM billing.{table}"), &[]).await.unwrap();
            assert_eq!(seen.get::<_, i64>(0), expected, "{table} after {setting}");
        }
    }
    // The setting ends with its transaction.
    let after = api.query_one("SELECT count(*) FROM billing.usage_buckets", &[]).await.unwrap();
    assert_eq!(after.get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_role_cannot_read_raw_messages_or_write_usage() {
    let db = TestDatabase::create().await;
    let mut login: tokio_postgres::Config = db.url.parse().unwrap();
    let (api, connection) =
        login.user("billing_test_api").password(crate::support::PASSWORD).connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    for statement in [
        "SELECT * FROM billing.quarantined_messages",
        "SELECT raw FROM billing.quarantined_messages",
        "UPDATE billing.quarantined_messages SET redacted = NULL",
        "UPDATE billing.quarantined_messages SET replayed_at = now()",
        "UPDATE billing.replay_requests SET outcome = NULL",
        "SELECT * FROM billing.message_keys",
        "SELECT * FROM billing.audit_log",
        "SELECT * FROM billing.billing_events_default",
        "DELETE FROM billing.usage_buckets",
        "INSERT INTO billing.accounts (account_id, tenant_id) VALUES (gen_random_uuid(), gen_random_uuid())",
        "UPDATE billing.prices SET unit_price_micros = 0",
        "UPDATE billing.number_series SET last = 0",
        "SELECT billing.make_event_partitions('2026-01-01', 1)",
    ] {
        let refused = api.execute(statement, &[]).await.unwrap_err();
        assert_eq!(refused.code().map(|code| code.code()), Some("42501"), "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_with_a_tenant_is_fenced_even_from_its_owner() {
    let db = TestDatabase::create().await;
    let open = db
        .text(
            "SELECT COALESCE(string_agg(c.relname, ', '), '') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
            WHERE n.nspname = 'billing' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                AND NOT (c.relrowsecurity AND c.relforcerowsecurity)",
        )
        .await;
    // Written about every tenant, and read by no route.
    assert_eq!(open, "audit_log, idempotency_keys");
}
