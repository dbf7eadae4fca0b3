//! The life of prices and operator costs: made, found, listed, superseded, ended, and what is refused on the way.

use std::rc::Rc;

use billing_domain::Day;
use serde_json::{Value, json};

use super::bodies::{cost, post, price, with};
use super::world::{Ask, NOW, Reply, SUBJECT, World};

const PRICING: &str = "/v1/admin/pricing";
const COSTS: &str = "/v1/admin/operator-costs";

async fn send(world: &World, method: &str, path: &str, body: Option<Value>) -> Reply {
    let ask = Ask::new(method, path).staff();
    world.send(&if let Some(body) = body { ask.json(&body) } else { ask }).await
}

#[actix_web::test]
async fn a_price_lives_by_versions() {
    let world = World::new().await;
    let made = post(&world, PRICING, &with(price(), &json!({"effectiveFrom": "2026-01-01"}))).await;
    let id = made.body["pricingTableId"].as_str().unwrap().to_owned();
    let path = format!("{PRICING}/{id}");
    assert_eq!((made.status, made.header("Location")), (201, Some(path.as_str())));
    assert_eq!(made.header("Cache-Control"), Some("private, no-store"));
    assert_eq!(
        made.body,
        json!({
            "pricingTableId": id, "accountTier": "GROWTH", "accountId": null, "operatorId": "*", "direction": "MT",
            "pricingModel": "PER_SEGMENT", "chargeOn": "ANY_TERMINAL", "unitPrice": "0.012500", "currency": "USD",
            "effectiveFrom": "2026-01-01", "effectiveTo": null, "createdBy": SUBJECT, "createdAt": NOW, "cancelledAt": null, "version": 1,
        })
    );
    assert_eq!(send(&world, "GET", &path, None).await.body, made.body);

    // From tomorrow by default; the old version ends today.
    let next = send(&world, "PATCH", &path, Some(json!({"unitPrice": "0.01"}))).await;
    assert_eq!(next.status, 200, "{}", next.text);
    assert_eq!((&next.body["version"], &next.body["unitPrice"]), (&json!(2), &json!("0.010000")));
    assert_eq!((&next.body["effectiveFrom"], &next.body["effectiveTo"]), (&json!("2026-10-16"), &Value::Null));
    assert_eq!(send(&world, "GET", &path, None).await.body["effectiveTo"], "2026-10-15");
    let lost = send(&world, "PATCH", &path, Some(json!({"unitPrice": "0.02", "effectiveTo": null}))).await;
    assert_eq!((lost.status, lost.problem()), (409, "ended"));

    // The next version has not begun: ending it cancels it, and the period is free again.
    let next_path = format!("{PRICING}/{}", next.body["pricingTableId"].as_str().unwrap());
    let cancelled = send(&world, "DELETE", &next_path, None).await;
    assert_eq!((cancelled.status, &cancelled.body["cancelledAt"]), (200, &json!(NOW)));
    assert_eq!(send(&world, "DELETE", &next_path, None).await.problem(), "ended");
    let again = post(&world, PRICING, &with(price(), &json!({"effectiveFrom": "2026-10-16"}))).await;
    assert_eq!(again.status, 201, "{}", again.text);

    // One that has begun ends today.
    let ended = send(&world, "DELETE", &path, None).await;
    assert_eq!((ended.status, ended.problem()), (409, "ended"));
}

