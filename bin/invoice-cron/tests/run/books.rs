//! The books, balanced by sums of their own: event by event in 128 bits, from nothing but the tables and the objects.

use std::collections::{BTreeMap, BTreeSet};

use billing_domain::ports::DocumentStore as _;
use sha2::{Digest as _, Sha256};

use crate::documents;
use crate::support::TestDatabase;

/// What `support::usage` comes to at 0.0125 a segment, in micros.
const AMOUNT: i128 = 2 * 12_500;
/// Of one cent.
const MICROS: i128 = 10_000;

/// Where usage is: on an invoice, or open for an account; and its month.
type Place = (String, String);

/// Everything recorded is on one invoice, or open, once: Σ events = Σ lines + Σ open buckets, place by place. Numbers
/// have no gap, each issued invoice has its object and one event. `events`: how many were recorded.
pub(crate) async fn assert_balanced(db: &TestDatabase, events: usize) {
    assert_eq!(recorded(db, events).await, booked(db).await, "events against lines and open buckets");
    assert_rounded(db).await;
    assert_numbered(db).await;
    assert_stored(db).await;
}

/// By place, the sum of the events.
async fn recorded(db: &TestDatabase, events: usize) -> BTreeMap<Place, i128> {
    let query =
        "SELECT e.message_id::text, coalesce(b.sealed_by, e.account_id)::text, to_char(e.charged_at AT TIME ZONE
            'UTC', 'YYYY-MM'), e.amount_micros::text
        FROM billing.billing_events e JOIN billing.usage_buckets b ON b.id = e.bucket_id";
    let (mut sums, mut messages) = (BTreeMap::new(), BTreeSet::new());
    for row in db.owner.query(query, &[]).await.expect("events") {
        assert!(messages.insert(row.get::<_, String>(0)), "an event is there twice");
        let amount: i128 = row.get::<_, &str>(3).parse().expect("an amount");
        assert_eq!(amount, AMOUNT);
        *sums.entry((row.get(1), row.get(2))).or_default() += amount;
    }
    assert_eq!(messages.len(), events, "events are lost");
    sums
}

/// By place, what invoices and open buckets say.
async fn booked(db: &TestDatabase) -> BTreeMap<Place, i128> {
    let query = "SELECT l.invoice_id::text, to_char(l.usage_month, 'YYYY-MM'), l.exact_micros::text
            FROM billing.invoice_lines l JOIN billing.invoices i ON i.id = l.invoice_id WHERE i.status <> 'VOID'
        UNION ALL
        SELECT account_id::text, to_char(day, 'YYYY-MM'), amount_micros::text
            FROM billing.usage_buckets WHERE sealed_by IS NULL";
    let mut sums = BTreeMap::new();
    for row in db.owner.query(query, &[]).await.expect("lines and buckets") {
        let amount: i128 = row.get::<_, &str>(2).parse().expect("an amount");
        *sums.entry((row.get(0), row.get(1))).or_default() += amount;
    }
    sums
}

/// What a month's usage came to with one operator at one price, over its invoices: the sum is rounded half away from
/// zero, and late usage has the rest. The lines make the subtotal.
async fn assert_rounded(db: &TestDatabase) {
    let query = "SELECT i.id::text, i.subtotal_minor, l.exact_micros::text, l.amount_minor,
            format('%s %s %s %s', i.account_id, l.usage_month, l.operator_id, l.price_id)
        FROM billing.invoices i JOIN billing.invoice_lines l ON l.invoice_id = i.id
        WHERE i.currency = 'USD' AND i.status <> 'VOID' ORDER BY i.period_start";
    let mut subtotals: BTreeMap<String, (i128, i128)> = BTreeMap::new();
    let mut so_far: BTreeMap<String, (i128, i128)> = BTreeMap::new();
    for row in db.owner.query(query, &[]).await.expect("lines") {
        let (exact, amount) = so_far.entry(row.get(4)).or_default();
        *exact += row.get::<_, &str>(2).parse::<i128>().expect("an amount");
        let line = (*exact + MICROS / 2) / MICROS - *amount;
        *amount += line;
        assert_eq!(i128::from(row.get::<_, i64>(3)), line, "{exact} micros so far");
        let subtotal = subtotals.entry(row.get(0)).or_insert((row.get::<_, i64>(1).into(), 0));
        subtotal.1 += line;
    }
    assert!(subtotals.values().all(|(told, sum)| told == sum), "{subtotals:?}");
}

/// One invoice for an account, currency and month; 1, 2, 3 … in the year's series.
async fn assert_numbered(db: &TestDatabase) {
    let query = "SELECT account_id::text || currency || period_start, number, extract(year FROM issue_date)::text
        FROM billing.invoices WHERE status <> 'VOID'";
    let mut keys = BTreeSet::new();
    let mut series: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for row in db.owner.query(query, &[]).await.expect("invoices") {
        assert!(keys.insert(row.get::<_, String>(0)), "two invoices for one month");
        let Some(number) = row.get::<_, Option<String>>(1) else { continue };
        let (year, number) = (row.get::<_, String>(2), number.rsplit('-').next().unwrap().parse().unwrap());
        assert!(series.entry(year).or_default().insert(number), "number {number} twice");
    }
    for (year, numbers) in series {
        let query = format!("SELECT last FROM billing.number_series WHERE series = 'INV' AND year = {year}");
        let last = u32::try_from(db.number(&query).await).unwrap();
        assert!(numbers.into_iter().eq(1..=last), "a number is lost");
    }
}

/// Issued: the object is there with the recorded hash, and one event waits or has gone out.
async fn assert_stored(db: &TestDatabase) {
    let query = "SELECT s3_key, pdf_sha256, (SELECT count(*) FROM billing.outbox o
            WHERE o.invoice_id = i.id AND o.kind = 'generated')
        FROM billing.invoices i WHERE status = 'FINALIZED'";
    let documents = documents();
    for row in db.owner.query(query, &[]).await.expect("invoices") {
        let bytes = documents.get(row.get(0)).await.expect("S3 answers").expect("the object is there");
        assert_eq!(Sha256::digest(&bytes).as_slice(), row.get::<_, Vec<u8>>(1));
        assert_eq!(row.get::<_, i64>(2), 1, "events of an invoice");
    }
    let drafts = "SELECT count(*) FROM billing.outbox o JOIN billing.invoices i ON i.id = o.invoice_id
        WHERE i.status = 'DRAFT'";
    assert_eq!(db.number(drafts).await, 0, "an event of what is not issued");
}
