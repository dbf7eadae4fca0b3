//! Bodies: media types, sizes, shapes, and every field of prices and operator costs.

use billing_domain::Day;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{Ask, Reply, World};

const PRICING: &str = "/v1/admin/pricing";
const COSTS: &str = "/v1/admin/operator-costs";

pub(super) fn price() -> Value {
    json!({
        "accountTier": "GROWTH", "operatorId": "*", "direction": "MT", "pricingModel": "PER_SEGMENT",
        "unitPrice": "0.0125", "currency": "USD", "effectiveFrom": "2026-11-01",
    })
}

pub(super) fn cost() -> Value {
    json!({
        "operatorId": "41220", "direction": "MT", "costPerSegment": "0.0085", "currency": "USD",
        "effectiveFrom": "2026-11-01",
    })
}

/// A body with some fields otherwise; a field that becomes `"-"` is left out.
pub(super) fn with(mut body: Value, changes: &Value) -> Value {
    let object = body.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        object.insert(name.clone(), value.clone());
        if value == "-" {
            object.remove(name);
        }
    }
    body
}

pub(super) async fn post(world: &World, path: &str, body: &Value) -> Reply {
    world.send(&Ask::new("POST", path).staff().json(body)).await
}

#[actix_web::test]
async fn only_one_flat_json_object_of_64_kib_is_read() {
    let world = World::new().await;
    let json = "application/json";
    let body = || price().to_string().into_bytes();
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(20_000), "]".repeat(20_000));
    for (why, content_type, body, expected) in [
        ("plain", json, body(), 201),
        ("with a charset", "application/json; charset=UTF-8", price_of("A"), 201),
        ("65536 bytes", json, with_tier_padded("B", 65_536), 201),
        ("65537 bytes", json, with_tier_padded("C", 65_537), 413),
        ("text", "text/plain", body(), 415),
        ("merge patch", "application/merge-patch+json", body(), 415),
        ("latin 1", "application/json; charset=latin1", body(), 415),
        ("form", "application/x-www-form-urlencoded", b"a=1".to_vec(), 415),
        ("an array", json, b"[]".to_vec(), 400),
        ("a text", json, b"\"x\"".to_vec(), 400),
        ("half an object", json, b"{\"unitPrice\":".to_vec(), 400),
        ("two objects", json, b"{}{}".to_vec(), 400),
        ("NaN", json, b"{\"unitPrice\":NaN}".to_vec(), 400),
        ("a number beyond all bounds", json, b"{\"unitPrice\":1e999}".to_vec(), 400),
        ("not UTF-8", json, b"{\"unitPrice\":\"\xff\"}".to_vec(), 400),
        ("deep", json, deep.into_bytes(), 400),
        ("a lone surrogate", json, br#"{"accountTier":"\ud800"}"#.to_vec(), 400),
        ("a doubled field", json, br#"{"unitPrice":"1","unitPrice":"2"}"#.to_vec(), 422),
        ("an empty object", json, b"{}".to_vec(), 422),
    ] {
        let reply = world.send(&Ask::new("POST", PRICING).staff().raw(content_type, body)).await;
        assert_eq!(reply.status, expected, "{why}: {}", reply.text);
        assert!(expected == 201 || reply.header("Content-Type") == Some("application/problem+json"), "{why}");
    }
    let nothing = world.send(&Ask::new("POST", PRICING).staff()).await;
    assert_eq!(nothing.status, 415);
}

fn price_of(tier: &str) -> Vec<u8> {
    with(price(), &json!({"accountTier": tier})).to_string().into_bytes()
}

fn with_tier_padded(tier: &str, length: usize) -> Vec<u8> {
    let mut body = price_of(tier);
    body.resize(length, b' ');
    body
}

#[actix_web::test]
async fn every_field_of_a_price_is_checked() {
    let world = World::new().await;
    let million_digits = "9".repeat(60_000);
    for (changes, pointers) in [
        (json!({}), &[][..]),
        (json!({"accountTier": "T1", "effectiveTo": "2026-11-01"}), &[]),
        (json!({"accountTier": "T2", "effectiveTo": null, "chargeOn": "DELIVERED"}), &[]),
        (json!({"accountTier": "-", "accountId": Uuid::from_u128(5)}), &[]),
        (json!({"accountTier": "T3", "operatorId": "41220", "unitPrice": "0", "direction": "MO"}), &[]),
        (json!({"accountTier": "T4", "unitPrice": "999999.999999", "pricingModel": "FLAT_PER_MESSAGE"}), &[]),
        (json!({"accountTier": "-"}), &["/accountTier"]),
        (json!({"accountTier": null}), &["/accountTier"]),
        (json!({"accountTier": " A"}), &["/accountTier"]),
        (json!({"accountTier": "A\u{0}"}), &["/accountTier"]),
        (json!({"accountTier": "x".repeat(65)}), &["/accountTier"]),
        (json!({"accountId": "5"}), &["/accountId"]),
        (json!({"operatorId": "**"}), &["/operatorId"]),
        (json!({"operatorId": 41220}), &["/operatorId"]),
        (json!({"direction": "mt"}), &["/direction"]),
        (json!({"pricingModel": "TIERED"}), &["/pricingModel"]),
        (json!({"pricingModel": "-"}), &["/pricingModel"]),
        (json!({"chargeOn": "SENT"}), &["/chargeOn"]),
        (json!({"unitPrice": 0.0125}), &["/unitPrice"]),
        (json!({"unitPrice": "-0.000001"}), &["/unitPrice"]),
        (json!({"unitPrice": "0.0000001"}), &["/unitPrice"]),
        (json!({"unitPrice": "1000000"}), &["/unitPrice"]),
        (json!({"unitPrice": "NaN"}), &["/unitPrice"]),
        (json!({"unitPrice": "1e3"}), &["/unitPrice"]),
        (json!({"unitPrice": ""}), &["/unitPrice"]),
        (json!({"unitPrice": million_digits}), &["/unitPrice"]),
        (json!({"unitPrice": null}), &["/unitPrice"]),
        (json!({"unitPrice": ["1"]}), &["/unitPrice"]),
        (json!({"currency": "usd"}), &["/currency"]),
        (json!({"currency": "XAU"}), &["/currency"]),
        (json!({"effectiveFrom": "-"}), &["/effectiveFrom"]),
        (json!({"effectiveFrom": "2026-11-31"}), &["/effectiveFrom"]),
        (json!({"effectiveTo": "2026-10-31"}), &["/effectiveTo"]),
        (json!({"version": "2", "createdBy": "me"}), &["/createdBy", "/version"]),
        (json!({"unitprice": "1", "direction": "X", "currency": "-"}), &["/direction", "/currency", "/unitprice"]),
    ] {
        let body = with(price(), &changes);
        let reply = post(&world, PRICING, &body).await;
        let shown: String = changes.to_string().chars().take(80).collect();
        assert_eq!(reply.status, if pointers.is_empty() { 201 } else { 422 }, "{shown}: {}", reply.text);
        assert_eq!(reply.pointers(), pointers, "{shown}");
    }
    let told = post(&world, PRICING, &with(price(), &json!({"unitPrice": 0.0125}))).await;
    assert!(told.body["errors"][0]["detail"].as_str().unwrap().contains("\"0.0125\""), "{}", told.text);
}

#[actix_web::test]
async fn every_field_of_a_months_terms_is_checked() {
    let world = World::new().await;
    let tier = |above: u64, price: &str| json!({"above": above, "unitPrice": price});
    let graduated = |tiers: Value| json!({"pricingModel": "GRADUATED", "tiers": tiers});
    let twenty: Vec<Value> = (1..=20).map(|above| tier(above, "0.01")).collect();
    let twenty_one: Vec<Value> = (1..=21).map(|above| tier(above, "0.01")).collect();
    let package =
        |size: Value, price: Value| json!({"pricingModel": "PACKAGE", "package": {"size": size, "price": price}});
    let million_digits = "9".repeat(60_000);
    for (changes, pointers) in [
        (graduated(json!([tier(1, "0")])), &[][..]),
        (json!({"pricingModel": "VOLUME", "tiers": twenty}), &[]),
        (package(json!(1), json!("999999.999999")), &[]),
        (package(json!(1_000_000_000), json!("0")), &[]),
        (json!({"freeUnits": 0, "discountPercent": "0", "monthlyMinimum": "0", "monthlyFee": "0.000000"}), &[]),
        (json!({"freeUnits": 9_007_199_254_740_991_u64, "discountPercent": "100"}), &[]),
        (json!({"monthlyMinimum": "999999999999.999999", "monthlyFee": "999999999999.999999"}), &[]),
        (json!({"freeUnits": null, "discountPercent": null, "monthlyMinimum": null, "monthlyFee": null}), &[]),
        (json!({"pricingModel": "GRADUATED"}), &["/tiers"]),
        (json!({"pricingModel": "VOLUME"}), &["/tiers"]),
        (json!({"pricingModel": "PACKAGE"}), &["/package"]),
        (json!({"tiers": [tier(1, "1")]}), &["/tiers"]),
        (json!({"package": {"size": 1, "price": "1"}}), &["/package"]),
        (json!({"pricingModel": "PACKAGE", "tiers": [tier(1, "1")]}), &["/tiers", "/package"]),
        (
            json!({"pricingModel": "X", "tiers": [{"above": 0}]}),
            &["/pricingModel", "/tiers/0/above", "/tiers/0/unitPrice"],
        ),
        (graduated(json!([])), &["/tiers"]),
        (graduated(json!(twenty_one)), &["/tiers"]),
        (graduated(json!(null)), &["/tiers"]),
        (graduated(json!({"above": 1, "unitPrice": "1"})), &["/tiers"]),
        (graduated(json!([1])), &["/tiers/0"]),
        (graduated(json!([tier(5, "1"), tier(5, "1")])), &["/tiers/1/above"]),
        (graduated(json!([tier(5, "1"), tier(9, "1"), tier(7, "1")])), &["/tiers/2/above"]),
        (graduated(json!([tier(0, "1")])), &["/tiers/0/above"]),
        (graduated(json!([{"above": -1, "unitPrice": "1"}])), &["/tiers/0/above"]),
        (graduated(json!([{"above": 1.5, "unitPrice": "1"}])), &["/tiers/0/above"]),
        (graduated(json!([{"above": "1", "unitPrice": "1"}])), &["/tiers/0/above"]),
        (graduated(json!([{"above": null, "unitPrice": "1"}])), &["/tiers/0/above"]),
        (graduated(json!([{"above": 9_007_199_254_740_992_u64, "unitPrice": "1"}])), &["/tiers/0/above"]),
        (graduated(json!([{"unitPrice": "1", "from": 1}])), &["/tiers/0/above", "/tiers/0/from"]),
        (graduated(json!([tier(1, "NaN"), tier(2, "1e3")])), &["/tiers/0/unitPrice", "/tiers/1/unitPrice"]),
        (graduated(json!([tier(1, "0.0000001"), tier(2, "-1")])), &["/tiers/0/unitPrice", "/tiers/1/unitPrice"]),
        (graduated(json!([tier(1, &million_digits)])), &["/tiers/0/unitPrice"]),
        (graduated(json!([{"above": 1, "unitPrice": 1}])), &["/tiers/0/unitPrice"]),
        (package(json!(0), json!("1")), &["/package/size"]),
        (package(json!(1_000_000_001), json!("1")), &["/package/size"]),
        (package(json!(1e3), json!("1")), &["/package/size"]),
        (package(json!(1), json!("1000000")), &["/package/price"]),
        (package(json!(null), json!(null)), &["/package/size", "/package/price"]),
        (json!({"pricingModel": "PACKAGE", "package": []}), &["/package"]),
        (json!({"pricingModel": "PACKAGE", "package": {"size": 1, "price": "1", "unit": "x"}}), &["/package/unit"]),
        (json!({"freeUnits": "100"}), &["/freeUnits"]),
        (json!({"freeUnits": -1}), &["/freeUnits"]),
        (json!({"freeUnits": 0.5}), &["/freeUnits"]),
        (json!({"freeUnits": 1e30}), &["/freeUnits"]),
        (json!({"discountPercent": 10}), &["/discountPercent"]),
        (json!({"discountPercent": "100.01"}), &["/discountPercent"]),
        (json!({"discountPercent": "12.505"}), &["/discountPercent"]),
        (json!({"discountPercent": "-1"}), &["/discountPercent"]),
        (json!({"discountPercent": "1e1"}), &["/discountPercent"]),
        (json!({"discountPercent": "NaN"}), &["/discountPercent"]),
        (json!({"discountPercent": million_digits}), &["/discountPercent"]),
        (json!({"monthlyMinimum": "-0.000001", "monthlyFee": "0.0000001"}), &["/monthlyMinimum", "/monthlyFee"]),
        (json!({"monthlyMinimum": 1, "monthlyFee": "1000000000000"}), &["/monthlyMinimum", "/monthlyFee"]),
        (json!({"monthlyMinimum": "Infinity", "monthlyFee": million_digits}), &["/monthlyMinimum", "/monthlyFee"]),
    ]
    .into_iter()
    .zip(0..)
    .map(|((changes, pointers), tier)| (with(changes, &json!({"accountTier": format!("M{tier}")})), pointers))
    {
        let reply = post(&world, PRICING, &with(price(), &changes)).await;
        let shown: String = changes.to_string().chars().take(120).collect();
        assert_eq!(reply.status, if pointers.is_empty() { 201 } else { 422 }, "{shown}: {}", reply.text);
        assert_eq!(reply.pointers(), pointers, "{shown}");
    }
}

#[actix_web::test]
async fn every_field_of_an_operator_cost_is_checked() {
    let world = World::new().await;
    for (changes, pointers) in [
        (json!({}), &[][..]),
        (json!({"operatorId": "41240", "effectiveTo": "2026-12-31"}), &[]),
        (json!({"operatorId": "*"}), &["/operatorId"]),
        (json!({"costPerSegment": 1}), &["/costPerSegment"]),
        (json!({"costPerSegment": "-"}), &["/costPerSegment"]),
        (json!({"direction": null}), &["/direction"]),
        (json!({"currency": "AFGHANI"}), &["/currency"]),
        (json!({"accountTier": "GROWTH"}), &["/accountTier"]),
        (json!({"effectiveFrom": "tomorrow"}), &["/effectiveFrom"]),
    ] {
        let reply = post(&world, COSTS, &with(cost(), &changes)).await;
        assert_eq!(reply.status, if pointers.is_empty() { 201 } else { 422 }, "{changes}: {}", reply.text);
        assert_eq!(reply.pointers(), pointers, "{changes}");
    }
}

#[actix_web::test]
async fn a_change_names_what_may_change() {
    let world = World::new().await;
    let begun = with(price(), &json!({"effectiveFrom": "2026-01-01"}));
    let id = post(&world, PRICING, &begun).await.body["pricingTableId"].as_str().unwrap().to_owned();
    world.memory.rate_until(Day::parse("2026-10-14").unwrap());
    for (body, pointers) in [
        (json!({}), &["/unitPrice"][..]),
        (json!({"effectiveFrom": "2026-12-01"}), &["/unitPrice"]),
        (json!({"unitPrice": null}), &["/unitPrice"]),
        (json!({"unitPrice": "1", "effectiveFrom": null}), &["/effectiveFrom"]),
        (json!({"unitPrice": "x"}), &["/unitPrice"]),
        (json!({"unitPrice": "1", "accountTier": "GROWTH"}), &["/accountTier"]),
        (
            json!({"unitPrice": "1", "accountId": null, "operatorId": "1", "direction": "MO", "currency": "AFN"}),
            &["/accountId", "/operatorId", "/direction", "/currency"],
        ),
        (json!({"unitPrice": "1", "effectiveFrom": "2025-12-31"}), &["/effectiveFrom"]),
        (json!({"unitPrice": "1", "effectiveFrom": "2026-12-01", "effectiveTo": "2026-11-30"}), &["/effectiveTo"]),
        (json!({"unitPrice": "1", "id": "2"}), &["/id"]),
        (json!({"tiers": [{"above": 1, "unitPrice": "1"}]}), &["/tiers"]),
        (json!({"pricingModel": "VOLUME"}), &["/tiers"]),
        (json!({"pricingModel": "PACKAGE", "monthlyFee": null}), &["/monthlyFee", "/package"]),
        (json!({"freeUnits": null, "package": null}), &["/package", "/freeUnits"]),
    ] {
        let reply = world.send(&Ask::new("PATCH", &format!("{PRICING}/{id}")).staff().json(&body)).await;
        assert_eq!((reply.status, reply.pointers()), (422, pointers.to_vec()), "{body}: {}", reply.text);
    }
    let key =
        world.send(&Ask::new("PATCH", &format!("{PRICING}/{id}")).staff().json(&json!({"currency": "AFN"}))).await;
    assert!(key.text.contains("create another one"), "{}", key.text);
}
