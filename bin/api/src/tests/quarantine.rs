//! Quarantined messages: lists, one without its bytes, and what staff decide about them.

use billing_domain::ports::{HeldMessage, Quarantine as _, ReplayEnd, ReplayedAs, Resolution};
use billing_domain::usage::{QuarantineReason, Receipt};
use billing_domain::{AccountId, TenantId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{ACCOUNT, Ask, NOW, Reply, SUBJECT, World, now};

const LIST: &str = "/v1/admin/pricing/quarantine";
const RAW: &[u8] = br#"{"to":"+93701234567"}"#;

fn held(id: i64) -> HeldMessage {
    HeldMessage {
        id,
        receipt: Receipt { sequence: 7, published_at: "2026-10-14T08:00:00Z".parse().unwrap() },
        reason: QuarantineReason::Malformed,
        detail: "not JSON".into(),
        account: Some(AccountId(ACCOUNT)),
        arrived_at: "2026-10-14T08:00:01Z".parse().unwrap(),
        bytes: 21,
        resolved: None,
    }
}

/// A message that is open, in the place of one with its id.
pub(super) fn put_open(world: &World, id: i64) {
    world.memory.put_held(held(id), RAW);
}

/// Of every state and sort: 1 is open, 2 discarded, 3 replayed, 4 of another tenant's header, 5 too large, 6 too old.
async fn world() -> World {
    let world = World::new().await;
    let resolved = |resolution| Some((resolution, "cli:alice".to_owned(), now()));
    let month_ago = "2026-09-14T12:00:00Z".parse().unwrap();
    for message in [
        held(1),
        HeldMessage { resolved: resolved(Resolution::Discarded("a test".into())), ..held(2) },
        HeldMessage { resolved: resolved(Resolution::Replayed(ReplayedAs::Unrated)), account: None, ..held(3) },
        HeldMessage { reason: QuarantineReason::TenantMismatch, ..held(4) },
        HeldMessage { bytes: 1 << 20, ..held(5) },
        HeldMessage { arrived_at: month_ago, ..held(6) },
    ] {
        world.memory.put_held(message, RAW);
    }
    world
}

fn shown(id: i64) -> Value {
    json!({
        "quarantineId": id, "reason": "malformed", "detail": "not JSON", "accountId": ACCOUNT,
        "arrivedAt": "2026-10-14T08:00:01Z", "publishedAt": "2026-10-14T08:00:00Z", "streamSequence": 7,
        "byteCount": 21, "state": "open", "resolvedBy": null, "resolvedAt": null,
    })
}

fn with(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        value[name] = change.clone();
    }
    value
}

async fn post(world: &World, path: &str, key: Option<&str>, body: &Value) -> Reply {
    let ask = Ask::new("POST", &format!("{LIST}/{path}")).staff().json(body);
    world.send(&key.map_or(ask.clone(), |key| ask.header("Idempotency-Key", key))).await
}

