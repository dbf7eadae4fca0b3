//! The cache decides nothing: what it gives out has the hash that was asked for.

use billing_domain::PriceBook;
use billing_domain::ports::{PriceBookCache, Snapshot};

use crate::builders::{book, cost, price};

fn a_book() -> PriceBook {
    let prices = [price("0.0125").build(), price("0.01").operator("op-20").from("2026-02-01").build()];
    book(prices, [cost("0.004").build()])
}

pub(super) async fn a_book_is_given_out_by_its_hash_only<C: PriceBookCache>(cache: &C) {
    let book = a_book();
    let snapshot = cache.snapshot(&book).expect("a snapshot");
    assert_eq!(snapshot.version, book.version(), "a snapshot is of its book's version");
    assert_eq!(cache.snapshot(&book).expect("a snapshot"), snapshot, "one book has one snapshot");
    let absent = cache.fetch(snapshot.version, snapshot.sha256).await.expect("answered");
    assert_eq!(absent, None, "what was not published is not there");
    cache.publish(&snapshot).await.expect("published");
    let found = cache.fetch(snapshot.version, snapshot.sha256).await.expect("answered");
    assert_eq!(found, Some(book), "what was published is given out, word by word");
    for (version, sha256) in [(snapshot.version, [0; 32]), (snapshot.version + 1, snapshot.sha256)] {
        let found = cache.fetch(version, sha256).await.expect("answered");
        assert_eq!(found, None, "another hash or version is not there");
    }
}

pub(super) async fn other_bytes_are_never_given_out<C: PriceBookCache>(cache: &C) {
    let right = cache.snapshot(&a_book()).expect("a snapshot");
    let wrong = cache.snapshot(&book([price("0.000001").build()], [])).expect("a snapshot");
    assert_ne!(right.sha256, wrong.sha256, "another book has another hash");
    for bytes in [wrong.bytes, b"\0 no book".to_vec(), Vec::new()] {
        cache.publish(&Snapshot { bytes, ..right.clone() }).await.expect("published");
        let found = cache.fetch(right.version, right.sha256).await.expect("answered");
        assert_eq!(found, None, "bytes of another hash are never given out");
    }
}
