//! One tenant's rows are out of another's reach: by row-level security alone, and by the predicates of the questions alone.

use billing_domain::ports::{InvoiceFilter, InvoiceProofs, InvoiceReader, RecordOutcome, UsageReader};
use billing_domain::usage::{Granularity, UsageQuestion};
use billing_domain::{DayRange, InvoiceId, TenantId};
use tokio_postgres::{Client, NoTls};

use super::proofs::{export, issue, void};
use crate::support::{TestDatabase, account, day, tenant, usage};

/// Tables with a tenant that the api's role may read, as the database itself tells them.
const FENCED: &str = "SELECT c.oid::regclass::text FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND c.relrowsecurity AND has_table_privilege('billing_api', c.oid, 'SELECT') ORDER BY 1";

async fn login(db: &TestDatabase) -> Client {
    let mut login: tokio_postgres::Config = db.url.parse().unwrap();
    let login = login.user("billing_test_api").password(crate::support::PASSWORD);
    let (api, connection) = login.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    api
}

/// Usage of account 1 that is rated, usage that waits, an invoice with its credit note, and the invoice after it.
async fn lived_in() -> (TestDatabase, InvoiceId) {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    let mut waiting = usage(account(1), "2026-10-10T08:00:00Z");
    waiting.1.direction = billing_domain::usage::Direction::Mo;
    let outcome = db.record(&[usage(account(1), "2026-10-10T08:00:00Z"), waiting]).await;
    assert!(matches!(outcome, RecordOutcome::Recorded(counts) if counts.rated == 1 && counts.unrated == 1));
    let [first] = issue(&db, "2026-10").await[..] else { panic!("one is due") };
    void(&db, first).await;
    let [again] = issue(&db, "2026-10").await[..] else { panic!("one is due") };
    (db, again)
}

#[tokio::test(flavor = "multi_thread")]
async fn row_level_security_alone_shows_what_the_transaction_says_and_nothing_else() {
    let (db, _) = lived_in().await;
    let mut api = login(&db).await;
    let tables: Vec<String> =
        db.owner.query(FENCED, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)).collect();
    let own = format!("SET LOCAL app.tenant_id = '{}'", tenant(1));
    let other = format!("SET LOCAL app.tenant_id = '{}'", tenant(2));
    let mut filled = 0;
    for table in &tables {
        let count = format!("SELECT count(*) FROM {table}");
        let all = db.number(&count).await;
        filled += i32::from(all > 0);
        for (setting, expected) in
            [("SELECT 1", 0), (own.as_str(), all), (other.as_str(), 0), ("SET LOCAL app.reach = 'platform'", all)]
        {
            let transaction = api.transaction().await.unwrap();
            transaction.batch_execute(setting).await.unwrap();
            let seen = transaction.query_one(&count, &[]).await.unwrap();
            assert_eq!(seen.get::<_, i64>(0), expected, "{table} after {setting}");
        }
    }
    assert!(filled >= 8, "{filled} of {tables:?} have rows");
    // The setting ends with its transaction.
    let after = api.query_one("SELECT count(*) FROM billing.usage_buckets", &[]).await.unwrap();
    assert_eq!(after.get::<_, i64>(0), 0);
}

/// What each question of a customer finds of account 1 and its invoice.
async fn found(db: &TestDatabase, invoice: InvoiceId, by: TenantId) -> Vec<(&'static str, bool)> {
    let mut found = Vec::new();
    for (name, granularity) in [("days", Granularity::Day), ("hours", Granularity::Hour)] {
        let days = DayRange::new(day("2026-10-01"), Some(day("2026-11-01"))).unwrap();
        let question = UsageQuestion { tenant: Some(by), account: account(1), days, granularity, operator: None };
        let answer = db.api.usage(&question).await.unwrap();
        found.push((name, answer.account.is_some() || !answer.cells.is_empty()));
    }
    for (name, of) in [("invoices", None), ("invoices of the account", Some(account(1)))] {
        let filter = InvoiceFilter { tenant: Some(by), account: of, with_drafts: true, ..InvoiceFilter::default() };
        let page = db.api.invoices(&filter, None, 10).await.unwrap();
        found.push((name, page.total > 0 || !page.rows.is_empty()));
    }
    found.push(("invoice", db.api.invoice(invoice, Some(by)).await.unwrap().is_some()));
    found.push(("proof", db.api.proof(invoice, Some(by)).await.unwrap().is_some()));
    found.push(("export", export(&db.api, invoice, Some(by)).await.is_some()));
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn predicates_alone_show_nothing_of_another_tenant() {
    let (db, invoice) = lived_in().await;
    for row in db.owner.query(FENCED, &[]).await.unwrap() {
        let disable = format!("ALTER TABLE {} DISABLE ROW LEVEL SECURITY", row.get::<_, String>(0));
        db.owner.batch_execute(&disable).await.unwrap();
    }
    let api = login(&db).await;
    let open = api.query_one("SELECT count(*) FROM billing.usage_buckets", &[]).await.unwrap();
    assert!(open.get::<_, i64>(0) > 0, "row-level security still holds");
    for (name, is_found) in found(&db, invoice, tenant(1)).await {
        assert!(is_found, "{name} is not found by its own tenant");
    }
    for (name, is_found) in found(&db, invoice, tenant(2)).await {
        assert!(!is_found, "{name} is found by another tenant");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_role_cannot_read_raw_messages_or_write_usage() {
    let db = TestDatabase::create().await;
    let api = login(&db).await;
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
