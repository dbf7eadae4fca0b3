//! Accounts as staff enter them: made, versioned, listed, and what is refused on the way.

use billing_domain::ports::{AccountHistory, Entered};
use billing_domain::usage::{ProfileSource, ProfileVersion};
use billing_domain::{AccountId, Currency, Day, TenantId, Tier};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{Ask, NOW, Reply, SUBJECT, TENANT, World};

const ACCOUNTS: &str = "/v1/admin/pricing/accounts";

fn path(number: u128) -> String {
    format!("{ACCOUNTS}/{}", Uuid::from_u128(number))
}

async fn get(world: &World, path: &str) -> Reply {
    world.send(&Ask::get(path).staff()).await
}

async fn patch(world: &World, number: u128, body: &Value) -> Reply {
    world.send(&Ask::new("PATCH", &path(number)).staff().json(body)).await
}

/// An account as events have taught it.
fn learn(world: &World, number: u128, tier: &str) {
    let version = ProfileVersion {
        from: Day::parse("2026-10-01").unwrap(),
        tier: Tier::new(tier).unwrap(),
        currency: Currency::new("USD").unwrap(),
        source: ProfileSource::Event,
    };
    world.memory.put_history(AccountHistory {
        account: AccountId(Uuid::from_u128(number)),
        tenant: TenantId(TENANT),
        profile: vec![Entered { version, entry: None }],
        parties: Vec::new(),
    });
}

#[actix_web::test]
async fn an_account_is_entered_whole_and_changed_by_parts() {
    let world = World::new().await;
    let body = json!({
        "tenantId": TENANT, "accountTier": "GROWTH", "currency": "AFN", "legalName": "شرکت هریرود",
        "address": ["شهر نو", "کابل"], "taxId": "9000", "taxRates": [{"name": "VAT", "percent": "10"}],
        "locale": "fa-AF", "effectiveFrom": "2026-10-01",
    });
    let made = patch(&world, 1, &body).await;
    assert_eq!((made.status, made.header("Location")), (201, Some(path(1).as_str())), "{}", made.text);
    assert_eq!(made.header("Cache-Control"), Some("private, no-store"));
    let party = json!({
        "legalName": "شرکت هریرود", "address": ["شهر نو", "کابل"], "taxId": "9000", "locale": "fa-AF",
        "taxRates": [{"name": "VAT", "percent": "10"}], "effectiveFrom": "2026-10-01",
        "createdBy": SUBJECT, "createdAt": NOW,
    });
    let profile = json!({
        "accountTier": "GROWTH", "currency": "AFN", "source": "STAFF", "effectiveFrom": "2026-10-01",
        "createdBy": SUBJECT, "createdAt": NOW,
    });
    assert_eq!(
        made.body,
        json!({
            "accountId": Uuid::from_u128(1), "tenantId": TENANT, "accountTier": "GROWTH", "currency": "AFN",
            "profileSource": "STAFF", "legalName": "شرکت هریرود", "address": ["شهر نو", "کابل"], "taxId": "9000",
            "taxRates": [{"name": "VAT", "percent": "10"}], "locale": "fa-AF",
            "history": {"profile": [profile], "party": [party]},
        })
    );
    assert_eq!(get(&world, &path(1)).await.body, made.body);
    // The same again changes nothing, and is no new account.
    let again = patch(&world, 1, &body).await;
    assert_eq!((again.status, &again.body), (200, &made.body));

    // From today by default; what is left out stays.
    let taxed = json!({"taxRates": [{"name": "VAT", "percent": "12.5"}, {"name": "Levy", "percent": "0"}]});
    let next = patch(&world, 1, &taxed).await;
    assert_eq!((next.status, &next.body["taxRates"]), (200, &taxed["taxRates"]), "{}", next.text);
    assert_eq!((&next.body["legalName"], &next.body["taxId"]), (&made.body["legalName"], &json!("9000")));
    assert_eq!(next.body["history"]["party"][0]["effectiveFrom"], "2026-10-15");
    // Of one day the last holds.
    let mended = patch(&world, 1, &json!({"taxId": null, "taxRates": [], "address": []})).await;
    assert_eq!((&mended.body["taxId"], &mended.body["taxRates"]), (&Value::Null, &json!([])));
    assert_eq!(mended.body["history"]["party"].as_array().unwrap().len(), 3);
    // What begins later holds later.
    let later = patch(&world, 1, &json!({"currency": "USD", "effectiveFrom": "2026-11-01"})).await;
    assert_eq!((&later.body["currency"], &later.body["accountTier"]), (&json!("AFN"), &json!("GROWTH")));
    assert_eq!(later.body["history"]["profile"][0]["currency"], "USD");
    assert_eq!(later.body["history"]["profile"][1], profile);
}

