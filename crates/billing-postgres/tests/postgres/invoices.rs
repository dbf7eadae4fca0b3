//! Invoices on a real server: sealed once, numbered without gaps, voided once.

use crate::support::{TestDatabase, account, action, day, now, tenant, usage};
use billing_domain::invoicing::{Disposition, InvoiceStatus, Party, VoidReason};
use billing_domain::ports::{
    Accounts, AdminAction, ChangeOutcome, DraftOutcome, DraftRequest, FinalizeOutcome, InvoiceFilter, InvoiceReader,
    InvoiceStore, InvoiceVoider, Outbox, PinRequest, PriceBookStore, Refusal,
};
use billing_domain::use_cases::{due, fill_missing_costs};
use billing_domain::{AccountId, InvoiceId, Month, TenantId};
use uuid::Uuid;

fn month(text: &str) -> Month {
    Month::parse(text).unwrap()
}

fn pin() -> PinRequest {
    let seller = Party { name: "Ghasi".into(), address: vec!["Kabul".into()], tax_id: None };
    PinRequest { issue_date: day("2026-11-15"), due_date: day("2026-12-15"), seller, template: "test" }
}

/// Ten messages of two segments at 0.0125, on two days of October.
async fn october(db: &TestDatabase, of: AccountId) {
    let times = ["2026-10-05T08:00:00Z", "2026-10-31T23:59:59Z"];
    db.record(&(0..10).map(|i| usage(of, times[i % 2])).collect::<Vec<_>>()).await;
}

async fn requests(db: &TestDatabase, period: &str) -> Vec<DraftRequest> {
    let period = month(period);
    let billable = db.worker.billable(period, None).await.unwrap();
    billable.iter().flat_map(|billable| due(billable, period, now())).collect()
}

/// Drafts, numbers and issues everything that is due; the invoices.
async fn bill(db: &TestDatabase, period: &str) -> Vec<InvoiceId> {
    let mut issued = Vec::new();
    for request in requests(db, period).await {
        let DraftOutcome::Drafted(id) = db.worker.draft(&request).await.unwrap() else { continue };
        db.worker.pin(id, &pin()).await.unwrap().expect("a document");
        db.worker.record_pdf(id, [7; 32]).await.unwrap();
        assert_eq!(db.worker.finalize(id, now()).await.unwrap(), FinalizeOutcome::Finalized);
        issued.push(id);
    }
    issued
}

async fn void(
    db: &TestDatabase,
    id: InvoiceId,
    disposition: Disposition,
) -> ChangeOutcome<billing_domain::invoicing::Invoice> {
    let reason = VoidReason::new("wrong price").unwrap();
    let call = AdminAction { actor: format!("finance-{}", Uuid::new_v4()), ..action("finance") };
    let first = db.api.void(id, &reason, disposition, &call).await.unwrap();
    if let ChangeOutcome::Done(_) = first {
        // The same call again, as after a lost answer, finds its work done.
        assert_eq!(db.api.void(id, &reason, disposition, &call).await.unwrap(), first);
    }
    first
}

const BALANCE: &str = "SELECT (SELECT COALESCE(sum(amount_micros), 0) FROM billing.billing_events)
    - (SELECT COALESCE(sum(amount_micros), 0) FROM billing.usage_buckets WHERE merged_into IS NULL)
    + (SELECT COALESCE(sum(amount_micros), 0) FROM billing.usage_buckets
        WHERE sealed_by IS NOT NULL AND merged_into IS NULL AND waived_at IS NULL)
    - (SELECT COALESCE(sum(exact_micros), 0) FROM billing.invoice_lines l JOIN billing.invoices i ON i.id = l.invoice_id
        WHERE i.status <> 'VOID')";

