//! What usage earns, as it is shown: the figures, the parts that they are made of, pages, and the file of it.

use billing_domain::pricing::{CostShare, Rating};
use billing_domain::usage::{Fingerprint, RatedUsage, Receipt};
use billing_domain::{CostId, Currency, Micros};
use billing_testing::{EventBuilder, book, event, price};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{Ask, NOW, World, now};

const LIST: &str = "/v1/admin/operator-costs/margin?from=2026-10-01&to=2026-10-31";

/// A message of one segment at 0.01, whose operator charges so many micros in a currency, or something unknown.
fn put(world: &World, event: EventBuilder, cost: Option<(i64, &str)>) {
    let reported = event.clone().reported();
    let event = event.build();
    let prices = book([price("0.01").build()], []);
    let Rating::Rated(mut rated) = prices.rate(&event).unwrap() else { panic!("a price is in force") };
    rated.cost = cost.map(|(micros, currency)| CostShare {
        cost: CostId(Uuid::from_u128(1)),
        amount: Micros(micros),
        currency: Currency::new(currency).unwrap(),
    });
    let receipt = Receipt { sequence: 1, published_at: now() };
    world.memory.put_rated(RatedUsage { receipt, fingerprint: Fingerprint::of(&reported), event, rated });
}

async fn world() -> World {
    let world = World::new().await;
    put(&world, event().operator("-20"), Some((12_000, "USD")));
    put(&world, event().operator("op-21"), Some((4_000, "USD")));
    put(&world, event().operator("op-21").at("2026-10-06T00:00:00Z"), None);
    put(&world, event().operator("op-22"), Some((9_000, "AFN")));
    world
}

fn part(messages: u64, revenue: &str) -> Value {
    json!({"messageCount": messages, "segmentCount": messages, "revenue": revenue})
}

/// Figures of usage of which the first part is costed.
fn figures(parts: [&Value; 3], cost: &str, margin: Option<&str>, rate: Option<&str>) -> Value {
    let [costed, uncosted, foreign] = parts;
    let count = |part: &Value| part["messageCount"].as_u64().unwrap();
    let messages = count(costed) + count(uncosted) + count(foreign);
    let is_known = messages == count(costed);
    let known = |value: Value| if is_known { value } else { Value::Null };
    let mut with_cost = costed.clone();
    (with_cost["cost"], with_cost["margin"], with_cost["marginRate"]) = (json!(cost), json!(margin), json!(rate));
    json!({
        "messageCount": messages, "segmentCount": messages, "revenue": format!("0.0{messages}0000"),
        "cost": known(json!(cost)), "margin": known(json!(margin)), "marginRate": known(json!(rate)),
        "costed": with_cost, "uncosted": uncosted, "foreignCost": foreign, "currency": "USD",
    })
}

fn with(mut value: Value, name: &str, of: &Value) -> Value {
    value[name] = of.clone();
    value
}

#[actix_web::test]
async fn losses_come_first_and_what_is_not_known_is_named() {
    let world = world().await;
    let reply = world.send(&Ask::get(LIST).staff()).await;
    assert_eq!((reply.status, reply.header("Cache-Control")), (200, Some("private, no-cache")), "{}", reply.text);
    assert_eq!(reply.header("Vary"), Some("Accept, Authorization, Accept-Encoding"));
    let (none, one) = (part(0, "0.000000"), part(1, "0.010000"));
    let loss = figures([&one, &none, &none], "0.012000", Some("-0.002000"), Some("-20.00"));
    let mixed = figures([&one, &one, &none], "0.004000", Some("0.006000"), Some("60.00"));
    let foreign = figures([&none, &none, &one], "0.000000", None, None);
    let total = figures([&part(2, "0.020000"), &one, &one], "0.016000", Some("0.004000"), Some("20.00"));
    assert_eq!(
        reply.body,
        json!({
            "from": "2026-10-01", "to": "2026-10-31", "groupBy": "operator", "asOf": NOW, "nextCursor": null,
            "data": [
                with(loss, "operatorId", &json!("-20")),
                with(mixed, "operatorId", &json!("op-21")),
                with(foreign, "operatorId", &json!("op-22")),
            ],
            "totals": [with(total, "groupCount", &json!(3))],
        })
    );
    let noted: Vec<_> = world.memory.noted_reads().into_iter().map(|read| (read.account, read.what)).collect();
    assert_eq!(noted, [(None, "margins")]);
}

