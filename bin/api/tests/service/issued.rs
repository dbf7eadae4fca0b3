//! Invoices that are issued, with their documents in a real object store, and an export of their usage under way.

use billing_domain::invoicing::Party;
use billing_domain::ports::{
    DocumentStore, DraftOutcome, FinalizeOutcome, InvoiceStore, PinRequest, PutOutcome, RenderedDocument,
};
use billing_domain::use_cases::due;
use billing_domain::{AccountId, InvoiceId, Month};
use sha2::{Digest, Sha256};

use super::{Service, documents};
use crate::support::{TestDatabase, account, day, now, usage};

/// Four messages of two segments in a month.
pub(crate) async fn use_in(db: &TestDatabase, of: AccountId, month: &str) {
    let at = format!("{month}-05T08:00:00Z");
    db.record(&(0..4).map(|_| usage(of, &at)).collect::<Vec<_>>()).await;
}

/// Drafts what is due up to a month, oldest month first.
pub(crate) async fn draft(db: &TestDatabase, period: &str) -> Vec<InvoiceId> {
    let period = Month::parse(period).unwrap();
    let mut drafted = Vec::new();
    for billable in db.worker.billable(period, None).await.unwrap() {
        for request in due(&billable, period, now()) {
            let DraftOutcome::Drafted(id) = db.worker.draft(&request).await.unwrap() else { panic!("no draft") };
            drafted.push(id);
        }
    }
    drafted
}

pub(crate) fn pdf(id: InvoiceId) -> Vec<u8> {
    format!("%PDF-1.7 {id}").into_bytes()
}

/// Numbers a draft, stores `bytes` as its document, and issues it.
pub(crate) async fn issue(db: &TestDatabase, id: InvoiceId, bytes: Vec<u8>) {
    let seller = Party { name: "Ghasi".into(), address: vec!["Kabul".into()], tax_id: None };
    let (issue_date, due_date) = (day("2026-11-15"), day("2026-12-15"));
    let pin = PinRequest { issue_date, due_date, seller, template: "test" };
    let document = db.worker.pin(id, &pin).await.unwrap().expect("a draft");
    let key = document.invoice.object_key.expect("a key");
    let stored = RenderedDocument { sha256: Sha256::digest(&bytes).into(), bytes };
    assert_eq!(documents().put(&key, &stored).await.unwrap(), PutOutcome::Stored);
    db.worker.record_pdf(id, Sha256::digest(pdf(id)).into()).await.unwrap();
    assert_eq!(db.worker.finalize(id, now()).await.unwrap(), FinalizeOutcome::Finalized);
}

/// August and September of account 1 and September of account 2 are issued, October of account 1 is a draft.
pub(crate) async fn invoices() -> (TestDatabase, [InvoiceId; 4]) {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.0125").await;
    use_in(&db, account(1), "2026-08").await;
    let [august] = draft(&db, "2026-08").await[..] else { panic!("one is due") };
    use_in(&db, account(1), "2026-09").await;
    let [september] = draft(&db, "2026-09").await[..] else { panic!("one is due") };
    use_in(&db, account(2), "2026-09").await;
    let [other] = draft(&db, "2026-09").await[..] else { panic!("one is due") };
    use_in(&db, account(1), "2026-10").await;
    let [october] = draft(&db, "2026-10").await[..] else { panic!("one is due") };
    for id in [august, september, other] {
        issue(&db, id, pdf(id)).await;
    }
    (db, [august, september, other, october])
}

/// The same, and the API on it.
pub(crate) async fn world() -> (TestDatabase, Service, [InvoiceId; 4]) {
    let (db, ids) = invoices().await;
    let service = Service::start(&db).await;
    (db, service, ids)
}

/// Far more of the August usage than fits between the two.
pub(crate) async fn multiply_usage(db: &TestDatabase) {
    db.owner
        .batch_execute(
            "INSERT INTO billing.billing_events SELECT e.* FROM billing.billing_events e, generate_series(1, 200000)
            WHERE e.charged_at < '2026-09-01'",
        )
        .await
        .unwrap();
}

pub(crate) const EXPORTING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND query LIKE 'COPY (SELECT message_id%' AND state = 'active'";
