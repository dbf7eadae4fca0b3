//! Invoices: lists, one with its lines, documents, and declaring void.

use billing_domain::invoicing::{
    Adjustment, Invoice, InvoiceContents, InvoiceLine, InvoiceNumber, InvoiceStatus, Percentage, PinnedTerms, TaxLine,
    object_key,
};
use billing_domain::pricing::AdjustmentKind;
use billing_domain::usage::Direction;
use billing_domain::{
    AccountId, Currency, Day, InvoiceId, MicrosSum, MinorAmount, Month, OperatorId, PriceId, TenantId,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::world::{ACCOUNT, Ask, NOW, Reply, SUBJECT, TENANT, World};

const LIST: &str = "/v1/billing/invoices";
const PDF: &[u8] = b"%PDF-1.7 an invoice";

pub(super) fn id(number: u32) -> InvoiceId {
    InvoiceId(Uuid::from_u128(0x1000 + u128::from(number)))
}

/// A draft of our account without a number.
pub(super) fn draft(number: u32, month: &str) -> Invoice {
    let currency = Currency::new("USD").unwrap();
    Invoice {
        id: id(number),
        tenant: TenantId(TENANT),
        account: AccountId(ACCOUNT),
        currency,
        period: Month::parse(month).unwrap(),
        status: InvoiceStatus::Draft,
        pinned: None,
        messages: 800,
        segments: 1_000,
        subtotal: MinorAmount { minor: 1_250, currency },
        total: MinorAmount { minor: 1_250, currency },
        drafted_at: "2026-10-01T00:05:00.25Z".parse().unwrap(),
        finalized_at: None,
        object_key: None,
        pdf_sha256: None,
        replaces: None,
        replaced_by: None,
        voided: None,
        credit_note: None,
    }
}

pub(super) fn draft_with_number(number: u32, month: &str) -> Invoice {
    let draft = draft(number, month);
    let day = |text| Day::parse(text).unwrap();
    let pinned = PinnedTerms {
        number: InvoiceNumber::new(2026, number),
        issue_date: day("2026-10-01"),
        due_date: day("2026-10-31"),
    };
    let object_key = Some(object_key(draft.account, draft.period, draft.id));
    Invoice { pinned: Some(pinned), object_key, ..draft }
}

pub(super) fn issued(number: u32, month: &str) -> Invoice {
    Invoice {
        status: InvoiceStatus::Finalized,
        finalized_at: Some("2026-10-01T00:05:12.345678Z".parse().unwrap()),
        pdf_sha256: Some(Sha256::digest(PDF).into()),
        ..draft_with_number(number, month)
    }
}

fn line() -> InvoiceLine {
    InvoiceLine {
        usage_month: Month::parse("2026-08").unwrap(),
        operator: OperatorId::new("41220").unwrap(),
        direction: Direction::Mt,
        price: PriceId(Uuid::from_u128(0x9)),
        messages: 800,
        segments: 1_000,
        exact: MicrosSum(12_504_999),
        amount: MinorAmount { minor: 1_250, currency: Currency::new("USD").unwrap() },
    }
}

pub(super) fn put(world: &World, invoice: Invoice) {
    if let (Some(key), Some(_)) = (&invoice.object_key, invoice.pdf_sha256) {
        world.memory.put_document(key, PDF);
    }
    world.memory.put_invoice(invoice, InvoiceContents { lines: vec![line()], ..InvoiceContents::default() });
}

fn summary(number: u32) -> Value {
    json!({
        "invoiceId": id(number).0, "invoiceNumber": format!("INV-2026-{number:06}"), "accountId": ACCOUNT,
        "periodStart": "2026-09-01", "periodEnd": "2026-09-30", "totalMessages": 800, "totalSegments": 1000,
        "subtotalAmount": "12.50", "totalAmount": "12.50", "currency": "USD", "status": "FINALIZED",
        "generatedAt": "2026-10-01T00:05:12.345678Z",
    })
}

fn with(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        value[name] = change.clone();
    }
    value
}