#[actix_web::test]
async fn groups_are_named_by_what_they_are_grouped_by() {
    let world = world().await;
    let account = event().build().account.0;
    for (group, name, expected) in [
        ("operator", "operatorId", vec![json!("-20"), json!("op-21"), json!("op-22")]),
        ("account", "accountId", vec![json!(account)]),
        ("day", "day", vec![json!("2026-10-05"), json!("2026-10-06")]),
        // The store knows no price of these events, which alone could say.
        ("tier", "accountTier", vec![]),
    ] {
        let reply = world.send(&Ask::get(&format!("{LIST}&groupBy={group}")).staff()).await;
        let data = reply.body["data"].as_array().unwrap();
        let found: Vec<Value> = data.iter().map(|row| row[name].clone()).collect();
        assert_eq!((found, &reply.body["groupBy"]), (expected, &json!(group)), "{}", reply.text);
        // And by nothing else.
        let names = ["operatorId", "accountId", "accountTier", "day"];
        let named = |row: &Value| names.iter().filter(|name| row.get(**name).is_some()).count();
        assert!(data.iter().all(|row| named(row) == 1));
    }
}

#[actix_web::test]
async fn pages_hold_each_group_once_and_a_cursor_is_of_its_question() {
    let world = world().await;
    let (mut found, mut cursor, mut last) = (Vec::new(), String::new(), String::new());
    loop {
        let reply = world.send(&Ask::get(&format!("{LIST}&limit=1{cursor}")).staff()).await;
        assert_eq!(reply.body["totals"][0]["groupCount"], 3);
        found.extend(reply.body["data"].as_array().unwrap().iter().map(|row| row["operatorId"].clone()));
        let Some(next) = reply.body["nextCursor"].as_str() else { break };
        last = next.to_owned();
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, ["-20", "op-21", "op-22"]);
    for (query, expected) in [
        (format!("&groupBy=operator&cursor={last}"), vec!["/cursor"]),
        (format!("&groupBy=day&cursor={last}"), vec!["/cursor"]),
        ("&groupBy=Day".into(), vec!["/groupBy"]),
        ("&currency=usd".into(), vec!["/currency"]),
        ("&limit=51".into(), vec!["/limit"]),
        ("&operatorId=op-20".into(), vec!["/operatorId"]),
    ] {
        let reply = world.send(&Ask::get(&format!("{LIST}{query}")).staff()).await;
        assert_eq!((reply.status, reply.pointers()), (422, expected), "{query}");
    }
    for (range, expected) in [
        ("from=2026-01-01&to=2027-02-04", vec![]),
        ("from=2026-01-01&to=2027-02-05", vec!["/to"]),
        ("from=2026-10-02&to=2026-10-01", vec!["/to"]),
        ("from=2026-10-02", vec!["/to"]),
        ("", vec![]),
    ] {
        let reply = world.send(&Ask::get(&format!("/v1/admin/operator-costs/margin?{range}")).staff()).await;
        assert_eq!(reply.pointers(), expected, "{range}: {}", reply.text);
    }
}

#[actix_web::test]
async fn the_file_has_every_group_and_no_formula() {
    let world = world().await;
    let ask = Ask::get(LIST).staff().header("Accept", "text/csv");
    let reply = world.send(&ask).await;
    assert_eq!(reply.header("Content-Type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(reply.header("Content-Disposition"), Some("attachment; filename=\"margins-2026-10-01-2026-10-31.csv\""));
    let kept = (reply.header("Vary"), reply.header("Cache-Control"));
    assert_eq!(kept, (Some("Accept, Authorization"), Some("private, no-store")));
    let none = "0,0,0.000000";
    let expected = [
        "operatorId,currency,messageCount,segmentCount,revenue,cost,margin,marginRate,costedMessageCount,\
         costedSegmentCount,costedRevenue,costedCost,costedMargin,costedMarginRate,uncostedMessageCount,\
         uncostedSegmentCount,uncostedRevenue,foreignCostMessageCount,foreignCostSegmentCount,foreignCostRevenue"
            .to_owned(),
        format!("'-20,USD,1,1,0.010000,0.012000,-0.002000,-20.00,1,1,0.010000,0.012000,-0.002000,-20.00,{none},{none}"),
        format!("op-21,USD,2,2,0.020000,,,,1,1,0.010000,0.004000,0.006000,60.00,1,1,0.010000,{none}"),
        format!("op-22,USD,1,1,0.010000,,,,{none},0.000000,,,{none},1,1,0.010000"),
    ];
    assert_eq!(reply.text, expected.map(|line| format!("{line}\r\n")).concat());
    let noted: Vec<_> = world.memory.noted_reads().into_iter().map(|read| (read.account, read.what)).collect();
    assert_eq!(noted, [(None, "margins")]);
    let paged = Ask::get(&format!("{LIST}&limit=1")).staff().header("Accept", "text/csv");
    let reply = world.send(&paged).await;
    assert_eq!((reply.status, reply.pointers()), (422, vec!["/limit"]));
}
