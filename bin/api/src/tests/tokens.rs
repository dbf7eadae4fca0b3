//! Tokens: an issuer for the tests, and every token that must not be believed.

use std::net::TcpListener;
use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};

use super::world::{ACCOUNT, Ask, SUBJECT, TENANT, World, now};
use crate::auth::Denied;

/// Which of the issuer's keys signs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signer {
    Rs256,
    Es256,
    EdDsa,
}

/// Someone who signs tokens.
pub(super) struct Issuer {
    rsa: EncodingKey,
    rsa_public_pem: String,
    ec: EncodingKey,
    ed: EncodingKey,
}

impl Issuer {
    pub(super) const NAME: &str = "https://idp.test";
    pub(super) const AUDIENCE: &str = "billing";

    /// The one whose keys the API knows.
    pub(super) fn ours() -> &'static Self {
        static OURS: LazyLock<Issuer> = LazyLock::new(Issuer::new);
        &OURS
    }

    fn new() -> Self {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let ed = Ed25519KeyPair::generate().unwrap();
        Self {
            rsa: EncodingKey::from_rsa_pem(pem("PRIVATE", rsa.as_der().unwrap().as_ref()).as_bytes()).unwrap(),
            rsa_public_pem: pem("PUBLIC", rsa.public_key().as_der().unwrap().as_ref()),
            ec: EncodingKey::from_ec_der(ec.to_pkcs8v1().unwrap().as_ref()),
            ed: EncodingKey::from_ed_der(ed.to_pkcs8v1().unwrap().as_ref()),
        }
    }

    fn key(&self, signer: Signer) -> (&EncodingKey, Algorithm, &'static str) {
        match signer {
            Signer::Rs256 => (&self.rsa, Algorithm::RS256, "rsa"),
            Signer::Es256 => (&self.ec, Algorithm::ES256, "ec"),
            Signer::EdDsa => (&self.ed, Algorithm::EdDSA, "ed"),
        }
    }

    /// The public keys, with one that nobody may sign with.
    pub(super) fn jwks(&self) -> Value {
        let keys = [Signer::Rs256, Signer::Es256, Signer::EdDsa].map(|signer| {
            let (key, algorithm, kid) = self.key(signer);
            let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
            jwk.common.key_id = Some(kid.into());
            json!(jwk)
        });
        let secret = json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"});
        json!({"keys": [secret, keys[0], keys[1], keys[2], {"kty": "unheard-of", "kid": "new"}]})
    }

    /// A good token with these claims beside the usual ones; a null takes a usual one away.
    pub(super) fn token(&self, signer: Signer, claims: &Value) -> String {
        let (key, algorithm, kid) = self.key(signer);
        let header = Header { kid: Some(kid.into()), ..Header::new(algorithm) };
        jsonwebtoken::encode(&header, &with_usual(claims), key).unwrap()
    }

    fn signed(&self, signer: Signer, header: impl FnOnce(&mut Header)) -> String {
        let (key, algorithm, kid) = self.key(signer);
        let mut own = Header { kid: Some(kid.into()), ..Header::new(algorithm) };
        header(&mut own);
        jsonwebtoken::encode(&own, &with_usual(&json!({})), key).unwrap()
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    let (begin, end) = (format!("-----BEGIN {kind} KEY-----"), format!("-----END {kind} KEY-----"));
    let lines: Vec<_> =
        STANDARD.encode(der).as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("{begin}\n{}\n{end}\n", lines.join("\n"))
}

fn with_usual(claims: &Value) -> Map<String, Value> {
    let usual = json!({
        "iss": Issuer::NAME, "aud": Issuer::AUDIENCE, "sub": SUBJECT, "exp": now().as_second() + 60,
        "tenant_id": TENANT, "account_id": ACCOUNT, "scope": "billing:read", "roles": ["account.viewer"],
    });
    let Value::Object(mut all) = usual else { unreachable!() };
    for (name, value) in claims.as_object().unwrap() {
        all.insert(name.clone(), value.clone());
        if value.is_null() {
            all.remove(name);
        }
    }
    all
}

