//! Who may do what: the truth table over the route table, headers that contradict the token, and accounts of others.

use billing_domain::invoicing::{Invoice, InvoiceContents, InvoiceStatus};
use billing_domain::{AccountId, TenantId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::invoices::{draft, draft_with_number, issued};
use super::world::{ACCOUNT, Ask, TENANT, World};
use crate::auth::Role;
use crate::routes::{Access, Reach, Route, table};
use billing_testing::Memory;

const SCOPES: [&str; 10] = [
    "",
    "billing:read",
    "billing:readX",
    "billing:admin",
    "platform.finance",
    "platform.financeX",
    "billing:read billing:admin platform.finance",
    "BILLING:READ BILLING:ADMIN",
    "billing:read,billing:admin",
    "other billing:admin  billing:read",
];

const STAFF: [&str; 3] = ["platform.admin", "platform.finance", "platform.billing_admin"];

fn roles() -> Vec<Vec<&'static str>> {
    let mut roles: Vec<_> = Role::ALL.iter().map(|(_, name)| vec![*name]).collect();
    roles.extend([vec![], vec!["platform.other"], vec!["account.viewerX"], vec!["platform.financeX"]]);
    roles.extend([vec!["account.viewer", "platform.finance"], vec!["platform.admin", "platform.billing_admin"]]);
    roles
}

/// What the contract says, apart from the table.
fn is_allowed(path: &str, scope: &str, roles: &[&str]) -> bool {
    let scopes: Vec<_> = scope.split(' ').collect();
    let staff = roles.iter().any(|role| STAFF.contains(role));
    let customer = roles.iter().any(|role| ["account.admin", "account.viewer"].contains(role));
    match path {
        "/v1/admin/invoices/{id}/void" => scopes.contains(&"platform.finance") && roles.contains(&"platform.finance"),
        path if path.starts_with("/v1/admin/") => scopes.contains(&"billing:admin") && staff,
        path if path.starts_with("/v1/billing/") => scopes.contains(&"billing:read") && (staff || customer),
        path => panic!("no rule for {path}"),
    }
}

#[actix_web::test]
async fn every_route_lets_in_exactly_its_scope_and_roles() {
    let world = World::new().await;
    for route in table::<Memory>() {
        let path = super::edges::sample(route.path);
        let ask = Ask::new(route.method.as_str(), &path);
        let is_open = matches!(route.access, Access::Open(_));
        let expected = if is_open { [200, 503].as_slice() } else { &[401] };
        assert!(expected.contains(&world.send(&ask).await.status), "{path} without a token");
        if is_open {
            continue;
        }
        for scope in SCOPES {
            for roles in roles() {
                let claims = json!({"scope": scope, "roles": roles});
                let status = world.send(&ask.clone().claims(&claims)).await.status;
                let allowed = is_allowed(route.path, scope, &roles);
                assert_eq!(status != 403, allowed, "{} {path} {scope:?} {roles:?}: {status}", route.method);
                assert_ne!(status, 401);
            }
        }
    }
}

#[actix_web::test]
async fn customers_need_a_tenant_and_an_account() {
    let world = World::new().await;
    for (claims, expected) in [
        (json!({}), 200),
        (json!({"account_id": null}), 403),
        (json!({"tenant_id": null}), 403),
        (json!({"tenant_id": null, "roles": ["platform.admin"]}), 200),
        (json!({"account_id": null, "roles": ["platform.admin"]}), 422),
    ] {
        let reply = world.send(&Ask::get("/v1/billing/usage").claims(&claims)).await;
        assert_eq!(reply.status, expected, "{claims}");
    }
}

#[actix_web::test]
async fn headers_that_contradict_the_token_are_refused() {
    let world = World::new().await;
    let (tenant, account, other) = (TENANT.to_string(), ACCOUNT.to_string(), Uuid::from_u128(7).to_string());
    let staff = json!({"roles": ["platform.admin"]});
    for (claims, headers, expected) in [
        (json!({}), vec![("X-Tenant-Id", tenant.as_str()), ("X-Account-Id", account.as_str())], 200),
        (json!({}), vec![("X-Tenant-Id", other.as_str())], 403),
        (json!({}), vec![("X-Account-Id", other.as_str())], 403),
        (json!({}), vec![("X-Tenant-Id", tenant.as_str()), ("X-Tenant-Id", other.as_str())], 403),
        (json!({}), vec![("X-Tenant-Id", "")], 403),
        (staff.clone(), vec![("X-Tenant-Id", other.as_str())], 403),
        (json!({"tenant_id": null, "roles": ["platform.admin"]}), vec![("X-Tenant-Id", tenant.as_str())], 403),
        (json!({}), vec![("X-Consumer-Custom-Id", other.as_str())], 200),
    ] {
        let ask = Ask::get("/v1/billing/usage").claims(&claims);
        let ask = headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
        assert_eq!(world.send(&ask).await.status, expected, "{headers:?}");
    }
}

