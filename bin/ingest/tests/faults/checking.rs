//! The checker proves itself: it names each of a set of planted corruptions, and what a service with planted bugs leaves
//! behind.

use std::collections::BTreeSet;

use async_nats::jetstream::consumer::pull;
use futures::StreamExt as _;
use uuid::Uuid;

use crate::checker::{Findings, check};
use crate::journal::Message;
use crate::pod::Pod;
use crate::stage::{CONSUMER, Plan, STREAM, Stage};

/// Whether the findings name just this corruption.
type Named<'a> = &'a dyn Fn(&Findings) -> bool;

#[tokio::test(flavor = "multi_thread")]
async fn the_checker_names_planted_corruptions() {
    let stage = Stage::new(Plan::default()).await;
    let pod = Pod::default().ready(&stage).await;
    let mut messages = stage.messages(600).await;
    let bad = Message { raw: Some(b"?".to_vec()), ..messages[0].clone() };
    let twice = Message { dedupe: None, ..messages[1].clone() };
    messages.push(Message { expected: crate::journal::Expected::Quarantined("malformed".into()), ..bad });
    messages[600].dedupe = None;
    messages.push(twice);
    stage.publish(&messages).await;
    stage.prove().await;
    pod.stop().await;

    let id = messages[7].id;
    let one = || BTreeSet::from([id]);
    let corruptions: [(&str, Named<'_>); 9] = [
        ("DELETE FROM billing.billing_events WHERE message_id = $1", &|found: &Findings| {
            found.lost == one() && !found.not_received.is_empty() && found.sums.len() == 1
        }),
        (
            "UPDATE billing.billing_events SET amount_micros = amount_micros + 1 WHERE message_id = $1",
            &|found: &Findings| found.wrong == one() && found.sums.len() == 1,
        ),
        (
            "UPDATE billing.billing_events SET cost_id = NULL, cost_micros = NULL, cost_currency = NULL
            WHERE message_id = (SELECT message_id FROM billing.billing_events WHERE cost_id IS NOT NULL LIMIT 1)",
            &|found: &Findings| found.wrong.len() == 1,
        ),
        (
            "INSERT INTO billing.billing_events SELECT * FROM billing.billing_events WHERE message_id = $1",
            &|found: &Findings| found.doubled == one() && found.received_twice.len() == 1 && found.sums.len() == 1,
        ),
        (
            "UPDATE billing.billing_events SET message_id = gen_random_uuid() WHERE message_id = $1",
            &|found: &Findings| found.unexpected.len() == 1 && found.lost == one(),
        ),
        (
            "UPDATE billing.usage_buckets SET amount_micros = amount_micros + 1
            WHERE id = (SELECT bucket_id FROM billing.billing_events WHERE message_id = $1)",
            &|found: &Findings| found.sums.len() == 1 && found.wrong.is_empty(),
        ),
        (
            "UPDATE billing.usage_buckets SET uncosted = uncosted + 1
            WHERE id = (SELECT bucket_id FROM billing.billing_events WHERE message_id = $1)",
            &|found: &Findings| found.sums.len() == 1 && found.wrong.is_empty(),
        ),
        ("DELETE FROM billing.quarantined_messages", &|found: &Findings| {
            found.not_received.len() == 1 && found.sums.len() == 1
        }),
        ("DELETE FROM billing.duplicate_messages", &|found: &Findings| {
            found.not_received.len() == 1 && found.lost.is_empty()
        }),
    ];
    for (corruption, named) in corruptions {
        let found = corrupted(&stage, &corruption.replace("$1", &format!("'{id}'"))).await;
        assert!(named(&found), "{corruption}\n{found:#?}");
    }
}

/// What the checker finds while this is done to the database; before and after it finds nothing.
async fn corrupted(stage: &Stage, corruption: &str) -> Findings {
    let database = &stage.db.owner;
    let ledger = stage.publisher.journal.lock().await.ledger();
    let last = stage.last_sequence().await;
    database.batch_execute("BEGIN").await.unwrap();
    assert!(database.execute(corruption, &[]).await.unwrap() >= 1, "{corruption}");
    let found = check(database, &ledger, last).await;
    database.batch_execute("ROLLBACK").await.unwrap();
    check(database, &ledger, last).await.assert_clean();
    found
}

/// Whatever of an event is another's.
#[tokio::test(flavor = "multi_thread")]
async fn the_checker_names_what_is_anothers() {
    let stage = Stage::new(Plan::default()).await;
    let pod = Pod::default().ready(&stage).await;
    let messages = stage.messages(300).await;
    stage.publish(&messages).await;
    stage.prove().await;
    pod.stop().await;
    let id = messages[7].id;
    // Which price it was is known by the amount alone, and which bucket by the bucket alone; a bucket tells only some apart.
    for (column, value, wrong, sums) in [
        ("account_id", "gen_random_uuid()", 1, 1),
        ("tenant_id", "gen_random_uuid()", 1, 1),
        ("operator_id", "'other'", 1, 1),
        ("direction", "'MO'", 1, 1),
        ("currency", "'EUR'", 1, 1),
        ("price_id", "gen_random_uuid()", 0, 1),
        ("charged_at", "charged_at + interval '1 microsecond'", 1, 0),
        ("dlr_status", "'REJECTED'", 1, 0),
        ("tier", "'OTHER'", 1, 0),
        // It is missing in the one, too much in the other, and of another key than that one.
        ("bucket_id", "(SELECT max(id) FROM billing.usage_buckets WHERE id <> bucket_id)", 0, 3),
    ] {
        let change = format!("UPDATE billing.billing_events SET {column} = {value} WHERE message_id = '{id}'");
        let found = corrupted(&stage, &change).await;
        assert_eq!((found.wrong.len(), found.sums.len()), (wrong, sums), "{column}\n{found:#?}");
    }
}

fn ids(messages: &[Message]) -> BTreeSet<Uuid> {
    messages.iter().map(|message| message.id).collect()
}

/// The program without its memory of what is recorded, and one that acknowledges before it commits, and dies.
#[tokio::test(flavor = "multi_thread")]
async fn the_checker_goes_red_for_planted_bugs() {
    let stage = Stage::new(Plan::default()).await;
    let pod = Pod::default().ready(&stage).await;
    let messages = stage.messages(300).await;
    stage.publish(&messages).await;
    stage.prove().await;

    stage.db.owner.batch_execute("DELETE FROM billing.message_keys").await.unwrap();
    let again = &messages[..50];
    stage.publish(&again.iter().map(|message| Message { dedupe: None, ..message.clone() }).collect::<Vec<_>>()).await;
    stage.drained().await;
    let found = stage.findings().await;
    assert_eq!((&found.doubled, found.lost.len()), (&ids(again), 0), "{found:?}");
    pod.stop().await;

    let acknowledged = stage.messages(50).await;
    stage.publish(&acknowledged).await;
    let stream = stage.context.get_stream(STREAM).await.unwrap();
    let consumer = stream.get_consumer::<pull::Config>(CONSUMER).await.unwrap();
    let mut taken = consumer.fetch().max_messages(50).messages().await.unwrap();
    while let Some(message) = taken.next().await {
        message.unwrap().double_ack().await.unwrap();
    }
    stage.drained().await;
    let found = stage.findings().await;
    assert_eq!((&found.lost, found.not_received.len()), (&ids(&acknowledged), 50), "{found:?}");
}
