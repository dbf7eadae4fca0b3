//! Messages that are no usage, each among 499 that are.

use std::fs;
use std::path::Path;

use crate::journal::{ACCOUNTS, Expected, Message};
use crate::pod::Pod;
use crate::stage::{Plan, Stage};

/// What one poisoned batch may add to the memory that good ones take: its own bytes, a few times.
const MORE_KIB: u64 = 48 * 1024;

/// The poison of the decoder's corpus, with the reason that is the beginning of its name; and what is too large to be
/// kept in a file.
fn poison(good: &[u8]) -> Vec<(Vec<u8>, String)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/decode");
    let mut found = Vec::new();
    for entry in fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match name.split_once("--") {
            Some(("usage", _)) | None => {}
            Some((reason, _)) => found.push((fs::read(&path).unwrap(), reason.to_owned())),
        }
    }
    assert!(found.len() > 25, "the corpus is not there");
    for size in [1 << 20, 4 << 20] {
        let mut large = good.to_vec();
        large.resize(size, b' ');
        found.push((large, "oversized".to_owned()));
    }
    let text = String::from_utf8(good.to_vec()).unwrap();
    let charged = |date: &str| {
        let at = text.find("\"chargedAt\":\"").unwrap() + 13;
        let mut other = text.clone();
        other.replace_range(at..at + 10, date);
        other.into_bytes()
    };
    found.push((charged("2099-01-01"), "future".to_owned()));
    found.push((charged("2020-01-01"), "too_old".to_owned()));
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn one_poisoned_message_in_a_batch_is_set_aside_and_its_neighbours_are_billed() {
    let stage = Stage::new(Plan::default()).await;
    stage.publish(&stage.messages(4_000).await).await;
    let pod = Pod::default().ready(&stage).await;
    stage.prove().await;
    let before = pod.peak_kib();

    let good = stage.messages(1).await.remove(0);
    let poison = poison(&good.payload());
    let mut sizes = Vec::new();
    for (raw, reason) in &poison {
        let mut batch = stage.messages(500).await;
        batch[250].expected = Expected::Quarantined(reason.clone());
        batch[250].raw = Some(raw.clone());
        sizes.push(raw.len());
        stage.publish(&batch).await;
    }
    stage.prove().await;
    let after = pod.peak_kib();
    assert_eq!(stage.count("quarantined_messages").await, i64::try_from(poison.len()).unwrap());
    assert!(after < before + MORE_KIB, "{after} KiB at most after {before} KiB");

    // Whole, up to a mebibyte, with its true size.
    let kept: String = stage
        .db
        .text("SELECT string_agg(raw_bytes || ' ' || octet_length(raw), ',' ORDER BY id) FROM billing.quarantined_messages")
        .await;
    let mut kept: Vec<&str> = kept.split(',').collect();
    let mut expected: Vec<String> = sizes.iter().map(|size| format!("{size} {}", (*size).min(1 << 20))).collect();
    kept.sort_unstable();
    expected.sort_unstable();
    assert_eq!(kept, expected);
    pod.stop().await;
}

/// A bucket holds 2⁶³ − 1 micros to the last one. Who asks for more is set aside, and the neighbours are billed.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_beyond_what_a_bucket_holds_is_set_aside() {
    let stage = Stage::new(Plan::default()).await;
    let first = stage.messages(1).await.remove(0);
    stage.publish(std::slice::from_ref(&first)).await;
    let pod = Pod::default().ready(&stage).await;
    stage.prove().await;
    pod.stop().await;
    let Expected::Rated { amount, .. } = first.expected else { panic!("it has a price") };
    // There is room for one more like it.
    let raised = i128::from(i64::MAX) - 2 * amount;
    let raise = format!("UPDATE billing.usage_buckets SET amount_micros = amount_micros + {raised}");
    stage.db.owner.batch_execute(&raise).await.unwrap();

    let mut batch = stage.messages(500).await;
    for message in batch.iter_mut().filter(|message| message.account == first.account) {
        *message = Message { account: (first.account + 1) % ACCOUNTS, ..message.clone() }.priced();
    }
    let like_first = |message: &Message| Message { id: message.id, dedupe: message.dedupe.clone(), ..first.clone() };
    batch[100] = like_first(&batch[100]);
    // Of a batch that is halved, the first half comes first, as on the stream.
    batch[400] = Message { expected: Expected::Quarantined("refused".into()), ..like_first(&batch[400]) };
    stage.publish(&batch).await;
    let pod = Pod::default().ready(&stage).await;
    stage.drained().await;
    let fullest = stage.db.number("SELECT max(amount_micros) FROM billing.usage_buckets").await;
    assert_eq!(fullest, i64::MAX);
    let lower = format!(
        "UPDATE billing.usage_buckets SET amount_micros = amount_micros - {raised}
        WHERE amount_micros > {raised}"
    );
    stage.db.owner.batch_execute(&lower).await.unwrap();
    stage.prove().await;
    assert_eq!(stage.count("billing_events").await, 500);
    pod.stop().await;
}