fn encoded(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

async fn status_of(world: &World, ask: Ask) -> u16 {
    let reply = world.send(&ask).await;
    if reply.status == 401 {
        assert_eq!(reply.header("WWW-Authenticate"), Some("Bearer"));
        let detail = reply.body["detail"].as_str().unwrap();
        assert!(["authentication required", "authentication failed"].contains(&detail), "{detail}");
        assert!(reply.body.get("errors").is_none());
    }
    reply.status
}

#[actix_web::test]
async fn tokens_are_believed_for_their_signature_and_claims_only() {
    let world = World::new().await;
    let seconds = now().as_second();
    for (why, claims, expected) in [
        ("good", json!({}), 200),
        ("several audiences", json!({"aud": ["other", "billing"]}), 200),
        ("one role as text", json!({"roles": "account.viewer"}), 200),
        ("begun", json!({"nbf": seconds}), 200),
        ("times with a fraction", json!({"exp": 1_792_065_660.5, "nbf": 1_792_065_599.5}), 200),
        ("claims of other services", json!({"jku": "https://evil.test", "nested": {"a": [1]}}), 200),
        ("expired", json!({"exp": seconds - 60}), 401),
        ("expires now", json!({"exp": seconds}), 401),
        ("not yet", json!({"nbf": seconds + 60}), 401),
        ("nbf is text", json!({"nbf": "0"}), 401),
        ("exp is text", json!({"exp": "9999999999"}), 401),
        ("no exp", json!({"exp": null}), 401),
        ("no aud", json!({"aud": null}), 401),
        ("no iss", json!({"iss": null}), 401),
        ("no sub", json!({"sub": null}), 401),
        ("empty sub", json!({"sub": ""}), 401),
        ("sub with a line end", json!({"sub": "a\nb"}), 401),
        ("other aud", json!({"aud": "shop"}), 401),
        ("other iss", json!({"iss": "https://idp.test.evil"}), 401),
        ("tenant is no id", json!({"tenant_id": "tenant"}), 401),
        ("account is a number", json!({"account_id": 7}), 401),
    ] {
        for signer in [Signer::Rs256, Signer::Es256, Signer::EdDsa] {
            let token = Issuer::ours().token(signer, &claims);
            let status = status_of(&world, Ask::get("/v1/billing/usage").bearer(&token)).await;
            assert_eq!(status, expected, "{why}, {signer:?}");
        }
    }
}

#[actix_web::test]
async fn forged_tokens_are_refused_without_a_word_and_without_a_request_elsewhere() {
    let world = World::new().await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let address = format!("http://{}/jwks", elsewhere.local_addr().unwrap());
    let (ours, evil) = (Issuer::ours(), Issuer::new());
    let claims = Value::Object(with_usual(&json!({})));
    let public = ours.jwks()["keys"][1]["n"].as_str().unwrap().to_owned();
    let hs256 = |kid: &str, secret: &[u8]| {
        let header = Header { kid: Some(kid.into()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    let good = ours.token(Signer::Es256, &json!({}));
    let (body, signature) = good.rsplit_once('.').unwrap();
    let evil_jwk = Jwk::from_encoding_key(&evil.ec, Algorithm::ES256).unwrap();
    for (why, token) in [
        ("none", encoded(&json!({"alg": "none", "kid": "ec"}), &claims, "")),
        ("None", encoded(&json!({"alg": "None", "kid": "ec"}), &claims, signature)),
        ("no alg", encoded(&json!({"kid": "ec"}), &claims, signature)),
        ("HS256 with the modulus", hs256("rsa", public.as_bytes())),
        ("HS256 with the key as PEM", hs256("rsa", ours.rsa_public_pem.as_bytes())),
        ("HS256 with its bytes", hs256("rsa", &URL_SAFE_NO_PAD.decode(&public).unwrap())),
        ("HS256 with the set's own secret", hs256("secret", b"secret")),
        ("wrong key", evil.token(Signer::Es256, &json!({}))),
        ("wrong RSA key", evil.token(Signer::Rs256, &json!({}))),
        ("another key's id", ours.signed(Signer::Es256, |header| header.kid = Some("rsa".into()))),
        ("another algorithm of the key", encoded(&json!({"alg": "RS512", "kid": "rsa"}), &claims, signature)),
        ("unknown kid", ours.signed(Signer::Es256, |header| header.kid = Some("nobody".into()))),
        ("no kid among several keys", ours.signed(Signer::Es256, |header| header.kid = None)),
        ("jku", evil.signed(Signer::Es256, |header| header.jku = Some(address.clone()))),
        ("x5u", evil.signed(Signer::Es256, |header| header.x5u = Some(address.clone()))),
        ("jwk", evil.signed(Signer::Es256, |header| header.jwk = Some(evil_jwk.clone()))),
        ("crit", ours.signed(Signer::Es256, |header| header.crit = Some(vec!["b64".into()]))),
        ("no signature", format!("{body}.")),
        ("other claims", encoded(&json!({"alg": "ES256", "kid": "ec"}), &claims, signature)),
        ("garbage", "garbage".into()),
        ("three empty parts", "..".into()),
        ("100 KB", format!("{}.{}.{}", "a".repeat(50_000), "b".repeat(50_000), signature)),
    ] {
        assert_eq!(status_of(&world, Ask::get("/v1/billing/usage").bearer(&token)).await, 401, "{why}");
    }
    assert!(elsewhere.accept().is_err(), "an address from a token was asked");
}

#[actix_web::test]
async fn there_is_one_place_for_the_token() {
    let world = World::new().await;
    let good = Issuer::ours().token(Signer::Es256, &json!({}));
    let ask = || Ask::get("/v1/billing/usage");
    for (why, ask, expected) in [
        ("bearer", ask().header("Authorization", &format!("bearer {good}")), 200),
        ("nothing", ask(), 401),
        ("twice", ask().bearer(&good).bearer(&good), 401),
        ("basic", ask().header("Authorization", &format!("Basic {good}")), 401),
        ("no scheme", ask().header("Authorization", &good), 401),
        ("two tokens", ask().header("Authorization", &format!("Bearer {good} {good}")), 401),
        ("a list", ask().header("Authorization", &format!("Bearer {good}, Bearer {good}")), 401),
        ("in the query", Ask::get(&format!("/v1/billing/usage?jwt={good}")), 401),
        ("as access_token", Ask::get(&format!("/v1/billing/usage?access_token={good}")), 401),
        ("in a cookie", ask().header("Cookie", &format!("jwt={good}")), 401),
        ("in Kong's header", ask().header("X-Consumer-Username", "admin"), 401),
    ] {
        assert_eq!(status_of(&world, ask).await, expected, "{why}");
    }
}

#[actix_web::test]
async fn new_keys_are_fetched_once_and_bad_ones_never_taken() {
    let world = World::new().await;
    let (old, rotated) = (Issuer::ours(), Issuer::new());
    let before = old.token(Signer::Es256, &json!({}));
    assert_eq!(status_of(&world, Ask::get("/v1/billing/usage").bearer(&before)).await, 200);
    let mut jwks = rotated.jwks();
    jwks["keys"][2]["kid"] = json!("ec-2");
    world.publish(&jwks);
    let token = rotated.signed(Signer::Es256, |header| header.kid = Some("ec-2".into()));
    assert_eq!(
        status_of(&world, Ask::get("/v1/billing/usage").bearer(&token)).await,
        200,
        "an unknown key is looked for"
    );
    assert_eq!(status_of(&world, Ask::get("/v1/billing/usage").bearer(&before)).await, 401, "an old key is gone");
    // The clock stands still, so no second look is due, whatever stands there now.
    world.publish(&old.jwks());
    assert_eq!(status_of(&world, Ask::get("/v1/billing/usage").bearer(&before)).await, 401, "not asked again");
    assert_eq!(status_of(&world, Ask::get("/v1/billing/usage").bearer(&token)).await, 200, "the last good ones stay");
}

#[actix_web::test]
async fn a_token_that_was_verified_is_still_asked_when_it_is_good() {
    let world = World::new().await;
    let begins = now().as_second();
    let token = Issuer::ours().token(Signer::Rs256, &json!({"nbf": begins, "exp": begins + 60}));
    let ask = |token: &str| Ask::get("/v1/billing/usage").bearer(token).headers();
    let at = |seconds: i64| now() + SignedDuration::from_secs(seconds);
    let verifier = &world.services.verifier;
    let first = verifier.authenticate(&ask(&token), at(0)).await.unwrap();
    for (seconds, expected) in [(1, true), (59, true), (60, false), (-1, false), (30, true), (100_000, false)] {
        let again = verifier.authenticate(&ask(&token), at(seconds)).await;
        assert_eq!(again, if expected { Ok(first.clone()) } else { Err(Denied::Failed) }, "{seconds}");
    }
    // One byte makes another token, whatever was believed before.
    for at_byte in 0..token.len() {
        let mut other = token.clone().into_bytes();
        other[at_byte] = if other[at_byte] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        let forged = verifier.authenticate(&ask(&other), at(1)).await;
        // The last character of a signature may hold bits that no byte of it has.
        assert!(forged.is_err() || at_byte == token.len() - 1, "byte {at_byte}");
    }
}
