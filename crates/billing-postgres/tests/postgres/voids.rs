//! Declaring invoices void on a real server: credit notes without gaps, what a preview tells, beside a run, and waived.

use std::sync::Arc;

use crate::support::{TestDatabase, account, action, day, now, price, tenant, usage};
use billing_domain::invoicing::{Disposition, DocumentKind, Invoice, InvoiceStatus, Party, VoidEffect, VoidReason};
use billing_domain::ports::{
    AdminAction, ChangeOutcome, CreditNotes, DraftOutcome, FinalizeOutcome, InvoiceReader, InvoiceStore, InvoiceVoider,
    PinRequest, PriceAdmin, Refusal,
};
use billing_domain::use_cases::due;
use billing_domain::{AccountId, InvoiceId, Micros, Month};
use jiff::Timestamp;
use tokio_postgres::NoTls;
use uuid::Uuid;

fn reason() -> VoidReason {
    VoidReason::new("wrong price").unwrap()
}

fn pin() -> PinRequest {
    let seller = Party { name: "Ghasi".into(), address: vec!["Kabul".into()], tax_id: Some("9000".into()) };
    PinRequest { issue_date: day("2026-11-15"), due_date: day("2026-12-15"), seller, template: "test" }
}

/// `messages` of two segments at 0.0125 each.
async fn used(db: &TestDatabase, of: AccountId, at: &str, messages: usize) {
    db.record(&(0..messages).map(|_| usage(of, at)).collect::<Vec<_>>()).await;
}

/// Drafts, numbers and issues everything that is due.
async fn bill(db: &TestDatabase, period: &str) -> Vec<Invoice> {
    let period = Month::parse(period).unwrap();
    let mut issued = Vec::new();
    for request in db.worker.billable(period, None).await.unwrap().iter().flat_map(|b| due(b, period, now())) {
        let DraftOutcome::Drafted(id) = db.worker.draft(&request).await.unwrap() else { continue };
        // Another run may have issued it meanwhile, and somebody declared it void.
        if db.worker.pin(id, &pin()).await.unwrap().is_none() {
            continue;
        }
        db.worker.record_pdf(id, [7; 32]).await.unwrap();
        if db.worker.finalize(id, now()).await.unwrap() == FinalizeOutcome::Finalized {
            issued.push(find(db, id).await);
        }
    }
    issued
}

async fn find(db: &TestDatabase, id: InvoiceId) -> Invoice {
    db.api.invoice(id, None).await.unwrap().expect("an invoice").0
}

fn call(at: Timestamp) -> AdminAction {
    AdminAction { actor: format!("finance-{}", Uuid::new_v4()), at, ..action("finance") }
}

async fn void(db: &TestDatabase, id: InvoiceId, disposition: Disposition) -> Invoice {
    let outcome = db.api.void(id, &reason(), disposition, &call(now())).await.unwrap();
    let ChangeOutcome::Done(invoice) = outcome else { panic!("{outcome:?}") };
    invoice
}

async fn preview(db: &TestDatabase, id: InvoiceId, disposition: Disposition) -> VoidEffect {
    let outcome = db.api.preview_void(id, disposition).await.unwrap();
    let ChangeOutcome::Done(effect) = outcome else { panic!("{outcome:?}") };
    effect
}

/// Σ events = Σ exact micros of lines on invoices that stand + open + waived.
async fn assert_balanced(db: &TestDatabase) {
    let balance = "SELECT (SELECT COALESCE(sum(amount_micros), 0) FROM billing.billing_events)
        - (SELECT COALESCE(sum(amount_micros), 0) FROM billing.usage_buckets
            WHERE merged_into IS NULL AND (sealed_by IS NULL OR waived_at IS NOT NULL))
        - (SELECT COALESCE(sum(exact_micros), 0) FROM billing.invoice_lines l
            JOIN billing.invoices i ON i.id = l.invoice_id WHERE i.status <> 'VOID')";
    assert_eq!(db.text(&format!("SELECT ({balance})::text")).await, "0", "events, buckets and lines differ");
}

