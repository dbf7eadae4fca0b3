//! Finance's view over HTTP on a real database: margins against the events, lists as files, and the quarantine.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]
mod service;
#[path = "../../../crates/billing-postgres/tests/support/mod.rs"]
mod support;

use billing_domain::OperatorId;
use billing_domain::ports::{DraftOutcome, InvoiceStore};
use billing_domain::usage::ReportedUsage;
use billing_domain::use_cases::{Unreadable, due, replay_requested};
use billing_domain::{Month, TenantId};
use reqwest::Method;
use serde_json::{Value, json};
use service::held::{RAW, hold};
use service::{Service, read};
use support::{TestDatabase, account, now, tenant, usage};

const MARGINS: &str = "/v1/admin/operator-costs/margin?from=2026-10-01&to=2026-10-31";
const QUARANTINE: &str = "/v1/admin/pricing/quarantine";

/// Messages of two segments: two that earn, one that loses, one without a cost, one of another month.
async fn priced() -> TestDatabase {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    db.add_cost("op-20", "0.004").await;
    db.add_cost("op-21", "0.013").await;
    let with = |number, operator: &str, at: &str| {
        let (receipt, mut usage) = usage(account(number), at);
        usage.operator = OperatorId::new(operator).unwrap();
        (receipt, usage)
    };
    let batch = [
        with(1, "op-20", "2026-10-05T08:00:00Z"),
        with(2, "op-20", "2026-10-31T23:59:59.999999Z"),
        with(1, "op-21", "2026-10-01T00:00:00Z"),
        with(1, "op-22", "2026-10-05T08:00:00Z"),
        with(1, "op-21", "2026-11-01T00:00:00Z"),
    ];
    db.record(&batch).await;
    db
}

