//! The decoder on the corpus of the fuzz target, and on what becomes of it when bytes are changed, lost, doubled and mixed.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../../fuzz/agreement.rs"]
mod agreement;

use std::path::Path;

use billing_nats::decode_stored;
use proptest::collection::vec;
use proptest::prelude::*;

/// What likes to be misread.
const WORDS: [&[u8]; 14] = [
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"null",
    b"-1",
    b"9223372036854775808",
    b"1e400",
    b"NaN",
    b"\xff",
    b",\"segmentCount\":3",
    b"\"schemaVersion\":\"2\"",
];

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/decode");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named =
        files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()));
    let mut corpus: Vec<_> = named.collect();
    corpus.sort();
    corpus
}

#[test]
fn every_file_of_the_corpus_is_what_its_name_says() {
    let corpus = corpus();
    assert!(corpus.len() >= 40, "the corpus is not there");
    for (name, payload) in corpus {
        agreement::check(&payload);
        let expected = name.split("--").next().unwrap();
        match decode_stored(None, &payload) {
            Ok(_) => assert_eq!(expected, "usage", "{name}"),
            Err(refused) => assert_eq!(refused.reason.name(), expected, "{name}: {}", refused.detail),
        }
    }
}

/// One change at a place, given as a share of the message's length.
#[derive(Clone, Debug)]
enum Change {
    Set(u8),
    Remove(usize),
    Double(usize),
    Insert(usize),
}

fn change() -> impl Strategy<Value = (usize, Change)> {
    let what = prop_oneof![
        any::<u8>().prop_map(Change::Set),
        (1..40_usize).prop_map(Change::Remove),
        (1..400_usize).prop_map(Change::Double),
        (0..WORDS.len()).prop_map(Change::Insert),
    ];
    (0..10_000_usize, what)
}

fn apply(payload: &mut Vec<u8>, at: usize, change: &Change) {
    let at = payload.len() * at / 10_000;
    let until = |count: usize| (at + count).min(payload.len());
    match *change {
        Change::Set(byte) => {
            if let Some(place) = payload.get_mut(at) {
                *place = byte;
            }
        }
        Change::Remove(count) => drop(payload.drain(at..until(count))),
        Change::Double(count) => {
            let part = payload[at..until(count)].to_vec();
            payload.splice(at..at, part);
        }
        Change::Insert(word) => drop(payload.splice(at..at, WORDS[word].iter().copied())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_changed_what_is_read_is_what_is_there(which in 0..1_000_usize, changes in vec(change(), 0..6)) {
        let corpus = CORPUS.get_or_init(corpus);
        let mut payload = corpus[which % corpus.len()].1.clone();
        for (at, change) in &changes {
            apply(&mut payload, *at, change);
        }
        agreement::check(&payload);
    }
}

static CORPUS: std::sync::OnceLock<Vec<(String, Vec<u8>)>> = std::sync::OnceLock::new();
