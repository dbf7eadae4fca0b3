//! Documents on a real S3 server over HTTP.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]

use billing_domain::ports::{DocumentStore, PutOutcome, RenderedDocument};
use billing_s3::{Addressing, S3Config, S3Credentials, S3Documents};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

fn variable(name: &str) -> String {
    let full = format!("BILLING_TEST_S3_{name}");
    std::env::var(&full).unwrap_or_else(|_| panic!("{full} is not set: run the tests by `cargo xtask test`"))
}

fn store(secret_key: &str) -> S3Documents {
    let config = S3Config {
        endpoint: variable("ENDPOINT"),
        region: variable("REGION"),
        bucket: variable("BUCKET"),
        addressing: Addressing::Path,
        ca_pem: Vec::new(),
    };
    let credentials = S3Credentials { access_key: variable("ACCESS_KEY"), secret_key: secret_key.into() };
    S3Documents::new(&config, &credentials).expect("a client")
}

fn document(bytes: &[u8]) -> RenderedDocument {
    RenderedDocument { bytes: bytes.to_vec(), sha256: Sha256::digest(bytes).into() }
}

fn fresh_key() -> String {
    format!("invoices/test/{}.pdf", Uuid::new_v4())
}

#[tokio::test]
async fn a_document_is_stored_once_and_never_overwritten() {
    let (store, key) = (store(&variable("SECRET_KEY")), fresh_key());
    assert_eq!(store.get(&key).await.unwrap(), None);
    for (bytes, expected) in [
        (&b"%PDF one"[..], PutOutcome::Stored),
        (b"%PDF one", PutOutcome::Stored),
        (b"%PDF two", PutOutcome::OtherObject),
    ] {
        assert_eq!(store.put(&key, &document(bytes)).await.unwrap(), expected);
    }
    assert_eq!(store.get(&key).await.unwrap().as_deref(), Some(&b"%PDF one"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_of_other_bytes_one_wins() {
    let (store, key) = (store(&variable("SECRET_KEY")), fresh_key());
    let (a, b) = (document(b"%PDF a"), document(b"%PDF b"));
    let (first, second) = tokio::join!(store.put(&key, &a), store.put(&key, &b));
    let outcomes = [first.unwrap(), second.unwrap()];
    assert!(outcomes.contains(&PutOutcome::Stored) && outcomes.contains(&PutOutcome::OtherObject), "{outcomes:?}");
}

#[tokio::test]
async fn a_presigned_url_needs_no_credentials_and_cannot_be_bent() {
    let (store, key) = (store(&variable("SECRET_KEY")), fresh_key());
    store.put(&key, &document(b"%PDF one")).await.unwrap();
    let now: Timestamp = "2026-11-15T12:00:00Z".parse().unwrap();
    let (url, expires_at) = store.presign(&key, now).await.unwrap();
    assert_eq!(expires_at.to_string(), "2026-11-15T12:15:00Z");
    let answer = reqwest::get(&url).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.bytes().await.unwrap()[..]), (200, &b"%PDF one"[..]));
    let bent = url.replace(".pdf", "x.pdf");
    assert_eq!(reqwest::get(&bent).await.unwrap().status().as_u16(), 403);
}

#[tokio::test]
async fn a_refusal_says_so_without_secrets() {
    let error = store("not-the-secret-canary").put(&fresh_key(), &document(b"x")).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("canary") && !shown.contains("X-Amz"), "{shown}");
}
