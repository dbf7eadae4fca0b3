//! What holds for every route of the table, whatever it is for: methods, limits, other origins, ids, and sweeps with what no
//! route takes.

use billing_testing::Memory;
use serde_json::json;
use uuid::Uuid;

use super::furnished::{Furnished, guarded};
use super::invoices;
use super::samples::Ids;
use super::world::{ACCOUNT, Ask, Reply, World};
use crate::http::problem::Kind;
use crate::routes::table;
use crate::services::REQUESTS_MAX;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A path of the table with an id of nothing in it, where there is one.
pub(super) fn sample(path: &str) -> String {
    Ids::of_nothing().path(path)
}

/// Every route that needs a token, as a request of who may do everything.
fn asks() -> Vec<Ask> {
    guarded().iter().map(|route| Ask::new(route.method.as_str(), &sample(route.path)).staff()).collect()
}

pub(super) fn is_problem(reply: &Reply) -> bool {
    reply.header("Content-Type") == Some("application/problem+json")
        && Kind::ALL.iter().any(|kind| kind.name() == reply.problem() && kind.status().as_u16() == reply.status)
}

#[actix_web::test]
async fn every_answer_carries_the_ids_and_no_banner() {
    let world = World::new().await;
    let mut asks = asks();
    let paths: Vec<_> = table::<Memory>().iter().map(|route| sample(route.path)).collect();
    for path in paths {
        asks.extend(["GET", "HEAD", "OPTIONS", "PUT", "BREW"].map(|method| Ask::new(method, &path)));
    }
    asks.extend([Ask::get("/nowhere"), Ask::get(&format!("/{}", "x".repeat(9_000)))]);
    for ask in asks {
        let ask = ask.header("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01")).header("X-Request-Id", "r-1");
        let reply = world.send(&ask).await;
        assert_eq!((reply.header("X-Request-Id"), reply.header("Server")), (Some("r-1"), None), "{ask:?}");
        let is_health = reply.body["status"] == "unavailable";
        if reply.status >= 400 && !is_health && !reply.text.is_empty() {
            assert!(is_problem(&reply), "{ask:?}: {}", reply.text);
            assert_eq!(reply.body["instance"], format!("urn:trace:{TRACE}"));
        }
    }
}

#[actix_web::test]
async fn head_is_get_without_its_body_and_options_name_what_there_is() {
    let world = World::new().await;
    for route in table::<Memory>() {
        let path = sample(route.path);
        let options = world.send(&Ask::new("OPTIONS", &path)).await;
        let allow = options.header("Allow").unwrap_or_default();
        assert_eq!((options.status, options.text.as_str()), (204, ""), "{path}");
        assert!(allow.contains(route.method.as_str()) && allow.contains("OPTIONS"), "{path}: {allow}");
        if route.method != "GET" {
            continue;
        }
        let (get, head) = (Ask::get(&path).staff(), Ask::new("HEAD", &path).staff());
        let (got, headed) = (world.send(&get).await, world.send(&head).await);
        assert_eq!((headed.status, headed.text.as_str()), (got.status, ""), "{path}");
        for name in ["Content-Type", "ETag", "Cache-Control", "Vary"] {
            assert_eq!(headed.header(name), got.header(name), "{path} {name}");
        }
        assert!(allow.contains("HEAD"));
    }
    assert_eq!(world.send(&Ask::new("OPTIONS", "/nowhere")).await.status, 404);
}

#[actix_web::test]
async fn too_long_a_question_is_told_so() {
    let world = World::new().await;
    for (why, ask, expected) in [
        ("8192 bytes", Ask::get(&format!("/{}", "x".repeat(8_191))), (404, "not-found")),
        ("8193 bytes", Ask::get(&format!("/{}", "x".repeat(8_192))), (414, "target-too-long")),
        ("query", Ask::get(&format!("/v1/billing/usage?from={}", "x".repeat(9_000))), (414, "target-too-long")),
        ("one header", Ask::get("/nowhere").header("X-A", &"x".repeat(17_000)), (431, "head-too-large")),
        ("health too", Ask::get("/health/live").header("X-A", &"x".repeat(17_000)), (431, "head-too-large")),
    ] {
        let reply = world.send(&ask).await;
        assert_eq!((reply.status, reply.problem()), expected, "{why}");
        assert!(is_problem(&reply), "{why}");
    }
    let many = (0..90).fold(Ask::get("/nowhere"), |ask, at| ask.header(&format!("X-{at}"), &"x".repeat(200)));
    assert_eq!(world.send(&many).await.status, 431);
    // A token is measured by who reads it.
    let long = Ask::get("/v1/billing/usage").bearer(&"x".repeat(100_000));
    assert_eq!(world.send(&long).await.status, 401);
}

