//! What staff see of an account is noted in the audit log, once for each request; what shows none is not.

use billing_testing::Memory;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{ACCOUNT, Ask, TENANT, World};
use super::{bodies, corrections, invoices, pricing_questions, proofs, quarantine, usage};
use crate::routes::{Access, table};

/// What a route has to do with accounts, as a request of staff who have none of their own.
enum Shows {
    /// Somebody's data.
    Account(String),
    /// The same, before it is changed.
    Preview(&'static str, Value),
    /// Prices, costs and the like: the platform's own.
    Platform(String),
    /// It writes, and audits what it writes in the same transaction.
    Change,
}

/// Ids of what the world has.
struct Known {
    price: String,
    cost: String,
}

async fn world() -> (World, Known) {
    let world = World::new().await;
    usage::put_usage(&world, ACCOUNT, TENANT);
    invoices::put(&world, invoices::issued(1, "2026-09"));
    proofs::put_first(&world);
    quarantine::put_open(&world, 1);
    let price = pricing_questions::put_explained(&world).await.to_string();
    let made = bodies::post(&world, "/v1/admin/operator-costs", &bodies::cost()).await;
    let cost = made.body["operatorCostId"].as_str().unwrap().to_owned();
    (world, Known { price, cost })
}

fn shows(method: &str, path: &'static str, known: &Known) -> Shows {
    let invoice = invoices::id(1).to_string();
    let of = |id: &str| path.replace("{id}", id);
    match (method, path) {
        ("GET", "/v1/billing/usage") => Shows::Account(format!("{path}?accountId={ACCOUNT}")),
        ("GET", path) if path.starts_with("/v1/billing/invoices/{id}") => Shows::Account(of(&invoice)),
        ("GET", "/v1/admin/pricing/explain") => {
            Shows::Account(format!("{path}?messageId={}", pricing_questions::MESSAGE))
        }
        ("GET", "/v1/admin/pricing/resolve") => {
            Shows::Account(format!("{path}?accountId={ACCOUNT}&operatorId=41220&direction=MT"))
        }
        ("GET", "/v1/admin/pricing/quarantine/{id}") => Shows::Account(of("1")),
        ("GET", "/v1/admin/pricing/accounts/{id}") => Shows::Account(of(&ACCOUNT.to_string())),
        (
            "GET",
            "/v1/billing/invoices"
            | "/v1/admin/pricing/unrated"
            | "/v1/admin/pricing/quarantine"
            | "/v1/admin/pricing/accounts"
            | "/v1/admin/operator-costs/margin",
        ) => Shows::Account(path.into()),
        ("GET", "/v1/admin/pricing/{id}") => Shows::Platform(of(&known.price)),
        ("GET", "/v1/admin/operator-costs/{id}") => Shows::Platform(of(&known.cost)),
        (
            "GET",
            "/v1/admin/pricing"
            | "/v1/admin/pricing/corrections"
            | "/v1/admin/pricing/export"
            | "/v1/admin/operator-costs"
            | "/v1/admin/operator-costs/export",
        ) => Shows::Platform(path.into()),
        ("POST", "/v1/admin/invoices/{id}/void") => Shows::Preview("{id}", json!({"reason": "x"})),
        ("POST", "/v1/admin/pricing/corrections") => Shows::Preview(
            "",
            bodies::with(corrections::correction(&known.price), &json!({"effectiveFrom": "2026-10-01"})),
        ),
        ("POST" | "PATCH" | "DELETE", _) => Shows::Change,
        other => panic!("does it show an account? {other:?}"),
    }
}

#[actix_web::test]
async fn every_route_that_shows_an_account_notes_one_read() {
    let (world, known) = world().await;
    let claims = json!({"account_id": null, "scope": "billing:read billing:admin platform.finance",
        "roles": ["platform.billing_admin", "platform.finance"]});
    let mut noting = 0;
    for route in table::<Memory>().into_iter().filter(|route| matches!(route.access, Access::Guarded(..))) {
        let (ask, expected) = match shows(route.method.as_str(), route.path, &known) {
            Shows::Account(uri) => (Ask::get(&uri), 1),
            Shows::Platform(uri) => (Ask::get(&uri), 0),
            Shows::Preview(id, body) => {
                let path = if id.is_empty() {
                    route.path.into()
                } else {
                    route.path.replace(id, &invoices::id(1).to_string())
                };
                (Ask::new("POST", &format!("{path}?dryRun=true")).json(&body), 1)
            }
            Shows::Change => continue,
        };
        let before = world.memory.noted_reads().len();
        let reply = world.send(&ask.claims(&claims).header("X-Access-Reason", "ticket 4711")).await;
        assert_eq!(reply.status, 200, "{} {}: {}", route.method, route.path, reply.text);
        let noted = world.memory.noted_reads().split_off(before);
        assert_eq!(noted.len(), expected, "{} {}: {noted:?}", route.method, route.path);
        assert!(noted.iter().all(|read| read.action.reason.as_deref() == Some("ticket 4711")));
        noting += expected;
    }
    assert!(noting >= 15, "{noting} routes note what they show");
}

#[actix_web::test]
async fn every_page_of_the_quarantine_is_noted_with_the_account_asked_for() {
    let world = World::new().await;
    for id in 1..=3 {
        quarantine::put_open(&world, id);
    }
    let uri = format!("/v1/admin/pricing/quarantine?accountId={ACCOUNT}&limit=1");
    let mut cursor = String::new();
    while let Some(next) = world.send(&Ask::get(&format!("{uri}{cursor}")).staff()).await.body["nextCursor"].as_str() {
        cursor = format!("&cursor={next}");
    }
    let noted: Vec<_> = world.memory.noted_reads().into_iter().map(|read| read.account.map(|id| id.0)).collect();
    assert_eq!(noted, [Some(ACCOUNT); 3]);
    world.send(&Ask::get("/v1/admin/pricing/quarantine").staff()).await;
    assert_eq!(world.memory.noted_reads().last().unwrap().account, None::<billing_domain::AccountId>);
    let other = format!("/v1/admin/pricing/quarantine?accountId={}", Uuid::from_u128(7));
    world.send(&Ask::get(&other).staff()).await;
    assert_eq!(world.memory.noted_reads().last().unwrap().account.unwrap().0, Uuid::from_u128(7));
}
