//! Corrections of prices: what they would change, that they are made once, and what is refused.

use billing_domain::pricing::Rated;
use billing_domain::usage::{Direction, DlrStatus, Fingerprint, RatedUsage, Receipt, SegmentCount, UsageEvent};
use billing_domain::{AccountId, Currency, MessageId, Micros, OperatorId, PriceId, TenantId, Tier};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::bodies::{post, price, with};
use super::world::{Ask, World};

const PATH: &str = "/v1/admin/pricing/corrections";

/// A price at 0.0125 by which one account had 100 segments in September and 50 in October.
async fn rated(world: &World) -> String {
    let made = post(world, "/v1/admin/pricing", &with(price(), &json!({"effectiveFrom": "2026-01-01"}))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.body["pricingTableId"].as_str().unwrap().to_owned();
    let price = id.parse().unwrap();
    for number in 0..15_u128 {
        put_rated(world, price, number, if number < 10 { "2026-09-05T00:00:00Z" } else { "2026-10-05T00:00:00Z" });
    }
    id
}

/// A message of 10 segments that this price has rated; its id.
pub(super) fn put_rated(world: &World, price: Uuid, number: u128, at: &str) -> Uuid {
    let message = Uuid::from_u128(number);
    let event = UsageEvent {
        message: MessageId(message),
        tenant: TenantId(Uuid::from_u128(1)),
        account: AccountId(Uuid::from_u128(7)),
        tier: Tier::new("GROWTH").unwrap(),
        operator: OperatorId::new("41220").unwrap(),
        direction: Direction::Mt,
        segments: SegmentCount::new(10).unwrap(),
        currency: Currency::new("USD").unwrap(),
        charged_at: at.parse().unwrap(),
        dlr_status: DlrStatus::Delivered,
    };
    let rated = Rated { price: PriceId(price), units: 10, amount: Micros(125_000), cost: None };
    let receipt = Receipt { sequence: 1, published_at: Timestamp::UNIX_EPOCH };
    world.memory.put_rated(RatedUsage { receipt, fingerprint: Fingerprint(Uuid::nil()), event, rated });
    message
}

pub(super) fn correction(price: &str) -> Value {
    json!({"pricingTableId": price, "effectiveFrom": "2026-09-01", "effectiveTo": "2026-10-10", "unitPrice": "0.01",
        "reason": "typed wrongly"})
}

#[actix_web::test]
async fn a_dry_run_says_what_would_change_and_writes_nothing() {
    let world = World::new().await;
    let id = rated(&world).await;
    let dry = post(&world, &format!("{PATH}?dryRun=true"), &correction(&id)).await;
    assert_eq!(dry.status, 200, "{}", dry.text);
    assert_eq!((&dry.body["dryRun"], &dry.body["changes"]), (&json!(true), &json!(2)));
    assert_eq!((&dry.body["totalDelta"], &dry.body["currency"]), (&json!("-0.38"), &json!("USD")));
    let account = Uuid::from_u128(7);
    assert_eq!(
        dry.body["deltas"],
        json!([
            {"accountId": account, "month": "2026-09", "units": 100, "before": "1.25", "after": "1.00", "delta": "-0.25"},
            {"accountId": account, "month": "2026-10", "units": 50, "before": "0.63", "after": "0.50", "delta": "-0.13"},
        ])
    );
    let list = world.send(&Ask::new("GET", PATH).staff()).await;
    assert_eq!(list.body["data"], json!([]));
}

#[actix_web::test]
async fn a_correction_is_made_once_and_listed() {
    let world = World::new().await;
    let id = rated(&world).await;
    let ask = Ask::new("POST", PATH).staff().json(&correction(&id)).header("Idempotency-Key", "correct-october");
    let made = world.send(&ask).await;
    assert_eq!((made.status, &made.body["dryRun"], &made.body["changes"]), (201, &json!(false), &json!(2)));
    assert_eq!(made.body["unitPrice"], "0.010000");
    let again = world.send(&ask).await;
    assert_eq!((again.status, &again.body["correctionId"]), (201, &made.body["correctionId"]));
    let list = world.send(&Ask::new("GET", &format!("{PATH}?pricingTableId={id}")).staff()).await;
    assert_eq!(list.body["data"].as_array().unwrap().len(), 1);
    assert_eq!(list.body["data"][0]["reason"], "typed wrongly");
    let other = world.send(&Ask::new("GET", &format!("{PATH}?pricingTableId={}", Uuid::nil())).staff()).await;
    assert_eq!(other.body["data"], json!([]));
}

#[actix_web::test]
async fn what_does_not_fit_is_named() {
    let world = World::new().await;
    let id = rated(&world).await;
    for (change, pointer) in [
        (json!({"pricingTableId": Uuid::nil()}), "/pricingTableId"),
        (json!({"pricingTableId": "x"}), "/pricingTableId"),
        (json!({"effectiveFrom": "2025-12-31"}), "/effectiveFrom"),
        (json!({"effectiveTo": "2026-08-31"}), "/effectiveTo"),
        (json!({"effectiveTo": "2026-10-16"}), "/effectiveTo"),
        (json!({"effectiveTo": null}), "/effectiveTo"),
        (json!({"unitPrice": "-1"}), "/unitPrice"),
        (json!({"unitPrice": 0.01}), "/unitPrice"),
        (json!({"unitPrice": "1e-3"}), "/unitPrice"),
        (json!({"unitPrice": "0.0000001"}), "/unitPrice"),
        (json!({"tiers": [{"above": 1, "unitPrice": "1"}]}), "/tiers"),
        (json!({"package": {"size": 1, "price": "1"}}), "/package"),
        (json!({"pricingModel": "VOLUME"}), "/pricingModel"),
        (json!({"reason": " "}), "/reason"),
        (json!({"reason": "x".repeat(501)}), "/reason"),
        (json!({"other": 1}), "/other"),
    ] {
        let refused = post(&world, PATH, &with(correction(&id), &change)).await;
        assert_eq!((refused.status, refused.problem()), (422, "invalid"), "{change}: {}", refused.text);
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{change}: {}", refused.text);
    }
    let bad = post(&world, &format!("{PATH}?dryRun=maybe"), &correction(&id)).await;
    assert_eq!((bad.status, &bad.body["errors"][0]["pointer"]), (422, &json!("/dryRun")), "{}", bad.text);
}