#[tokio::test(flavor = "multi_thread")]
async fn margins_are_those_of_the_events() {
    let db = priced().await;
    let service = Service::start(&db).await;
    let staff = service.staff();
    let (status, list) = service.get(&staff, MARGINS).await;
    assert_eq!(status, 200, "{list}");
    let row = |row: &Value| {
        let texts = ["operatorId", "cost", "margin", "marginRate"].map(|name| row[name].as_str().map(str::to_owned));
        (texts, row["messageCount"].as_u64().unwrap(), row["uncosted"]["messageCount"].as_u64().unwrap())
    };
    let found: Vec<_> = list["data"].as_array().unwrap().iter().map(row).collect();
    let texts = |texts: [&str; 4]| texts.map(|text| (!text.is_empty()).then(|| text.to_owned()));
    assert_eq!(
        found,
        [
            (texts(["op-21", "0.026000", "-0.006000", "-30.00"]), 1, 0),
            (texts(["op-20", "0.016000", "0.024000", "60.00"]), 2, 0),
            (texts(["op-22", "", "", ""]), 1, 1),
        ]
    );
    let of_events = |what: &str| {
        format!(
            "SELECT ({what} * 0.000001)::text FROM billing.billing_events
            WHERE charged_at >= '2026-10-01T00:00:00Z' AND charged_at < '2026-11-01T00:00:00Z'"
        )
    };
    for group in ["operator", "account", "tier", "day"] {
        let (_, list) = service.get(&staff, &format!("{MARGINS}&groupBy={group}&currency=USD")).await;
        let [total] = list["totals"].as_array().unwrap().as_slice() else { panic!("one currency: {list}") };
        for (value, what) in [
            (&total["revenue"], "sum(amount_micros)"),
            (&total["costed"]["cost"], "sum(cost_micros)"),
            (&total["costed"]["margin"], "sum(amount_micros - cost_micros)"),
            (&total["uncosted"]["revenue"], "sum(amount_micros) FILTER (WHERE cost_id IS NULL)"),
        ] {
            assert_eq!(value, &json!(db.text(&of_events(what)).await), "{what} by {group}");
        }
    }
    let noted =
        "SELECT string_agg(DISTINCT action || ' of ' || subject, ';') FROM billing.audit_log WHERE actor = 'staff'";
    assert_eq!(db.text(noted).await, "margins of every account");
    let why = "ticket 4711";
    let asked = service.request(Method::GET, &staff, MARGINS).header("X-Access-Reason", why).send().await.unwrap();
    assert_eq!(asked.status(), 200);
    assert_eq!(db.text("SELECT string_agg(detail, ';') FROM billing.audit_log WHERE action = 'margins'").await, why);
    let customer = service.customer(account(1), tenant(1));
    assert_eq!(service.get(&customer, MARGINS).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_changed_is_not_sent_again_although_time_passes() {
    let db = priced().await;
    let period = Month::parse("2026-10").unwrap();
    let of = |billable: &[_]| due(&billable[0], period, now()).remove(0);
    let billable = db.worker.billable(period, None).await.unwrap();
    let DraftOutcome::Drafted(invoice) = db.worker.draft(&of(&billable)).await.unwrap() else { panic!("no draft") };
    let service = Service::start(&db).await;
    let staff = service.staff();
    let used = format!("/v1/billing/usage?from=2026-10-01&to=2026-10-31&accountId={}", account(1));
    let proof = format!("/v1/billing/invoices/{}/proof", invoice);
    let ask = async |path: &str, seen: &str| {
        let ask = service.request(Method::GET, &staff, path).header("If-None-Match", seen);
        let answer = ask.send().await.unwrap();
        let tag = answer.headers()["ETag"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), tag)
    };
    let mut tags = Vec::new();
    for path in [MARGINS, &used, &proof] {
        let as_of = async || service.get(&staff, path).await.1["asOf"].clone();
        assert_ne!(as_of().await, as_of().await, "{path}: the clock of the database stands still");
        let (status, tag) = ask(path, "\"other\"").await;
        assert_eq!((status, ask(path, &tag).await), (200, (304, tag.clone())), "{path}");
        tags.push(tag);
    }
    db.record(&[usage(account(1), "2026-10-07T08:00:00Z")]).await;
    assert_ne!(ask(MARGINS, &tags[0]).await, (304, tags[0].clone()));
    assert_ne!(ask(&used, &tags[1]).await, (304, tags[1].clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_files_for_who_prefers_them() {
    let db = priced().await;
    let period = Month::parse("2026-10").unwrap();
    for billable in db.worker.billable(period, None).await.unwrap() {
        for request in due(&billable, period, now()) {
            assert!(matches!(db.worker.draft(&request).await.unwrap(), DraftOutcome::Drafted(_)));
        }
    }
    let service = Service::start(&db).await;
    let staff = service.staff();
    let usage = format!("/v1/billing/usage?from=2026-10-05&to=2026-10-05&accountId={}", account(1));
    for (path, first, lines) in [
        (MARGINS.to_owned(), "op-21,USD,1,2,0.020000,0.026000,-0.006000,-30.00,", 4),
        ("/v1/billing/invoices".to_owned(), "", 3),
        (usage, &format!("{},USD,2026-10-05,2,4,0.040000,,", account(1)), 2),
    ] {
        let answer = service.request(Method::GET, &staff, &path).header("Accept", "text/csv").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["Vary"], "Accept, Authorization");
        assert_eq!(answer.headers()["Content-Type"], "text/csv; charset=utf-8; header=present");
        let text = answer.text().await.unwrap();
        let rows: Vec<&str> = text.split("\r\n").collect();
        assert_eq!((rows.len(), rows.last().copied()), (lines + 1, Some("")), "{path}: {text}");
        assert!(rows[1].starts_with(first), "{path}: {text}");
    }
    let noted = "SELECT count(*) FROM billing.audit_log WHERE action = 'invoices' AND subject = 'every account'";
    assert_eq!(db.number(noted).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_look_at_what_is_held_and_decide_about_it() {
    let db = priced().await;
    let service = Service::start(&db).await;
    let staff = service.staff();
    let (first, second) = (hold(&db).await, hold(&db).await);
    let (status, list) = service.get(&staff, QUARANTINE).await;
    let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|row| row["quarantineId"].as_i64()).collect();
    assert_eq!((status, ids), (200, vec![Some(first), Some(second)]));
    let (status, shown) = service.get(&staff, &format!("{QUARANTINE}/{first}")).await;
    assert_eq!((status, &shown["content"]), (200, &json!(r#"{"to":"+***********"}"#)), "{shown}");
    let customer = service.customer(account(1), tenant(1));
    assert_eq!(service.get(&customer, &format!("{QUARANTINE}/{first}")).await.0, 403);

    let replay = format!("{QUARANTINE}/{first}/replay");
    let ask = service.request(Method::POST, &staff, &replay).json(&json!({})).header("Idempotency-Key", "k");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let ask = ask.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    let (status, asked) = read(ask.send().await.unwrap()).await;
    assert_eq!((status, &asked["replay"]["requestedBy"]), (202, &json!("staff")), "{asked}");
    let (status, again) = service.post(&staff, &replay, None, &json!({})).await;
    assert_eq!((status, &again["type"]), (409, &json!("/problems/not-replayable")));
    let decode = |_: Option<TenantId>, raw: &[u8]| -> Result<ReportedUsage, Unreadable> {
        assert_eq!(raw, RAW);
        Ok(usage(account(1), "2026-10-05T08:00:00Z").1)
    };
    assert_eq!(replay_requested(&db.worker, decode, now()).await.unwrap(), 1);
    let (_, replayed) = service.get(&staff, &format!("{QUARANTINE}/{first}")).await;
    let became = (&replayed["state"], &replayed["replayedAs"], &replayed["resolvedBy"], &replayed["replay"]["outcome"]);
    assert_eq!(became, (&json!("replayed"), &json!("recorded"), &json!("staff"), &json!("recorded")));
    let (status, same) = service.post(&staff, &replay, Some("k"), &json!({})).await;
    assert_eq!((status, &same), (202, &replayed));

    let discard = format!("{QUARANTINE}/{second}/discard");
    let body = json!({"reason": "a test of the gateway"});
    for (key, expected) in [(Some("d"), 200), (Some("d"), 200), (None, 409)] {
        let (status, answer) = service.post(&staff, &discard, key, &body).await;
        assert_eq!(status, expected, "{answer}");
    }
    for below in ["", "/replay", "/discard"] {
        let method = if below.is_empty() { Method::GET } else { Method::POST };
        let has_body = method == Method::POST;
        let ask = service.request(method, &staff, &format!("{QUARANTINE}/999{below}"));
        let ask = if has_body { ask.json(&body) } else { ask };
        assert_eq!(ask.send().await.unwrap().status(), 404, "{below}");
    }
    let audited = format!(
        "SELECT string_agg(action || ' ' || subject, ', ' ORDER BY id) FROM billing.audit_log WHERE trace_id = '{trace}'"
    );
    let expected = ["request_replay", "replay_quarantined", "settle_replay"];
    let expected = expected.map(|deed| format!("{deed} quarantined message {first}")).join(", ");
    assert_eq!(db.text(&audited).await, expected);
    let discarded = "SELECT string_agg(detail, ';') FROM billing.audit_log WHERE action = 'discard_quarantined'";
    assert_eq!(db.text(discarded).await, "a test of the gateway");
}