fn ids(reply: &Reply) -> Vec<&str> {
    reply.body["data"].as_array().unwrap().iter().map(|row| row["invoiceId"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn an_invoice_as_its_customer_sees_it() {
    let world = World::new().await;
    put(&world, issued(1, "2026-09"));
    let list = world.send(&Ask::get(LIST).customer(ACCOUNT)).await;
    assert_eq!((list.status, list.header("Cache-Control")), (200, Some("private, no-cache")));
    assert_eq!(list.body, json!({"data": [summary(1)], "nextCursor": null, "total": 1}));
    let one = world.send(&Ask::get(&format!("{LIST}/{}", id(1))).customer(ACCOUNT)).await;
    assert_eq!((one.status, one.header("Cache-Control")), (200, Some("private, no-cache")));
    let rest = json!({
        "issueDate": "2026-10-01", "dueDate": "2026-10-31", "adjustments": [], "taxes": [],
        "replaces": null, "replacedBy": null,
        "lines": [{
            "usageMonth": "2026-08", "operatorId": "41220", "direction": "MT", "pricingTableId": Uuid::from_u128(9),
            "messageCount": 800, "segmentCount": 1000, "exactAmount": "12.504999", "amount": "12.50",
        }],
    });
    assert_eq!(one.body, with(summary(1), &rest));
    assert!(world.memory.noted_reads().is_empty());
}

#[actix_web::test]
async fn adjustments_and_taxes_make_the_total() {
    let world = World::new().await;
    let currency = Currency::new("USD").unwrap();
    let minor = |minor| MinorAmount { minor, currency };
    let adjustment = |kind, due, amount, reason: Option<&str>| Adjustment {
        usage_month: Month::parse("2026-08").unwrap(),
        price: PriceId(Uuid::from_u128(0x9)),
        kind,
        units: 1_000,
        due: minor(due),
        amount: minor(amount),
        reason: reason.map(str::to_owned),
    };
    let tax = |name: &str, rate, amount| {
        let (name, rate) = (name.to_owned(), Percentage::parse(rate).unwrap());
        TaxLine { name, rate, base: minor(-750), amount: minor(amount) }
    };
    let adjustments = vec![
        adjustment(AdjustmentKind::Correction, -2_500, -1_999, Some("mistyped")),
        adjustment(AdjustmentKind::MonthlyFee, 990, -1, None),
    ];
    let taxes = vec![tax("VAT", "10", -75), tax("Fee", "2.5", -19)];
    let invoice = Invoice { subtotal: minor(-750), total: minor(-844), ..issued(1, "2026-09") };
    world.memory.put_invoice(invoice, InvoiceContents { lines: vec![line()], adjustments, taxes });
    let one = world.send(&Ask::get(&format!("{LIST}/{}", id(1))).customer(ACCOUNT)).await;
    let price = Uuid::from_u128(9);
    for (name, expected) in [
        ("subtotalAmount", json!("-7.50")),
        ("totalAmount", json!("-8.44")),
        (
            "adjustments",
            json!([
                {"usageMonth": "2026-08", "pricingTableId": price, "kind": "CORRECTION", "units": 1000, "due": "-25.00",
                 "amount": "-19.99", "reason": "mistyped"},
                {"usageMonth": "2026-08", "pricingTableId": price, "kind": "MONTHLY_FEE", "units": 1000, "due": "9.90",
                 "amount": "-0.01"},
            ]),
        ),
        (
            "taxes",
            json!([
                {"name": "VAT", "rate": "10", "base": "-7.50", "amount": "-0.75"},
                {"name": "Fee", "rate": "2.5", "base": "-7.50", "amount": "-0.19"},
            ]),
        ),
    ] {
        assert_eq!(one.body[name], expected, "{name}");
    }
    let list = world.send(&Ask::get(LIST).customer(ACCOUNT)).await;
    assert_eq!(list.body["data"][0]["totalAmount"], "-8.44");
}

#[actix_web::test]
async fn amounts_have_the_currencys_minor_digits() {
    let world = World::new().await;
    for (number, code, expected) in [(1, "USD", "12.50"), (2, "JPY", "1250"), (3, "KWD", "1.250"), (4, "AFN", "12.50")]
    {
        let currency = Currency::new(code).unwrap();
        let subtotal = MinorAmount { minor: 1_250, currency };
        put(&world, Invoice { currency, subtotal, total: subtotal, ..issued(number, "2026-02") });
        let one = world.send(&Ask::get(&format!("{LIST}/{}", id(number))).customer(ACCOUNT)).await;
        let amounts = (&one.body["subtotalAmount"], &one.body["totalAmount"], &one.body["currency"]);
        assert_eq!(amounts, (&json!(expected), &json!(expected), &json!(code)));
        assert_eq!(one.body["periodEnd"], "2026-02-28");
    }
}

#[actix_web::test]
async fn drafts_are_for_staff() {
    let world = World::new().await;
    let mut withdrawn = draft_with_number(4, "2026-06");
    withdrawn.status = InvoiceStatus::Void;
    for invoice in [issued(1, "2026-09"), draft(2, "2026-08"), draft_with_number(3, "2026-07"), withdrawn] {
        put(&world, invoice);
    }
    for (query, for_customer, for_staff) in [
        ("", &[1][..], &[1, 2, 3, 4][..]),
        ("?status=DRAFT", &[], &[2, 3]),
        ("?status=FINALIZED", &[1], &[1]),
        ("?status=VOID", &[], &[4]),
    ] {
        for (ask, expected) in [
            (Ask::get(&format!("{LIST}{query}")).customer(ACCOUNT), for_customer),
            (Ask::get(&format!("{LIST}{query}")).staff(), for_staff),
        ] {
            let reply = world.send(&ask).await;
            let expected: Vec<_> = expected.iter().map(|number| id(*number).to_string()).collect();
            assert_eq!(
                (reply.status, ids(&reply), &reply.body["total"]),
                (200, expected.iter().map(String::as_str).collect(), &json!(expected.len()))
            );
        }
    }
    let seen = world.send(&Ask::get(&format!("{LIST}/{}", id(2))).staff()).await;
    let expected = json!({"invoiceNumber": null, "issueDate": null, "dueDate": null, "status": "DRAFT", "generatedAt": "2026-10-01T00:05:00.25Z"});
    assert_eq!(seen.status, 200);
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&seen.body[name], value, "{name}");
    }
}

#[actix_web::test]
async fn lists_are_filtered_and_paged() {
    let world = World::new().await;
    for number in 1..=9 {
        put(&world, issued(number, &format!("2026-0{number}")));
    }
    let other = AccountId(Uuid::from_u128(0xBB));
    put(&world, Invoice { account: other, ..issued(10, "2026-09") });
    put(&world, Invoice { tenant: TenantId(Uuid::from_u128(0xB)), ..issued(11, "2026-09") });
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.send(&Ask::get(&format!("{LIST}?limit=4{cursor}")).customer(ACCOUNT)).await;
        assert_eq!(page.body["total"], 9);
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page.body["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, (1..=9).rev().map(|number| id(number).to_string()).collect::<Vec<_>>());
    for (query, total) in [
        (format!("accountId={ACCOUNT}"), 9),
        ("from=2026-03-01&to=2026-05-01".into(), 3),
        ("from=2026-03-02&to=2026-05-31".into(), 2),
        ("from=2026-09-01".into(), 1),
        ("to=2026-01-31&status=FINALIZED".into(), 1),
        ("from=2026-09-02".into(), 0),
    ] {
        let reply = world.send(&Ask::get(&format!("{LIST}?{query}")).customer(ACCOUNT)).await;
        assert_eq!((reply.status, &reply.body["total"]), (200, &json!(total)), "{query}");
    }
    let claims = json!({"account_id": null, "tenant_id": null, "roles": ["platform.admin"]});
    for (query, total) in [("", 11), ("?accountId=00000000-0000-0000-0000-0000000000bb", 1)] {
        let reply = world.send(&Ask::get(&format!("{LIST}{query}")).claims(&claims)).await;
        assert_eq!((reply.status, &reply.body["total"]), (200, &json!(total)), "{query}");
    }
    for (query, pointers) in [
        ("limit=51".to_owned(), &["/limit"][..]),
        (format!("limit=4&status=VOID{cursor}"), &["/cursor"]),
        ("status=draft&from=2026-13-01&to=x".into(), &["/status", "/from", "/to"]),
        ("from=2026-03-02&to=2026-03-01".into(), &["/to"]),
        ("accountId=1&tenantId=2".into(), &["/accountId", "/tenantId"]),
    ] {
        let reply = world.send(&Ask::get(&format!("{LIST}?{query}")).customer(ACCOUNT)).await;
        assert_eq!((reply.status, reply.pointers()), (422, pointers.to_vec()), "{query}");
    }
}

#[actix_web::test]
async fn what_staff_read_of_others_is_noted() {
    let world = World::new().await;
    put(&world, issued(1, "2026-09"));
    let (ours, theirs) =
        (Some(AccountId(ACCOUNT)), json!({"account_id": Uuid::from_u128(7), "roles": ["platform.admin"]}));
    let own = json!({"roles": ["platform.admin"]});
    let one = format!("{LIST}/{}", id(1));
    for (uri, what, account) in [
        (LIST.to_owned(), "invoices", None),
        (format!("{LIST}?accountId={ACCOUNT}"), "invoices", ours),
        (one.clone(), "invoice", ours),
        (format!("{one}/download"), "invoice document", ours),
    ] {
        for (claims, noted) in [(&theirs, true), (&own, account.is_none())] {
            let before = world.memory.noted_reads().len();
            assert_eq!(world.send(&Ask::get(&uri).claims(claims)).await.status, 200);
            let after = world.memory.noted_reads();
            assert_eq!(after.len() - before, usize::from(noted), "{uri} {claims}");
            let last = after.last().unwrap();
            assert_eq!((last.what, last.account), (what, account), "{uri}");
        }
    }
}

#[actix_web::test]
async fn a_document_is_had_by_address_or_as_bytes() {
    let world = World::new().await;
    put(&world, issued(1, "2026-09"));
    let path = format!("{LIST}/{}/download", id(1));
    let key = format!("invoices/{ACCOUNT}/2026-09/{}.pdf", id(1));
    for (accept, is_pdf) in [
        (None, false),
        (Some("*/*"), false),
        (Some("application/json"), false),
        (Some("text/html"), false),
        (Some("application/json, application/pdf;q=0.9"), false),
        (Some("application/pdf;q=0"), false),
        (Some(";;;"), false),
        (Some("application/pdf"), true),
        (Some("application/pdf, application/json;q=0.9, */*;q=0.1"), true),
    ] {
        let ask = Ask::get(&path).customer(ACCOUNT);
        let reply = world.send(&accept.map_or(ask.clone(), |accept| ask.header("Accept", accept))).await;
        let kept = if is_pdf { "private, no-cache" } else { "private, no-store" };
        assert_eq!((reply.status, reply.header("Cache-Control")), (200, Some(kept)), "{accept:?}");
        if is_pdf {
            assert_eq!((reply.text.as_bytes(), reply.header("Content-Type")), (PDF, Some("application/pdf")));
            let name = "attachment; filename=\"INV-2026-000001.pdf\"";
            assert_eq!(reply.header("Content-Disposition"), Some(name));
            let sha256: String = Sha256::digest(PDF).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(reply.header("ETag"), Some(format!("\"{sha256}\"").as_str()));
        } else {
            let expected = json!({"url": format!("https://documents.test/{key}?signature=good"), "expiresAt": "2026-10-15T12:15:00Z"});
            assert_eq!(reply.body, expected, "{accept:?}");
        }
    }
}

#[actix_web::test]
async fn a_document_that_is_not_there_or_another_one_is_told() {
    let world = World::new().await;
    put(&world, draft(1, "2026-09"));
    put(&world, draft_with_number(2, "2026-08"));
    world.memory.put_invoice(issued(3, "2026-07"), InvoiceContents::default());
    put(&world, issued(4, "2026-06"));
    world.memory.put_document(issued(4, "2026-06").object_key.as_deref().unwrap(), b"%PDF-1.7 another");
    let mut withdrawn = draft_with_number(5, "2026-05");
    withdrawn.status = InvoiceStatus::Void;
    put(&world, withdrawn);
    for (number, accept, expected, retry_after) in [
        (1, "*/*", (409, "document-not-ready"), Some("60")),
        (1, "application/pdf", (409, "document-not-ready"), Some("60")),
        (2, "*/*", (409, "document-not-ready"), Some("60")),
        (3, "application/pdf", (409, "document-not-ready"), Some("60")),
        (4, "application/pdf", (500, "internal"), None),
        (5, "*/*", (404, "not-found"), None),
    ] {
        let ask = Ask::get(&format!("{LIST}/{}/download", id(number))).staff().header("Accept", accept);
        let reply = world.send(&ask).await;
        assert_eq!(((reply.status, reply.problem()), reply.header("Retry-After")), (expected, retry_after), "{number}");
        assert!(!reply.text.contains("invoices/"), "{}", reply.text);
    }
}

async fn void(world: &World, number: u32, key: Option<&str>, body: &Value) -> Reply {
    let ask = Ask::new("POST", &format!("/v1/admin/invoices/{}/void", id(number))).staff().json(body);
    world.send(&key.map_or(ask.clone(), |key| ask.header("Idempotency-Key", key))).await
}

#[actix_web::test]
async fn an_invoice_is_declared_void_once() {
    let world = World::new().await;
    for invoice in
        [issued(1, "2026-09"), draft_with_number(2, "2026-08"), draft(3, "2026-07"), draft_with_number(4, "2026-06")]
    {
        put(&world, invoice);
    }
    for stuck in [2, 3] {
        world.memory.park(id(stuck));
    }
    let body = json!({"reason": "wrong price"});
    let first = void(&world, 1, Some("k"), &body).await;
    assert_eq!(first.status, 200, "{}", first.text);
    for (name, value) in [
        ("status", "VOID"),
        ("voidedBy", SUBJECT),
        ("voidedAt", NOW),
        ("voidReason", "wrong price"),
        ("disposition", "rebill"),
        ("invoiceNumber", "INV-2026-000001"),
        ("creditNoteNumber", "CN-2026-000001"),
    ] {
        assert_eq!(first.body[name], value, "{name}");
    }
    assert_eq!(first.body["lines"].as_array().map(Vec::len), Some(1));
    let waived = json!({"reason": "a gift", "disposition": "waive"});
    for (why, number, key, body, expected) in [
        ("the same again", 1, Some("k"), &body, (200, "")),
        ("the key for another body", 1, Some("k"), &waived, (422, "idempotency-key-reused")),
        ("the key for another invoice", 2, Some("k"), &body, (422, "idempotency-key-reused")),
        ("void already", 1, None, &body, (409, "not-voidable")),
        ("void already, another key", 1, Some("l"), &body, (409, "not-voidable")),
        ("a draft without a number", 3, None, &body, (409, "not-voidable")),
        ("a draft that a run may be finishing", 4, None, &body, (409, "not-voidable")),
        ("a draft with a number that cannot be finished", 2, None, &waived, (200, "")),
    ] {
        let reply = void(&world, number, key, body).await;
        assert_eq!((reply.status, reply.problem()), expected, "{why}: {}", reply.text);
        if why == "the same again" {
            assert_eq!(reply.body, first.body);
        }
    }
    // What was issued is still to be seen, as what it is, and so is its document.
    let seen = world.send(&Ask::get(&format!("{LIST}/{}", id(1))).customer(ACCOUNT)).await;
    assert_eq!((seen.status, &seen.body["status"]), (200, &json!("VOID")));
    // The credit note tells the customer why; who it was stays with staff.
    for (name, value) in
        [("creditNoteNumber", json!("CN-2026-000001")), ("voidReason", json!("wrong price")), ("voidedBy", Value::Null)]
    {
        assert_eq!(seen.body[name], value, "{name}");
    }
    let ask = Ask::get(&format!("{LIST}/{}/download", id(1))).customer(ACCOUNT).header("Accept", "application/pdf");
    assert_eq!(world.send(&ask).await.text.as_bytes(), PDF);
}

#[actix_web::test]
async fn every_field_of_a_void_is_checked() {
    let world = World::new().await;
    put(&world, issued(1, "2026-09"));
    for (body, pointers) in [
        (json!({}), &["/reason"][..]),
        (json!({"reason": null}), &["/reason"]),
        (json!({"reason": ""}), &["/reason"]),
        (json!({"reason": "  "}), &["/reason"]),
        (json!({"reason": "x".repeat(501)}), &["/reason"]),
        (json!({"reason": "a\u{0}"}), &["/reason"]),
        (json!({"reason": 1}), &["/reason"]),
        (json!({"reason": "x", "disposition": "REBILL"}), &["/disposition"]),
        (json!({"reason": "x", "by": "me"}), &["/by"]),
    ] {
        let reply = void(&world, 1, None, &body).await;
        assert_eq!((reply.status, reply.pointers()), (422, pointers.to_vec()), "{body}: {}", reply.text);
    }
    assert_eq!(void(&world, 1, None, &json!({"reason": "x".repeat(500), "disposition": null})).await.status, 200);
}

fn credit_note(number: u32) -> Ask {
    Ask::get(&format!("{LIST}/{}/download?document=credit-note", id(number)))
}

#[actix_web::test]
async fn a_credit_note_is_made_when_it_is_first_asked_for_and_the_same_ever_after() {
    let world = World::new().await;
    put(&world, issued(1, "2026-09"));
    put(&world, issued(2, "2026-08"));
    assert_eq!(void(&world, 1, None, &json!({"reason": "wrong price"})).await.status, 200);
    let expected = "%PDF-1.7 CN-2026-000001 credits INV-2026-000001: wrong price";
    let pdf = || credit_note(1).customer(ACCOUNT).header("Accept", "application/pdf");
    for _ in 0..2 {
        let reply = world.send(&pdf()).await;
        assert_eq!((reply.status, reply.text.as_str()), (200, expected));
        assert_eq!(reply.header("Content-Disposition"), Some("attachment; filename=\"CN-2026-000001.pdf\""));
        let sha256: String = Sha256::digest(expected).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(reply.header("ETag"), Some(format!("\"{sha256}\"").as_str()));
    }
    let address = world.send(&credit_note(1).customer(ACCOUNT)).await;
    let url = address.body["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("https://documents.test/credit-notes/{ACCOUNT}/2026-09/")), "{url}");
    // The invoice's own document is still what is given out by default.
    for query in ["", "?document=invoice"] {
        let ask = Ask::get(&format!("{LIST}/{}/download{query}", id(1))).customer(ACCOUNT);
        let reply = world.send(&ask.header("Accept", "application/pdf")).await;
        assert_eq!(reply.text.as_bytes(), PDF, "{query}");
    }
    let key = url.trim_start_matches("https://documents.test/").trim_end_matches("?signature=good");
    world.memory.put_document(key, b"%PDF-1.7 another");
    assert_eq!(world.send(&pdf()).await.status, 500);
}

#[actix_web::test]
async fn who_may_not_see_the_invoice_or_asks_for_none_gets_no_credit_note() {
    let world = World::new().await;
    for invoice in [issued(1, "2026-09"), issued(2, "2026-08"), draft_with_number(3, "2026-07"), draft(4, "2026-06")] {
        put(&world, invoice);
    }
    world.memory.park(id(3));
    for number in [1, 3] {
        assert_eq!(void(&world, number, None, &json!({"reason": "x"})).await.status, 200);
    }
    let stranger = Uuid::from_u128(0xBB);
    let download = |number: u32, query: &str| Ask::get(&format!("{LIST}/{}/download?{query}", id(number)));
    for (why, ask, expected) in [
        ("another account's", credit_note(1).customer(stranger), (404, "not-found")),
        ("of an invoice that stands", credit_note(2).customer(ACCOUNT), (404, "not-found")),
        ("of a draft that became void", credit_note(3).staff(), (404, "not-found")),
        ("of a draft", credit_note(4).staff(), (404, "not-found")),
        ("no such document", download(1, "document=receipt").staff(), (422, "invalid")),
        ("empty", download(1, "document=").staff(), (422, "invalid")),
        ("twice", download(1, "document=invoice&document=invoice").staff(), (422, "invalid")),
        ("another parameter", download(1, "document=credit-note&x=1").staff(), (422, "invalid")),
        ("ours", credit_note(1).customer(ACCOUNT), (200, "")),
        ("staff", credit_note(1).claims(&json!({"account_id": stranger, "roles": ["platform.admin"]})), (200, "")),
    ] {
        let reply = world.send(&ask).await;
        assert_eq!((reply.status, reply.problem()), expected, "{why}: {}", reply.text);
    }
    let noted = world.memory.noted_reads();
    assert_eq!(noted.last().map(|read| read.what), Some("credit note document"));
}

#[actix_web::test]
async fn a_dry_run_tells_what_a_void_would_do_and_does_nothing() {
    let world = World::new().await;
    put(&world, issued(1, "2026-09"));
    put(&world, draft_with_number(2, "2026-08"));
    put(&world, draft_with_number(3, "2026-07"));
    world.memory.park(id(2));
    let dry = async |number: u32, query: &str, body: &Value| {
        let path = format!("/v1/admin/invoices/{}/void{query}", id(number));
        world.send(&Ask::new("POST", &path).staff().header("Idempotency-Key", "k").json(body)).await
    };
    let (rebill, waive) = (json!({"reason": "x"}), json!({"reason": "x", "disposition": "waive"}));
    let first = dry(1, "?dryRun=true", &rebill).await;
    let usage = json!([{
        "month": "2026-08", "currency": "USD", "messageCount": 800, "segmentCount": 1000, "exactAmount": "12.504999",
    }]);
    for (name, value) in [
        ("dryRun", json!(true)),
        ("invoiceId", json!(id(1).0)),
        ("disposition", json!("rebill")),
        ("creditedAmount", json!("12.50")),
        ("usage", usage.clone()),
    ] {
        assert_eq!(first.body[name], value, "{name}: {}", first.text);
    }
    let reissue = &first.body["reissue"];
    assert_eq!((&reissue["subtotalAmount"], &reissue["totalAmount"]), (&json!("12.50"), &json!("12.50")));
    assert_eq!(reissue["lines"].as_array().map(Vec::len), Some(1));
    let waived = dry(1, "?dryRun=true", &waive).await;
    assert_eq!((&waived.body["usage"], &waived.body["reissue"]), (&usage, &Value::Null));
    assert_eq!(dry(2, "?dryRun=true", &rebill).await.body["creditedAmount"], Value::Null);
    assert_eq!(dry(3, "?dryRun=true", &rebill).await.problem(), "not-voidable");
    for (query, body, expected) in [
        ("?dryRun=maybe", &rebill, (422, "invalid")),
        ("?dryRun=true&dryRun=true", &rebill, (422, "invalid")),
        ("?dry=true", &rebill, (422, "invalid")),
        ("?dryRun=true", &json!({}), (422, "invalid")),
        // Neither it nor its key was used up.
        ("?dryRun=false", &waive, (200, "")),
        ("?dryRun=true", &waive, (409, "not-voidable")),
    ] {
        let reply = dry(1, query, body).await;
        assert_eq!((reply.status, reply.problem()), expected, "{query} {body}: {}", reply.text);
    }
}

#[actix_web::test]
async fn the_list_as_a_file_has_every_invoice_that_its_reader_may_see() {
    let world = World::new().await;
    for number in 1..=60 {
        put(&world, issued(number, "2026-09"));
    }
    put(&world, draft(61, "2026-10"));
    let ask = Ask::get(LIST).header("Accept", "text/csv");
    for (ask, lines, last) in [
        (ask.clone().customer(ACCOUNT), 61, format!("{},INV-2026-000001", id(1))),
        (ask.clone().staff(), 62, format!("{},INV-2026-000001", id(1))),
        (Ask::get(&format!("{LIST}?status=DRAFT")).header("Accept", "text/csv").staff(), 2, format!("{},", id(61))),
    ] {
        let reply = world.send(&ask).await;
        assert_eq!((reply.status, reply.text.lines().count()), (200, lines), "{}", reply.text);
        let rest = ",800,1000,12.50,12.50,USD,";
        let row = reply.text.lines().last().unwrap();
        assert!(row.starts_with(&format!("{last},{ACCOUNT},2026-")) && row.contains(rest), "{row}");
        assert_eq!(reply.header("Content-Disposition"), Some("attachment; filename=\"invoices.csv\""));
    }
    let noted: Vec<_> = world.memory.noted_reads().into_iter().map(|read| (read.account, read.what)).collect();
    assert_eq!(noted, [(None, "invoices"), (None, "invoices")], "staff read every account's");
    for query in ["limit=1", "cursor=x"] {
        let reply = world.send(&Ask::get(&format!("{LIST}?{query}")).header("Accept", "text/csv").staff()).await;
        assert_eq!(reply.status, 422, "{query}");
    }
    // Whoever does not prefer it gets JSON.
    let json = world.send(&Ask::get(LIST).header("Accept", "text/csv;q=0.1, application/json").staff()).await;
    let vary = "Accept, Authorization, Accept-Encoding";
    assert_eq!((json.header("Content-Type"), json.header("Vary")), (Some("application/json"), Some(vary)));
}