#[actix_web::test]
async fn what_was_learned_holds_until_staff_say_otherwise() {
    let world = World::new().await;
    learn(&world, 1, "STARTER");
    let seen = get(&world, &path(1)).await.body;
    assert_eq!(
        (&seen["profileSource"], &seen["legalName"], &seen["locale"]),
        (&json!("EVENT"), &Value::Null, &json!("en"))
    );
    assert_eq!(seen["history"]["profile"][0]["createdBy"], Value::Null);
    // A name alone says nothing of the tier.
    let named = patch(&world, 1, &json!({"legalName": "Kabul Ride"})).await;
    assert_eq!((named.status, &named.body["profileSource"]), (200, &json!("EVENT")), "{}", named.text);
    let said = patch(&world, 1, &json!({"accountTier": "STARTER", "tenantId": TENANT})).await;
    assert_eq!((said.status, &said.body["profileSource"]), (200, &json!("STAFF")), "{}", said.text);
    assert_eq!(said.body["history"]["profile"].as_array().unwrap().len(), 2);
}

#[actix_web::test]
async fn an_account_keeps_its_tenant() {
    let world = World::new().await;
    learn(&world, 1, "STARTER");
    let reply = patch(&world, 1, &json!({"tenantId": Uuid::from_u128(0xB), "legalName": "Kabul Ride"})).await;
    assert_eq!((reply.status, reply.problem()), (409, "other-tenant"));
    assert_eq!(get(&world, &path(1)).await.body["legalName"], Value::Null);
}

#[actix_web::test]
async fn what_cannot_be_is_refused_by_its_place() {
    let world = World::new().await;
    learn(&world, 1, "STARTER");
    let long = "x".repeat(201);
    let nine = ["a"; 9];
    let six = vec![json!({"name": "VAT", "percent": "1"}); 6];
    for (number, body, pointers) in [
        (1, json!({}), &["/accountTier"][..]),
        (1, json!({"effectiveFrom": "2026-11-01", "tenantId": TENANT}), &["/accountTier"]),
        (2, json!({"legalName": "A"}), &["/tenantId", "/accountTier", "/currency"]),
        (2, json!({"tenantId": TENANT, "accountTier": "A"}), &["/currency"]),
        (1, json!({"taxId": "1"}), &["/legalName"]),
        (1, json!({"locale": "de", "effectiveFrom": "2020-01-01"}), &["/legalName"]),
        (
            1,
            json!({"legalName": null, "address": null, "taxRates": null, "locale": null, "effectiveFrom": null}),
            &["/legalName", "/address", "/taxRates", "/locale", "/effectiveFrom"],
        ),
        (1, json!({"legalName": ""}), &["/legalName"]),
        (1, json!({"legalName": long}), &["/legalName"]),
        (1, json!({"legalName": "A\nB"}), &["/legalName"]),
        (1, json!({"legalName": "A", "nickname": "B"}), &["/nickname"]),
        (
            1,
            json!({"legalName": 1, "address": "Kabul", "taxRates": {}, "locale": []}),
            &["/legalName", "/address", "/taxRates", "/locale"],
        ),
        (1, json!({"legalName": "A", "address": nine}), &["/address"]),
        (1, json!({"legalName": "A", "address": ["Kabul", 7, "", null]}), &["/address/1", "/address/2", "/address/3"]),
        (1, json!({"legalName": "A", "taxRates": six}), &["/taxRates"]),
        (
            1,
            json!({"legalName": "A", "taxRates": ["VAT", {}]}),
            &["/taxRates/0", "/taxRates/1/percent", "/taxRates/1/name"],
        ),
        (
            1,
            json!({"legalName": "A", "taxRates": [
                {"name": "VAT", "percent": "10"}, {"name": "", "percent": "100.1"}, {"name": "VAT", "percent": 10},
                {"name": "VAT", "percent": "1", "since": "now"},
            ]}),
            &["/taxRates/1/percent", "/taxRates/1/name", "/taxRates/2/percent", "/taxRates/3/since"],
        ),
        (1, json!({"taxId": "x".repeat(65), "legalName": "A"}), &["/taxId"]),
        (1, json!({"locale": "klingon", "legalName": "A"}), &["/locale"]),
        (1, json!({"currency": "XAU", "accountTier": " A"}), &["/accountTier", "/currency"]),
        (1, json!({"legalName": "A", "effectiveFrom": "2026-02-30"}), &["/effectiveFrom"]),
    ] {
        let reply = patch(&world, number, &body).await;
        assert_eq!((reply.status, reply.pointers()), (422, pointers.to_vec()), "{body}: {}", reply.text);
    }
    let doubled = br#"{"legalName": "A", "taxRates": [{"name": "VAT", "name": "GST", "percent": "1"}]}"#;
    let ask = Ask::new("PATCH", &path(1)).staff().raw("application/json", doubled.to_vec());
    assert_eq!(world.send(&ask).await.pointers(), ["/taxRates/0/name"]);
    assert_eq!(get(&world, &path(1)).await.body["history"]["party"], json!([]));
    for (method, path, status) in [
        ("GET", path(2), 404),
        ("GET", format!("{ACCOUNTS}/x"), 404),
        ("PATCH", format!("{ACCOUNTS}/x"), 404),
        ("PUT", path(1), 405),
        ("GET", format!("{}?at=now", path(1)), 422),
    ] {
        assert_eq!(world.send(&Ask::new(method, &path).staff()).await.status, status, "{method} {path}");
    }
}

