//! What invoices stand on, on a real server: proofs, exports, and invoices made again from their events.

use std::time::{Duration, Instant};

use billing_domain::invoicing::{Disposition, InvoiceProof, Party, VoidReason};
use billing_domain::ports::{
    AdminAction, ChangeOutcome, DraftOutcome, FinalizeOutcome, InvoiceAudit, InvoiceProofs, InvoiceStore,
    InvoiceVoider, PinRequest, UsageExport, UsageLedger, UsageRows,
};
use billing_domain::usage::{DlrStatus, QuarantineReason, ReportedUsage};
use billing_domain::use_cases::{Delivery, Unreadable, due, prepare_batch, recount_invoice};
use billing_domain::{InvoiceId, Month, OperatorId, TenantId};
use billing_postgres::Postgres;
use uuid::Uuid;

use crate::support::{TestDatabase, account, action, day, now, receipt, tenant, usage};

/// Makes every invoice that is not void again from its events.
pub(crate) async fn assert_recounts(db: &TestDatabase) {
    let ids = db.owner.query("SELECT id FROM billing.invoices WHERE status <> 'VOID'", &[]).await.unwrap();
    for row in ids {
        let recounted = recount_invoice(&db.worker, InvoiceId(row.get(0))).await.unwrap().unwrap();
        let told: Vec<_> = recounted.differences.iter().map(ToString::to_string).collect();
        assert!(told.is_empty(), "{} {told:?}", recounted.invoice.period);
    }
}

pub(crate) async fn issue(db: &TestDatabase, period: &str) -> Vec<InvoiceId> {
    let period = Month::parse(period).unwrap();
    let mut issued = Vec::new();
    for request in db.worker.billable(period, None).await.unwrap().iter().flat_map(|b| due(b, period, now())) {
        let DraftOutcome::Drafted(id) = db.worker.draft(&request).await.unwrap() else { continue };
        let seller = Party { name: "Ghasi".into(), address: Vec::new(), tax_id: None };
        let pin = PinRequest { issue_date: day("2026-11-15"), due_date: day("2026-12-15"), seller, template: "test" };
        db.worker.pin(id, &pin).await.unwrap().expect("a document");
        db.worker.record_pdf(id, [7; 32]).await.unwrap();
        assert_eq!(db.worker.finalize(id, now()).await.unwrap(), FinalizeOutcome::Finalized);
        issued.push(id);
    }
    issued
}

pub(crate) async fn void(db: &TestDatabase, id: InvoiceId) {
    let call = AdminAction { actor: format!("finance-{}", Uuid::new_v4()), ..action("finance") };
    let outcome = db.api.void(id, &VoidReason::new("wrong").unwrap(), Disposition::Rebill, &call).await.unwrap();
    assert!(matches!(outcome, ChangeOutcome::Done(_)), "{outcome:?}");
}

/// A message that cannot be usage, of account 1.
async fn quarantine(db: &TestDatabase) {
    let unreadable =
        Unreadable { reason: QuarantineReason::Malformed, detail: "no segments".into(), account: Some(account(1)) };
    let deliveries = [Delivery { receipt: receipt(), raw: b"raw", content: Err(unreadable) }];
    let directory = billing_domain::ports::Accounts::directory(&db.worker).await.unwrap();
    let book = billing_domain::ports::PriceBookStore::book(&db.worker).await.unwrap();
    let batch = prepare_batch(&deliveries, now(), &directory, &book);
    UsageLedger::record(&db.worker, &batch).await.unwrap();
}

/// `(messages, segments, units, exact amount)` of lines, buckets and events, and the receipts.
fn shown(proof: &InvoiceProof) -> String {
    let lines = proof.lines.iter().map(|line| {
        let (events, units) = line.events.expect("not archived");
        let stored = line.line.as_ref().expect("a line");
        format!(
            "{} {} {} {} {}: line {}/{}/{} buckets {}:{}/{}/{}/{} events {}/{}/{}/{}",
            line.key.0,
            line.key.1,
            line.key.2.name(),
            events.places.is_some(),
            line.agrees(),
            stored.messages,
            stored.segments,
            stored.exact,
            line.buckets,
            line.sealed.messages,
            line.sealed.segments,
            line.sealed.units,
            line.sealed.amount,
            events.messages,
            events.segments,
            units,
            events.amount,
        )
    });
    let receipts = proof.receipts;
    format!(
        "{} | {} = {} + {} + {} + {}",
        lines.collect::<Vec<_>>().join("; "),
        receipts.received,
        receipts.recorded,
        receipts.duplicates,
        receipts.quarantined,
        receipts.unrated
    )
}

