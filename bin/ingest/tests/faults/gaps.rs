//! Messages that are gone from the stream before anybody has taken them: found by their numbers, counted and named.

use std::collections::BTreeSet;

use async_nats::jetstream::stream::RetentionPolicy;
use serde_json::Value;

use crate::checker::Findings;
use crate::pod::Pod;
use crate::process::until;
use crate::stage::{Plan, STREAM, Stage};

const MISSING: &str = "billing_stream_gap_messages_total";

/// A pod looks for gaps when it starts: one that does tells of so many, and the command names these.
async fn named(stage: &Stage, expected: &[(u64, u64)]) {
    let watcher = Pod::default().ready(stage).await;
    let missing = expected.iter().map(|(first, last)| last - first + 1).sum();
    until("the missing messages are counted", 20, async || watcher.metric(MISSING).await == Some(missing)).await;
    watcher.stop().await;
    let (code, printed, _) = Pod::default().run(stage, &["gaps", "--json"]);
    let gaps: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ends = |gap: &Value| (gap["firstSequence"].as_u64().unwrap(), gap["lastSequence"].as_u64().unwrap());
    assert_eq!((code, gaps.iter().map(ends).collect::<Vec<_>>()), (Some(0), expected.to_vec()), "{printed}");
}

async fn gone_from_the_stream(retention: RetentionPolicy) {
    let stage = Stage::new(Plan { retention, ..Plan::default() }).await;
    stage.publish(&stage.messages(400).await).await;
    let pod = Pod::default().ready(&stage).await;
    stage.prove().await;
    named(&stage, &[]).await;
    pod.stop().await;

    let lost = stage.messages(300).await;
    stage.publish(&lost).await;
    let stream = stage.context.get_stream(STREAM).await.unwrap();
    // The oldest that nobody has taken, as a limit would remove them, and three among the rest.
    stream.purge().sequence(421).await.unwrap();
    for sequence in [500, 501, 600] {
        stream.delete_message(sequence).await.unwrap();
    }
    let pod = Pod::default().ready(&stage).await;
    stage.drained().await;
    let gone: BTreeSet<u64> = (401..=420).chain([500, 501, 600]).collect();
    // The publisher publishes one at a time, so its order is the stream's.
    let at = |sequence: &u64| lost[usize::try_from(sequence - 401).unwrap()].id;
    let expected = Findings { lost: gone.iter().map(at).collect(), not_received: gone, ..Findings::default() };
    assert_eq!(stage.findings().await, expected);
    named(&stage, &[(401, 420), (500, 501), (600, 600)]).await;
    pod.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_gone_from_the_stream_are_named() {
    tokio::join!(gone_from_the_stream(RetentionPolicy::WorkQueue), gone_from_the_stream(RetentionPolicy::Limits));
}

/// A stream that was made anew begins at 1 again: what was on the old one is missing, and nothing of the new one is.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_made_anew_is_another() {
    let stage = Stage::new(Plan::default()).await;
    stage.publish(&stage.messages(400).await).await;
    let pod = Pod::default().ready(&stage).await;
    stage.prove().await;
    pod.stop().await;
    named(&stage, &[]).await;

    let idle = Pod::default().with("BILLING_CONSUMER_ENABLED", "false").ready(&stage).await;
    stage.publish(&stage.messages(250).await).await;
    idle.stop().await;
    // It looks once more when it starts, and notes how far the stream was.
    let idle = Pod::default().with("BILLING_CONSUMER_ENABLED", "false").ready(&stage).await;
    let noted = "SELECT count(*) FROM billing.stream_floors WHERE last_sequence = 650";
    until("the stream's end is noted", 20, async || stage.db.number(noted).await == 1).await;
    idle.stop().await;
    let config = stage.context.get_stream(STREAM).await.unwrap().cached_info().config.clone();
    stage.context.delete_stream(STREAM).await.unwrap();
    stage.context.create_stream(config).await.unwrap();
    stage.publish(&stage.messages(500).await).await;
    let pod = Pod::default().ready(&stage).await;
    stage.drained().await;
    assert_eq!(stage.count("billing_events").await, 900);
    pod.stop().await;
    named(&stage, &[(401, 650)]).await;
}
