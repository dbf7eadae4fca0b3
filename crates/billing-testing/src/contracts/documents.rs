//! Documents are stored for ever: made once, never overwritten.

use billing_domain::ports::{DocumentStore, PutOutcome, RenderedDocument};
use futures::future::join;
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::stage::now;

fn document(bytes: &[u8]) -> RenderedDocument {
    RenderedDocument { bytes: bytes.to_vec(), sha256: Sha256::digest(bytes).into() }
}

/// The store may be shared with others.
fn new_key() -> String {
    format!("invoices/contract/{}.pdf", Uuid::new_v4())
}

pub(super) async fn an_object_is_created_once<D: DocumentStore>(store: &D) {
    let key = new_key();
    assert_eq!(store.get(&key).await.expect("answered"), None, "nothing is at a new key");
    for (bytes, expected, why) in [
        (&b"%PDF one"[..], PutOutcome::Stored, "it is stored at a new key"),
        (b"%PDF one", PutOutcome::Stored, "the same again is adopted"),
        (b"%PDF two", PutOutcome::OtherObject, "another one is refused"),
        (b"%PDF one", PutOutcome::Stored, "nothing was overwritten"),
    ] {
        assert_eq!(store.put(&key, &document(bytes)).await.expect("answered"), expected, "{why}");
    }
    let found = store.get(&key).await.expect("answered");
    assert_eq!(found.as_deref(), Some(&b"%PDF one"[..]), "the first bytes stay");
}

pub(super) async fn of_two_writers_one_wins<D: DocumentStore>(store: &D) {
    let key = new_key();
    let (a, b) = (document(b"%PDF a"), document(b"%PDF b"));
    let (first, second) = join(store.put(&key, &a), store.put(&key, &b)).await;
    let outcomes = [first.expect("answered"), second.expect("answered")];
    let stored = outcomes.iter().filter(|outcome| **outcome == PutOutcome::Stored).count();
    assert_eq!(stored, 1, "of two writers of other bytes one wins: {outcomes:?}");
    let winner = if outcomes[0] == PutOutcome::Stored { a.bytes } else { b.bytes };
    assert_eq!(store.get(&key).await.expect("answered"), Some(winner), "and its bytes stay");
}

pub(super) async fn a_url_is_good_for_a_quarter_of_an_hour<D: DocumentStore>(store: &D) {
    let key = new_key();
    store.put(&key, &document(b"%PDF one")).await.expect("stored");
    let (url, until) = store.presign(&key, now()).await.expect("signed");
    assert!(url.starts_with("http") && url.contains(&key), "a URL names its object: {url}");
    assert_eq!(until.duration_since(now()), SignedDuration::from_mins(15), "a URL is good for 15 minutes");
}