#[actix_web::test]
async fn what_a_month_adds_is_kept_from_version_to_version() {
    let world = World::new().await;
    let tiers = json!([{"above": 1_000, "unitPrice": "0.01"}, {"above": 5_000, "unitPrice": "0.008"}]);
    let body = json!({"pricingModel": "GRADUATED", "tiers": tiers, "freeUnits": 100, "discountPercent": "12.5",
        "monthlyMinimum": "50", "monthlyFee": "9.9", "effectiveFrom": "2026-01-01"});
    let mut shown = post(&world, PRICING, &with(price(), &body)).await;
    let tiers = json!([{"above": 1_000, "unitPrice": "0.010000"}, {"above": 5_000, "unitPrice": "0.008000"}]);
    let all = json!({"pricingModel": "GRADUATED", "tiers": tiers, "package": null, "freeUnits": 100,
        "discountPercent": "12.50", "monthlyMinimum": "50.000000", "monthlyFee": "9.900000"});
    assert_eq!(shown.status, 201, "{}", shown.text);
    assert_terms(&shown, &all);
    let other = json!([{"above": 7, "unitPrice": "0.000001"}]);
    for (change, differs) in [
        (json!({"unitPrice": "0.02"}), json!({})),
        (json!({"tiers": other}), json!({"tiers": other})),
        (json!({"pricingModel": "GRADUATED", "freeUnits": 0}), json!({"tiers": other, "freeUnits": null})),
        (
            json!({"pricingModel": "VOLUME", "tiers": other, "freeUnits": 1}),
            json!({"pricingModel": "VOLUME", "tiers": other, "freeUnits": 1}),
        ),
        (
            json!({"pricingModel": "PACKAGE", "package": {"size": 10, "price": "1"}, "discountPercent": "0"}),
            json!({"pricingModel": "PACKAGE", "tiers": null, "package": {"size": 10, "price": "1.000000"},
                "freeUnits": 1, "discountPercent": null}),
        ),
        (
            json!({"pricingModel": "FLAT_PER_MESSAGE", "monthlyMinimum": "0", "monthlyFee": "0"}),
            json!({"pricingModel": "FLAT_PER_MESSAGE", "tiers": null, "freeUnits": 1, "discountPercent": null,
                "monthlyMinimum": null, "monthlyFee": null}),
        ),
    ] {
        let path = format!("{PRICING}/{}", shown.body["pricingTableId"].as_str().unwrap());
        shown = send(&world, "PATCH", &path, Some(change)).await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        assert_terms(&shown, &with(all.clone(), &differs));
    }
}

/// Null stands for a member that is not shown.
fn assert_terms(shown: &Reply, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&shown.body[name], value, "{name} of {}", shown.text);
        assert_eq!(shown.body.get(name).is_none(), value.is_null(), "{name}");
    }
}

#[actix_web::test]
async fn a_version_never_begins_before_the_one_it_changes() {
    let world = World::new().await;
    let later = post(&world, PRICING, &with(price(), &json!({"effectiveFrom": "2027-03-01"}))).await;
    let path = format!("{PRICING}/{}", later.body["pricingTableId"].as_str().unwrap());
    let next = send(&world, "PATCH", &path, Some(json!({"unitPrice": "0.5"}))).await;
    assert_eq!((next.status, &next.body["effectiveFrom"]), (200, &json!("2027-03-01")));
    let until = with(price(), &json!({"accountTier": "B", "effectiveFrom": "2026-01-01", "effectiveTo": "2026-10-15"}));
    let path = format!("{PRICING}/{}", post(&world, PRICING, &until).await.body["pricingTableId"].as_str().unwrap());
    for (body, expected) in [
        (json!({"unitPrice": "0.5"}), (409, "ended")),
        (json!({"unitPrice": "0.5", "effectiveTo": "2026-12-31"}), (200, "")),
    ] {
        let reply = send(&world, "PATCH", &path, Some(body)).await;
        assert_eq!((reply.status, reply.problem()), expected, "{}", reply.text);
    }
}

#[actix_web::test]
async fn conflicts_say_what_they_are() {
    let world = World::new().await;
    assert_eq!(post(&world, PRICING, &price()).await.status, 201);
    assert_eq!(post(&world, COSTS, &cost()).await.status, 201);
    world.memory.rate_until(Day::parse("2026-10-14").unwrap());
    for (path, body, expected) in [
        (PRICING, price(), "price-overlap"),
        (PRICING, with(price(), &json!({"accountTier": "X", "effectiveFrom": "2026-10-14"})), "rated-usage"),
        (COSTS, cost(), "cost-overlap"),
    ] {
        let reply = post(&world, path, &body).await;
        assert_eq!((reply.status, reply.problem()), (409, expected), "{}", reply.text);
    }
    let rated =
        post(&world, PRICING, &with(price(), &json!({"accountTier": "X", "effectiveFrom": "2026-10-14"}))).await;
    assert!(rated.text.contains("make a correction"), "{}", rated.text);
}

