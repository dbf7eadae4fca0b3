//! A world in which there is one of everything that has an id, and what every route of the table is asked about it.

use billing_testing::Memory;
use serde_json::json;
use uuid::Uuid;

use super::bodies::{self, post, with};
use super::edges::is_problem;
use super::samples::{Ids, sample};
use super::world::{ACCOUNT, Ask, Reply, TENANT, World};
use super::{corrections, invoices, proofs, quarantine, usage};
use crate::routes::{Access, Route, table};

/// The world and the ids of what is in it.
pub(super) struct Furnished {
    pub(super) world: World,
    pub(super) ids: Ids,
}

/// Every route that needs a token.
pub(super) fn guarded() -> Vec<Route<Memory>> {
    let routes = table::<Memory>().into_iter().filter(|route| matches!(route.access, Access::Guarded(..)));
    let routes: Vec<_> = routes.collect();
    assert!(routes.len() > 25);
    routes
}

impl Furnished {
    pub(super) async fn new() -> Self {
        let world = World::new().await;
        let price = with(bodies::price(), &json!({"effectiveFrom": "2026-01-01"}));
        let price = made(&post(&world, "/v1/admin/pricing", &price).await, "pricingTableId");
        let cost = made(&post(&world, "/v1/admin/operator-costs", &bodies::cost()).await, "operatorCostId");
        let account = json!({"tenantId": TENANT, "accountTier": "GROWTH", "currency": "USD"});
        let path = format!("/v1/admin/pricing/accounts/{ACCOUNT}");
        made(&world.send(&Ask::new("PATCH", &path).staff().json(&account)).await, "accountId");
        usage::put_usage(&world, ACCOUNT, TENANT);
        invoices::put(&world, invoices::issued(1, "2026-09"));
        proofs::put_first(&world);
        quarantine::put_open(&world, 1);
        let message = corrections::put_rated(&world, price, 1, "2026-10-05T00:00:00Z");
        let invoice = invoices::id(1).0;
        let ids = Ids { tenant: TENANT, account: ACCOUNT, invoice, price, cost, message, quarantined: 1 };
        Self { world, ids }
    }

    /// Path and query of the route's sample about what is there.
    pub(super) fn uri(&self, route: &Route<Memory>) -> String {
        sample(route.method.as_str(), route.path, &self.ids).uri
    }

    /// The route's sample about what is there, without a token.
    pub(super) fn ask(&self, route: &Route<Memory>) -> Ask {
        Ask::sample(&sample(route.method.as_str(), route.path, &self.ids), route.method.as_str())
    }
}

/// The id of what was made.
fn made(reply: &Reply, name: &str) -> Uuid {
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.body[name].as_str().unwrap().parse().unwrap()
}

#[actix_web::test]
async fn every_sample_is_answered_with_success() {
    for route in guarded() {
        // Each in a world of its own: one may end what the next is about.
        let furnished = Furnished::new().await;
        let reply = furnished.world.send(&furnished.ask(&route).staff()).await;
        assert!((200..300).contains(&reply.status), "{} {}: {}", route.method, route.path, reply.text);
    }
}

#[actix_web::test]
async fn what_cannot_be_noted_is_not_shown() {
    // Staff without an account of their own: whatever they read is another's.
    let scope = "billing:read billing:admin";
    let claims = json!({"account_id": null, "scope": scope, "roles": ["platform.billing_admin"]});
    let Furnished { world, ids } = Furnished::new().await;
    let mut noted = Vec::new();
    for route in guarded().into_iter().filter(|route| route.method == "GET") {
        let before = world.memory.noted_reads().len();
        let ask = Ask::sample(&sample("GET", route.path, &ids), "GET").claims(&claims);
        assert_eq!(world.send(&ask).await.status, 200, "{}", route.path);
        let is_noted = world.memory.noted_reads().len() == before + 1;
        assert!(is_noted || !route.path.starts_with("/v1/billing/"), "{} is not noted", route.path);
        noted.extend(is_noted.then_some((route.path, ask)));
    }
    assert!(noted.len() >= 13, "{}", noted.len());
    world.memory.fail_to_note();
    for (path, ask) in noted {
        for media in ["application/json", "text/csv", "application/pdf"] {
            let reply = world.send(&ask.clone().header("Accept", media)).await;
            assert!(reply.status == 503 && is_problem(&reply), "{path} {media}: {} {}", reply.status, reply.text);
            let told: Vec<_> = reply.body.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(told, ["detail", "instance", "status", "title", "type"], "{path}");
        }
    }
}
