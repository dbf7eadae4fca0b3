//! Usage: parameters, sums, currencies, and what customers must not see.

use billing_domain::ports::AccountProfile;
use billing_domain::usage::{BucketSums, UsageCell};
use billing_domain::{AccountId, Currency, MicrosSum, OperatorId, TenantId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{ACCOUNT, Ask, NOW, SUBJECT, TENANT, World, now};

fn cell(currency: &str, start: &str, messages: u64, micros: i128) -> UsageCell {
    let (amount, cost) = (MicrosSum(micros), MicrosSum(micros / 2));
    let sums = BucketSums {
        messages,
        segments: 2 * messages,
        units: 2 * messages,
        amount,
        cost,
        uncosted: 0,
        foreign_cost: 0,
    };
    UsageCell { currency: Currency::new(currency).unwrap(), start: start.parse().unwrap(), sums }
}

/// Two operators, two days, two currencies.
pub(super) fn put_usage(world: &World, account: Uuid, tenant: Uuid) {
    let (account, currency) = (AccountId(account), Currency::new("USD").unwrap());
    world.memory.put_account(account, AccountProfile { tenant: TenantId(tenant), currency });
    for (operator, cell) in [
        ("op-20", cell("USD", "2026-10-01T00:00:00Z", 3, 37_500)),
        ("op-40", cell("USD", "2026-10-03T00:00:00Z", 1, 1)),
        ("op-20", cell("AFN", "2026-10-01T00:00:00Z", 10, 5_000_000)),
        ("op-20", cell("USD", "2026-09-30T00:00:00Z", 100, 100_000_000)),
    ] {
        world.memory.put_usage(account, OperatorId::new(operator).unwrap(), cell);
    }
}

#[actix_web::test]
async fn a_customer_sees_every_period_and_no_cost() {
    let world = World::new().await;
    put_usage(&world, ACCOUNT, TENANT);
    let uri = "/v1/billing/usage?from=2026-10-01&to=2026-10-03&operatorId=op-20";
    let reply = world.send(&Ask::get(uri).customer(ACCOUNT)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.header("Cache-Control"), Some("private, no-cache"));
    let sums = |messages: u64, price: &str| json!({"messageCount": messages, "segmentCount": 2 * messages, "totalCustomerPrice": price});
    let bucket = |period: &str, messages: u64, price: &str| {
        let mut bucket = sums(messages, price);
        bucket["period"] = json!(period);
        bucket
    };
    let usage = |currency: &str, messages: u64, price: &str| {
        json!({
            "accountId": ACCOUNT, "currency": currency, "from": "2026-10-01", "to": "2026-10-03",
            "granularity": "day", "asOf": NOW, "totals": sums(messages, price),
            "buckets": [
                bucket("2026-10-01", messages, price),
                bucket("2026-10-02", 0, "0.000000"),
                bucket("2026-10-03", 0, "0.000000"),
            ],
        })
    };
    let mut expected = usage("USD", 3, "0.037500");
    expected["currencies"] = json!([usage("USD", 3, "0.037500"), usage("AFN", 10, "5.000000")]);
    assert_eq!(reply.body, expected);
    assert!(world.memory.noted_reads().is_empty());
}

#[actix_web::test]
async fn staff_see_cost_and_margin_and_are_noted() {
    let world = World::new().await;
    put_usage(&world, ACCOUNT, TENANT);
    let mut unknown = cell("USD", "2026-10-02T00:00:00Z", 1, 10);
    unknown.sums.uncosted = 1;
    world.memory.put_usage(AccountId(ACCOUNT), OperatorId::new("op-80").unwrap(), unknown);
    for (operator, cost, margin) in
        [("op-40", json!("0.000000"), json!("0.000001")), ("op-80", Value::Null, Value::Null)]
    {
        let uri = format!("/v1/billing/usage?accountId={ACCOUNT}&granularity=month&operatorId={operator}");
        let claims = json!({"account_id": null, "roles": ["platform.finance"]});
        let traced = Ask::get(&uri).claims(&claims);
        let traced = traced.header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let reply = world.send(&traced).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!((&reply.body["totals"]["totalOperatorCost"], &reply.body["totals"]["margin"]), (&cost, &margin));
        assert_eq!(reply.body["buckets"][0]["period"], "2026-10");
        assert!(reply.body["buckets"][0].as_object().unwrap().contains_key("margin"));
    }
    let noted = world.memory.noted_reads();
    assert_eq!(noted.len(), 2);
    assert_eq!((noted[0].account, noted[0].what, noted[0].action.at), (Some(AccountId(ACCOUNT)), "usage", now()));
    assert_eq!(noted[0].action.actor, SUBJECT);
    assert_eq!(noted[0].action.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    // Their own account is nobody else's business.
    let own = json!({"roles": ["platform.finance"]});
    assert_eq!(world.send(&Ask::get("/v1/billing/usage").claims(&own)).await.status, 200);
    assert_eq!(world.memory.noted_reads().len(), 2);
}

#[actix_web::test]
async fn an_own_account_without_any_usage_is_empty_and_another_is_missing() {
    let world = World::new().await;
    let reply = world.send(&Ask::get("/v1/billing/usage").customer(ACCOUNT)).await;
    assert_eq!(reply.status, 200);
    assert_eq!((&reply.body["currency"], &reply.body["buckets"]), (&Value::Null, &json!([])));
    assert_eq!(reply.body["totals"]["totalCustomerPrice"], "0.000000");
    assert_eq!(reply.body["asOf"], NOW);
    assert_eq!((&reply.body["from"], &reply.body["to"]), (&json!("2026-10-01"), &json!("2026-10-15")));
    let uri = format!("/v1/billing/usage?accountId={}", Uuid::from_u128(0xDD));
    assert_eq!(world.send(&Ask::get(&uri).staff()).await.status, 404);
    // An account of another tenant, though the token names it.
    put_usage(&world, Uuid::from_u128(0xBB), Uuid::from_u128(0xB));
    let reply = world.send(&Ask::get("/v1/billing/usage").customer(Uuid::from_u128(0xBB))).await;
    assert_eq!((reply.status, &reply.body["currency"]), (200, &Value::Null));
}

#[actix_web::test]
async fn parameters_are_checked_one_by_one() {
    let world = World::new().await;
    for (query, expected) in [
        ("granularity=hour&from=2026-10-01&to=2026-10-31", &[][..]),
        ("from=2026-01-01&to=2027-02-04", &[]),
        ("granularity=week", &["/granularity"]),
        ("granularity=Day", &["/granularity"]),
        ("granularity=", &["/granularity"]),
        ("from=2026-10-01", &["/to"]),
        ("to=2026-10-01", &["/from"]),
        ("from=2026-10-02&to=2026-10-01", &["/to"]),
        ("from=2026-02-29&to=2026-03-01", &["/from"]),
        ("from=2026-10-01T00:00:00Z&to=2026-10-02", &["/from"]),
        ("from=2026-01-01&to=2027-02-05", &["/to"]),
        ("granularity=hour&from=2026-10-01&to=2026-11-01", &["/to"]),
        ("from=0001-01-01&to=9999-12-31", &["/from", "/to"]),
        ("operatorId=*", &["/operatorId"]),
        ("operatorId=op%2020", &["/operatorId"]),
        ("operatorId=%FF", &["/operatorId"]),
        ("accountId=nonsense", &["/accountId"]),
        ("from=2026-10-01&to=2026-10-02&from=2026-10-01", &["/from"]),
        ("tenantId=1&limit=5", &["/tenantId", "/limit"]),
        ("From=2026-10-01&to=2026-10-02", &["/from", "/From"]),
        ("a~b%2Fc=1", &["/a~0b~1c"]),
    ] {
        let reply = world.send(&Ask::get(&format!("/v1/billing/usage?{query}")).customer(ACCOUNT)).await;
        assert_eq!(reply.status, if expected.is_empty() { 200 } else { 422 }, "{query}: {}", reply.text);
        assert_eq!(reply.pointers(), expected, "{query}: {}", reply.text);
    }
}

#[actix_web::test]
async fn the_file_shows_what_its_reader_may_see() {
    let world = World::new().await;
    put_usage(&world, ACCOUNT, TENANT);
    let uri = format!("/v1/billing/usage?from=2026-10-01&to=2026-10-02&operatorId=op-20&accountId={ACCOUNT}");
    let ask = Ask::get(&uri).header("Accept", "text/csv");
    let line = |rest: &str| format!("{ACCOUNT},{rest}\r\n");
    let head = "accountId,currency,period,messageCount,segmentCount,totalCustomerPrice";
    let rows = [
        ("USD,2026-10-01,3,6,0.037500", "0.018750,0.018750"),
        ("USD,2026-10-02,0,0,0.000000", "0.000000,0.000000"),
        ("AFN,2026-10-01,10,20,5.000000", "2.500000,2.500000"),
        ("AFN,2026-10-02,0,0,0.000000", "0.000000,0.000000"),
    ];
    let reply = world.send(&ask.clone().customer(ACCOUNT)).await;
    let expected: String = rows.iter().map(|(row, _)| line(row)).collect();
    assert_eq!((reply.status, reply.text), (200, format!("{head}\r\n{expected}")));
    let name = reply.headers.get("Content-Disposition").map(|value| value.to_str().unwrap());
    assert_eq!(name, Some("attachment; filename=\"usage-2026-10-01-2026-10-02.csv\""));
    assert_eq!(reply.headers.get("Vary").map(|value| value.to_str().unwrap()), Some("Accept, Authorization"));
    let staff = world.send(&ask.claims(&json!({"account_id": null, "roles": ["platform.finance"]}))).await;
    let expected: String = rows.iter().map(|(row, cost)| line(&format!("{row},{cost}"))).collect();
    assert_eq!(staff.text, format!("{head},totalOperatorCost,margin\r\n{expected}"));
    assert_eq!(world.memory.noted_reads().len(), 1);
}
