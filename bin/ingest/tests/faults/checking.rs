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
    let another = |column: &str, value: &str| {
        format!("UPDATE billing.billing_events SET {column} = {value} WHERE message_id = $1")
    };
    // Whatever of an event is another's, its bucket is not its own any more; but what a bucket does not tell apart.
    let others: Vec<(String, usize)> = [
        ("account_id", "gen_random_uuid()", 1),
        ("tenant_id", "gen_random_uuid()", 1),
        ("operator_id", "'other'", 1),
        ("direction", "'MO'", 1),
        ("currency", "'EUR'", 1),
        ("price_id", "gen_random_uuid()", 1),
        ("charged_at", "charged_at + interval '1 microsecond'", 0),
        ("dlr_status", "'REJECTED'", 0),
        ("tier", "'OTHER'", 0),
        ("bucket_id", "(SELECT max(id) FROM billing.usage_buckets WHERE id <> bucket_id)", 3),
    ]
    .map(|(column, value, sums)| (another(column, value), sums))
    .into();
    let others = others.iter().map(|(corruption, sums)| {
        // A price is known by its amount alone, and where a message was summed by the bucket alone.
        let is_wrong = !["price_id", "bucket_id"].iter().any(|column| corruption.contains(&format!("SET {column}")));
        (corruption.as_str(), move |found: &Findings| {
            found.wrong.len() == usize::from(is_wrong) && found.sums.len() == *sums
        })
    });
    let others: Vec<_> = others.collect();
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
    let others = others.iter().map(|(corruption, named)| (*corruption, named as Named<'_>));
    for (corruption, named) in corruptions.into_iter().chain(others) {
        let database = &stage.db.owner;
        let ledger = stage.publisher.journal.lock().await.ledger();
        let last = stage.last_sequence().await;
        database.batch_execute("BEGIN").await.unwrap();
        let corruption = corruption.replace("$1", &format!("'{id}'"));
        assert!(database.execute(&corruption, &[]).await.unwrap() >= 1, "{corruption}");
        let found = check(database, &ledger, last).await;
        database.batch_execute("ROLLBACK").await.unwrap();
        assert!(named(&found), "{corruption}\n{found:#?}");
        check(database, &ledger, last).await.assert_clean();
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
