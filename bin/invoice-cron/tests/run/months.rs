//! Months: missed, billed late, billed twice, and usage that comes while they are billed or after.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use billing_domain::invoicing::Party;
use billing_domain::ports::InvoiceRenderer as _;
use billing_domain::ports::{
    ChangeOutcome, DocumentStore as _, DraftOutcome, DraftRequest, InvoiceStore as _, NewPrice, PinRequest,
    PriceAdmin as _,
};
use billing_domain::use_cases::due;
use billing_domain::{InvoiceId, Month, OperatorId, PriceId};
use billing_typst::TypstRenderer;
use uuid::Uuid;

use crate::books::assert_balanced;
use crate::crowd::snapshot;
use crate::support::{TestDatabase, account, action, day, now, price, usage};
use crate::{documents, run, told, with_usage};

async fn priced() -> TestDatabase {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.0125").await;
    db
}

/// Runs for a month, and expects that all goes well.
async fn bill(db: &TestDatabase, period: &str) {
    let output = run(db, &["--period", period]).await;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
}

/// By account: the months of its invoices in the order of their numbers, each with the months of its lines.
async fn months(db: &TestDatabase) -> Vec<String> {
    let query = "SELECT string_agg(told, ' ' ORDER BY number) FROM (
            SELECT i.account_id, i.number, to_char(i.period_start, 'YYYY-MM') || ':' || string_agg(
                to_char(l.usage_month, 'YYYY-MM') || '=' || l.messages, '+' ORDER BY l.usage_month) AS told
            FROM billing.invoices i JOIN billing.invoice_lines l ON l.invoice_id = i.id WHERE i.status = 'FINALIZED'
            GROUP BY i.id) AS invoices
        GROUP BY account_id ORDER BY account_id";
    db.owner.query(query, &[]).await.expect("rows").iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_run_bills_every_month_that_was_missed_oldest_first() {
    let db = priced().await;
    // The month is over for three days, and for the one before nobody ran: usage of all of them, and of the new one.
    let days = [
        "2026-08-31T23:59:59Z",
        "2026-09-01T00:00:00Z",
        "2026-09-30T12:00:00Z",
        "2026-10-01T00:00:00Z",
        "2026-10-03T09:00:00Z",
    ];
    for number in 1..=6 {
        db.record(&days.map(|at| usage(account(number), at))).await;
    }
    bill(&db, "2026-09").await;
    assert_eq!(months(&db).await, ["2026-08:2026-08=1 2026-09:2026-09=2"; 6]);
    assert_balanced(&db, 6 * days.len()).await;
    bill(&db, "2026-10").await;
    assert_eq!(months(&db).await, ["2026-08:2026-08=1 2026-09:2026-09=2 2026-10:2026-10=2"; 6]);
    assert_balanced(&db, 6 * days.len()).await;
    assert_eq!(db.number("SELECT count(*) FROM billing.usage_buckets WHERE sealed_by IS NULL").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_the_invoice_changes_no_byte_of_it_and_the_next_names_its_month() {
    let db = priced().await;
    db.record(&[usage(account(1), "2026-09-05T08:00:00Z")]).await;
    bill(&db, "2026-09").await;
    let first = db.text("SELECT id::text FROM billing.invoices").await;
    let row = format!("SELECT i::text FROM billing.invoices i WHERE id = '{first}'");
    let (before, key) = (db.text(&row).await, db.text("SELECT s3_key FROM billing.invoices").await);
    let bytes = documents().get(&key).await.unwrap();

    db.record(&[usage(account(1), "2026-09-05T08:00:01Z"), usage(account(1), "2026-10-05T08:00:00Z")]).await;
    bill(&db, "2026-09").await;
    assert_eq!(months(&db).await, ["2026-09:2026-09=1"], "late usage waits for the next month");
    bill(&db, "2026-10").await;
    assert_eq!(months(&db).await, ["2026-09:2026-09=1 2026-10:2026-09=1+2026-10=1"]);
    assert_eq!((db.text(&row).await, documents().get(&key).await.unwrap()), (before, bytes));
    assert_balanced(&db, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_that_comes_while_a_run_goes_on_is_billed_once() {
    const ACCOUNTS: u128 = 25;
    let db = Arc::new(priced().await);
    let (stop, recorded) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let batch = || -> Vec<_> {
        let each = |number| ["2026-09-05T08:00:00Z", "2026-10-05T08:00:00Z"].map(|at| usage(account(number), at));
        (1..=ACCOUNTS).flat_map(each).collect()
    };
    db.record(&batch()).await;
    recorded.fetch_add(2 * 25, Ordering::SeqCst);
    let writer = {
        let (db, stop, recorded) = (Arc::clone(&db), Arc::clone(&stop), Arc::clone(&recorded));
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let batch = batch();
                db.record(&batch).await;
                recorded.fetch_add(batch.len(), Ordering::SeqCst);
            }
        })
    };
    bill(&db, "2026-09").await;
    stop.store(true, Ordering::SeqCst);
    writer.await.unwrap();
    let recorded = recorded.load(Ordering::SeqCst);
    assert_balanced(&db, recorded).await;
    let billed = db.number("SELECT sum(total_messages)::bigint FROM billing.invoices").await;
    let open = "SELECT sum(messages)::bigint FROM billing.usage_buckets WHERE sealed_by IS NULL AND day < '2026-10-01'";
    assert!(billed > 25 && db.number(open).await > 0, "nothing came while the run went on: {billed} of {recorded}");

    bill(&db, "2026-10").await;
    assert_balanced(&db, recorded).await;
    let billed = db.number("SELECT sum(total_messages)::bigint FROM billing.invoices").await;
    assert_eq!(usize::try_from(billed).unwrap(), recorded);
    assert_eq!(months(&db).await.len(), 25);
    assert_eq!(db.number("SELECT count(*) FROM billing.invoices").await, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_billed_twice_stays_as_it_is() {
    let db = with_usage(8).await;
    bill(&db, "2026-10").await;
    let keys = db.text("SELECT string_agg(s3_key, ' ' ORDER BY id) FROM billing.invoices").await;
    let objects = async || {
        let mut objects = Vec::new();
        for key in keys.split(' ') {
            objects.push(documents().get(key).await.unwrap().expect("the object is there"));
        }
        objects
    };
    let before = (snapshot(&db).await, objects().await);
    bill(&db, "2026-10").await;
    assert!((snapshot(&db).await, objects().await) == before, "a second run changed something");
}

/// Three prices with the same ids everywhere.
async fn add_prices(db: &TestDatabase) {
    for (number, (operator, unit_price)) in
        [("*", "0.0125"), ("op-7", "0.0125"), ("op-8", "0.0125")].into_iter().enumerate()
    {
        let id = PriceId(Uuid::from_u128(0x9000 + u128::try_from(number).unwrap()));
        let new = NewPrice { id, ..price("STARTER", operator, unit_price, "2026-01-01", None) };
        assert!(matches!(db.api.create_price(&new, &action("admin")).await.unwrap(), ChangeOutcome::Done(_)));
    }
}

/// The first account's draft, numbered: from here on the program itself finishes it.
async fn number(db: &TestDatabase, id: InvoiceId) {
    let period = Month::parse("2026-10").unwrap();
    let request = due(&db.worker.billable(period, None).await.unwrap()[0], period, now()).remove(0);
    let request = DraftRequest { id, ..request };
    assert_eq!(db.worker.draft(&request).await.unwrap(), DraftOutcome::Drafted(id));
    let seller = Party { name: "Ghasi".into(), address: vec!["Street 4".into()], tax_id: None };
    let (issue_date, due_date) = (day("2026-11-01"), day("2026-12-01"));
    let pin = PinRequest { issue_date, due_date, seller, template: TypstRenderer::TEMPLATE };
    db.worker.pin(id, &pin).await.unwrap().expect("a document");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_usage_in_another_order_and_database_gives_the_same_bytes() {
    let id = InvoiceId(Uuid::new_v4());
    let mut messages: Vec<_> = (0..60)
        .map(|number| {
            let (receipt, mut usage) = usage(account(1), &format!("2026-10-{:02}T08:00:00Z", 1 + number % 28));
            usage.operator = OperatorId::new(&format!("op-{}", 5 + number % 7)).unwrap();
            (receipt, usage)
        })
        .collect();
    let mut hashes = Vec::new();
    for size in [7, 60] {
        let db = TestDatabase::create().await;
        add_prices(&db).await;
        for batch in messages.chunks(size) {
            db.record(batch).await;
        }
        number(&db, id).await;
        // The second finds the first's document at its key: other bytes would park it.
        bill(&db, "2026-10").await;
        hashes.push(db.text("SELECT encode(pdf_sha256, 'hex') FROM billing.invoices WHERE status = 'FINALIZED'").await);
        assert_balanced(&db, messages.len()).await;
        messages.reverse();
    }
    assert_eq!(hashes[0], hashes[1]);
}
