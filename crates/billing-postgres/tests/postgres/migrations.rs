//! The schema comes up, goes down and comes up again.

use crate::support::TestDatabase;
use billing_postgres::{migrate, revert_all};
use billing_testing::certificates::trusting_nobody;

#[tokio::test(flavor = "multi_thread")]
async fn up_down_up() {
    let db = TestDatabase::create().await;
    assert!(migrate(&db.url, &db.owner_credentials, &trusting_nobody()).await.unwrap().is_empty());
    let steps = db.number("SELECT count(*) FROM __diesel_schema_migrations").await;
    revert_all(&db.url, &db.owner_credentials, &trusting_nobody()).await.unwrap();
    assert_eq!(db.number("SELECT count(*) FROM pg_namespace WHERE nspname = 'billing'").await, 0);
    let again = migrate(&db.url, &db.owner_credentials, &trusting_nobody()).await.unwrap().len();
    assert_eq!(i64::try_from(again).unwrap(), steps);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_made_ahead_and_once() {
    let db = TestDatabase::create().await;
    let make = "SELECT billing.make_event_partitions('2026-11-15', 3)::bigint";
    assert_eq!(db.number(make).await, 3);
    assert_eq!(db.number(make).await, 0);
    let names = "SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid::regclass::text)
        FROM pg_inherits WHERE inhparent = 'billing.billing_events'::regclass";
    let expected = "billing.billing_events_202611 billing.billing_events_202612 billing.billing_events_202701 \
        billing.billing_events_default";
    assert_eq!(db.text(names).await, expected);
}