/// One credit note for each invoice that was issued and is void, numbered from 1 without gaps.
async fn assert_credited(db: &TestDatabase, expected: i64) {
    for (what, query) in [
        ("credit notes", "SELECT count(*) FROM billing.credit_notes"),
        ("numbers", "SELECT count(DISTINCT number) FROM billing.credit_notes"),
        ("the highest", "SELECT COALESCE(max(right(number, 6)::bigint), 0) FROM billing.credit_notes"),
        ("the counter", "SELECT COALESCE(max(last), 0) FROM billing.number_series WHERE series = 'CN'"),
        (
            "credited invoices",
            "SELECT count(*) FROM billing.credit_notes n JOIN billing.invoices i ON i.id = n.invoice_id
            WHERE i.status = 'VOID' AND i.finalized_at IS NOT NULL AND i.tenant_id = n.tenant_id
                AND i.account_id = n.account_id",
        ),
        (
            "void invoices that were issued",
            "SELECT count(*) FROM billing.invoices WHERE status = 'VOID' AND finalized_at IS NOT NULL",
        ),
        ("events", "SELECT count(*) FROM billing.outbox WHERE kind = 'voided'"),
    ] {
        assert_eq!(db.number(query).await, expected, "{what}");
    }
}

async fn with_accounts(accounts: u128) -> Arc<TestDatabase> {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.0125").await;
    for number in 1..=accounts {
        used(&db, account(number), "2026-10-05T08:00:00Z", 5).await;
    }
    Arc::new(db)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_voids_one_writes_a_credit_note() {
    let db = with_accounts(1).await;
    let id = bill(&db, "2026-10").await[0].id;
    let voids: Vec<_> = (0..50)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.api.void(id, &reason(), Disposition::Rebill, &call(now())).await.unwrap() })
        })
        .collect();
    let mut done = 0;
    for outcome in voids {
        match outcome.await.unwrap() {
            ChangeOutcome::Done(invoice) => {
                assert_eq!(invoice.credit_note.map(|number| number.to_string()).as_deref(), Some("CN-2026-000001"));
                done += 1;
            }
            ChangeOutcome::Refused(refusal) => assert_eq!(refusal, Refusal::Ended),
        }
    }
    assert_eq!(done, 1);
    assert_credited(&db, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_have_no_gap_however_many_are_voided_at_once_and_however_many_fail() {
    let db = with_accounts(24).await;
    let issued = bill(&db, "2026-10").await;
    // The last statement of each third void fails, after its number was given.
    db.owner
        .batch_execute(
            "CREATE FUNCTION billing.fail_some_events() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF (SELECT right(account_id::text, 1) FROM billing.invoices WHERE id = NEW.invoice_id)
                    IN ('3', '6', '9', 'c', 'f') THEN RAISE EXCEPTION 'planted'; END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER planted BEFORE INSERT ON billing.outbox FOR EACH ROW EXECUTE FUNCTION billing.fail_some_events()",
        )
        .await
        .unwrap();
    let void_all = async || {
        let voids: Vec<_> = issued
            .iter()
            .map(|invoice| {
                let (db, id) = (db.clone(), invoice.id);
                tokio::spawn(async move { db.api.void(id, &reason(), Disposition::Rebill, &call(now())).await })
            })
            .collect();
        let mut done = 0;
        for outcome in voids {
            done += i64::from(matches!(outcome.await.unwrap(), Ok(ChangeOutcome::Done(_))));
        }
        done
    };
    let failing = 7;
    assert_eq!(void_all().await, 24 - failing);
    assert_credited(&db, 24 - failing).await;
    assert_balanced(&db).await;
    db.owner.batch_execute("DROP TRIGGER planted ON billing.outbox").await.unwrap();
    assert_eq!(void_all().await, failing);
    assert_credited(&db, 24).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_year_has_its_own_series() {
    let db = with_accounts(4).await;
    let issued = bill(&db, "2026-10").await;
    for (invoice, at, expected) in [
        (0, "2026-12-31T23:59:59.999999Z", "CN-2026-000001"),
        (1, "2027-01-01T00:00:00Z", "CN-2027-000001"),
        (2, "2026-12-31T12:00:00Z", "CN-2026-000002"),
        (3, "2027-01-01T00:00:01Z", "CN-2027-000002"),
    ] {
        let (id, call) = (issued[invoice].id, call(at.parse().unwrap()));
        for _ in 0..2 {
            // The same call again, as after a lost answer, is the same credit note.
            let outcome = db.api.void(id, &reason(), Disposition::Rebill, &call).await.unwrap();
            let ChangeOutcome::Done(voided) = outcome else { panic!("{outcome:?}") };
            assert_eq!(voided.credit_note.map(|number| number.to_string()).as_deref(), Some(expected));
        }
        let note = db.api.credit_note(&issued[invoice]).await.unwrap().unwrap();
        assert_eq!(note.issue_date.to_string(), at[..10]);
        assert_eq!(note.object_key, format!("credit-notes/{}/2026-10/{}.pdf", issued[invoice].account, note.id),);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_became_void_has_none() {
    let db = with_accounts(1).await;
    let period = Month::parse("2026-10").unwrap();
    let request = due(&db.worker.billable(period, None).await.unwrap()[0], period, now()).remove(0);
    db.worker.draft(&request).await.unwrap();
    let bare = db.api.preview_void(request.id, Disposition::Rebill).await.unwrap();
    assert_eq!(bare, ChangeOutcome::Refused(Refusal::Ended));
    db.worker.pin(request.id, &pin()).await.unwrap();
    // A run may be about to issue it.
    let refused = db.api.void(request.id, &reason(), Disposition::Rebill, &call(now())).await.unwrap();
    assert_eq!(refused, ChangeOutcome::Refused(Refusal::Ended));
    let bare = db.api.preview_void(request.id, Disposition::Rebill).await.unwrap();
    assert_eq!(bare, ChangeOutcome::Refused(Refusal::Ended));
    db.worker.park(request.id, "the store is away", now()).await.unwrap();
    assert_eq!(preview(&db, request.id, Disposition::Rebill).await.usage.len(), 1);
    let voided = void(&db, request.id, Disposition::Rebill).await;
    assert_eq!((voided.status, voided.credit_note), (InvoiceStatus::Void, None));
    assert_eq!(db.api.credit_note(&voided).await.unwrap(), None);
    assert_eq!(db.api.credit_note_document(&voided).await.unwrap(), None);
    assert_credited(&db, 0).await;
    for (id, expected) in [(request.id, Refusal::Ended), (InvoiceId(Uuid::nil()), Refusal::NotFound)] {
        let refused = ChangeOutcome::Refused(expected);
        assert_eq!(db.api.preview_void(id, Disposition::Waive).await.unwrap(), refused);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_what_the_invoice_shows_and_its_document_is_recorded_once() {
    let db = with_accounts(1).await;
    let invoice = bill(&db, "2026-10").await.remove(0);
    assert_eq!(db.api.credit_note(&invoice).await.unwrap(), None);
    let voided = void(&db, invoice.id, Disposition::Rebill).await;
    let document = db.api.credit_note_document(&voided).await.unwrap().unwrap();
    let note = db.api.credit_note(&voided).await.unwrap().unwrap();
    let kind = DocumentKind::CreditNote {
        id: note.id,
        number: note.number,
        issue_date: day("2026-11-15"),
        reason: "wrong price".into(),
    };
    assert_eq!((document.kind.clone(), document.seller.clone()), (kind, pin().seller));
    assert_eq!((document.invoice.total.to_string().as_str(), document.lines.len()), ("0.13", 1));
    assert_eq!(document.pinned.number.to_string(), "INV-2026-000001");
    // What is known of the customer later, a reissue and late usage change nothing of it.
    db.owner
        .batch_execute(
            "SET ROLE billing_worker; INSERT INTO billing.account_parties (account_id, tenant_id, effective_from,
                legal_name, address, tax_names, tax_rates)
            SELECT account_id, tenant_id, '2026-01-01', 'Later', '{}', '{VAT}', '{100000}' FROM billing.accounts;
            RESET ROLE",
        )
        .await
        .unwrap();
    used(&db, account(1), "2026-10-06T08:00:00Z", 1).await;
    let again = bill(&db, "2026-10").await.remove(0);
    let mut later = db.api.credit_note_document(&voided).await.unwrap().unwrap();
    assert_eq!(later.invoice.replaced_by.take(), Some(again.id));
    assert_eq!(later, document);

    assert_eq!((note.pdf_sha256, note.is_stored), (None, false));
    for (sha256, template) in [([1; 32], "one"), ([2; 32], "two")] {
        assert_eq!(db.api.record_credit_note(&voided, template, sha256).await.unwrap(), [1; 32]);
    }
    for at in ["2026-11-16T00:00:00Z", "2026-11-17T00:00:00Z"] {
        db.api.mark_credit_note_stored(&voided, at.parse().unwrap()).await.unwrap();
    }
    let note = db.api.credit_note(&voided).await.unwrap().unwrap();
    assert_eq!((note.pdf_sha256, note.is_stored), (Some([1; 32]), true));
    let kept = "SELECT concat_ws(' ', template, stored_at AT TIME ZONE 'UTC') FROM billing.credit_notes";
    assert_eq!(db.text(kept).await, "one 2026-11-16 00:00:00");
    // Another tenant does not see it.
    let stranger = Invoice { tenant: tenant(2), ..voided };
    assert_eq!(db.api.credit_note(&stranger).await.unwrap(), None);
    for statement in [
        "UPDATE billing.credit_notes SET number = 'CN-2026-000009'",
        "UPDATE billing.credit_notes SET pdf_sha256 = NULL, template = NULL, stored_at = NULL",
        "DELETE FROM billing.credit_notes",
    ] {
        assert!(db.owner.execute(statement, &[]).await.is_err(), "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_may_give_out_a_credit_note_s_number_and_touch_no_series() {
    let db = TestDatabase::create().await;
    let mut login: tokio_postgres::Config = db.url.parse().unwrap();
    let login = login.user("billing_test_api").password(crate::support::PASSWORD);
    let (api, connection) = login.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    for statement in [
        "UPDATE billing.number_series SET last = 0",
        "SELECT * FROM billing.number_series",
        "INSERT INTO billing.number_series VALUES ('CN', 2026, 7)",
        "UPDATE billing.credit_notes SET number = 'CN-2026-000009'",
        "DELETE FROM billing.credit_notes",
    ] {
        let refused = api.execute(statement, &[]).await.unwrap_err();
        assert_eq!(refused.code().map(|code| code.code()), Some("42501"), "{statement}");
    }
    for expected in [1, 2] {
        let next: i64 = api.query_one("SELECT billing.next_credit_note(2026)", &[]).await.unwrap().get(0);
        assert_eq!(next, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_tells_what_the_void_and_the_next_run_do_and_writes_nothing() {
    let db = with_accounts(0).await;
    let fee = |terms: &mut billing_domain::pricing::PriceTerms| {
        terms.monthly.fee = Micros::parse("5").unwrap();
        terms.monthly.free_units = 4;
    };
    let mut new = price("GROWTH", "*", "0.01", "2026-01-01", None);
    fee(&mut new.terms);
    assert!(matches!(db.api.create_price(&new, &action("admin")).await.unwrap(), ChangeOutcome::Done(_)));
    let growth = |of, at: &str| {
        let mut usage = usage(of, at);
        usage.1.tier = Some(billing_domain::Tier::new("GROWTH").unwrap());
        usage
    };
    let at = |month: &str, day: u8| format!("{month}-{day:02}T08:00:00Z");
    let used = async |month: &str, messages: u8| {
        db.record(&(1..=messages).map(|day| growth(account(1), &at(month, day))).collect::<Vec<_>>()).await;
    };
    used("2026-09", 10).await;
    let september = bill(&db, "2026-09").await.remove(0);
    // Late for September, so on October's; and late for both, so open.
    used("2026-09", 3).await;
    used("2026-10", 7).await;
    let october = bill(&db, "2026-10").await.remove(0);
    used("2026-09", 2).await;
    used("2026-10", 5).await;
    for (invoice, months, run) in [
        (&october, vec!["2026-09 3 6 0.060000", "2026-10 7 14 0.140000"], "2026-10"),
        (&september, vec!["2026-09 10 20 0.200000"], "2026-09"),
    ] {
        let everything = "SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM
            (SELECT b::text FROM billing.usage_buckets b UNION ALL SELECT i::text FROM billing.invoices i
            UNION ALL SELECT n::text FROM billing.number_series n UNION ALL SELECT a::text FROM billing.audit_log a) AS t";
        let before = db.text(everything).await;
        let effect = preview(&db, invoice.id, Disposition::Rebill).await;
        let shown: Vec<String> = effect
            .usage
            .iter()
            .map(|usage| format!("{} {} {} {}", usage.month, usage.messages, usage.segments, usage.exact))
            .collect();
        assert_eq!(shown, months);
        let waived = preview(&db, invoice.id, Disposition::Waive).await;
        assert_eq!((waived.usage, waived.reissue), (effect.usage, None));
        assert_eq!(db.text(everything).await, before, "a preview writes nothing");
        let would = effect.reissue.expect("a reissue");
        void(&db, invoice.id, Disposition::Rebill).await;
        let again = bill(&db, run).await.remove(0);
        assert_eq!((again.period, again.replaces), (invoice.period, Some(invoice.id)));
        let contents = db.api.invoice(again.id, None).await.unwrap().unwrap().1;
        assert_eq!((would.contents, would.subtotal, would.total), (contents, again.subtotal, again.total));
        assert_balanced(&db).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_late_usage_the_reissue_comes_to_the_same_total() {
    let db = with_accounts(3).await;
    for invoice in bill(&db, "2026-10").await {
        void(&db, invoice.id, Disposition::Rebill).await;
    }
    let again = bill(&db, "2026-10").await;
    assert_eq!(again.len(), 3);
    for invoice in again {
        let old = find(&db, invoice.replaces.expect("it replaces one")).await;
        assert_eq!((old.account, old.total, old.replaced_by), (invoice.account, invoice.total, Some(invoice.id)));
    }
    assert_balanced(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn voids_beside_runs_lose_nothing_and_double_nothing() {
    let db = with_accounts(8).await;
    let first = bill(&db, "2026-10").await;
    // Late usage of October is billed with November's, while October's are declared void, again and again.
    for number in 1..=8 {
        used(&db, account(number), "2026-10-06T08:00:00Z", 3).await;
        used(&db, account(number), "2026-11-06T08:00:00Z", 2).await;
    }
    let voids: Vec<_> = first
        .iter()
        .map(|invoice| {
            let (db, id) = (db.clone(), invoice.id);
            tokio::spawn(async move { db.api.void(id, &reason(), Disposition::Rebill, &call(now())).await.unwrap() })
        })
        .collect();
    let runs: Vec<_> = (0..3)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { bill(&db, "2026-11").await.len() })
        })
        .collect();
    for outcome in voids {
        assert!(matches!(outcome.await.unwrap(), ChangeOutcome::Done(_)));
    }
    for run in runs {
        run.await.unwrap();
    }
    while !bill(&db, "2026-11").await.is_empty() {}
    assert_balanced(&db).await;
    assert_credited(&db, 8).await;
    assert_eq!(db.number("SELECT count(*) FROM billing.usage_buckets WHERE sealed_by IS NULL").await, 0);
    // However they met, each account is asked for what it used: 8 × 0.025 and 2 × 0.025, each month rounded once.
    let owed = "SELECT string_agg(DISTINCT owed::text, ', ') FROM
        (SELECT sum(total_minor) AS owed FROM billing.invoices WHERE status = 'FINALIZED' GROUP BY account_id) AS t";
    assert_eq!(db.text(owed).await, "25");
    let twice = "SELECT count(*) FROM (SELECT 1 FROM billing.invoices WHERE status = 'FINALIZED'
        GROUP BY account_id, currency, period_start HAVING count(*) > 1) AS t";
    assert_eq!(db.number(twice).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_a_waived_month_is_billed_and_nothing_of_the_month_with_it() {
    let db = TestDatabase::create().await;
    let mut new = price("STARTER", "*", "0.0125", "2026-01-01", None);
    new.terms.monthly.fee = Micros::parse("5").unwrap();
    new.terms.monthly.minimum = Micros::parse("2").unwrap();
    assert!(matches!(db.api.create_price(&new, &action("admin")).await.unwrap(), ChangeOutcome::Done(_)));
    used(&db, account(1), "2026-10-05T08:00:00Z", 10).await;
    let first = bill(&db, "2026-10").await.remove(0);
    assert_eq!(first.total.to_string(), "7.00");
    let waived = void(&db, first.id, Disposition::Waive).await;
    assert!(waived.credit_note.is_some());
    assert!(bill(&db, "2026-10").await.is_empty(), "neither its usage nor its fee is billed again");
    // Four messages come late: they are billed by themselves, on an invoice of their month.
    used(&db, account(1), "2026-10-06T08:00:00Z", 4).await;
    let late = bill(&db, "2026-10").await.remove(0);
    assert_eq!((late.messages, late.total.to_string().as_str(), late.replaces), (4, "0.10", None));
    assert_balanced(&db).await;
    // So they are once that is void and issued again, and the next month has its own fee.
    void(&db, late.id, Disposition::Rebill).await;
    used(&db, account(1), "2026-11-06T08:00:00Z", 80).await;
    let totals: Vec<String> = bill(&db, "2026-11").await.iter().map(|i| format!("{} {}", i.period, i.total)).collect();
    assert_eq!(totals, ["2026-10 0.10", "2026-11 7.00"]);
    assert_balanced(&db).await;
    let waived = "SELECT sum(messages)::bigint FROM billing.usage_buckets WHERE waived_at IS NOT NULL";
    assert_eq!(db.number(waived).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_that_cannot_be_finished_are_listed_with_their_first_day_and_last_reason() {
    let db = with_accounts(2).await;
    let period = Month::parse("2026-10").unwrap();
    let mut ids = Vec::new();
    for billable in db.worker.billable(period, None).await.unwrap() {
        let request = due(&billable, period, now()).remove(0);
        db.worker.draft(&request).await.unwrap();
        ids.push(request.id);
    }
    assert!(db.worker.parked().await.unwrap().is_empty());
    db.worker.pin(ids[0], &pin()).await.unwrap();
    for (at, reason) in [("2026-11-15T12:00:00Z", "the store is away"), ("2026-11-16T12:00:00Z", "still away")] {
        db.worker.park(ids[0], reason, at.parse().unwrap()).await.unwrap();
    }
    let parked = db.worker.parked().await.unwrap();
    let [one] = &parked[..] else { panic!("{parked:?}") };
    assert_eq!((one.invoice, one.account, one.period), (ids[0], account(1), period));
    assert_eq!((one.since, one.reason.as_str()), (Some(now()), "still away"));
    assert_eq!(one.number.unwrap().to_string(), "INV-2026-000001");
    db.worker.record_pdf(ids[0], [7; 32]).await.unwrap();
    db.worker.finalize(ids[0], now()).await.unwrap();
    db.worker.park(ids[1], "no number", now()).await.unwrap();
    let parked = db.worker.parked().await.unwrap();
    assert_eq!(parked.iter().map(|draft| (draft.invoice, draft.number)).collect::<Vec<_>>(), [(ids[1], None)]);
}