async fn assert_balanced(db: &TestDatabase) {
    let balance = db.text(&format!("SELECT ({BALANCE})::text")).await;
    assert_eq!(balance, "0", "events, buckets and lines differ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_is_billed_once_however_many_runs_there_are() {
    let db = std::sync::Arc::new(TestDatabase::create().await);
    db.add_price("STARTER", "*", "0.0125").await;
    for number in 1..=12 {
        october(&db, account(number)).await;
    }
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { bill(&db, "2026-10").await.len() })
        })
        .collect();
    let mut issued = 0;
    for run in runs {
        issued += run.await.unwrap();
    }
    assert_eq!(issued, 12);
    assert!(bill(&db, "2026-10").await.is_empty());
    assert_eq!(db.number("SELECT count(*) FROM billing.invoices WHERE status = 'FINALIZED'").await, 12);
    assert_eq!(db.number("SELECT count(DISTINCT number) FROM billing.invoices").await, 12);
    assert_eq!(db.number("SELECT last FROM billing.number_series").await, 12);
    assert_eq!(db.number("SELECT count(*) FROM billing.outbox WHERE kind = 'generated'").await, 12);
    assert_balanced(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_may_be_repeated() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.0125").await;
    october(&db, account(1)).await;
    let request = requests(&db, "2026-10").await.remove(0);
    for _ in 0..2 {
        assert_eq!(db.worker.draft(&request).await.unwrap(), DraftOutcome::Drafted(request.id));
    }
    let other = DraftRequest { id: InvoiceId(Uuid::new_v4()), ..request.clone() };
    assert_eq!(db.worker.draft(&other).await.unwrap(), DraftOutcome::Taken);
    let first = db.worker.pin(request.id, &pin()).await.unwrap().unwrap();
    let later = PinRequest { issue_date: day("2027-01-01"), ..pin() };
    assert_eq!(db.worker.pin(request.id, &later).await.unwrap().unwrap(), first);
    assert_eq!(first.pinned.number.to_string(), "INV-2026-000001");
    assert_eq!(first.customer, None);
    assert_eq!(first.invoice.subtotal.to_string(), "0.25");
    assert_eq!(first.daily_messages, [(day("2026-10-05"), 5), (day("2026-10-31"), 5)]);
    assert_eq!(db.worker.record_pdf(request.id, [1; 32]).await.unwrap(), [1; 32]);
    assert_eq!(db.worker.record_pdf(request.id, [2; 32]).await.unwrap(), [1; 32]);
    for _ in 0..2 {
        assert_eq!(db.worker.finalize(request.id, now()).await.unwrap(), FinalizeOutcome::Finalized);
    }
    assert_eq!(db.worker.pin(request.id, &pin()).await.unwrap(), None);
    assert_eq!(db.worker.unpublished(10).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn late_usage_goes_on_the_next_invoice_by_its_own_month() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.0125").await;
    october(&db, account(1)).await;
    let first = bill(&db, "2026-10").await[0];
    let before = db.api.invoice(first, None).await.unwrap();
    db.record(&[usage(account(1), "2026-10-07T08:00:00Z"), usage(account(1), "2026-11-01T08:00:00Z")]).await;
    assert!(bill(&db, "2026-10").await.is_empty());
    let second = bill(&db, "2026-11").await[0];
    let (_, lines) = db.api.invoice(second, Some(tenant(1))).await.unwrap().unwrap();
    let months: Vec<String> =
        lines.lines.iter().map(|line| format!("{} {}", line.usage_month, line.messages)).collect();
    assert_eq!(months, ["2026-10 1", "2026-11 1"]);
    assert_eq!(db.api.invoice(first, None).await.unwrap(), before);
    assert_balanced(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_voids_one_wins_and_the_reissue_has_what_came_late() {
    let db = std::sync::Arc::new(TestDatabase::create().await);
    db.add_price("STARTER", "*", "0.0125").await;
    october(&db, account(1)).await;
    let id = bill(&db, "2026-10").await[0];
    db.record(&[usage(account(1), "2026-10-05T09:00:00Z")]).await;
    let voids: Vec<_> = (0..50)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { void(&db, id, Disposition::Rebill).await })
        })
        .collect();
    let mut done = 0;
    for outcome in voids {
        match outcome.await.unwrap() {
            ChangeOutcome::Done(invoice) => {
                assert_eq!(invoice.status, InvoiceStatus::Void);
                done += 1;
            }
            ChangeOutcome::Refused(refusal) => assert_eq!(refusal, Refusal::Ended),
        }
    }
    assert_eq!(done, 1);
    assert_balanced(&db).await;
    let reissued = bill(&db, "2026-10").await;
    assert_eq!(reissued.len(), 1);
    let (invoice, _) = db.api.invoice(reissued[0], None).await.unwrap().unwrap();
    assert_eq!((invoice.messages, invoice.replaces), (11, Some(id)));
    assert_eq!(invoice.pinned.unwrap().number.to_string(), "INV-2026-000002");
    let (old, _) = db.api.invoice(id, None).await.unwrap().unwrap();
    assert_eq!((old.replaced_by, old.messages), (Some(reissued[0]), 10));
    assert_balanced(&db).await;
    // What was released is released again when the reissue is void too.
    assert!(matches!(void(&db, reissued[0], Disposition::Rebill).await, ChangeOutcome::Done(_)));
    let third = bill(&db, "2026-10").await;
    let (invoice, _) = db.api.invoice(third[0], None).await.unwrap().unwrap();
    assert_eq!((invoice.messages, invoice.replaces), (11, Some(reissued[0])));
    assert_balanced(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn costs_that_become_known_while_invoices_are_voided_reach_the_bucket_that_counts() {
    let db = std::sync::Arc::new(TestDatabase::create().await);
    db.add_price("STARTER", "*", "0.0125").await;
    for number in 1..=12 {
        october(&db, account(number)).await;
    }
    let issued = bill(&db, "2026-10").await;
    db.add_cost("op-20", "0.004").await;
    let (book, directory) = (db.worker.book().await.unwrap(), db.worker.directory().await.unwrap());
    let filler = {
        let db = db.clone();
        tokio::spawn(async move { fill_missing_costs(&db.worker, &directory, &book).await.unwrap() })
    };
    for id in issued {
        assert!(matches!(void(&db, id, Disposition::Rebill).await, ChangeOutcome::Done(_)));
    }
    assert_eq!(filler.await.unwrap().map(|late| late.messages), Some(120));
    let sums =
        "SELECT format('%s %s', sum(cost_micros), sum(uncosted)) FROM billing.usage_buckets WHERE merged_into IS NULL";
    // 120 messages of two segments at 0.004.
    assert_eq!(db.text(sums).await, "960000 0");
    assert_balanced(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waived_usage_is_never_billed() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.0125").await;
    october(&db, account(1)).await;
    let id = bill(&db, "2026-10").await[0];
    let ChangeOutcome::Done(invoice) = void(&db, id, Disposition::Waive).await else { panic!("it is voided") };
    assert_eq!(invoice.voided.unwrap().disposition, Disposition::Waive);
    assert!(bill(&db, "2026-10").await.is_empty());
    assert_balanced(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_voided_only_to_keep_its_number() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.0125").await;
    october(&db, account(1)).await;
    let request = requests(&db, "2026-10").await.remove(0);
    db.worker.draft(&request).await.unwrap();
    let refused = void(&db, request.id, Disposition::Rebill).await;
    assert_eq!(refused, ChangeOutcome::Refused(Refusal::Ended));
    db.worker.pin(request.id, &pin()).await.unwrap();
    let refused = void(&db, request.id, Disposition::Rebill).await;
    assert_eq!(refused, ChangeOutcome::Refused(Refusal::Ended), "it may be finished yet");
    db.worker.park(request.id, "the store is away", now()).await.unwrap();
    assert!(matches!(void(&db, request.id, Disposition::Rebill).await, ChangeOutcome::Done(_)));
    assert_eq!(db.worker.finalize(request.id, now()).await.unwrap(), FinalizeOutcome::Void);
    let missing = void(&db, InvoiceId(Uuid::new_v4()), Disposition::Rebill).await;
    assert_eq!(missing, ChangeOutcome::Refused(Refusal::NotFound));
    assert_eq!(bill(&db, "2026-10").await.len(), 1);
    assert_eq!(db.text("SELECT max(number) FROM billing.invoices").await, "INV-2026-000002");
    assert_balanced(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_that_comes_while_it_is_billed_is_billed_once() {
    let db = std::sync::Arc::new(TestDatabase::create().await);
    db.add_price("STARTER", "*", "0.0125").await;
    october(&db, account(1)).await;
    let writer = {
        let db = db.clone();
        tokio::spawn(async move {
            for _ in 0..40 {
                db.record(&[usage(account(1), "2026-10-05T08:00:00Z"), usage(account(1), "2026-11-02T08:00:00Z")])
                    .await;
            }
        })
    };
    let first = bill(&db, "2026-10").await;
    writer.await.unwrap();
    bill(&db, "2026-11").await;
    assert_eq!(first.len(), 1);
    let billed = db.number("SELECT sum(total_messages)::bigint FROM billing.invoices WHERE status = 'FINALIZED'").await;
    assert_eq!(billed, 10 + 80);
    assert_balanced(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issued_invoice_cannot_be_changed_even_by_hand() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.0125").await;
    october(&db, account(1)).await;
    bill(&db, "2026-10").await;
    for statement in [
        "UPDATE billing.invoices SET subtotal_minor = 1",
        "UPDATE billing.invoices SET status = 'DRAFT'",
        "UPDATE billing.invoices SET number = 'INV-2026-000009'",
        "DELETE FROM billing.invoices",
        "UPDATE billing.invoice_lines SET amount_minor = 0",
        "DELETE FROM billing.invoice_lines",
        "DELETE FROM billing.audit_log",
        "UPDATE billing.audit_log SET actor = 'x'",
    ] {
        assert!(db.owner.execute(statement, &[]).await.is_err(), "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_fenced_paged_and_without_drafts_for_customers() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.0125").await;
    for number in 1..=3 {
        october(&db, account(number)).await;
    }
    bill(&db, "2026-10").await;
    db.record(&[usage(account(1), "2026-11-02T08:00:00Z")]).await;
    let request = requests(&db, "2026-11").await.remove(0);
    db.worker.draft(&request).await.unwrap();
    let all = InvoiceFilter { with_drafts: true, ..InvoiceFilter::default() };
    let page = db.api.invoices(&all, None, 2).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (2, 4));
    let rest = db.api.invoices(&all, page.next, 2).await.unwrap();
    assert_eq!((rest.rows.len(), rest.next), (2, None));
    for (filter, expected) in [
        (InvoiceFilter { tenant: Some(tenant(1)), ..InvoiceFilter::default() }, 3),
        (InvoiceFilter { tenant: Some(tenant(2)), with_drafts: true, ..InvoiceFilter::default() }, 0),
        (InvoiceFilter { account: Some(account(1)), ..InvoiceFilter::default() }, 1),
        (InvoiceFilter { account: Some(account(1)), with_drafts: true, ..InvoiceFilter::default() }, 2),
        (InvoiceFilter { status: Some(InvoiceStatus::Void), ..InvoiceFilter::default() }, 0),
        (InvoiceFilter { from: Some(day("2026-11-01")), ..all.clone() }, 1),
        (InvoiceFilter { to: Some(day("2026-10-01")), ..all.clone() }, 3),
    ] {
        assert_eq!(db.api.invoices(&filter, None, 10).await.unwrap().total, expected, "{filter:?}");
    }
    let stranger: Option<TenantId> = Some(tenant(2));
    assert_eq!(db.api.invoice(page.rows[0].id, stranger).await.unwrap(), None);
}
