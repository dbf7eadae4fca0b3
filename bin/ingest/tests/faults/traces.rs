//! Traces of the program: a publisher's trace goes on to the commit, and a collector that is dead changes nothing.

use async_nats::HeaderMap;

use crate::collector::{Collector, Seen};
use crate::journal::{Message, tenant};
use crate::pod::Pod;
use crate::process::until;
use crate::stage::{Plan, Stage};

const TRACED: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const ALSO_TRACED: &str = "5bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

impl Stage {
    /// Publishes a message as part of a trace, which its publisher records or not.
    async fn publish_traced(&self, message: &Message, trace: &str, is_sampled: bool) {
        let mut headers = HeaderMap::new();
        headers.insert("X-Tenant-Id", tenant(message.account).to_string());
        headers.insert("traceparent", format!("00-{trace}-{CALLER}-0{}", u8::from(is_sampled)));
        let sent = self.context.publish_with_headers("billing.events", headers, message.payload().into());
        sent.await.unwrap().await.unwrap();
    }
}

fn named<'a>(spans: &'a [Seen], trace: &str, name: &str) -> Vec<&'a Seen> {
    spans.iter().filter(|span| span.trace == trace && span.name == name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publishers_trace_goes_on_to_the_commit() {
    let (stage, collector) = (Stage::new(Plan::default()).await, Collector::start().await);
    let messages = stage.messages(4).await;
    // All of them wait when the pod comes, so that they are one batch.
    stage.publish_traced(&messages[0], TRACED, true).await;
    stage.publish_traced(&messages[1], ALSO_TRACED, true).await;
    stage.publish_traced(&messages[2], &"7".repeat(32), false).await;
    stage.publish(&messages[3..]).await;
    let pod = Pod::default().traces_to(&collector.endpoint, "0").ready(&stage).await;

    let process = collector.span(TRACED, "process billing.events").await;
    assert_eq!(stage.count("billing_events").await, 4, "it ended after the commit");
    assert_eq!((process.service.as_str(), process.parent.as_str()), ("billing-ingest", CALLER));
    let work = collector.span(TRACED, "record batch").await;
    let transaction = collector.span(TRACED, "record_usage").await;
    assert_eq!((&work.parent, &transaction.parent), (&process.id, &work.id));
    assert_eq!(work.attribute("messaging.batch.message_count"), "4");
    assert_eq!(transaction.attribute("db.system.name"), "postgresql");
    assert!(transaction.is_within(&work) && work.is_within(&process), "{transaction:?} {work:?} {process:?}");
    for part in ["pull", "prepare_batch", "ack"] {
        let part = collector.span(TRACED, part).await;
        assert!(part.parent == work.id && part.is_within(&process), "{part:?} {process:?}");
    }

    // Another message of the batch is told where the work was done.
    let other = collector.span(ALSO_TRACED, "process billing.events").await;
    assert_eq!((&other.parent[..], &other.links[..]), (CALLER, &[TRACED.to_owned()][..]));
    assert_eq!(work.links, [ALSO_TRACED]);
    pod.stop().await;
    let spans = collector.spans();
    assert_eq!(named(&spans, TRACED, "record_usage").len(), 1);
    // Neither what its publisher does not record, nor what goes on in the background.
    assert!(spans.iter().all(|span| [TRACED, ALSO_TRACED].contains(&span.trace.as_str())), "{spans:#?}");
    let told = format!("{spans:?}");
    for message in &messages {
        let ids = [message.id, tenant(message.account), crate::journal::account(message.account)];
        assert!(ids.iter().all(|id| !told.contains(&id.to_string())), "an id is in {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_address_nothing_is_sent_and_with_a_dead_one_nothing_is_lost() {
    let (stage, collector) = (Stage::new(Plan::default()).await, Collector::dead().await);
    let off = Pod::default().ready(&stage).await;
    let message = stage.messages(1).await.remove(0);
    stage.publish_traced(&message, TRACED, true).await;
    until("it is recorded", 30, async || stage.count("billing_events").await == 1).await;
    assert_eq!(off.metric("billing_trace_spans_total{result=\"exported\"}").await, Some(0));
    off.stop().await;
    assert_eq!(collector.connections(), 0);

    let pod = Pod::default().traces_to(&collector.endpoint, "1").batch(1).ready(&stage).await;
    // More spans than the queue holds.
    let messages = stage.messages(1_500).await;
    for message in &messages {
        stage.publish_traced(message, TRACED, true).await;
    }
    until("all are recorded", 60, async || stage.count("billing_events").await == 1_501).await;
    until("what the queue has no room for is counted", 30, async || {
        let full = pod.metric("billing_trace_spans_total{result=\"queue_full\"}").await;
        let failed = pod.metric("billing_trace_spans_total{result=\"failed\"}").await;
        full > Some(0) && failed > Some(0)
    })
    .await;
    assert!(collector.connections() > 0);
    // In time, with exit code 0.
    pod.stop().await;
}
