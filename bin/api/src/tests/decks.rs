//! Decks of prices and operator costs: shown, done, refused by line and field, and out again as they came in.

use std::cell::Cell;
use std::fmt::Write as _;
use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use actix_web::web::Bytes;
use billing_domain::Day;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use uuid::Uuid;

use super::bodies::{cost, post, price, with};
use super::world::{Ask, Reply, World};
use crate::http::body::read_csv;
use crate::http::problem::Kind;

const PRICES: &str = "/v1/admin/pricing/import";
const COSTS: &str = "/v1/admin/operator-costs/import";
const HEADER: &str = "accountTier,operatorId,direction,pricingModel,unitPrice,currency,effectiveFrom,effectiveTo";

async fn import(world: &World, path: &str, file: impl Into<Vec<u8>>) -> Reply {
    world.send(&Ask::new("POST", path).staff().raw("text/csv; charset=utf-8", file.into())).await
}

/// A deck of one line.
const COST_DECK: &str = "operatorId,direction,costPerSegment,currency,effectiveFrom\n41220,MT,0.01,USD,2026-11-01\n";

/// The header and these lines.
fn file(lines: &str) -> String {
    format!("{HEADER}\n{lines}\n")
}

/// Line, field and the reason's beginning of each refused field.
fn refused(reply: &Reply) -> Vec<String> {
    let entries = reply.body["refused"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or("-").to_owned();
    entries
        .iter()
        .map(|entry| format!("{} {} {}", entry["line"], text(entry, "field"), text(entry, "reason")))
        .collect()
}

async fn exported(world: &World, path: &str) -> Reply {
    let reply = world.send(&Ask::get(path).staff()).await;
    assert_eq!((reply.status, reply.header("Cache-Control")), (200, Some("private, no-store")), "{}", reply.text);
    assert_eq!(reply.header("Content-Type"), Some("text/csv; charset=utf-8; header=present"));
    reply
}

#[actix_web::test]
async fn a_deck_is_shown_unless_it_is_to_be_done() {
    let world = World::new().await;
    let start = json!({"operatorId": "41220", "effectiveFrom": "2026-01-01"});
    let old = post(&world, "/v1/admin/pricing", &with(price(), &start)).await;
    post(&world, "/v1/admin/operator-costs", &with(cost(), &json!({"effectiveFrom": "2026-01-01"}))).await;
    let deck = file(
        "GROWTH,41220,MT,PER_SEGMENT,0.008,USD,2026-11-01,\nGROWTH,*,MO,FLAT_PER_MESSAGE,1,AFN,2026-11-01,2026-11-30",
    );
    for path in [PRICES.to_owned(), format!("{PRICES}?dryRun=true")] {
        let reply = import(&world, &path, deck.clone()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!((&reply.body["dryRun"], &reply.body["applied"]), (&json!(true), &json!(false)));
        assert_eq!(
            reply.body["counts"],
            json!({"lines": 2, "added": 1, "changed": 1, "closed": 1, "unchanged": 0, "refused": 0,
                "margins": 2, "losses": 1, "unknownMargins": 1})
        );
        assert_eq!(
            reply.body["changed"],
            json!([{"line": 2, "id": null, "accountTier": "GROWTH", "operatorId": "41220", "direction": "MT",
                "currency": "USD", "pricingModel": "PER_SEGMENT", "unitPrice": "0.008000", "oldUnitPrice": "0.012500",
                "effectiveFrom": "2026-11-01", "effectiveTo": null, "version": 2}])
        );
        let closed = json!([{"line": 2, "id": old.body["pricingTableId"], "effectiveTo": "2026-10-31"}]);
        assert_eq!(reply.body["closed"], closed);
        assert_eq!(
            reply.body["margins"][0],
            json!({"line": 2, "accountTier": "GROWTH", "accountId": null, "operatorId": "41220", "direction": "MT",
                "currency": "USD", "day": "2026-11-01", "unitPrice": "0.008000", "costPerSegment": "0.008500",
                "margin": "-0.000500", "loss": true})
        );
        assert_eq!(reply.body["margins"][1]["margin"], Value::Null);
    }
    let listed = world.send(&Ask::get("/v1/admin/pricing").staff()).await;
    assert_eq!(listed.body["data"].as_array().unwrap().len(), 1);

    let did = import(&world, &format!("{PRICES}?dryRun=false"), deck.clone()).await;
    assert_eq!((did.status, &did.body["applied"]), (200, &json!(true)), "{}", did.text);
    let id = did.body["changed"][0]["id"].as_str().unwrap();
    let made = world.send(&Ask::get(&format!("/v1/admin/pricing/{id}")).staff()).await;
    assert_eq!((&made.body["version"], &made.body["unitPrice"]), (&json!(2), &json!("0.008000")));
    let again = import(&world, &format!("{PRICES}?dryRun=false"), deck).await;
    assert_eq!(again.body["counts"]["unchanged"], 2, "{}", again.text);
}

#[actix_web::test]
async fn one_refused_line_and_nothing_is_done() {
    let world = World::new().await;
    world.memory.rate_until(Day::parse("2026-10-14").unwrap());
    let deck = file(
        "A,*,MT,PER_SEGMENT,0.01,USD,2026-11-01,\nB,*,MT,PER_SEGMENT,0.0000001,USD,2026-11-01,\n\
         C,*,MT,PER_SEGMENT,0.01,USD,2026-10-14,\nD,*,MT,PER_SEGMENT,0.01,USD,2026-11-01,\nD,*,MT,PER_SEGMENT,0.02,USD,2026-12-01,",
    );
    let shown = import(&world, PRICES, deck.clone()).await;
    let expected = [
        "3 unitPrice an amount has at most six decimals",
        "4 effectiveFrom usage has been rated on or after this day at what the line would change; begin later, or make a correction",
        "5 effectiveFrom line 6 is about the same key on one of the same days",
        "6 effectiveFrom line 5 is about the same key on one of the same days",
    ];
    assert_eq!((shown.status, refused(&shown)), (200, expected.map(str::to_owned).to_vec()), "{}", shown.text);
    let reply = import(&world, &format!("{PRICES}?dryRun=false"), deck).await;
    assert_eq!((reply.status, reply.problem()), (422, "invalid"));
    assert_eq!(reply.pointers(), ["/3/unitPrice", "/4/effectiveFrom", "/5/effectiveFrom", "/6/effectiveFrom"]);
    assert_eq!(reply.body["errors"][0]["detail"], "line 3, unitPrice: an amount has at most six decimals");
    assert_eq!(reply.body["detail"], "nothing was changed: 4 fields of 5 lines are refused, errors lists 4");
    let listed = world.send(&Ask::get("/v1/admin/pricing").staff()).await;
    assert_eq!(listed.body["data"], json!([]));
}

#[actix_web::test]
async fn every_field_of_a_line_is_checked() {
    let world = World::new().await;
    let digits = "9".repeat(60_000);
    let line = |at: usize, value: &str| {
        let mut fields = ["G", "41220", "MT", "PER_SEGMENT", "0.01", "USD", "2026-11-01", ""].map(str::to_owned);
        fields[at] = value.to_owned();
        fields.join(",")
    };
    for (at, value, expected) in [
        (0, "Gold 2", None),
        (0, "\"a,b \"\"c\"\"\"", None),
        (1, "*", None),
        (3, "FLAT_PER_MESSAGE", None),
        (4, "999999.999999", None),
        (7, "2026-11-01", None),
        (0, "", Some("accountTier is required")),
        (0, " G", Some("accountTier an account tier")),
        (0, "G\0", Some("accountTier an account tier")),
        (1, "\0", Some("operatorId an operator id")),
        (1, "**", Some("operatorId an operator id")),
        (2, "mt", Some("direction is one of MT, MO")),
        (3, "GRADUATED", Some("pricingModel a deck cannot say what this model needs")),
        (3, "", Some("pricingModel is required")),
        (3, "X", Some("pricingModel is PER_SEGMENT or FLAT_PER_MESSAGE")),
        (4, "NaN", Some("unitPrice an amount is digits")),
        (4, "1e3", Some("unitPrice an amount is digits")),
        (4, "Infinity", Some("unitPrice an amount is digits")),
        (4, "0.0000001", Some("unitPrice an amount has at most six decimals")),
        (4, "-0.01", Some("unitPrice a unit amount is not negative")),
        (4, "1000000", Some("unitPrice a unit amount is at most")),
        (4, "\"0,01\"", Some("unitPrice an amount is digits")),
        (4, " 0.01", Some("unitPrice an amount is digits")),
        (4, "=1+1", Some("unitPrice an amount is digits")),
        (4, &digits, Some("unitPrice the amount is too large")),
        (5, "usd", Some("currency not an ISO 4217 currency")),
        (5, "XAU", Some("currency not an ISO 4217 currency")),
        (6, "2026-11-31", Some("effectiveFrom is a day of the calendar")),
        (6, "01.11.2026", Some("effectiveFrom is a day of the calendar")),
        (7, "2026-10-31", Some("effectiveTo is not before effectiveFrom")),
        (7, "never", Some("effectiveTo is a day of the calendar")),
        (7, ",", Some("- has 9 fields, the header has 8")),
    ] {
        let shown: String = value.chars().take(20).collect();
        let deck = file(&format!("{}\n{}", line(0, "OTHER"), line(at, value)));
        let reply = import(&world, PRICES, deck.clone()).await;
        let refused = refused(&reply);
        match expected {
            None => assert!(reply.status == 200 && refused.is_empty(), "{shown}: {}", reply.text),
            Some(expected) => {
                assert_eq!((reply.status, refused.len()), (200, 1), "{shown}: {refused:?}");
                assert!(refused[0].starts_with(&format!("3 {expected}")), "{shown}: {refused:?}");
                let reply = import(&world, &format!("{PRICES}?dryRun=false"), deck).await;
                let pointer = format!("/3/{}", expected.split(' ').next().unwrap()).replace("/-", "");
                assert_eq!((reply.status, reply.pointers()), (422, vec![pointer.as_str()]), "{shown}");
            }
        }
    }
    let reply = import(&world, COSTS, COST_DECK.replace("41220,MT,0.01", "*,MT,-1")).await;
    assert_eq!(refused(&reply).len(), 2, "{}", reply.text);
    assert!(world.send(&Ask::get("/v1/admin/pricing").staff()).await.body["data"].as_array().unwrap().is_empty());
}

#[actix_web::test]
async fn a_file_is_utf_8_with_a_header_and_lines() {
    let world = World::new().await;
    let line = "G,41220,MT,PER_SEGMENT,0.01,USD,2026-11-01,";
    let without = |column: &str| file(line).replace(&format!("{column},"), "");
    let crlf = format!("\u{feff}{}", file(line).replace('\n', "\r\n"));
    let reordered = "effectiveFrom,currency,unitPrice,pricingModel,direction,operatorId,accountTier\n2026-11-01,USD,0.01,PER_SEGMENT,MT,*,G";
    for (why, body, status, said) in [
        ("plain", file(line).into_bytes(), 200, "\"added\":1"),
        ("no newline at the end", file(line).trim_end().as_bytes().to_vec(), 200, "\"added\":1"),
        ("empty lines", format!("\n\n{}\n\n", file(line)).into_bytes(), 200, "\"line\":4"),
        ("a byte order mark and CRLF", crlf.into_bytes(), 200, "\"line\":2"),
        ("quoted", file(&line.replace("G,", "\"G\",")).into_bytes(), 200, "\"accountTier\":\"G\""),
        ("reordered, without effectiveTo", reordered.as_bytes().to_vec(), 200, "\"added\":1"),
        ("nothing", b"".to_vec(), 415, "text/csv"),
        ("a newline", b"\n".to_vec(), 422, "the first line names the columns"),
        ("only a header", file("").into_bytes(), 422, "there is no line after the header"),
        ("no header", format!("{line}\n").into_bytes(), 422, "line 1 names a column that is none of accountTier"),
        ("a column is missing", without("currency").into_bytes(), 422, "/1/currency"),
        (
            "a column twice",
            file(line).replace("effectiveTo", "currency").into_bytes(),
            422,
            "line 1 names this column twice",
        ),
        ("an unknown column", file(line).replace("effectiveTo", "price").into_bytes(), 422, "line 1 names a column"),
        (
            "an open quotation mark",
            file(&format!("{line}\n\"G{line}")).into_bytes(),
            400,
            "line 3 has a quotation mark",
        ),
        (
            "a stray quotation mark",
            file(&line.replace("G,", "\"G\"x,")).into_bytes(),
            400,
            "line 2 has a quotation mark",
        ),
        (
            "a field of two lines",
            file(&line.replace("G,", "\"G\nH\",")).into_bytes(),
            400,
            "line 2 has a quotation mark",
        ),
        ("a lone carriage return", file(line).replace('\n', "\r").into_bytes(), 400, "line 1 has a carriage return"),
        ("not UTF-8", [file(line).as_bytes(), b"\xff\n"].concat(), 400, "line 3 is not UTF-8"),
        ("UTF-16", b"\xff\xfea\0c\0".to_vec(), 400, "line 1 is not UTF-8"),
    ] {
        let ask = Ask::new("POST", PRICES).staff();
        let reply = world.send(&if body.is_empty() { ask } else { ask.raw("text/csv", body) }).await;
        assert_eq!(reply.status, status, "{why}: {}", reply.text);
        assert!(reply.text.contains(said), "{why}: {}", reply.text);
    }
    for (content_type, expected) in [
        ("text/csv", 200),
        ("TEXT/CSV; charset=\"UTF-8\"; header=present", 200),
        ("text/csv; charset=latin1", 415),
        ("application/json", 415),
        ("text/plain", 415),
    ] {
        let reply = world.send(&Ask::new("POST", PRICES).staff().raw(content_type, file(line).into_bytes())).await;
        assert_eq!(reply.status, expected, "{content_type}: {}", reply.text);
    }
    for query in ["?dryRun=maybe", "?dryrun=false", "?dryRun=false&dryRun=true"] {
        assert_eq!(import(&world, &format!("{PRICES}{query}"), file(line)).await.status, 422, "{query}");
    }
}

#[actix_web::test]
async fn much_is_cut_off_before_it_is_held() {
    let world = World::new().await;
    let mut many = file("");
    for number in 0..100_001 {
        let _ = writeln!(many, "{number},,,,,,,");
    }
    let reply = import(&world, PRICES, many).await;
    assert_eq!((reply.status, &reply.body["detail"]), (413, &json!("a deck has at most 100000 lines")));
    let all_wrong = import(&world, PRICES, file(&"G,*,MT,PER_SEGMENT,x,USD,2026-11-01,\n".repeat(2_000))).await;
    assert_eq!((all_wrong.body["counts"]["refused"].as_u64(), refused(&all_wrong).len()), (Some(2_000), 1_000));

    // 200 MB without a length, and with one.
    let mib = Bytes::from(vec![b'a'; 1024 * 1024]);
    for (announced, taken_at_most) in [(None, 21), (Some("209715200"), 0)] {
        let taken = Rc::new(Cell::new(0));
        let (chunk, count) = (mib.clone(), Rc::clone(&taken));
        let body = stream::iter(0..200).map(move |_| {
            count.set(count.get() + 1);
            Ok(chunk.clone())
        });
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv"));
        if let Some(length) = announced {
            headers.insert(actix_web::http::header::CONTENT_LENGTH, HeaderValue::from_static(length));
        }
        let refused = read_csv(&headers, Payload::Stream { payload: Box::pin(body) }, |_| Ok(())).await.unwrap_err();
        assert_eq!((refused.kind, taken.get()), (Kind::TooLarge, taken_at_most));
    }
}

#[actix_web::test]
async fn an_export_comes_back_as_it_is() {
    let world = World::new().await;
    for changes in [
        json!({"effectiveFrom": "2026-01-01", "effectiveTo": "2026-10-31"}),
        json!({"operatorId": "-41220", "chargeOn": "DELIVERED"}),
        json!({"accountTier": "=SUM(A1:A9)", "operatorId": "41220"}),
        json!({"accountTier": "'=x", "pricingModel": "FLAT_PER_MESSAGE"}),
        json!({"accountTier": "@a, \"b\"", "direction": "MO", "currency": "AFN", "unitPrice": "999999.999999"}),
        json!({"accountId": Uuid::from_u128(5)}),
    ] {
        let made = post(&world, "/v1/admin/pricing", &with(price(), &changes)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        post(
            &world,
            "/v1/admin/operator-costs",
            &with(cost(), &json!({"operatorId": made.body["version"].to_string()})),
        )
        .await;
    }
    let cancelled = post(&world, "/v1/admin/pricing", &with(price(), &json!({"accountTier": "GONE"}))).await;
    let gone = cancelled.header("Location").unwrap().to_owned();
    assert_eq!(world.send(&Ask::new("DELETE", &gone).staff()).await.status, 200);

    let prices = exported(&world, "/v1/admin/pricing/export").await;
    assert_eq!((prices.header("X-Left-Out"), prices.text.lines().count()), (Some("0"), 7));
    let first = prices.text.lines().next().unwrap();
    assert_eq!(first, format!("{HEADER},accountId,chargeOn"));
    for said in ["\r\n'=SUM(A1:A9),41220,", "\r\n''=x,", "\r\n\"'@a, \"\"b\"\"\",*,MO,", ",'-41220,", ",DELIVERED\r\n"]
    {
        assert!(prices.text.contains(said), "{said}: {}", prices.text);
    }
    let costs = exported(&world, "/v1/admin/operator-costs/export").await;
    for (path, file) in [(PRICES, prices.text), (COSTS, costs.text)] {
        for dry_run in [true, false] {
            let reply = import(&world, &format!("{path}?dryRun={dry_run}"), file.clone()).await;
            let counts = &reply.body["counts"];
            assert_eq!((&counts["unchanged"], &counts["refused"]), (&counts["lines"], &json!(0)), "{}", reply.text);
        }
    }
    for (query, lines) in [
        ("?activeOn=2026-10-31", 2),
        ("?activeOn=2026-11-01", 6),
        ("?accountTier=%3DSUM(A1:A9)", 2),
        ("?operatorId=*", 5),
        ("?activeOn=2025-01-01", 1),
    ] {
        let reply = exported(&world, &format!("/v1/admin/pricing/export{query}")).await;
        assert_eq!(reply.text.lines().count(), lines, "{query}: {}", reply.text);
    }
    let unknown = world.send(&Ask::get("/v1/admin/operator-costs/export?accountTier=A").staff()).await;
    assert_eq!((unknown.status, unknown.pointers()), (422, vec!["/accountTier"]));
}

#[actix_web::test]
async fn a_key_imports_once_and_paths_win_over_ids() {
    let world = World::new().await;
    let ask = |path: &str, amount: &str| {
        let deck = file(&format!("G,*,MT,PER_SEGMENT,{amount},USD,2026-11-01,"));
        Ask::new("POST", path).staff().raw("text/csv", deck.into_bytes()).header("Idempotency-Key", "k")
    };
    let path = format!("{PRICES}?dryRun=false");
    // A dry run does not use the key up.
    assert_eq!(world.send(&ask(PRICES, "5")).await.status, 200);
    let first = world.send(&ask(&path, "0.01")).await;
    let second = world.send(&ask(&path, "0.01")).await;
    assert_eq!((first.status, &first.body), (200, &second.body), "{}", first.text);
    assert_eq!(second.body["counts"]["added"], 1);
    let other = world.send(&ask(&path, "0.02")).await;
    assert_eq!((other.status, other.problem()), (422, "idempotency-key-reused"));
    for (method, path, expected) in [
        ("GET", PRICES, 405),
        ("PATCH", COSTS, 405),
        ("POST", "/v1/admin/pricing/export", 405),
        ("GET", "/v1/admin/pricing/export", 200),
        ("GET", "/v1/admin/operator-costs/export", 200),
        ("GET", "/v1/admin/pricing/imports", 404),
    ] {
        assert_eq!(world.send(&Ask::new(method, path).staff()).await.status, expected, "{method} {path}");
    }
}