#[actix_web::test]
async fn an_operator_cost_lives_by_versions() {
    let world = World::new().await;
    let made = post(&world, COSTS, &with(cost(), &json!({"effectiveFrom": "2026-01-01"}))).await;
    let id = made.body["operatorCostId"].as_str().unwrap().to_owned();
    assert_eq!(
        made.body,
        json!({
            "operatorCostId": id, "operatorId": "41220", "direction": "MT", "costPerSegment": "0.008500",
            "currency": "USD", "effectiveFrom": "2026-01-01", "effectiveTo": null, "createdBy": SUBJECT,
            "createdAt": NOW, "cancelledAt": null, "version": 1,
        })
    );
    let path = format!("{COSTS}/{id}");
    let body = json!({"costPerSegment": "0.009", "effectiveFrom": "2026-11-01", "effectiveTo": "2026-11-30"});
    let next = send(&world, "PATCH", &path, Some(body)).await;
    assert_eq!((next.status, &next.body["version"]), (200, &json!(2)), "{}", next.text);
    assert_eq!(send(&world, "GET", &path, None).await.body["effectiveTo"], "2026-10-31");
    let next_path = format!("{COSTS}/{}", next.body["operatorCostId"].as_str().unwrap());
    let cancelled = send(&world, "DELETE", &next_path, None).await;
    assert_eq!((cancelled.status, &cancelled.body["cancelledAt"]), (200, &json!(NOW)));
    let ended = send(&world, "DELETE", &path, None).await;
    assert_eq!((ended.status, &ended.body["effectiveTo"]), (200, &json!("2026-10-15")));
    let in_force = send(&world, "GET", &format!("{COSTS}?activeOnly=true"), None).await;
    assert_eq!(in_force.body["data"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn lists_are_paged_by_cursors_of_their_own() {
    let world = World::new().await;
    for number in 0..7 {
        let changes = json!({"accountTier": format!("T{number}"), "operatorId": format!("op-{}", number % 2)});
        assert_eq!(post(&world, PRICING, &with(price(), &changes)).await.status, 201);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = send(&world, "GET", &format!("{PRICING}?operatorId=op-0&limit=3{cursor}"), None).await;
        let rows = page.body["data"].as_array().unwrap();
        assert!(rows.iter().all(|row| row["operatorId"] == "op-0"));
        seen.extend(rows.iter().map(|row| row["accountTier"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    seen.sort();
    assert_eq!(seen, ["T0", "T2", "T4", "T6"]);
    for (uri, pointers) in [
        (format!("{PRICING}?limit=50"), &[][..]),
        (format!("{PRICING}?limit=51"), &["/limit"]),
        (format!("{PRICING}?limit=0"), &["/limit"]),
        (format!("{PRICING}?limit=-1"), &["/limit"]),
        (format!("{PRICING}?limit=%2B5"), &["/limit"]),
        (format!("{PRICING}?limit=1000000000000000000000"), &["/limit"]),
        (format!("{PRICING}?limit=3{cursor}"), &["/cursor"]),
        (format!("{PRICING}?operatorId=op-1&limit=3{cursor}"), &["/cursor"]),
        (format!("{COSTS}?operatorId=op-0&limit=3{cursor}"), &["/cursor"]),
        (format!("{PRICING}?cursor=nonsense"), &["/cursor"]),
        (format!("{PRICING}?activeOnly=yes"), &["/activeOnly"]),
        (format!("{PRICING}?activeOnly=true&operatorId=*&accountTier=T1"), &[]),
        (format!("{PRICING}?accountId=1&direction=MT"), &["/accountId", "/direction"]),
        (format!("{COSTS}?direction=MO&currency=USD"), &[]),
        (format!("{COSTS}?operatorId=*&direction=up&currency=X"), &["/operatorId", "/direction", "/currency"]),
    ] {
        let reply = send(&world, "GET", &uri, None).await;
        assert_eq!((reply.pointers(), reply.status), (pointers.to_vec(), if pointers.is_empty() { 200 } else { 422 }));
    }
}

#[actix_web::test]
async fn an_idempotency_key_has_one_effect() {
    let world = World::new().await;
    let ask =
        |path: &str, key: &str, body: &Value| Ask::new("POST", path).staff().json(body).header("Idempotency-Key", key);
    let first = world.send(&ask(PRICING, "k-1", &price())).await;
    assert_eq!(first.status, 201);
    let reordered = r#"{ "unitPrice":"0.0125", "accountTier":"GROWTH", "operatorId":"*", "direction":"MT",
        "pricingModel":"PER_SEGMENT", "currency":"USD", "effectiveFrom":"2026-11-01" }"#;
    let again = Ask::new("POST", PRICING).staff().raw("application/json", reordered.into());
    for ask in [ask(PRICING, "k-1", &price()), again.header("Idempotency-Key", "k-1")] {
        let reply = world.send(&ask).await;
        assert_eq!((reply.status, &reply.body), (201, &first.body));
    }
    let other = with(price(), &json!({"accountTier": "OTHER"}));
    let someone_else = json!({"sub": "else", "scope": "billing:admin", "roles": ["platform.admin"]});
    let other_tenant = json!({"tenant_id": null, "scope": "billing:admin", "roles": ["platform.admin"]});
    let with_claims = |claims: &Value, tier: &str| {
        let body = with(price(), &json!({"accountTier": tier}));
        Ask::new("POST", PRICING).claims(claims).json(&body).header("Idempotency-Key", "k-1")
    };
    for (why, ask, expected) in [
        ("another body", ask(PRICING, "k-1", &other), (422, "idempotency-key-reused")),
        ("another path", ask(COSTS, "k-1", &cost()), (422, "idempotency-key-reused")),
        ("another subject", with_claims(&someone_else, "A"), (201, "")),
        ("another tenant", with_claims(&other_tenant, "B"), (201, "")),
        ("no key", ask(PRICING, "", &other), (400, "malformed")),
        ("a space", ask(PRICING, "a b", &other), (400, "malformed")),
        ("256 characters", ask(PRICING, &"k".repeat(256), &other), (400, "malformed")),
        ("two keys", ask(PRICING, "a", &other).header("Idempotency-Key", "b"), (400, "malformed")),
        ("255 characters", ask(PRICING, &"k".repeat(255), &other), (201, "")),
    ] {
        let reply = world.send(&ask).await;
        assert_eq!((reply.status, reply.problem()), expected, "{why}: {}", reply.text);
    }
}

#[actix_web::test]
async fn what_ends_while_a_change_of_it_is_sent_has_ended() {
    let world = Rc::new(World::new().await);
    for (list, body, change) in
        [(PRICING, price(), json!({"unitPrice": "0.5"})), (COSTS, cost(), json!({"costPerSegment": "0.5"}))]
    {
        let made = post(&world, list, &with(body, &json!({"effectiveFrom": "2026-01-01"}))).await;
        let path = made.header("Location").unwrap().to_owned();
        let (there, ending) = (Rc::clone(&world), path.clone());
        let end = async move { assert_eq!(send(&there, "DELETE", &ending, None).await.status, 200) };
        let ask = Ask::new("PATCH", &path).staff().json(&change);
        let late = world.send_after(&ask, Some(Box::pin(end))).await;
        assert_eq!((late.status, late.problem()), (409, "ended"), "{}", late.text);
    }
}