/// Every route that shows a customer something of their own account.
fn of_one_account() -> Vec<Route<Memory>> {
    let is_one = |route: &Route<Memory>| matches!(route.access, Access::Guarded(_, Reach::Account, _));
    table::<Memory>().into_iter().filter(is_one).collect()
}

/// Whether the route documents a query parameter of that name.
fn takes(document: &Value, route: &Route<Memory>, name: &str) -> bool {
    let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
    operation["parameters"].as_array().is_some_and(|all| all.iter().any(|parameter| parameter["name"] == name))
}

#[actix_web::test]
async fn what_is_not_ours_looks_like_what_is_not_there() {
    let world = World::new().await;
    super::usage::put_usage(&world, Uuid::from_u128(0xBB), TENANT);
    super::usage::put_usage(&world, Uuid::from_u128(0xDD), Uuid::from_u128(0xB));
    let document = world.send(&Ask::get("/openapi.json")).await.body;
    let invoices = invoices_that_are_not_ours(&world);
    let accounts = [0xBB, 0xDD, 0xCC].map(|id| Uuid::from_u128(id).to_string());
    let (mut with_id, mut with_account, mut answers) = (0, 0, Vec::new());
    for route in of_one_account() {
        let mut uris = Vec::new();
        if route.path.contains("{id}") {
            with_id += 1;
            for query in ["", "?unknown=1", "?document=credit-note", "?dryRun=true"] {
                uris.extend(invoices.iter().map(|id| (id, format!("{}{query}", route.path.replace("{id}", id)))));
            }
        }
        if takes(&document, &route, "accountId") {
            with_account += 1;
            for query in ["", "&from=2026-10-01&to=2026-10-31", "&from=nonsense", "&operatorId=*", "&unknown=1"] {
                uris.extend(accounts.iter().map(|id| (id, format!("{}?accountId={id}{query}", route.path))));
            }
        }
        assert!(!uris.is_empty(), "{} names nothing that could be another's", route.path);
        for ((id, uri), media) in uris.iter().flat_map(|uri| ["*/*", "text/csv", "application/pdf"].map(|m| (uri, m))) {
            let ask = Ask::new(route.method.as_str(), uri).header("Accept", media);
            let reply = world.send(&ask.customer(ACCOUNT)).await;
            assert_eq!(reply.status, 404, "{uri}: {}", reply.text);
            assert!(!reply.text.contains(id.as_str()), "{uri}: {}", reply.text);
            let mut headers: Vec<_> = reply.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
            headers.retain(|header| !header.starts_with("x-request-id"));
            headers.sort();
            answers.push((reply.without_instance(), headers));
        }
    }
    assert!(with_id >= 4 && with_account >= 2, "{with_id} {with_account}");
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(world.memory.noted_reads().is_empty());
}

/// Of another account, of another tenant's account with our account's id, drafts of our own, and ids of nothing.
fn invoices_that_are_not_ours(world: &World) -> Vec<String> {
    let issued = |id| issued(id, "2026-09");
    let foreign = Invoice { account: AccountId(Uuid::from_u128(0xBB)), ..issued(1) };
    let elsewhere = Invoice { tenant: TenantId(Uuid::from_u128(0xB)), ..issued(2) };
    let draft = draft(3, "2026-08");
    let mut withdrawn = draft_with_number(4, "2026-07");
    withdrawn.status = InvoiceStatus::Void;
    let mut ids = vec!["nonsense".to_owned(), Uuid::from_u128(9).to_string(), "%00".into()];
    for invoice in [foreign, elsewhere, draft, draft_with_number(5, "2026-06"), withdrawn] {
        ids.push(invoice.id.to_string());
        world.memory.put_invoice(invoice, InvoiceContents::default());
    }
    ids
}
