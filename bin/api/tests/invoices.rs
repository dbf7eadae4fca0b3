//! Invoices over HTTP on a real database and a real object store.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]
mod service;
#[path = "../../../crates/billing-postgres/tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use billing_domain::InvoiceId;
use billing_domain::ports::{DocumentStore, PutOutcome, RenderedDocument};
use reqwest::Method;
use serde_json::{Value, json};
use service::issued::{EXPORTING, draft, issue, multiply_usage, pdf, use_in, world};
use service::{Service, documents, read, s3_variable, until_none};
use sha2::{Digest, Sha256};
use support::{PASSWORD, account, tenant};
use uuid::Uuid;

const LIST: &str = "/v1/billing/invoices";

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["invoiceId"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sees_what_is_theirs() {
    let (db, service, [august, september, other, october]) = world().await;
    let (customer, staff) = (service.customer(account(1), tenant(1)), service.staff());
    let elsewhere = service.customer(account(1), tenant(2));
    for (token, query, expected) in [
        (&customer, String::new(), vec![september, august]),
        (&customer, format!("?accountId={}", account(1)), vec![september, august]),
        (&customer, "?status=DRAFT".into(), vec![]),
        (&customer, "?from=2026-08-02".into(), vec![september]),
        (&customer, "?from=2026-08-01&to=2026-08-31".into(), vec![august]),
        (&elsewhere, String::new(), vec![]),
        (&staff, "?status=DRAFT".into(), vec![october]),
        (&staff, format!("?accountId={}", account(2)), vec![other]),
        (&staff, "?from=2026-10-01".into(), vec![october]),
    ] {
        let (status, list) = service.get(token, &format!("{LIST}{query}")).await;
        let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
        assert_eq!((status, ids(&list)), (200, expected.iter().map(String::as_str).collect()), "{query}: {list}");
        assert_eq!((&list["total"], &list["nextCursor"]), (&json!(expected.len()), &Value::Null));
    }
    // Page by page.
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = service.get(&staff, &format!("{LIST}?limit=1{cursor}")).await;
        assert_eq!(page["total"], 4);
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let mut sorted = [september, other];
    sorted.sort_by_key(|id| std::cmp::Reverse(*id));
    assert_eq!(seen, [october, sorted[0], sorted[1], august].map(|id| id.to_string()));
    for path in [
        format!("{LIST}?accountId={}", account(2)),
        format!("{LIST}/{other}"),
        format!("{LIST}/{other}/download"),
        format!("{LIST}/{october}"),
        format!("{LIST}/{october}/download"),
    ] {
        assert_eq!(service.get(&customer, &path).await.0, 404, "{path}");
    }
    assert_eq!(service.get(&elsewhere, &format!("{LIST}/{august}")).await.0, 404);
    assert_eq!(service.get(&staff, &format!("{LIST}/{october}")).await.0, 200);
    let noted = "SELECT string_agg(DISTINCT action || ' of ' || subject, ', ' ORDER BY action || ' of ' || subject)
        FROM billing.audit_log WHERE actor = 'staff'";
    let (first, second) = (account(1), account(2));
    let expected = format!("invoice of account {first}, invoices of account {second}, invoices of every account");
    assert_eq!(db.text(noted).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_and_its_document() {
    let (db, service, [august, _, other, october]) = world().await;
    let customer = service.customer(account(1), tenant(1));
    let (status, invoice) = service.get(&customer, &format!("{LIST}/{august}")).await;
    let price = db.text("SELECT id::text FROM billing.prices").await;
    assert_eq!(status, 200);
    assert_eq!(
        invoice,
        json!({
            "invoiceId": august.0, "invoiceNumber": "INV-2026-000001", "accountId": account(1).0,
            "periodStart": "2026-08-01", "periodEnd": "2026-08-31", "totalMessages": 4, "totalSegments": 8,
            "subtotalAmount": "0.10", "currency": "USD", "status": "FINALIZED", "generatedAt": "2026-11-15T12:00:00Z",
            "issueDate": "2026-11-15", "dueDate": "2026-12-15", "adjustments": [], "taxes": [], "totalAmount": "0.10",
            "replaces": null, "replacedBy": null,
            "lines": [{
                "usageMonth": "2026-08", "operatorId": "op-20", "direction": "MT", "pricingTableId": price,
                "messageCount": 4, "segmentCount": 8, "exactAmount": "0.100000", "amount": "0.10",
            }],
        })
    );
    let path = format!("{LIST}/{august}/download");
    let (status, place) = service.get(&customer, &path).await;
    assert_eq!(status, 200, "{place}");
    let fetched = reqwest::get(place["url"].as_str().unwrap()).await.unwrap();
    assert_eq!((fetched.status().as_u16(), fetched.bytes().await.unwrap().to_vec()), (200, pdf(august)));
    let ask = service.request(Method::GET, &customer, &path).header("Accept", "application/pdf");
    let answer = ask.send().await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let sha256: String = Sha256::digest(pdf(august)).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(header("Content-Type"), "application/pdf");
    assert_eq!(header("Content-Disposition"), "attachment; filename=\"INV-2026-000001.pdf\"");
    assert_eq!((header("ETag"), header("Cache-Control")), (format!("\"{sha256}\""), "private, no-cache".into()));
    assert_eq!(answer.bytes().await.unwrap().to_vec(), pdf(august));

    // A draft has none, and an issued one whose object is another is not passed off for it.
    let staff = service.staff();
    let answer = service.request(Method::GET, &staff, &format!("{LIST}/{october}/download")).send().await.unwrap();
    assert_eq!(answer.headers()["Retry-After"], "60");
    let (status, problem) = read(answer).await;
    assert_eq!((status, &problem["type"]), (409, &json!("/problems/document-not-ready")));
    issue(&db, october, pdf(other)).await;
    let ask = service.request(Method::GET, &staff, &format!("{LIST}/{october}/download"));
    let (status, problem) = read(ask.header("Accept", "application/pdf").send().await.unwrap()).await;
    assert_eq!((status, &problem["type"]), (500, &json!("/problems/internal")));
    let log = service.log();
    assert!(log.contains("is not the one that was issued") && !log.contains(".pdf"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_declared_void_once_and_its_usage_is_free() {
    let (db, service, [august, _, other, october]) = world().await;
    let staff = service.staff();
    let path = |id: InvoiceId| format!("/v1/admin/invoices/{id}/void");
    let body = json!({"reason": "wrong price"});
    let (status, first) = service.post(&staff, &path(august), Some("k"), &body).await;
    assert_eq!((status, &first["status"], &first["voidedBy"]), (200, &json!("VOID"), &json!("staff")), "{first}");
    let voided_at = db.text("SELECT voided_at::text FROM billing.invoices WHERE status = 'VOID'").await;
    let shown: jiff::Timestamp = first["voidedAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(shown, voided_at.replace("+00", "Z").parse().unwrap());
    assert_eq!((&first["voidReason"], &first["disposition"]), (&json!("wrong price"), &json!("rebill")));
    let waive = json!({"reason": "a gift", "disposition": "waive"});
    let nothing = InvoiceId(Uuid::from_u128(1));
    for (why, id, key, body, expected) in [
        ("again", august, Some("k"), &body, (200, "")),
        ("the key for another body", august, Some("k"), &waive, (422, "/problems/idempotency-key-reused")),
        ("the key for another invoice", other, Some("k"), &body, (422, "/problems/idempotency-key-reused")),
        ("void already", august, None, &body, (409, "/problems/not-voidable")),
        ("a draft without a number", october, None, &body, (409, "/problems/not-voidable")),
        ("nothing", nothing, None, &body, (404, "/problems/not-found")),
        ("waived", other, None, &waive, (200, "")),
    ] {
        let (status, answer) = service.post(&staff, &path(id), key, body).await;
        assert_eq!((status, answer["type"].as_str().unwrap_or_default()), expected, "{why}: {answer}");
        if why == "again" {
            assert_eq!(answer, first);
        }
    }
    let customer = service.customer(account(1), tenant(1));
    assert_eq!(service.post(&customer, &path(august), None, &body).await.0, 403);
    let open = "SELECT count(*) FROM billing.usage_buckets WHERE sealed_by IS NULL AND day < '2026-10-01'";
    assert_eq!(db.number(open).await, 1);

    // The customer sees that it is void; the invoice in its place is named once it is issued.
    let [again] = draft(&db, "2026-08").await[..] else { panic!("one is due") };
    let seen = service.get(&customer, &format!("{LIST}/{august}")).await.1;
    assert_eq!((&seen["status"], &seen["replacedBy"]), (&json!("VOID"), &Value::Null));
    issue(&db, again, pdf(again)).await;
    assert_eq!(service.get(&customer, &format!("{LIST}/{august}")).await.1["replacedBy"], json!(again.0));
    assert_eq!(service.get(&customer, &format!("{LIST}/{again}")).await.1["replaces"], json!(august.0));
    assert_eq!(service.get(&customer, &format!("{LIST}/{august}/download")).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_voids_one_wins_and_there_is_one_credit_note() {
    let (db, service, [august, september, ..]) = world().await;
    let service = Arc::new(service);
    // Fifty that do not know of each other, and fifty times the same one.
    for (id, key) in [(august, None), (september, Some("k"))] {
        let path = format!("/v1/admin/invoices/{id}/void");
        let asks: Vec<_> = (0..50)
            .map(|_| {
                let (service, path) = (Arc::clone(&service), path.clone());
                tokio::spawn(async move { service.post(&service.staff(), &path, key, &json!({"reason": "x"})).await })
            })
            .collect();
        let (mut statuses, mut answers) = ([0, 0], Vec::new());
        for ask in asks {
            match ask.await.unwrap() {
                (200, answer) => {
                    statuses[0] += 1;
                    answers.push(answer);
                }
                (409, _) => statuses[1] += 1,
                (status, answer) => panic!("{status}: {answer}"),
            }
        }
        // With a key, whoever came when the first was done is shown what it did; who came before is told to come back.
        assert!(if key.is_none() { statuses == [1, 49] } else { statuses[0] >= 1 }, "{statuses:?}");
        assert!(answers.iter().all(|answer| *answer == answers[0]));
    }
    let numbers = "SELECT string_agg(number, ' ' ORDER BY number) FROM billing.credit_notes";
    assert_eq!(db.text(numbers).await, "CN-2026-000001 CN-2026-000002");
}

/// The bytes of a credit note, or the answer.
async fn credit_note(service: &Service, token: &str, of: InvoiceId) -> Result<Vec<u8>, (u16, Value)> {
    let path = format!("{LIST}/{of}/download?document=credit-note");
    let ask = service.request(Method::GET, token, &path).header("Accept", "application/pdf");
    let answer = ask.send().await.unwrap();
    if answer.status().is_success() { Ok(answer.bytes().await.unwrap().to_vec()) } else { Err(read(answer).await) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_note_is_rendered_once_and_is_the_same_for_everyone() {
    let (db, service, [august, september, other, _]) = world().await;
    let (staff, customer) = (service.staff(), service.customer(account(1), tenant(1)));
    let service = Arc::new(service);
    assert_eq!(credit_note(&service, &customer, august).await.unwrap_err().0, 404);
    for id in [august, september, other] {
        let path = format!("/v1/admin/invoices/{id}/void");
        assert_eq!(service.post(&staff, &path, None, &json!({"reason": "wrong price"})).await.0, 200);
    }
    assert_eq!(credit_note(&service, &customer, other).await.unwrap_err().0, 404);
    // Ten ask for it first.
    let asks: Vec<_> = (0..10)
        .map(|_| {
            let (service, customer) = (Arc::clone(&service), customer.clone());
            tokio::spawn(async move { credit_note(&service, &customer, august).await.unwrap() })
        })
        .collect();
    let first = credit_note(&service, &staff, august).await.unwrap();
    for ask in asks {
        assert_eq!(ask.await.unwrap(), first);
    }
    let row =
        "SELECT s3_key, pdf_sha256, template, stored_at IS NOT NULL FROM billing.credit_notes WHERE invoice_id = $1";
    let row = db.owner.query_one(row, &[&august.0]).await.unwrap();
    let (key, sha256): (String, Vec<u8>) = (row.get(0), row.get(1));
    assert_eq!((Sha256::digest(&first).as_slice(), row.get::<_, bool>(3)), (sha256.as_slice(), true));
    assert!(row.get::<_, &str>(2).starts_with("invoice-"));
    assert!(first.starts_with(b"%PDF-") && key.starts_with(&format!("credit-notes/{}/2026-08/", account(1))));
    assert_eq!(documents().get(&key).await.unwrap(), Some(first.clone()));
    let (_, place) = service.get(&customer, &format!("{LIST}/{august}/download?document=credit-note")).await;
    let fetched = reqwest::get(place["url"].as_str().unwrap()).await.unwrap();
    assert_eq!(fetched.bytes().await.unwrap().to_vec(), first);
    assert_eq!(service.get(&customer, &format!("{LIST}/{august}")).await.1["creditNoteNumber"], "CN-2026-000001");
    // Late usage and a reissue change nothing of it, nor does another pod.
    use_in(&db, account(1), "2026-08").await;
    let [again] = draft(&db, "2026-08").await[..] else { panic!("one is due") };
    issue(&db, again, pdf(again)).await;
    drop(service);
    let service = Service::start(&db).await;
    assert_eq!(credit_note(&service, &service.customer(account(1), tenant(1)), august).await.unwrap(), first);

    // Killed after the hash was recorded: the next who asks gets the bytes with that hash.
    let staff = service.staff();
    let second = credit_note(&service, &staff, september).await.unwrap();
    assert_ne!(second, first);
    let forget = "ALTER TABLE billing.credit_notes DISABLE TRIGGER keep_issued;
        UPDATE billing.credit_notes SET stored_at = NULL; ALTER TABLE billing.credit_notes ENABLE TRIGGER keep_issued";
    db.owner.batch_execute(forget).await.unwrap();
    assert_eq!(credit_note(&service, &staff, september).await.unwrap(), second);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_object_at_a_credit_note_s_key_is_refused_and_stays() {
    let (db, service, [august, ..]) = world().await;
    let staff = service.staff();
    let path = format!("/v1/admin/invoices/{august}/void");
    assert_eq!(service.post(&staff, &path, None, &json!({"reason": "x"})).await.0, 200);
    let key = db.text("SELECT s3_key FROM billing.credit_notes").await;
    let foreign = b"not ours".to_vec();
    let stored = RenderedDocument { sha256: Sha256::digest(&foreign).into(), bytes: foreign.clone() };
    assert_eq!(documents().put(&key, &stored).await.unwrap(), PutOutcome::Stored);
    for _ in 0..2 {
        let (status, problem) = credit_note(&service, &staff, august).await.unwrap_err();
        assert_eq!((status, &problem["type"]), (500, &json!("/problems/internal")));
        assert!(!problem.to_string().contains("credit-notes/"), "{problem}");
    }
    assert_eq!(documents().get(&key).await.unwrap(), Some(foreign));
    assert_eq!(db.number("SELECT count(*) FROM billing.credit_notes WHERE stored_at IS NULL").await, 1);
    assert!(service.log().contains("another object is stored at the invoice's key"), "{}", service.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_the_reissue_comes_to() {
    let (db, service, [august, ..]) = world().await;
    let staff = service.staff();
    use_in(&db, account(1), "2026-08").await;
    let path = format!("/v1/admin/invoices/{august}/void");
    let (status, effect) = service.post(&staff, &format!("{path}?dryRun=true"), None, &json!({"reason": "x"})).await;
    assert_eq!(status, 200, "{effect}");
    let usage = json!([{
        "month": "2026-08", "currency": "USD", "messageCount": 4, "segmentCount": 8, "exactAmount": "0.100000",
    }]);
    assert_eq!((&effect["usage"], &effect["creditedAmount"]), (&usage, &json!("0.10")));
    assert_eq!(effect["reissue"]["totalAmount"], json!("0.20"));
    let nothing = "SELECT (SELECT count(*) FROM billing.credit_notes)
        + (SELECT count(*) FROM billing.invoices WHERE status = 'VOID')";
    assert_eq!(db.number(nothing).await, 0);
    assert_eq!(service.post(&staff, &path, None, &json!({"reason": "x"})).await.0, 200);
    let [again] = draft(&db, "2026-08").await[..] else { panic!("one is due") };
    assert_eq!(service.get(&staff, &format!("{LIST}/{again}")).await.1["totalAmount"], json!("0.20"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cancelled_says_so_and_nothing_is_as_fresh_as_usage() {
    let (_db, service, _) = world().await;
    let staff = service.staff();
    let price = json!({
        "accountTier": "GROWTH", "operatorId": "*", "direction": "MT", "pricingModel": "PER_SEGMENT",
        "unitPrice": "0.0125", "currency": "USD", "effectiveFrom": "2999-01-01",
    });
    let cost = json!({
        "operatorId": "41220", "direction": "MT", "costPerSegment": "0.0085", "currency": "USD",
        "effectiveFrom": "2999-01-01",
    });
    for (list, id, body) in
        [("/v1/admin/pricing", "pricingTableId", price), ("/v1/admin/operator-costs", "operatorCostId", cost)]
    {
        let (status, made) = service.post(&staff, list, None, &body).await;
        assert_eq!((status, &made["cancelledAt"]), (201, &Value::Null), "{made}");
        let path = format!("{list}/{}", made[id].as_str().unwrap());
        let ended = read(service.request(Method::DELETE, &staff, &path).send().await.unwrap()).await.1;
        let at: jiff::Timestamp = ended["cancelledAt"].as_str().unwrap().parse().unwrap();
        assert!(at <= jiff::Timestamp::now());
        assert_eq!(service.get(&staff, &path).await.1, ended);
    }
    let unknown = service.customer(account(77), tenant(1));
    let (status, usage) = service.get(&unknown, "/v1/billing/usage").await;
    let as_of: jiff::Timestamp = usage["asOf"].as_str().unwrap().parse().unwrap();
    assert_eq!((status, &usage["currency"], as_of.subsec_nanosecond() % 1_000), (200, &Value::Null, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_invoice_stands_on() {
    let (db, service, [august, _, other, _]) = world().await;
    let customer = service.customer(account(1), tenant(1));
    let (status, proof) = service.get(&customer, &format!("{LIST}/{august}/proof")).await;
    assert_eq!((status, &proof["agrees"]), (200, &json!(true)), "{proof}");
    let events = &proof["lines"][0]["events"];
    assert_eq!((&events["eventCount"], &events["exactAmount"]), (&json!(4), &json!("0.100000")), "{proof}");
    let sha256: String = Sha256::digest(pdf(august)).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(proof["documentSha256"], json!(sha256));
    let receipts = json!({
        "received": 4, "recorded": 4, "duplicates": 0, "quarantined": 0, "unrated": 0, "agrees": true,
    });
    assert_eq!(proof["receipts"], receipts);

    let answer = service.request(Method::GET, &customer, &format!("{LIST}/{august}/usage.csv")).send().await.unwrap();
    assert_eq!(answer.headers()["Content-Disposition"], "attachment; filename=\"INV-2026-000001-usage.csv\"");
    let text = answer.text().await.unwrap();
    let mut ids: Vec<_> = text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    ids.sort_unstable();
    let stored = "SELECT string_agg(message_id::text, ' ' ORDER BY message_id) FROM billing.billing_events
        WHERE account_id = '%' AND charged_at < '2026-09-01'";
    assert_eq!(ids.join(" "), db.text(&stored.replace('%', &account(1).to_string())).await);

    let elsewhere = service.customer(account(1), tenant(2));
    for (token, id) in [(&customer, other), (&elsewhere, august), (&customer, InvoiceId(Uuid::from_u128(1)))] {
        for below in ["proof", "usage.csv"] {
            assert_eq!(service.get(token, &format!("{LIST}/{id}/{below}")).await.0, 404, "{below}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_cannot_be_finished_does_not_look_complete() {
    let (db, service, [august, ..]) = world().await;
    multiply_usage(&db).await;
    let token = service.customer(account(1), tenant(1));
    let ask = || service.request(Method::GET, &token, &format!("{LIST}/{august}/usage.csv")).send();

    // The server ends in the middle.
    let mut answer = ask().await.unwrap();
    assert!(answer.chunk().await.unwrap().is_some());
    let end = format!("SELECT count(pg_terminate_backend(pid)) FROM {}", EXPORTING.split_once("FROM ").unwrap().1);
    assert_eq!(db.number(&end).await, 1);
    let failed = async {
        while let Some(chunk) = answer.chunk().await? {
            drop(chunk);
        }
        Ok::<_, reqwest::Error>(())
    };
    assert!(failed.await.is_err());
    let log = service.log();
    assert!(log.contains("an export is broken off"), "{log}");

    // The client leaves: so does the server's work, and its place is free again.
    let mut first = ask().await.unwrap();
    assert!(first.chunk().await.unwrap().is_some());
    // One at a time of each account.
    let refused = ask().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["Retry-After"].to_str().unwrap()), (429, "5"));
    // Nobody else waits for them.
    assert_eq!(service.get(&token, &format!("{LIST}/{august}")).await.0, 200);
    drop(first);
    until_none(&db, EXPORTING).await;
    let whole = ask().await.unwrap().text().await.unwrap();
    assert_eq!(whole.lines().count(), 1 + 4 * 200_001);
}

/// Replaces a secret's file as an agent does.
fn replace(file: &Path, secret: &Value) {
    let other = file.with_extension("new");
    std::fs::write(&other, secret.to_string()).unwrap();
    std::fs::rename(&other, file).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_the_object_store_are_replaced_without_a_restart() {
    let (db, _service, [august, ..]) = world().await;
    let folder = std::env::temp_dir().join(format!("billing-keys-{}", Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("s3.json");
    let good = json!({"access_key": s3_variable("ACCESS_KEY"), "secret_key": s3_variable("SECRET_KEY")});
    replace(&file, &good);
    replace(&folder.join("database-api.json"), &json!({"username": "billing_test_api", "password": PASSWORD}));
    let path = folder.display().to_string();
    let variables = [("BILLING_CREDENTIALS", "files"), ("BILLING_CREDENTIALS_DIR", path.as_str())];
    let service = Service::start_with(&db, &variables).await;
    let customer = service.customer(account(1), tenant(1));
    let download = format!("{LIST}/{august}/download");
    let is_signed_by = async |key: &str| {
        let (_, link) = service.get(&customer, &download).await;
        link["url"].as_str().is_some_and(|url| url.contains(&format!("X-Amz-Credential={key}")))
    };
    let status = async || {
        let request = service.request(Method::GET, &customer, &download).header("Accept", "application/pdf");
        request.send().await.unwrap().status().as_u16()
    };
    until(async || is_signed_by(&s3_variable("ACCESS_KEY")).await).await;
    assert_eq!(status().await, 200);
    replace(&file, &json!({"access_key": "gone", "secret_key": "gone"}));
    until(async || is_signed_by("gone").await).await;
    // Refused, and replaced at that moment: the request under way waits for the new ones.
    let replaced = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        replace(&file, &good);
    };
    let (status, ()) = tokio::join!(status(), replaced);
    assert_eq!(status, 200);
    std::fs::remove_dir_all(&folder).unwrap();
}

async fn until(condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "the keys are not those of the file");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
