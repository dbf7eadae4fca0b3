//! What the audit log keeps of writes, by the route table: whatever succeeds leaves one row that says who did it, what, and
//! in which trace.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]
mod service;
#[path = "../../../crates/billing-postgres/tests/support/mod.rs"]
mod support;

use serde_json::Value;
use service::held::hold;
use service::issued::world;
use service::samples::Ids;
use service::{Service, read, routes};
use support::{TestDatabase, tenant};
use uuid::Uuid;

/// What each write is called in the log. Each line of a deck has a row of its own beside the deck's.
const ACTIONS: [(&str, &str, &str); 13] = [
    ("POST", "/v1/admin/invoices/{id}/void", "invoice.void"),
    ("POST", "/v1/admin/pricing", "price.create"),
    ("POST", "/v1/admin/pricing/corrections", "price.correct"),
    ("PATCH", "/v1/admin/pricing/{id}", "price.change"),
    ("DELETE", "/v1/admin/pricing/{id}", "price.end"),
    ("POST", "/v1/admin/pricing/quarantine/{id}/replay", "request_replay"),
    ("POST", "/v1/admin/pricing/quarantine/{id}/discard", "discard_quarantined"),
    ("PATCH", "/v1/admin/pricing/accounts/{id}", "account.change"),
    ("POST", "/v1/admin/pricing/import", "price.create;staff price.import"),
    ("POST", "/v1/admin/operator-costs/import", "operator_cost.create;staff operator_cost.import"),
    ("POST", "/v1/admin/operator-costs", "operator_cost.create"),
    ("PATCH", "/v1/admin/operator-costs/{id}", "operator_cost.change"),
    ("DELETE", "/v1/admin/operator-costs/{id}", "operator_cost.end"),
];

/// New things to be written about: a write may end what it is about.
async fn ids(db: &TestDatabase, invoice: Uuid) -> Ids {
    let operator = format!("op-{}", Uuid::new_v4().simple());
    db.add_cost(&operator, "0.004").await;
    let cost = db.text(&format!("SELECT id::text FROM billing.operator_costs WHERE operator_id = '{operator}'")).await;
    Ids {
        tenant: tenant(1).0,
        account: Uuid::new_v4(),
        invoice,
        price: db.add_price(&format!("T-{}", Uuid::new_v4().simple()), "*", "0.01").await.0,
        cost: cost.parse().unwrap(),
        message: Uuid::new_v4(),
        quarantined: hold(db).await,
    }
}

async fn send(service: &Service, method: &str, path: &str, ids: &Ids, trace: &str) -> (u16, Value) {
    let ask = service.sample(&service.staff(), method, path, ids);
    read(ask.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01")).send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_leaves_one_row_of_who_did_what() {
    let (db, service, [_, september, ..]) = world().await;
    for (method, path) in routes().into_iter().filter(|(method, _)| method != "GET") {
        let known = ACTIONS.iter().find(|(m, p, _)| (*m, *p) == (&*method, &*path));
        let (_, _, action) = known.unwrap_or_else(|| panic!("what is {method} {path} called in the log?"));
        let ids = ids(&db, september.0).await;
        let rows = async || db.number("SELECT count(*) FROM billing.audit_log").await;
        let (before, trace) = (rows().await, Uuid::new_v4().simple().to_string());
        let (status, answer) = send(&service, &method, &path, &ids, &trace).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        let logged = format!(
            "SELECT coalesce(string_agg(actor || ' ' || action, ';' ORDER BY id), '') FROM billing.audit_log WHERE trace_id = '{trace}'"
        );
        assert_eq!(db.text(&logged).await, format!("staff {action}"), "{method} {path}");
        let after = rows().await;
        assert_eq!(after - before, 1 + i64::from(path.ends_with("/import")), "{method} {path}: rows of other traces");
        // What was refused has not been done, and is not in the log.
        let (status, answer) = send(&service, &method, &path, &Ids::of_nothing(), &"7".repeat(32)).await;
        if status >= 400 {
            assert_eq!(rows().await, after, "{method} {path}: {answer}");
        }
    }
}
