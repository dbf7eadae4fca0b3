//! What invoices stand on: the proof as it is shown, and usage as it is sent.

use billing_domain::invoicing::{EventTally, InvoiceContents, InvoiceLine, InvoiceProof, LineProof, Receipts};
use billing_domain::usage::{BucketSums, Direction};
use billing_domain::{Currency, MicrosSum, MinorAmount, Month, OperatorId, PriceId};
use billing_testing::ProvenInvoice;
use serde_json::{Value, json};
use uuid::Uuid;

use super::invoices::{draft, id, issued};
use super::world::{ACCOUNT, Ask, NOW, World, now};

const LIST: &str = "/v1/billing/invoices";
const HEADER: &str =
    "messageId,chargedAt,operatorId,direction,segmentCount,dlrStatus,pricingTableId,unitPrice,amount,currency\n";

/// Four messages of eight segments on one line; three more were received.
fn proof() -> InvoiceProof {
    let month = Month::parse("2026-09").unwrap();
    let (operator, direction, price) = (OperatorId::new("41220").unwrap(), Direction::Mt, PriceId(Uuid::from_u128(7)));
    let exact = MicrosSum(100_000);
    let line = InvoiceLine {
        usage_month: month,
        operator: operator.clone(),
        direction,
        price,
        messages: 4,
        segments: 8,
        exact,
        amount: MinorAmount { minor: 10, currency: Currency::new("USD").unwrap() },
    };
    let sealed = BucketSums { messages: 4, segments: 8, units: 8, amount: exact, ..BucketSums::default() };
    let places = Some((11, 19));
    let events = EventTally { messages: 4, segments: 8, amount: exact, places, ..EventTally::default() };
    let key = (month, operator, direction, price);
    let lines = vec![LineProof { key, line: Some(line), buckets: 2, sealed, events: Some((events, 8)) }];
    let receipts = Receipts { received: 7, recorded: 4, duplicates: 1, quarantined: 1, unrated: 1 };
    InvoiceProof { lines, receipts, as_of: now() }
}

async fn world(change: impl FnOnce(&mut InvoiceProof), usage: Vec<Option<&'static str>>) -> World {
    let world = World::new().await;
    let mut proof = proof();
    change(&mut proof);
    world.memory.put_invoice(issued(1, "2026-09"), InvoiceContents::default());
    put(&world, proof, usage);
    world
}

fn put(world: &World, proof: InvoiceProof, usage: Vec<Option<&'static str>>) {
    world.memory.put_proven(id(1), ProvenInvoice { proof, usage });
}

/// What the first invoice stands on.
pub(super) fn put_first(world: &World) {
    put(world, proof(), Vec::new());
}

#[actix_web::test]
async fn a_proof_as_its_customer_sees_it() {
    let world = world(|_| {}, Vec::new()).await;
    let reply = world.send(&Ask::get(&format!("{LIST}/{}/proof", id(1))).customer(ACCOUNT)).await;
    assert_eq!((reply.status, reply.header("Cache-Control")), (200, Some("private, no-cache")));
    let sums = json!({"messageCount": 4, "segmentCount": 8, "exactAmount": "0.100000"});
    let sha256 = reply.body["documentSha256"].as_str().unwrap_or_default();
    assert_eq!(sha256.len(), 64);
    assert_eq!(
        reply.body,
        json!({
            "invoiceId": id(1).0, "accountId": ACCOUNT, "periodStart": "2026-09-01", "periodEnd": "2026-09-30",
            "currency": "USD", "agrees": true, "asOf": NOW, "documentSha256": sha256,
            "lines": [{
                "usageMonth": "2026-09", "operatorId": "41220", "direction": "MT",
                "pricingTableId": Uuid::from_u128(7), "agrees": true, "line": sums,
                "buckets": {
                    "bucketCount": 2, "messageCount": 4, "segmentCount": 8, "units": 8, "exactAmount": "0.100000",
                },
                "events": {
                    "eventCount": 4, "segmentCount": 8, "units": 8, "exactAmount": "0.100000",
                    "firstSequence": 11, "lastSequence": 19,
                },
            }],
            "receipts": {
                "received": 7, "recorded": 4, "duplicates": 1, "quarantined": 1, "unrated": 1, "agrees": true,
            },
        })
    );
}

