//! Why a message costs what it costs, what one would cost, and what waits for a price.

use billing_domain::ports::{AccountHistory, Entered};
use billing_domain::pricing::{CostShare, Rated};
use billing_domain::usage::{
    Direction, DlrStatus, Fingerprint, ProfileSource, ProfileVersion, RatedUsage, Receipt, ReportedUsage, SegmentCount,
    UnratedReason, UnratedUsage, UsageEvent,
};
use billing_domain::{AccountId, CostId, Currency, Day, MessageId, Micros, OperatorId, PriceId, TenantId, Tier};
use serde_json::{Value, json};
use uuid::Uuid;

use super::bodies::{cost, post, price, with};
use super::world::{ACCOUNT, Ask, Reply, TENANT, World};

const PRICING: &str = "/v1/admin/pricing";
pub(super) const MESSAGE: Uuid = Uuid::from_u128(0x77);

async fn ask(world: &World, question: &str) -> Reply {
    // A token without an account: every read is of another's.
    let claims = json!({"account_id": null, "scope": "billing:admin", "roles": ["platform.billing_admin"]});
    world.send(&Ask::get(&format!("{PRICING}/{question}")).claims(&claims)).await
}

/// A price from 2026-10-01 on; its id.
async fn put_price(world: &World, changes: Value) -> Uuid {
    let body = with(with(price(), &json!({"effectiveFrom": "2026-10-01", "unitPrice": "0.012"})), &changes);
    let reply = post(world, PRICING, &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.body["pricingTableId"].as_str().unwrap().parse().unwrap()
}

fn receipt() -> Receipt {
    Receipt { sequence: 1, published_at: "2026-10-05T08:00:01Z".parse().unwrap() }
}

/// 3 segments to 41220 by a GROWTH account.
fn event() -> UsageEvent {
    UsageEvent {
        message: MessageId(MESSAGE),
        tenant: TenantId(TENANT),
        account: AccountId(ACCOUNT),
        tier: Tier::new("GROWTH").unwrap(),
        operator: OperatorId::new("41220").unwrap(),
        direction: Direction::Mt,
        segments: SegmentCount::new(3).unwrap(),
        currency: Currency::new("USD").unwrap(),
        charged_at: "2026-10-05T08:00:00Z".parse().unwrap(),
        dlr_status: DlrStatus::Delivered,
    }
}

fn put_rated(world: &World, price: Uuid, event: UsageEvent, units: u8, cost: Option<(&str, i64)>) {
    let cost = cost.map(|(currency, micros)| CostShare {
        cost: CostId(Uuid::from_u128(0xC)),
        amount: Micros(micros),
        currency: Currency::new(currency).unwrap(),
    });
    let rated = Rated { price: PriceId(price), units, amount: Micros(12_000 * i64::from(units)), cost };
    world.memory.put_rated(RatedUsage { receipt: receipt(), fingerprint: Fingerprint(Uuid::nil()), event, rated });
}

/// An account and a message of it that is rated by a price; the price's id.
pub(super) async fn put_explained(world: &World) -> Uuid {
    put_profile(world);
    let price = put_price(world, json!({})).await;
    put_rated(world, price, event(), 3, None);
    price
}

fn put_waiting(world: &World, number: u128, reason: UnratedReason, change: impl FnOnce(&mut ReportedUsage)) {
    let event = event();
    let mut usage = ReportedUsage {
        message: MessageId(Uuid::from_u128(number)),
        tenant: Some(event.tenant),
        account: event.account,
        tier: Some(event.tier),
        operator: event.operator,
        direction: event.direction,
        segments: event.segments,
        currency: Some(event.currency),
        charged_at: event.charged_at,
        dlr_status: event.dlr_status,
    };
    change(&mut usage);
    let (fingerprint, tenant) = (Fingerprint(Uuid::nil()), usage.tenant);
    world.memory.put_waiting(UnratedUsage { receipt: receipt(), fingerprint, usage, tenant, reason });
}

/// GROWTH and USD from 2026-10-01, STARTER before.
fn put_profile(world: &World) {
    let version = |from: &str, tier: &str| {
        let version = ProfileVersion {
            from: Day::parse(from).unwrap(),
            tier: Tier::new(tier).unwrap(),
            currency: Currency::new("USD").unwrap(),
            source: ProfileSource::Event,
        };
        Entered { version, entry: None }
    };
    world.memory.put_history(AccountHistory {
        account: AccountId(ACCOUNT),
        tenant: TenantId(TENANT),
        profile: vec![version("2026-01-01", "STARTER"), version("2026-10-01", "GROWTH")],
        parties: Vec::new(),
    });
}

/// Rules in order; `x` where a price stands, `W` where it wins.
fn rules(reply: &Reply) -> String {
    let candidates = reply.body["candidates"].as_array().unwrap();
    let names: Vec<_> = candidates.iter().map(|candidate| candidate["rule"].as_str().unwrap()).collect();
    assert!(names.is_empty() || names == ["ACCOUNT_OPERATOR", "ACCOUNT_ANY", "TIER_OPERATOR", "TIER_ANY"]);
    let mark = |candidate: &Value| match (&candidate["price"], &candidate["wins"]) {
        (Value::Null, Value::Bool(false)) => '-',
        (Value::Object(_), Value::Bool(wins)) => {
            if *wins {
                'W'
            } else {
                'x'
            }
        }
        other => panic!("{other:?}"),
    };
    candidates.iter().map(mark).collect()
}

#[actix_web::test]
async fn a_rated_message_is_explained() {
    let world = World::new().await;
    let own = put_price(&world, json!({"accountId": ACCOUNT, "accountTier": "-"})).await;
    put_price(&world, json!({"unitPrice": "0.02"})).await;
    put_rated(&world, own, event(), 3, Some(("USD", 24_000)));
    let reply = ask(&world, &format!("explain?messageId={MESSAGE}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.header("Cache-Control"), Some("private, no-cache"));
    assert_eq!(rules(&reply), "-W-x");
    let mut body = reply.body.clone();
    body.as_object_mut().unwrap().remove("candidates");
    let in_force = json!({
        "pricingTableId": own, "version": 1, "pricingModel": "PER_SEGMENT", "chargeOn": "ANY_TERMINAL",
        "unitPrice": "0.012000", "currency": "USD", "effectiveFrom": "2026-10-01", "effectiveTo": null,
        "cancelledAt": null,
    });
    assert_eq!(reply.body["candidates"][1]["price"], in_force);
    assert_eq!(
        body,
        json!({
            "messageId": MESSAGE, "state": "RATED", "day": "2026-10-05",
            "event": {
                "accountId": ACCOUNT, "tenantId": TENANT, "accountTier": "GROWTH", "operatorId": "41220",
                "direction": "MT", "currency": "USD", "chargedAt": "2026-10-05T08:00:00Z", "segmentCount": 3,
                "dlrStatus": "DELIVERED",
            },
            "rule": "ACCOUNT_ANY",
            "reason": "account + *: first hit, nothing more specific has a price on that day",
            "price": in_force, "changedSince": null, "correctedBy": null,
            "arithmetic": {
                "text": "3 segments × 0.012000 USD = 0.036000 USD", "units": 3, "unit": "SEGMENT",
                "unitPrice": "0.012000", "amount": "0.036000", "currency": "USD", "adjustedMonthly": false,
            },
            "cost": {"operatorCostId": Uuid::from_u128(0xC), "amount": "0.024000", "currency": "USD"},
            "margin": {"amount": "0.012000", "unknown": null}, "waitsFor": null,
        })
    );
    let noted = world.memory.noted_reads();
    assert_eq!((noted.len(), noted[0].account, noted[0].what), (1, Some(AccountId(ACCOUNT)), "message"));
}

#[actix_web::test]
async fn what_is_not_charged_or_has_no_margin_says_why() {
    let world = World::new().await;
    let delivered = put_price(&world, json!({"chargeOn": "DELIVERED"})).await;
    let undelivered = || UsageEvent { dlr_status: DlrStatus::Undelivered, ..event() };
    for (cost, margin) in [
        (Some(("USD", 24_000)), json!({"amount": "-0.024000", "unknown": null})),
        (None, json!({"amount": null, "unknown": "no operator cost is in force on that day"})),
        (
            Some(("AFN", 24_000)),
            json!({"amount": null, "unknown": "the operator charges in AFN, the customer pays in USD"}),
        ),
    ] {
        put_rated(&world, delivered, undelivered(), 0, cost);
        let reply = ask(&world, &format!("explain?messageId={MESSAGE}")).await;
        assert_eq!(reply.body["arithmetic"]["text"], "UNDELIVERED is not charged: 0 units");
        assert_eq!((&reply.body["arithmetic"]["amount"], &reply.body["margin"]), (&json!("0.000000"), &margin));
    }
}

#[actix_web::test]
async fn the_pinned_price_is_the_truth_and_later_changes_are_told() {
    let world = World::new().await;
    let pinned = put_price(&world, json!({})).await;
    // No route lets a price come before rated usage; this one was there a moment earlier.
    let later = put_price(&world, json!({"accountId": ACCOUNT, "accountTier": "-"})).await;
    put_rated(&world, pinned, event(), 3, None);
    let reply = ask(&world, &format!("explain?messageId={MESSAGE}")).await;
    assert_eq!((rules(&reply), &reply.body["rule"]), ("-W-x".to_owned(), &json!("TIER_ANY")));
    assert_eq!(reply.body["reason"], "tier + *: first hit when it was rated");
    assert_eq!(reply.body["price"]["pricingTableId"], json!(pinned));
    let told = format!("today's prices would choose account + *, {later}");
    assert!(reply.body["changedSince"].as_str().unwrap().ends_with(&told), "{}", reply.text);
}

#[actix_web::test]
async fn a_correction_of_the_day_is_named_and_the_message_stays() {
    let world = World::new().await;
    let pinned = put_price(&world, json!({})).await;
    put_rated(&world, pinned, event(), 3, None);
    let day = Day::of(event().charged_at).to_string();
    let correction = json!({"pricingTableId": pinned, "effectiveFrom": day, "effectiveTo": day, "unitPrice": "0.01",
        "reason": "typed wrongly"});
    let made = post(&world, "/v1/admin/pricing/corrections", &correction).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let reply = ask(&world, &format!("explain?messageId={MESSAGE}")).await;
    let named = json!({"correctionId": made.body["correctionId"], "unitPrice": "0.010000", "reason": "typed wrongly"});
    assert_eq!(reply.body["correctedBy"], named);
    assert_eq!(reply.body["price"]["unitPrice"], "0.012000");
}

#[actix_web::test]
async fn a_waiting_message_says_what_it_waits_for() {
    let world = World::new().await;
    let by_profile = |usage: &mut ReportedUsage| (usage.tier, usage.currency) = (None, None);
    put_waiting(&world, 1, UnratedReason::NoPrice, |_| {});
    put_waiting(&world, 2, UnratedReason::UnknownAccount, by_profile);
    let key = json!({
        "accountId": ACCOUNT, "accountTier": "GROWTH", "operatorId": "41220", "direction": "MT", "currency": "USD",
        "day": "2026-10-05",
    });
    let no_price = "no price on 2026-10-05 of the account or of tier GROWTH, for operator 41220 or *, MT, in USD";
    let profile = "the account's profile, which would add what the report leaves out";
    let covered = "a price covers it by now: it will be rated within seconds";
    let check = async |number: u128, reason: &str, marks: &str, detail: &str, key: &Value| {
        let reply = ask(&world, &format!("explain?messageId={}", Uuid::from_u128(number))).await;
        assert_eq!((reply.status, &reply.body["state"]), (200, &json!("UNRATED")), "{}", reply.text);
        let expected = json!({"reason": reason, "since": "2026-10-05T08:00:01Z", "detail": detail, "missingKey": key});
        assert_eq!(reply.body["waitsFor"], expected);
        assert_eq!(rules(&reply), marks);
        for absent in ["rule", "price", "arithmetic", "cost", "margin", "changedSince"] {
            assert_eq!(reply.body[absent], Value::Null, "{absent}");
        }
    };
    check(1, "NO_PRICE", "----", no_price, &key).await;
    check(2, "UNKNOWN_ACCOUNT", "", profile, &Value::Null).await;
    put_profile(&world);
    check(2, "UNKNOWN_ACCOUNT", "----", no_price, &key).await;
    put_price(&world, json!({})).await;
    check(1, "NO_PRICE", "---W", covered, &key).await;
}

#[actix_web::test]
async fn what_is_not_usage_is_not_found() {
    let world = World::new().await;
    for (query, status, pointers) in [
        (format!("?messageId={MESSAGE}"), 404, &[][..]),
        ("?messageId=nonsense".into(), 422, &["/messageId"]),
        (String::new(), 422, &["/messageId"]),
        (format!("?messageId={MESSAGE}&accountId={ACCOUNT}"), 422, &["/accountId"]),
    ] {
        let reply = ask(&world, &format!("explain{query}")).await;
        assert_eq!((reply.status, reply.pointers()), (status, pointers.to_vec()), "{query}: {}", reply.text);
    }
    assert!(world.memory.noted_reads().is_empty());
}

#[actix_web::test]
async fn a_price_is_found_without_a_message() {
    let world = World::new().await;
    put_profile(&world);
    put_price(&world, json!({"accountId": ACCOUNT, "accountTier": "-", "operatorId": "41220", "unitPrice": "0.01"}))
        .await;
    put_price(&world, json!({})).await;
    put_price(
        &world,
        json!({"accountTier": "STARTER", "pricingModel": "FLAT_PER_MESSAGE", "chargeOn": "DELIVERED",
        "effectiveFrom": "2026-09-01"}),
    )
    .await;
    let costed = post(&world, "/v1/admin/operator-costs", &with(cost(), &json!({"effectiveFrom": "2026-10-01"}))).await;
    assert_eq!(costed.status, 201, "{}", costed.text);
    let of_account = format!("accountId={ACCOUNT}&direction=MT");
    let nobody = Uuid::from_u128(0xEE);
    for (query, marks, tier, day, text, margin) in [
        (
            format!("{of_account}&operatorId=41220&at=2026-10-05&segments=3"),
            "W--x",
            "GROWTH",
            "2026-10-05",
            "3 segments × 0.010000 USD = 0.030000 USD",
            json!("0.004500"),
        ),
        (
            format!("{of_account}&operatorId=41240&currency=USD"),
            "---W",
            "GROWTH",
            "2026-10-15",
            "1 segment × 0.012000 USD = 0.012000 USD",
            Value::Null,
        ),
        (
            format!("{of_account}&operatorId=41240&at=2026-09-30T23:59:59.999Z&segments=10&dlrStatus=EXPIRED"),
            "---W",
            "STARTER",
            "2026-09-30",
            "EXPIRED is not charged: 0 units",
            Value::Null,
        ),
        (
            format!("accountId={nobody}&accountTier=STARTER&currency=USD&direction=MT&operatorId=41240&segments=10"),
            "---W",
            "STARTER",
            "2026-10-15",
            "1 message × 0.012000 USD = 0.012000 USD",
            Value::Null,
        ),
        (
            "accountTier=GROWTH&currency=USD&direction=MT&operatorId=41220".into(),
            "---W",
            "GROWTH",
            "2026-10-15",
            "1 segment × 0.012000 USD = 0.012000 USD",
            json!("0.003500"),
        ),
    ] {
        let reply = ask(&world, &format!("resolve?{query}")).await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.text);
        let found = (&reply.body["accountTier"], &reply.body["day"], &reply.body["arithmetic"]["text"]);
        assert_eq!((rules(&reply).as_str(), found), (marks, (&json!(tier), &json!(day), &json!(text))), "{query}");
        assert_eq!(reply.body["margin"]["amount"], margin, "{query}");
    }
    let none = ask(&world, &format!("resolve?{of_account}&operatorId=41220&currency=AFN")).await;
    assert_eq!((none.status, rules(&none).as_str()), (200, "----"));
    let answers = ["rule", "price", "arithmetic", "margin"].map(|field| &none.body[field]);
    assert_eq!(answers, [&Value::Null; 4]);
    assert_eq!(none.body["reason"], "none of the four keys has a price on that day");
}

#[actix_web::test]
async fn a_question_that_cannot_be_names_the_parameter() {
    let world = World::new().await;
    put_profile(&world);
    let whole = json!({"accountId": ACCOUNT, "operatorId": "41220", "direction": "MT"});
    for (changes, pointers) in [
        (json!({}), &[][..]),
        (json!({"segments": "10", "at": "2026-10-05T00:00:00Z", "dlrStatus": "FAILED", "accountTier": "X"}), &[]),
        (json!({"accountId": "-"}), &["/accountId", "/currency"]),
        (json!({"accountId": "-", "accountTier": "GROWTH"}), &["/currency"]),
        (json!({"accountId": Uuid::from_u128(0xEE)}), &["/accountId"]),
        (json!({"accountId": "5"}), &["/accountId"]),
        (json!({"accountTier": "%20A"}), &["/accountTier"]),
        (json!({"operatorId": "-"}), &["/operatorId"]),
        (json!({"operatorId": "*"}), &["/operatorId"]),
        (json!({"direction": "mt"}), &["/direction"]),
        (json!({"direction": "-"}), &["/direction"]),
        (json!({"currency": "usd"}), &["/currency"]),
        (json!({"at": "yesterday"}), &["/at"]),
        (json!({"at": "2026-10-05T00:00:00"}), &["/at"]),
        (json!({"at": "2026-10-05T00:00:00%2B04:30"}), &["/at"]),
        (json!({"at": "-000001-10-05T00:00:00Z"}), &["/at"]),
        (json!({"segments": "0"}), &["/segments"]),
        (json!({"segments": "11"}), &["/segments"]),
        (json!({"segments": "%2B1"}), &["/segments"]),
        (json!({"dlrStatus": "SENT"}), &["/dlrStatus"]),
        (json!({"day": "2026-10-05", "direction": "X"}), &["/direction", "/day"]),
    ] {
        let asked = with(whole.clone(), &changes);
        let pairs =
            asked.as_object().unwrap().iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap()));
        let query = pairs.collect::<Vec<_>>().join("&");
        let reply = ask(&world, &format!("resolve?{query}")).await;
        assert_eq!(reply.status, if pointers.is_empty() { 200 } else { 422 }, "{query}: {}", reply.text);
        assert_eq!(reply.pointers(), pointers, "{query}: {}", reply.text);
    }
}