async fn prove(db: &TestDatabase, id: InvoiceId) -> InvoiceProof {
    db.api.proof(id, Some(tenant(1))).await.unwrap().expect("a proof")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_counts_lines_buckets_events_and_receipts() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.0125").await;
    let first = usage(account(1), "2026-10-05T08:00:00Z");
    let mut again = first.clone();
    again.0 = receipt();
    let mut waiting = usage(account(1), "2026-10-06T08:00:00Z");
    waiting.1.direction = billing_domain::usage::Direction::Mo;
    let before_midnight = usage(account(1), "2026-09-30T23:59:59.999999Z");
    let of_another = usage(account(2), "2026-10-05T08:00:00Z");
    let other_day = usage(account(1), "2026-10-31T23:59:59.999999Z");
    db.record(&[first.clone(), first.clone(), again, waiting, before_midnight, of_another, other_day]).await;
    // A redelivery is not a second receipt.
    db.record(std::slice::from_ref(&first)).await;
    quarantine(&db).await;
    // It was published in November.
    db.owner
        .batch_execute("UPDATE billing.quarantined_messages SET published_at = '2026-10-31T23:59:59Z'")
        .await
        .unwrap();
    let [september, october, _] = issue(&db, "2026-10").await[..] else { panic!("three are due") };
    let october = if db.text(&format!("SELECT period_start::text FROM billing.invoices WHERE id = '{october}'")).await
        == "2026-10-01"
    {
        october
    } else {
        september
    };
    let expected = "2026-10 op-20 MT true true: line 2/4/0.050000 buckets 2:2/4/4/0.050000 events 2/4/4/0.050000";
    assert_eq!(shown(&prove(&db, october).await), format!("{expected} | 5 = 2 + 1 + 1 + 1"));

    // Late usage is recorded, but not on this invoice.
    db.record(&[usage(account(1), "2026-10-07T08:00:00Z")]).await;
    let late = prove(&db, october).await;
    assert_eq!(shown(&late), format!("{expected} | 6 = 3 + 1 + 1 + 1"));
    assert!(late.agrees());

    // Billed again, it stands on the same events, found through the void invoice's buckets, and on the late one.
    void(&db, october).await;
    let history = shown(&prove(&db, october).await);
    assert_eq!(history, format!("{expected} | 6 = 3 + 1 + 1 + 1"));
    let [again] = issue(&db, "2026-10").await[..] else { panic!("one is due") };
    let expected = "2026-10 op-20 MT true true: line 3/6/0.075000 buckets 3:3/6/6/0.075000 events 3/6/6/0.075000";
    assert_eq!(shown(&prove(&db, again).await), format!("{expected} | 6 = 3 + 1 + 1 + 1"));
    void(&db, again).await;
    let [third] = issue(&db, "2026-10").await[..] else { panic!("one is due") };
    assert_eq!(shown(&prove(&db, third).await), format!("{expected} | 6 = 3 + 1 + 1 + 1"));

    for (id, tenant, is_there) in
        [(third, None, true), (third, Some(tenant(2)), false), (InvoiceId(Uuid::from_u128(1)), None, false)]
    {
        assert_eq!(db.api.proof(id, tenant).await.unwrap().is_some(), is_there);
    }
    assert_recounts(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_says_what_does_not_agree() {
    for (what, corruption) in [
        (
            "an event's amount",
            "UPDATE billing.billing_events SET amount_micros = amount_micros + 1 WHERE message_id = $m",
        ),
        ("an event is gone", "DELETE FROM billing.billing_events WHERE message_id = $m"),
        (
            "an event is doubled",
            "INSERT INTO billing.billing_events SELECT * FROM billing.billing_events WHERE message_id = $m",
        ),
        (
            "an event of another day",
            "UPDATE billing.billing_events SET charged_at = charged_at + interval '1 day' WHERE message_id = $m",
        ),
        ("a bucket's sum", "UPDATE billing.usage_buckets SET amount_micros = amount_micros + 1"),
        ("a bucket's units", "UPDATE billing.usage_buckets SET units = units + 1"),
        (
            "a publication is in two places",
            "INSERT INTO billing.duplicate_messages SELECT stream_sequence, now(), message_id, account_id, charged_at
                FROM billing.billing_events WHERE message_id = $m",
        ),
    ] {
        let db = TestDatabase::create().await;
        db.add_price("STARTER", "*", "0.0125").await;
        let messages = [usage(account(1), "2026-10-05T08:00:00Z"), usage(account(1), "2026-10-05T09:00:00Z")];
        db.record(&messages).await;
        let [id] = issue(&db, "2026-10").await[..] else { panic!("one is due") };
        assert!(prove(&db, id).await.agrees());
        corrupt(&db, &corruption.replace("$m", &format!("'{}'", messages[0].1.message))).await;
        let proof = prove(&db, id).await;
        assert!(!proof.agrees(), "{what}: {}", shown(&proof));
    }
}

/// As nobody but the server's administrator could.
async fn corrupt(db: &TestDatabase, statement: &str) {
    db.owner.batch_execute(&format!("SET session_replication_role = replica; {statement}")).await.unwrap();
}

pub(crate) async fn export(store: &Postgres, id: InvoiceId, tenant: Option<TenantId>) -> Option<String> {
    let UsageExport::Rows(mut rows) = store.export_usage(id, tenant).await.unwrap() else { return None };
    let mut all = Vec::new();
    while let Some(chunk) = rows.next().await.unwrap() {
        all.extend(chunk);
    }
    Some(String::from_utf8(all).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_every_event_behind_the_invoice() {
    let db = TestDatabase::create().await;
    let price = db.add_price("STARTER", "*", "0.0125").await;
    type Change = fn(&mut ReportedUsage);
    let as_it_is: Change = |_| {};
    let rows: [(&str, Change, &str); 4] = [
        ("2026-10-05T08:00:00Z", as_it_is, "2026-10-05T08:00:00.000000Z,op-20,MT,2,DELIVERED"),
        (
            "2026-10-05T07:00:00.000001Z",
            |usage| usage.operator = OperatorId::new("-20").unwrap(),
            "2026-10-05T07:00:00.000001Z,'-20,MT,2,DELIVERED",
        ),
        (
            "2026-10-04T23:59:59.999999Z",
            |usage| usage.dlr_status = DlrStatus::Failed,
            "2026-10-04T23:59:59.999999Z,op-20,MT,2,FAILED",
        ),
        ("2026-10-06T00:00:00Z", as_it_is, "2026-10-06T00:00:00.000000Z,op-20,MT,2,DELIVERED"),
    ];
    let messages: Vec<_> = rows
        .iter()
        .map(|(at, change, _)| {
            let mut usage = usage(account(1), at);
            change(&mut usage.1);
            usage
        })
        .collect();
    db.record(&messages).await;
    db.record(&[usage(account(2), "2026-10-05T08:00:00Z")]).await;
    let [one, two] = issue(&db, "2026-10").await[..] else { panic!("two are due") };
    let owner = db.text(&format!("SELECT account_id::text FROM billing.invoices WHERE id = '{one}'")).await;
    let (own, foreign) = if owner == account(1).to_string() { (one, two) } else { (two, one) };
    // By day, and within a day as they stood on the stream.
    let expected: String = [2, 0, 1, 3]
        .map(|at: usize| format!("{},{},{price},0.012500,0.025000,USD\n", messages[at].1.message, rows[at].2))
        .concat();
    assert_eq!(export(&db.api, own, Some(tenant(1))).await.as_deref(), Some(expected.as_str()));
    assert_eq!(export(&db.api, own, None).await.as_deref(), Some(expected.as_str()));
    assert_eq!(export(&db.api, foreign, None).await.unwrap().lines().count(), 1);
    for (id, tenant) in [(own, Some(tenant(2))), (InvoiceId(Uuid::from_u128(1)), None)] {
        assert_eq!(export(&db.api, id, tenant).await, None);
    }
    // Void, it keeps its usage; billed again, the usage is behind the other one as well.
    void(&db, own).await;
    let [again] = issue(&db, "2026-10").await[..] else { panic!("one is due") };
    for id in [own, again] {
        assert_eq!(export(&db.api, id, Some(tenant(1))).await.as_deref(), Some(expected.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn few_exports_run_at_once_and_one_that_is_dropped_ends_at_the_server() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.0125").await;
    db.record(&[usage(account(1), "2026-10-05T08:00:00Z")]).await;
    let [id] = issue(&db, "2026-10").await[..] else { panic!("one is due") };
    // Far more than fits between the two.
    db.owner
        .batch_execute(
            "INSERT INTO billing.billing_events SELECT e.* FROM billing.billing_events e, generate_series(1, 300000)",
        )
        .await
        .unwrap();
    let UsageExport::Rows(mut rows) = db.api.export_usage(id, None).await.unwrap() else { panic!("rows") };
    assert!(rows.next().await.unwrap().is_some());
    assert!(matches!(db.api.export_usage(id, None).await.unwrap(), UsageExport::Busy));
    let under_way = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY (SELECT message_id%'
        AND state = 'active'";
    assert_eq!(db.number(under_way).await, 1);
    drop(rows);
    let deadline = Instant::now() + Duration::from_secs(20);
    while db.number(under_way).await > 0 {
        assert!(Instant::now() < deadline, "the server goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(matches!(db.api.export_usage(id, None).await.unwrap(), UsageExport::Rows(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_stands_is_verified() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.0125").await;
    db.record(&[usage(account(1), "2026-10-05T08:00:00Z"), usage(account(2), "2026-09-05T08:00:00Z")]).await;
    let ids = issue(&db, "2026-10").await;
    let [october, september] = [Month::parse("2026-10").unwrap(), Month::parse("2026-09").unwrap()];
    let standing = async |month, of: Option<_>| db.worker.standing(month, of).await.unwrap().len();
    assert_eq!((ids.len(), standing(october, None).await, standing(september, None).await), (2, 1, 1));
    assert_eq!((standing(october, Some(account(1))).await, standing(october, Some(account(2))).await), (1, 0));
    void(&db, db.worker.standing(october, None).await.unwrap()[0]).await;
    assert_eq!(standing(october, None).await, 0);
    assert!(db.worker.invoice_record(InvoiceId(Uuid::from_u128(1))).await.unwrap().is_none());
}