#[actix_web::test]
async fn what_does_not_agree_is_said_to_and_what_is_archived_is_not_held_against_it() {
    type Change = fn(&mut InvoiceProof);
    let nothing: Change = |_| {};
    for (what, change, line_agrees, agrees) in [
        ("nothing", nothing, true, true),
        ("archived", |proof| proof.lines[0].events = None, true, true),
        ("no line", |proof| proof.lines[0].line = None, false, false),
        ("messages", |proof| proof.lines[0].sealed.messages += 1, false, false),
        ("units", |proof| proof.lines[0].sealed.units += 1, false, false),
        ("events", |proof| proof.lines[0].events = Some(Default::default()), false, false),
        ("misplaced", |proof| proof.lines[0].events.as_mut().unwrap().0.misplaced = 1, false, false),
        ("receipts", |proof| proof.receipts.received -= 1, true, false),
    ] {
        let world = world(change, Vec::new()).await;
        let reply = world.send(&Ask::get(&format!("{LIST}/{}/proof", id(1))).customer(ACCOUNT)).await;
        let found = (&reply.body["lines"][0]["agrees"], &reply.body["agrees"]);
        assert_eq!(found, (&Value::Bool(line_agrees), &Value::Bool(agrees)), "{what}");
    }
}

#[actix_web::test]
async fn usage_is_sent_piece_by_piece_to_be_saved() {
    for (usage, expected) in [
        (vec![Some("a,b\n"), Some("c,d\n")], format!("{HEADER}a,b\nc,d\n")),
        (vec![Some("a,b\n")], format!("{HEADER}a,b\n")),
        (vec![], HEADER.to_owned()),
    ] {
        let world = world(|_| {}, usage).await;
        let reply = world.send(&Ask::get(&format!("{LIST}/{}/usage.csv", id(1))).customer(ACCOUNT)).await;
        assert_eq!((reply.status, &reply.text), (200, &expected));
        assert_eq!(reply.header("Content-Type"), Some("text/csv; charset=utf-8; header=present"));
        assert_eq!(reply.header("Cache-Control"), Some("private, no-store"));
        let disposition = "attachment; filename=\"INV-2026-000001-usage.csv\"";
        assert_eq!(reply.header("Content-Disposition"), Some(disposition));
    }
}

#[actix_web::test]
async fn what_fails_before_the_first_line_is_a_problem() {
    let world = world(|_| {}, vec![None]).await;
    let path = format!("{LIST}/{}/usage.csv", id(1));
    let reply = world.send(&Ask::get(&path).customer(ACCOUNT)).await;
    assert_eq!((reply.status, reply.problem()), (503, "unavailable"));
    world.memory.let_exports_be_busy();
    let reply = world.send(&Ask::get(&path).customer(ACCOUNT)).await;
    assert_eq!((reply.status, reply.problem(), reply.header("Retry-After")), (503, "overloaded", Some("1")));
    let reply = world.send(&Ask::get(&format!("{path}?unknown=1")).customer(ACCOUNT)).await;
    assert_eq!((reply.status, reply.problem()), (422, "invalid"));
}

#[actix_web::test]
async fn staff_see_drafts_too_and_each_read_is_noted() {
    let world = world(|_| {}, vec![Some("a\n")]).await;
    world.memory.put_invoice(draft(2, "2026-08"), InvoiceContents::default());
    world.memory.put_proven(id(2), ProvenInvoice { proof: proof(), usage: vec![Some("b\n")] });
    for number in [1, 2] {
        for below in ["proof", "usage.csv"] {
            let ask = Ask::get(&format!("{LIST}/{}/{below}", id(number)));
            let staff = json!({"account_id": null, "scope": "billing:read", "roles": ["platform.finance"]});
            assert_eq!(world.send(&ask.claims(&staff)).await.status, 200);
        }
    }
    let noted: Vec<_> = world.memory.noted_reads().iter().map(|read| read.what).collect();
    assert_eq!(noted, ["invoice proof", "invoice usage", "invoice proof", "invoice usage"]);
}