#[actix_web::test]
async fn lists_are_filtered_and_paged() {
    let world = world().await;
    for (query, expected) in [
        ("", vec![1, 4, 5, 6]),
        ("state=open&reason=tenant_mismatch", vec![4]),
        ("state=replayed", vec![3]),
        ("state=discarded", vec![2]),
        ("state=all", vec![1, 2, 3, 4, 5, 6]),
        (&format!("state=all&accountId={ACCOUNT}"), vec![1, 2, 4, 5, 6]),
        ("from=2026-10-14", vec![1, 4, 5]),
        ("to=2026-10-13", vec![6]),
        ("from=2026-10-14&to=2026-10-14", vec![1, 4, 5]),
    ] {
        for limit in ["1", "2", "50"] {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let uri = format!("{LIST}?{query}{}limit={limit}{cursor}", if query.is_empty() { "" } else { "&" });
                let reply = world.send(&Ask::get(&uri).staff()).await;
                assert_eq!(reply.status, 200, "{uri}: {}", reply.text);
                let data = reply.body["data"].as_array().unwrap();
                found.extend(data.iter().map(|row| row["quarantineId"].as_i64().unwrap()));
                let Some(next) = reply.body["nextCursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(found, expected, "{query} by {limit}");
        }
    }
    for (query, expected) in [
        ("state=closed", "/state"),
        ("reason=Malformed", "/reason"),
        ("from=2026-10-14&to=2026-10-13", "/to"),
        ("accountId=1", "/accountId"),
        ("since=2026-10-14", "/since"),
    ] {
        let reply = world.send(&Ask::get(&format!("{LIST}?{query}")).staff()).await;
        assert_eq!((reply.status, reply.pointers()), (422, vec![expected]), "{query}");
    }
    let first = world.send(&Ask::get(&format!("{LIST}?state=all&limit=3")).staff()).await;
    let discarded = json!({
        "state": "discarded", "discardReason": "a test", "resolvedBy": "cli:alice", "resolvedAt": NOW,
    });
    let replayed = json!({
        "state": "replayed", "replayedAs": "unrated", "resolvedBy": "cli:alice", "resolvedAt": NOW, "accountId": null,
    });
    assert_eq!(first.body["data"], json!([shown(1), with(shown(2), &discarded), with(shown(3), &replayed)]));
}

#[actix_web::test]
async fn one_is_shown_without_what_could_be_a_phone_number() {
    let world = world().await;
    let reply = world.send(&Ask::get(&format!("{LIST}/1")).staff()).await;
    assert_eq!((reply.status, reply.header("Cache-Control")), (200, Some("private, no-store")));
    let content = json!({"content": "{\"to\":\"+***********\"}", "replay": null});
    assert_eq!(reply.body, with(shown(1), &content));
    assert_eq!(world.memory.noted_reads().len(), 1);
    for id in ["0", "01", "999", "-1", "+1", "1.0", "x", "%31x", "99999999999999999999"] {
        for (method, below) in [("GET", ""), ("POST", "/replay"), ("POST", "/discard")] {
            let reply = world.send(&Ask::new(method, &format!("{LIST}/{id}{below}?unknown=1")).staff()).await;
            assert_eq!((reply.status, reply.problem()), (404, "not-found"), "{method} {id}{below}");
        }
    }
    assert_eq!(world.memory.noted_reads().len(), 1);
}

#[actix_web::test]
async fn a_replay_is_asked_for_once_and_says_what_came_of_it() {
    let world = world().await;
    let first = post(&world, "1/replay", Some("k"), &json!({})).await;
    assert_eq!(first.status, 202, "{}", first.text);
    let waits = json!({
        "requestedAt": NOW, "requestedBy": SUBJECT, "tenantId": null, "allowOld": false, "endedAt": null,
        "outcome": null, "detail": null,
    });
    assert_eq!((&first.body["state"], &first.body["replay"]), (&json!("open"), &waits));
    let again = post(&world, "1/replay", Some("k"), &json!({})).await;
    assert_eq!((again.status, &again.body), (202, &first.body));
    let tenant = Uuid::from_u128(0xA);
    for (path, key, body, status, problem, pointer) in [
        ("1/replay", None, json!({}), 409, "not-replayable", None),
        ("1/replay", Some("k"), json!({"allowOld": true}), 422, "idempotency-key-reused", None),
        ("2/replay", None, json!({}), 409, "resolved", None),
        ("3/replay", None, json!({}), 409, "resolved", None),
        ("4/replay", None, json!({}), 422, "invalid", Some("/tenantId")),
        ("4/replay", None, json!({"tenantId": "x"}), 422, "invalid", Some("/tenantId")),
        ("5/replay", None, json!({}), 409, "not-replayable", None),
        ("6/replay", None, json!({}), 409, "not-replayable", None),
        ("1/replay", None, json!({"allowOld": "true"}), 422, "invalid", Some("/allowOld")),
        ("1/replay", None, json!({"force": true}), 422, "invalid", Some("/force")),
    ] {
        let reply = post(&world, path, key, &body).await;
        assert_eq!((reply.status, reply.problem()), (status, problem), "{path} {body}: {}", reply.text);
        assert_eq!(reply.pointers(), pointer.into_iter().collect::<Vec<_>>());
    }
    let of_tenant = post(&world, "4/replay", None, &json!({"tenantId": tenant, "allowOld": true})).await;
    let terms = (&of_tenant.body["replay"]["tenantId"], &of_tenant.body["replay"]["allowOld"]);
    assert_eq!((of_tenant.status, terms), (202, (&json!(tenant), &json!(true))));
    let waiting = world.memory.waiting_replays(10).await.unwrap();
    assert_eq!(waiting[1].terms.tenant, Some(TenantId(tenant)));
    for (request, end, outcome, detail) in [
        (waiting[0].id, ReplayEnd::Stays("malformed: not JSON".into()), "stays", json!("malformed: not JSON")),
        (waiting[1].id, ReplayEnd::Became(ReplayedAs::Recorded), "recorded", Value::Null),
    ] {
        world.memory.end_replay(request, &end, now()).await.unwrap();
        let id = waiting.iter().find(|waits| waits.id == request).unwrap().message;
        let replay = world.send(&Ask::get(&format!("{LIST}/{id}")).staff()).await.body["replay"].clone();
        assert_eq!(
            (&replay["outcome"], &replay["detail"], &replay["endedAt"]),
            (&json!(outcome), &detail, &json!(NOW))
        );
    }
    assert_eq!(post(&world, "1/replay", None, &json!({})).await.status, 202, "what stays may be tried again");
}

#[actix_web::test]
async fn what_is_discarded_is_closed_and_says_why() {
    let world = world().await;
    let body = json!({"reason": "a test of the gateway"});
    let first = post(&world, "1/discard", Some("k"), &body).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let closed = (&first.body["state"], &first.body["discardReason"], &first.body["resolvedBy"]);
    assert_eq!(closed, (&json!("discarded"), &body["reason"], &json!(SUBJECT)));
    let again = post(&world, "1/discard", Some("k"), &body).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    let long = "ä".repeat(501);
    for (path, key, body, status, problem) in [
        ("4/discard", Some("k"), json!({"reason": "another"}), 422, "idempotency-key-reused"),
        ("3/discard", None, body.clone(), 409, "resolved"),
        ("4/discard", None, json!({}), 422, "invalid"),
        ("4/discard", None, json!({"reason": " "}), 422, "invalid"),
        ("4/discard", None, json!({"reason": long}), 422, "invalid"),
        ("4/discard", None, json!({"reason": "x", "note": "y"}), 422, "invalid"),
        ("4/discard", None, json!({"reason": "ä".repeat(500)}), 200, ""),
    ] {
        let reply = post(&world, path, key, &body).await;
        assert_eq!((reply.status, reply.problem()), (status, problem), "{path} {body}: {}", reply.text);
    }
}
