//! What a request says of the answer that it has seen or wants: entity tags, encodings, and its own writes.

use std::io::Read as _;

use billing_testing::Memory;
use serde_json::{Value, json};
use uuid::Uuid;

use super::bodies::{cost, post, price, with};
use super::furnished::Furnished;
use super::samples::{Ids, sample};
use super::world::{ACCOUNT, Ask, Reply, TENANT, World};
use crate::routes::{Access, table};

const PRICING: &str = "/v1/admin/pricing";
const COSTS: &str = "/v1/admin/operator-costs";
const ACCOUNTS: &str = "/v1/admin/pricing/accounts";

/// A world in which there is one of everything that has an id, and what every GET of the table is asked with.
async fn world() -> (World, Vec<(&'static str, String)>) {
    let Furnished { world, ids } = Furnished::new().await;
    let gets = table::<Memory>().into_iter().filter(|route| route.method == "GET");
    let gets = gets.map(|route| (route.path, sample("GET", route.path, &ids).uri)).collect();
    (world, gets)
}

#[actix_web::test]
async fn what_the_caller_has_is_not_sent_again() {
    let (world, gets) = world().await;
    let mut known = 0;
    for (path, uri) in gets {
        let ask = Ask::get(&uri).staff();
        let first = world.send(&ask).await;
        let kept = first.header("Cache-Control").unwrap_or_default().to_owned();
        let is_json = first.header("Content-Type") == Some("application/json");
        if first.status != 200 || kept.contains("no-store") {
            assert_eq!(first.header("ETag"), None, "{path}");
            continue;
        }
        assert!(!is_json || kept == "private, no-cache" || !path.starts_with("/v1/"), "{path}: {kept}");
        let vary = first.header("Vary").unwrap_or_default().to_owned();
        assert!(vary.contains("Accept-Encoding"), "{path}: {vary}");
        assert_eq!(vary.contains("Authorization"), path.starts_with("/v1/"), "{path}: {vary}");
        let tag = first.header("ETag").unwrap_or_else(|| panic!("{path} has no tag")).to_owned();
        for (seen, expected) in [(tag.as_str(), 304), ("*", 304), ("\"other\"", 200), ("nonsense", 200)] {
            let again = world.send(&ask.clone().header("If-None-Match", seen)).await;
            assert_eq!((again.status, again.header("ETag")), (expected, Some(tag.as_str())), "{path} {seen}");
            assert_eq!(again.header("Cache-Control"), Some(kept.as_str()));
            assert_eq!(again.header("Vary"), Some(vary.as_str()));
            assert_eq!(again.text.is_empty(), expected == 304, "{path}");
            assert!(again.header("X-Request-Id").is_some());
        }
        known += 1;
    }
    assert!(known >= 12, "{known} reads have a tag");
}

#[actix_web::test]
async fn an_address_that_lets_whoever_has_it_in_is_never_kept_and_a_pdf_is() {
    let (world, _) = world().await;
    let path = format!("/v1/billing/invoices/{}/download", super::invoices::id(1));
    let address = world.send(&Ask::get(&path).staff()).await;
    assert_eq!((address.status, address.header("Cache-Control")), (200, Some("private, no-store")));
    assert_eq!((address.header("ETag"), address.header("Vary").unwrap().contains("Accept,")), (None, true));
    let ask = Ask::get(&path).staff().header("Accept", "application/pdf").header("Accept-Encoding", "gzip, br");
    let pdf = world.send(&ask).await;
    assert_eq!((pdf.status, pdf.header("Cache-Control")), (200, Some("private, no-cache")));
    assert_eq!(pdf.header("Content-Encoding"), None, "a PDF is compressed already");
    let again = world.send(&ask.header("If-None-Match", pdf.header("ETag").unwrap())).await;
    assert_eq!((again.status, again.bytes.len()), (304, 0));
}

#[actix_web::test]
async fn usage_is_known_by_what_was_used() {
    let (world, _) = world().await;
    let tag = async |uri: &str, customer: bool| {
        let ask = Ask::get(uri);
        let reply = world.send(&if customer { ask.customer(ACCOUNT) } else { ask.staff() }).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.header("ETag").unwrap().to_owned()
    };
    let uri = format!("/v1/billing/usage?accountId={ACCOUNT}&from=2026-09-01&to=2026-10-03");
    let (staff, customer) = (tag(&uri, false).await, tag(&uri, true).await);
    assert!(staff.starts_with("W/\"") && staff != customer, "{staff} {customer}");
    assert_ne!(tag(&format!("{uri}&granularity=month"), false).await, staff);
    super::usage::put_usage(&world, ACCOUNT, TENANT);
    assert_ne!(tag(&uri, false).await, staff);
}

#[actix_web::test]
async fn json_is_compressed_for_who_likes_it_and_its_tag_with_it() {
    let (world, gets) = world().await;
    for (path, uri) in gets {
        let plain = world.send(&Ask::get(&uri).staff()).await;
        for (accepted, encoding) in [
            ("gzip", "gzip"),
            ("br", "br"),
            ("gzip, br;q=0.9", "gzip"),
            ("gzip, deflate, br, zstd", "br"),
            ("zstd", ""),
            ("identity", ""),
            ("*", ""),
            ("identity;q=0, *;q=0", ""),
            ("gzip;q=nonsense", ""),
        ] {
            let ask = Ask::get(&uri).staff().header("Accept-Encoding", accepted);
            let reply = world.send(&ask).await;
            let media = plain.header("Content-Type").unwrap_or_default();
            let is_text = media.contains("json") || media.contains("html");
            let encoding = if is_text && plain.bytes.len() >= 1_024 { encoding } else { "" };
            assert_eq!(reply.header("Content-Encoding").unwrap_or_default(), encoding, "{path} {accepted}");
            let mut bytes = Vec::new();
            match encoding {
                "gzip" => flate2::read::GzDecoder::new(&*reply.bytes).read_to_end(&mut bytes).unwrap(),
                "br" => brotli::Decompressor::new(&*reply.bytes, 4_096).read_to_end(&mut bytes).unwrap(),
                _ => reply.bytes.as_ref().read_to_end(&mut bytes).unwrap(),
            };
            if reply.status != 200 || path.starts_with("/health/") {
                continue;
            }
            assert!(bytes == plain.bytes || path.ends_with("/download"), "{path} {accepted}");
            assert!(encoding.is_empty() || reply.bytes.len() < bytes.len(), "{path} {accepted}");
            let Some(tag) = reply.header("ETag").map(str::to_owned) else { continue };
            let is_same = tag == plain.header("ETag").unwrap();
            assert_eq!(is_same, encoding.is_empty() || tag.starts_with("W/"), "{path} {accepted} {tag}");
            let again = world.send(&ask.header("If-None-Match", &tag)).await;
            assert_eq!((again.status, again.header("ETag")), (304, Some(tag.as_str())), "{path} {accepted}");
            assert_eq!(again.header("Content-Encoding"), None);
        }
    }
}

#[actix_web::test]
async fn a_change_is_made_of_what_was_seen_or_not_at_all() {
    for (list, body, change, other) in [
        (PRICING, price(), json!({"unitPrice": "0.5"}), json!({"unitPrice": "0.6"})),
        (COSTS, cost(), json!({"costPerSegment": "0.5"}), json!({"costPerSegment": "0.6"})),
        (ACCOUNTS, json!({}), json!({"accountTier": "A"}), json!({"accountTier": "B"})),
    ] {
        for method in ["PATCH", "DELETE"] {
            if (list, method) == (ACCOUNTS, "DELETE") {
                continue;
            }
            let world = World::new().await;
            let (path, made) = make(&world, list, &body).await;
            let read = world.send(&Ask::get(&path).staff()).await;
            let tag = read.header("ETag").unwrap().to_owned();
            assert_eq!(made.header("ETag"), Some(tag.as_str()), "what is made is known by what is read");
            let send = async |seen: Option<&str>, body: &Value| {
                let ask = Ask::new(method, &path).staff();
                let ask = if method == "PATCH" { ask.json(body) } else { ask };
                world.send(&seen.map_or(ask.clone(), |seen| ask.header("If-Match", seen))).await
            };
            let unquoted = tag.trim_matches('"').to_owned();
            for stale in ["\"other\"", &format!("W/{tag}"), &unquoted, ""] {
                let refused = send(Some(stale), &change).await;
                assert_eq!(
                    (refused.status, refused.problem()),
                    (412, "precondition-failed"),
                    "{method} {path} {stale}"
                );
            }
            assert_eq!(world.send(&Ask::get(&path).staff()).await.body, read.body, "what is refused changes nothing");
            let done = send(Some(&format!("\"x\", \"{unquoted}-br\"")), &change).await;
            assert_eq!(done.status, 200, "{method} {path}: {}", done.text);
            let place = done.header("Content-Location").unwrap().to_owned();
            let now = world.send(&Ask::get(&place).staff()).await;
            assert_eq!((now.header("ETag"), &now.body), (done.header("ETag"), &done.body), "{method} {path}");
            let lost = send(Some(&tag), &other).await;
            assert_eq!((lost.status, lost.problem()), (412, "precondition-failed"), "{method} {path}: {}", lost.text);
        }
    }
}

#[actix_web::test]
async fn what_is_not_there_is_not_as_it_was_seen() {
    let world = World::new().await;
    let path = format!("{ACCOUNTS}/{}", Uuid::from_u128(7));
    let body = json!({"tenantId": TENANT, "accountTier": "GROWTH", "currency": "USD"});
    let refused = world.send(&Ask::new("PATCH", &path).staff().json(&body).header("If-Match", "*")).await;
    assert_eq!(refused.status, 412);
    assert_eq!(world.send(&Ask::get(&path).staff()).await.status, 404);
}

/// One of a list, and how it was answered.
async fn make(world: &World, list: &str, body: &Value) -> (String, Reply) {
    if list == ACCOUNTS {
        let path = format!("{ACCOUNTS}/{}", Uuid::from_u128(7));
        let body = json!({"tenantId": TENANT, "accountTier": "GROWTH", "currency": "USD"});
        return (path.clone(), world.send(&Ask::new("PATCH", &path).staff().json(&body)).await);
    }
    let made = post(world, list, body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    (made.header("Location").unwrap().to_owned(), made)
}

#[actix_web::test]
async fn every_write_says_how_far_the_log_is_and_every_read_takes_it() {
    let world = World::new().await;
    let mut answered = 0;
    for route in table::<Memory>().into_iter().filter(|route| matches!(route.access, Access::Guarded(..))) {
        let ask = Ask::new(route.method.as_str(), &Ids::of_nothing().path(route.path)).staff();
        for (value, is_good) in [("AAAAAAAAAAE", true), ("", false), ("nonsense", false), ("AAAAAAAAAAF", false)] {
            let reply = world.send(&ask.clone().header("Billing-Consistency", value)).await;
            let is_refused = reply.pointers() == ["/Billing-Consistency"];
            assert_eq!(is_refused, !is_good, "{} {value}: {}", route.path, reply.text);
            assert!(is_good || (reply.status, reply.problem()) == (400, "malformed"));
        }
        let is_told = world.send(&ask).await.header("Billing-Consistency").is_some();
        assert!(!is_told, "{}: nothing was written", route.path);
        answered += 1;
    }
    assert!(answered > 25);
    let mut positions = Vec::new();
    let later = with(price(), &json!({"accountTier": "LATER"}));
    let first = post(&world, PRICING, &price()).await;
    let path = first.header("Location").unwrap().to_owned();
    let change = world.send(&Ask::new("PATCH", &path).staff().json(&json!({"unitPrice": "0.5"}))).await;
    let ended = world.send(&Ask::new("DELETE", change.header("Content-Location").unwrap()).staff()).await;
    for reply in [first, change, ended, post(&world, PRICING, &later).await, post(&world, COSTS, &cost()).await] {
        assert!(reply.status < 300, "{}", reply.text);
        positions.push(reply.header("Billing-Consistency").unwrap().to_owned());
    }
    assert!(positions.is_sorted(), "{positions:?}");
    let read = Ask::get(&format!("/v1/billing/usage?accountId={ACCOUNT}")).customer(ACCOUNT);
    assert_eq!(world.send(&read.header("Billing-Consistency", &positions[0])).await.status, 200);
}

#[actix_web::test]
async fn every_guarded_route_takes_a_reason_and_refuses_what_is_none() {
    let world = World::new().await;
    let mut asked = 0;
    for route in table::<Memory>().into_iter().filter(|route| matches!(route.access, Access::Guarded(..))) {
        let ask = Ask::new(route.method.as_str(), &Ids::of_nothing().path(route.path)).staff();
        for (reason, is_good) in [("ticket 4711", true), ("", false), (&"x".repeat(201), false)] {
            let reply = world.send(&ask.clone().header("X-Access-Reason", reason)).await;
            let is_refused = (reply.status, reply.pointers()) == (400, vec!["/X-Access-Reason"]);
            assert_eq!(is_refused, !is_good, "{} {reason}: {}", route.path, reply.text);
        }
        asked += 1;
    }
    assert!(asked > 25);
    let read = Ask::get(&format!("/v1/billing/invoices?accountId={}", Uuid::from_u128(7))).staff();
    assert_eq!(world.send(&read.header("X-Access-Reason", "ticket 4711")).await.status, 200);
    let noted = world.memory.noted_reads();
    assert_eq!(noted.last().unwrap().action.reason.as_deref(), Some("ticket 4711"));
}