#[actix_web::test]
async fn accounts_are_listed_as_they_are_today() {
    let world = World::new().await;
    for (number, tier) in [(1, "STARTER"), (2, "GROWTH"), (3, "STARTER"), (4, "STARTER")] {
        learn(&world, number, tier);
    }
    for (number, tier, from) in [(3, "GROWTH", "2026-10-15"), (4, "GROWTH", "2026-10-16")] {
        let body = json!({"accountTier": tier, "effectiveFrom": from, "legalName": "Kabul Ride"});
        assert_eq!(patch(&world, number, &body).await.status, 200);
    }
    for (query, expected) in [
        ("?limit=50", &[1_u128, 2, 3, 4][..]),
        ("?accountTier=STARTER", &[1, 4]),
        ("?accountTier=GROWTH", &[2, 3]),
        ("?accountTier=NONE", &[]),
    ] {
        let reply = get(&world, &format!("{ACCOUNTS}{query}")).await;
        let ids: Vec<_> = reply.body["data"].as_array().unwrap().iter().map(|row| row["accountId"].clone()).collect();
        let expected: Vec<_> = expected.iter().map(|number| json!(Uuid::from_u128(*number))).collect();
        assert_eq!((reply.status, ids), (200, expected), "{query}: {}", reply.text);
    }
    let first = get(&world, &format!("{ACCOUNTS}?accountTier=GROWTH&limit=1")).await.body;
    let expected = json!({
        "accountId": Uuid::from_u128(2), "tenantId": TENANT, "accountTier": "GROWTH", "currency": "USD",
        "legalName": null,
    });
    assert_eq!(first["data"], json!([expected]));
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = get(&world, &format!("{ACCOUNTS}?accountTier=GROWTH&limit=1&cursor={cursor}")).await.body;
    assert_eq!((&second["data"][0]["legalName"], &second["nextCursor"]), (&json!("Kabul Ride"), &Value::Null));
    let other = get(&world, &format!("{ACCOUNTS}?cursor={cursor}")).await;
    assert_eq!((other.status, other.pointers()), (422, vec!["/cursor"]));
}

#[actix_web::test]
async fn reads_are_noted_and_not_shown_when_they_cannot_be() {
    let world = World::new().await;
    learn(&world, 1, "STARTER");
    get(&world, ACCOUNTS).await;
    get(&world, &path(1)).await;
    get(&world, &path(2)).await;
    let noted: Vec<_> = world.memory.noted_reads().into_iter().map(|read| (read.account, read.what)).collect();
    assert_eq!(noted, [(None, "accounts"), (Some(AccountId(Uuid::from_u128(1))), "account")]);
}