#[actix_web::test]
async fn what_waits_is_listed_by_key() {
    let world = World::new().await;
    for (number, minute) in [(1, 10), (2, 5), (3, 59)] {
        let at = format!("2026-10-15T11:{minute:02}:00Z").parse().unwrap();
        put_waiting(&world, number, UnratedReason::NoPrice, |usage| usage.charged_at = at);
    }
    put_waiting(&world, 4, UnratedReason::NoPrice, |usage| usage.operator = OperatorId::new("41240").unwrap());
    put_waiting(&world, 5, UnratedReason::UnknownAccount, |usage| {
        usage.account = AccountId(Uuid::from_u128(0xBB));
        (usage.tenant, usage.tier, usage.currency) = (None, None, None);
    });
    let all = ask(&world, "unrated").await;
    assert_eq!((all.status, &all.body["nextCursor"]), (200, &Value::Null), "{}", all.text);
    let first = json!({
        "reason": "NO_PRICE", "accountId": ACCOUNT, "tenantId": TENANT, "accountTier": "GROWTH", "operatorId": "41220",
        "direction": "MT", "currency": "USD", "messageCount": 3, "oldestChargedAt": "2026-10-15T11:05:00Z",
        "newestChargedAt": "2026-10-15T11:59:00Z", "ageSeconds": 3_300,
    });
    let data = all.body["data"].as_array().unwrap();
    assert!(data.contains(&first), "{}", all.text);
    let unknown = data.iter().find(|group| group["reason"] == "UNKNOWN_ACCOUNT").unwrap();
    assert_eq!((&unknown["accountTier"], &unknown["messageCount"]), (&Value::Null, &json!(1)));
    // Page by page, the same.
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let page = ask(&world, &format!("unrated?limit=1{cursor}")).await;
        seen.extend(page.body["data"].as_array().unwrap().clone());
        let Some(next) = page.body["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(&seen, data);
    for (query, groups, pointers) in [
        (format!("accountId={ACCOUNT}"), 2, &[][..]),
        ("operatorId=41240".into(), 1, &[]),
        (format!("accountId={}&operatorId=41240", Uuid::from_u128(0xBB)), 0, &[]),
        ("operatorId=*".into(), 0, &["/operatorId"]),
        ("cursor=AAAA".into(), 0, &["/cursor"]),
        ("reason=NO_PRICE".into(), 0, &["/reason"]),
    ] {
        let reply = ask(&world, &format!("unrated?{query}")).await;
        assert_eq!(reply.body["data"].as_array().map_or(0, Vec::len), groups, "{query}: {}", reply.text);
        assert_eq!(reply.pointers(), pointers, "{query}");
    }
    let noted = world.memory.noted_reads();
    assert!(noted.iter().all(|read| read.what == "unrated usage"));
    assert_eq!(noted.iter().filter(|read| read.account == Some(AccountId(ACCOUNT))).count(), 1);
}