#[actix_web::test]
async fn too_many_at_once_are_told_to_come_back_and_health_is_told_anyway() {
    let world = World::new().await;
    let turns = world.services.requests.clone();
    let all = turns.clone().acquire_many_owned(u32::try_from(REQUESTS_MAX).unwrap()).await.unwrap();
    for route in table::<Memory>() {
        let reply = world.send(&Ask::new(route.method.as_str(), &sample(route.path)).staff()).await;
        if route.path.starts_with("/health/") {
            assert_ne!(reply.problem(), "overloaded");
        } else {
            let told = (reply.status, reply.problem(), reply.header("Retry-After"));
            assert_eq!(told, (503, "overloaded", Some("1")), "{}", route.path);
        }
    }
    drop(all);
    for ask in asks() {
        assert_ne!(world.send(&ask).await.problem(), "overloaded");
    }
    assert_eq!(turns.available_permits(), REQUESTS_MAX, "a turn was not given back");
}

#[actix_web::test]
async fn pages_of_other_origins_may_do_nothing_unless_they_are_named() {
    let ours = "https://portal.example";
    let preflight = |origin: &str, method: &str, header: &str| {
        Ask::new("OPTIONS", "/v1/admin/pricing")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", method)
            .header("Access-Control-Request-Headers", header)
    };
    let mut world = World::new().await;
    for ask in [preflight(ours, "GET", "authorization"), Ask::get("/nowhere").header("Origin", ours)] {
        assert_eq!(world.send(&ask).await.header("Access-Control-Allow-Origin"), None);
    }
    world.origins = vec![ours.into(), "http://localhost:8080".into()];
    for (origin, method, header, allowed) in [
        (ours, "GET", "authorization", true),
        ("http://localhost:8080", "PATCH", "authorization, content-type, if-match", true),
        (ours, "POST", "authorization, idempotency-key, billing-consistency", true),
        ("https://portal.example.evil", "GET", "authorization", false),
        ("http://portal.example", "GET", "authorization", false),
        ("null", "GET", "authorization", false),
        (ours, "PUT", "authorization", false),
        (ours, "GET", "x-other", false),
    ] {
        let reply = world.send(&preflight(origin, method, header)).await;
        let expected = if allowed { (200, Some(origin)) } else { (400, None) };
        let told = (reply.status, reply.header("Access-Control-Allow-Origin").filter(|_| allowed));
        assert_eq!(told, expected, "{origin} {method} {header}: {:?}", reply.headers);
        assert!(allowed || is_problem(&reply), "{}", reply.text);
        assert!(reply.header("X-Request-Id").is_some());
    }
    let reply = world.send(&Ask::get("/nowhere").header("Origin", ours)).await;
    assert_eq!((reply.status, reply.header("Access-Control-Allow-Origin")), (404, Some(ours)));
    let shown = reply.header("Access-Control-Expose-Headers").unwrap().to_lowercase();
    assert!(["etag", "billing-consistency", "x-request-id", "retry-after"].iter().all(|name| shown.contains(name)));
    let reply = world.send(&Ask::get("/nowhere").header("Origin", "https://evil.example")).await;
    assert_eq!(reply.header("Access-Control-Allow-Origin"), None);
    let reply = world.send(&Ask::new("OPTIONS", "/v1/admin/pricing")).await;
    assert_eq!((reply.status, reply.header("Allow")), (204, Some("GET, HEAD, POST, OPTIONS")));
}

#[actix_web::test]
async fn no_route_ignores_what_it_does_not_know() {
    let furnished = Furnished::new().await;
    for route in guarded() {
        let ask = furnished.ask(&route).staff();
        for query in [
            "unknown=1",
            "__proto__=1",
            "from=2026-10-01&from=2026-10-02",
            "%ff=1",
            "a[]=1",
            "limit=1000000000",
            "limit=-1",
            "limit=NaN",
            "cursor=%00",
            "from=NaN&to=2026-10-01",
            "accountId=9223372036854775808",
            "dryRun=perhaps",
        ] {
            let reply = furnished.world.send(&ask.clone().with_query(query)).await;
            let told = format!("{} {} {query}: {}", route.method, route.path, reply.text);
            assert!([400, 422].contains(&reply.status) && is_problem(&reply), "{told}");
        }
    }
}

#[actix_web::test]
async fn no_route_takes_a_body_that_is_none() {
    let furnished = Furnished::new().await;
    let (json, csv) = ("application/json", "text/csv");
    let digits = format!("{{\"unitPrice\": {}}}", "9".repeat(60_000));
    let deep = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let bodies: [(&str, Vec<u8>); 12] = [
        (json, b"{\"unitPrice\": NaN}".to_vec()),
        (json, b"{\"unitPrice\": -0, \"a\": 9223372036854775808}".to_vec()),
        (json, digits.into_bytes()),
        (json, deep.into_bytes()),
        (json, b"[]".to_vec()),
        (json, br#"{"\u0000": "\u0000"}"#.to_vec()),
        (json, vec![b' '; 70_000]),
        (csv, b"unitPrice,\0\nNaN,\xff\n".to_vec()),
        (csv, b"\"unitPrice\n".to_vec()),
        (csv, vec![b','; 70_000]),
        ("text/xml", b"<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>".to_vec()),
        ("multipart/form-data; boundary=a", b"--a--".to_vec()),
    ];
    for route in guarded().iter().filter(|route| route.method == "POST" || route.method == "PATCH") {
        let own = if route.path.ends_with("/import") { csv } else { json };
        for (media, body) in &bodies {
            let (method, uri) = (route.method.as_str(), furnished.uri(route));
            // What is none of the route's own form is none in its form either.
            for (media, expected) in [(*media, [400, 413, 415, 422].as_slice()), (own, &[400, 413, 422])] {
                let ask = Ask::new(method, &uri).staff().raw(media, body.clone());
                let reply = furnished.world.send(&ask).await;
                let told = format!("{method} {uri} {media}: {} {}", reply.status, reply.text);
                assert!(expected.contains(&reply.status) && is_problem(&reply), "{told}");
                assert!(reply.bytes.len() < 10_000, "{told}");
            }
        }
    }
}

#[actix_web::test]
async fn no_route_tells_a_foreign_id_from_none() {
    let world = Furnished::new().await.world;
    let ids = [
        Uuid::from_u128(9).to_string(),
        "999".to_owned(),
        "nonsense".to_owned(),
        "00000000000000000000000000000000".into(),
        "%00".into(),
        "%2e%2e".into(),
        "1' OR '1'='1".replace(' ', "%20"),
        "9".repeat(2_000),
    ];
    let mut bodies = Vec::new();
    for route in guarded().iter().filter(|route| route.path.contains("{id}")) {
        // A PATCH of an account that is not known makes it.
        let is_made = route.path.contains("/accounts/") && route.method == "PATCH";
        for id in ids.iter().skip(usize::from(is_made)) {
            // What is not there is not there whatever is wrong with the question.
            for query in ["", "?unknown=1", "?dryRun=true"] {
                let uri = format!("{}{query}", route.path.replace("{id}", id));
                let reply = world.send(&of_method(route.method.as_str(), &uri)).await;
                assert_eq!(reply.status, 404, "{} {uri}: {}", route.method, reply.text);
                bodies.push(reply.without_instance());
            }
        }
    }
    assert!(bodies.len() > 150);
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[actix_web::test]
async fn an_id_of_one_kind_is_none_of_another() {
    let Furnished { world, ids } = Furnished::new().await;
    // Each with the part of the path that its own routes have and no other has.
    let kinds = ["/pricing/{id}", "/operator-costs/{id}", "/accounts/{id}", "/invoices/{id}", "/quarantine/{id}"];
    let kinds = kinds.map(|kind| (kind, ids.path(kind).rsplit('/').next().unwrap().to_owned()));
    let (mut bodies, mut own) = (Vec::new(), 0);
    for route in guarded().iter().filter(|route| route.path.contains("{id}")) {
        for (kind, id) in &kinds {
            let ask = of_method(route.method.as_str(), &route.path.replace("{id}", id));
            if route.path.contains(kind) {
                assert_ne!(world.send(&ask).await.status, 404, "{} {}", route.method, route.path);
                own += 1;
            } else if !(route.method == "PATCH" && route.path.contains("/accounts/") && id.len() == 36) {
                // A PATCH of an account that is not known makes it.
                let reply = world.send(&ask).await;
                assert_eq!(reply.status, 404, "{} {} of {kind}: {}", route.method, route.path, reply.text);
                bodies.push(reply.without_instance());
            }
        }
    }
    assert!(bodies.len() > 50 && own > 14, "{} {own}", bodies.len());
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[actix_web::test]
async fn the_type_of_a_problem_leads_to_what_it_means() {
    let world = World::new().await;
    for kind in Kind::ALL {
        let reply = world.send(&Ask::get(&kind.uri())).await;
        assert_eq!((reply.status, reply.header("Content-Type")), (200, Some("text/html; charset=utf-8")));
        assert!(reply.text.contains(kind.meaning()) && reply.text.contains(kind.title()), "{}", reply.text);
    }
    assert_eq!(world.send(&Ask::get("/problems/none")).await.status, 404);
}

#[actix_web::test]
async fn a_cursor_is_good_for_the_account_that_got_it() {
    let world = World::new().await;
    let other = Uuid::from_u128(0xBB);
    for number in 1..=3 {
        invoices::put(&world, invoices::issued(number, &format!("2026-0{number}")));
    }
    let list = "/v1/billing/invoices?limit=1";
    let mine = world.send(&Ask::get(list).customer(ACCOUNT)).await;
    let staffs = world.send(&Ask::get(list).staff()).await;
    let next = |reply: &Reply| format!("{list}&cursor={}", reply.body["nextCursor"].as_str().unwrap());
    for (uri, ask, is_good) in [
        (next(&mine), "mine", true),
        (next(&mine), "other", false),
        (next(&mine), "staff", false),
        (next(&staffs), "mine", false),
        (next(&staffs), "staff", true),
    ] {
        let get = Ask::get(&uri);
        let reply = match ask {
            "mine" => world.send(&get.customer(ACCOUNT)).await,
            "other" => world.send(&get.customer(other)).await,
            _ => world.send(&get.staff()).await,
        };
        let expected = if is_good { (200, vec![]) } else { (422, vec!["/cursor"]) };
        assert_eq!((reply.status, reply.pointers()), expected, "{ask}: {}", reply.text);
    }
}

#[actix_web::test]
async fn a_body_that_would_not_be_read_is_refused() {
    let world = World::new().await;
    let mut asked = 0;
    for (path, ask) in guarded_by_method(&["GET", "DELETE"]) {
        let body = ask.clone().json(&json!({"effectiveTo": "2027-01-01"})).header("Content-Length", "28");
        let reply = world.send(&body).await;
        assert_eq!((reply.status, reply.problem()), (400, "malformed"), "{path}: {}", reply.text);
        let chunked = world.send(&ask.clone().header("Transfer-Encoding", "chunked")).await;
        assert_eq!((chunked.status, chunked.problem()), (400, "malformed"), "{path}");
        let empty = world.send(&ask.header("Content-Length", "0")).await;
        assert_ne!(empty.status, 400, "{path}");
        asked += 1;
    }
    assert!(asked > 20, "{asked}");
}

#[actix_web::test]
async fn open_pages_take_no_parameters_and_health_does_not_mind() {
    let world = World::new().await;
    for (path, expected) in [
        ("/openapi.json", 422),
        ("/docs", 422),
        ("/problems/invalid", 422),
        ("/health/live", 200),
        ("/health/ready", 200),
    ] {
        let reply = world.send(&Ask::get(&format!("{path}?probe=1"))).await;
        assert_eq!(reply.status, expected, "{path}: {}", reply.text);
    }
}

/// With an empty object for what takes a body.
fn of_method(method: &str, path: &str) -> Ask {
    let ask = Ask::new(method, path).staff();
    if ["POST", "PATCH"].contains(&method) { ask.json(&json!({})) } else { ask }
}

/// Those of some methods.
fn guarded_by_method(methods: &[&str]) -> Vec<(&'static str, Ask)> {
    let routes = guarded().into_iter().filter(|route| methods.contains(&route.method.as_str()));
    routes.map(|route| (route.path, Ask::new(route.method.as_str(), &sample(route.path)).staff())).collect()
}
