//! Pulling, acknowledging and publishing on a real cluster.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use async_nats::jetstream::{self, Context};
use billing_nats::{Batch, ConsumerConfig, EventConsumer, Nats, NatsError, OutboxMessage, Puller};
use billing_testing::certificates::trusting_nobody;
use jiff::Timestamp;
use uuid::Uuid;

const TENANT: &str = "0190d3a0-2222-7000-8000-000000000002";

/// A stream, subject and consumer that no other test has.
struct Stage {
    context: Context,
    nats: Nats,
    name: String,
    urls: Vec<String>,
}

impl Stage {
    async fn new() -> Self {
        let urls = std::env::var("BILLING_TEST_NATS_URLS")
            .expect("BILLING_TEST_NATS_URLS is not set: run these tests by `cargo xtask test`");
        let urls: Vec<String> = urls.split(',').map(str::to_owned).collect();
        let context = jetstream::new(async_nats::connect(&urls).await.unwrap());
        let nats = Nats::connect(&urls, "test", trusting_nobody(), || async { Ok(None) }).await.unwrap();
        let name = format!("TEST_{}", Uuid::new_v4().simple());
        let stage = Self { context, nats, name, urls };
        stage.make_stream().await;
        stage
    }

    async fn make_stream(&self) {
        let config = Config {
            name: self.name.clone(),
            subjects: vec![self.name.clone()],
            retention: RetentionPolicy::WorkQueue,
            num_replicas: self.urls.len(),
            ..Config::default()
        };
        self.context.create_stream(config).await.unwrap();
    }

    fn consumer(&self, batch_size: usize) -> EventConsumer {
        let (stream, durable) = (self.name.clone(), self.name.clone());
        let config = ConsumerConfig { stream, durable, batches: 4, batch_size, is_traced: true };
        self.nats.consumer(config)
    }

    async fn open(&self, batch_size: usize) -> Puller {
        self.consumer(batch_size).open().await.unwrap()
    }

    async fn publish(&self, payloads: impl IntoIterator<Item = String>) {
        let mut headers = HeaderMap::new();
        headers.insert("X-Tenant-Id", TENANT);
        let mut acks = Vec::new();
        for payload in payloads {
            let sent = self.context.publish_with_headers(self.name.clone(), headers.clone(), payload.into());
            acks.push(sent.await.unwrap());
        }
        for ack in acks {
            ack.await.unwrap();
        }
    }

    /// Waits until the consumer's lag is this.
    async fn reach(&self, pending: u64, unacknowledged: u64) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let lag = self.consumer(1).lag().await.unwrap();
            if (lag.pending, lag.unacknowledged) == (pending, unacknowledged) {
                let age = lag.oldest.map(|oldest| Timestamp::now().duration_since(oldest).as_secs());
                assert_eq!(age.is_some(), pending + unacknowledged > 0, "{lag:?}");
                assert!(age.is_none_or(|seconds| (0..60).contains(&seconds)), "{lag:?}");
                return;
            }
            assert!(Instant::now() < deadline, "{lag:?} instead of {pending} and {unacknowledged}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end(self) {
        self.context.delete_stream(&self.name).await.unwrap();
    }
}

fn report(number: u128) -> String {
    format!(
        r#"{{"schemaVersion":"1.0","eventType":"DLR_TERMINAL","messageId":"{}","accountId":"{}","dlrStatus":"DELIVERED",
            "segmentCount":1,"operatorId":"41220","occurredAt":"2026-10-05T05:45:30Z"}}"#,
        Uuid::from_u128(number),
        Uuid::from_u128(7)
    )
}

fn sequences(batch: &Batch) -> Vec<u64> {
    batch.deliveries().iter().map(|delivery| delivery.receipt.sequence).collect()
}

#[tokio::test]
async fn messages_are_read_in_batches_and_gone_once_acknowledged() {
    let stage = Stage::new().await;
    let mut puller = stage.open(100).await;
    stage.publish((0..250).map(|n| if n == 3 { "poison".into() } else { report(n) })).await;
    let (mut seen, mut last) = (BTreeSet::new(), Timestamp::MIN);
    while seen.len() < 250 {
        let batch = puller.next_batch().await.unwrap();
        assert!((1..=100).contains(&batch.len()) && !batch.is_empty());
        for delivery in batch.deliveries() {
            let receipt = delivery.receipt;
            assert!(seen.insert(receipt.sequence) && last <= receipt.published_at);
            last = receipt.published_at;
            match &delivery.content {
                Ok(usage) => assert_eq!(usage.tenant.unwrap().to_string(), TENANT),
                Err(bad) => assert_eq!((receipt.sequence, delivery.raw, bad.account), (4, &b"poison"[..], None)),
            }
        }
        batch.ack().await;
    }
    assert_eq!(seen, (1..=250).collect());
    stage.reach(0, 0).await;
    puller.close().await;
    stage.end().await;
}

#[tokio::test]
async fn what_is_given_back_comes_again_at_once_with_its_receipt() {
    let stage = Stage::new().await;
    let (mut one, mut other) = (stage.open(10).await, stage.open(10).await);
    stage.publish((0..3).map(report)).await;
    let batch = one.next_batch().await.unwrap();
    let first: Vec<_> = batch.deliveries().iter().map(|delivery| delivery.receipt).collect();
    stage.reach(0, 3).await;
    batch.give_back().await;
    let again = other.next_batch().await.unwrap();
    assert_eq!(again.deliveries().iter().map(|delivery| delivery.receipt).collect::<Vec<_>>(), first);
    again.ack().await;
    stage.reach(0, 0).await;
    stage.end().await;
}

#[tokio::test]
async fn a_pull_that_is_cut_short_keeps_nothing() {
    let stage = Stage::new().await;
    let mut puller = stage.open(10).await;
    // Cut short before anything comes, and while messages come.
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Ok(ended) = tokio::time::timeout(Duration::from_millis(100), puller.next_batch()).await {
        // The consumer was made a moment ago; its server may not serve it yet.
        assert!(ended.is_err() && Instant::now() < deadline, "there is nothing to take");
        puller.close().await;
        puller = stage.open(10).await;
    }
    stage.publish([report(0)]).await;
    stage.reach(0, 1).await;
    puller.close().await;
    stage.publish((1..3).map(report)).await;
    let mut other = stage.open(10).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 3 {
        let batch = other.next_batch().await.unwrap();
        seen.extend(sequences(&batch));
        batch.ack().await;
    }
    stage.reach(0, 0).await;
    stage.end().await;
}

/// Answers requests for messages beside the server that serves them, as a node does that knows nobody who would; until
/// the connection is shut down.
fn refuse_requests(url: &str, name: &str) -> TcpStream {
    let mut server = TcpStream::connect(url.strip_prefix("nats://").unwrap()).unwrap();
    let mut lines = BufReader::new(server.try_clone().unwrap()).lines().map_while(Result::ok);
    let hello = r#"CONNECT {"verbose":false,"pedantic":false,"headers":true,"protocol":1}"#;
    write!(server, "{hello}\r\nSUB $JS.API.CONSUMER.MSG.NEXT.{name}.{name} 1\r\nPING\r\n").unwrap();
    assert!(lines.any(|line| line == "PONG"));
    let connection = server.try_clone().unwrap();
    std::thread::spawn(move || {
        for request in lines.filter(|line| line.starts_with("MSG ")) {
            let reply = request.split(' ').nth(3).unwrap();
            let _shut_down = write!(server, "HPUB {reply} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
        }
    });
    connection
}

#[tokio::test]
async fn what_a_refused_request_is_given_nevertheless_is_given_back_at_once() {
    let stage = Stage::new().await;
    let refusing = refuse_requests(&stage.urls[0], &stage.name);
    let mut refused = stage.open(100).await;
    let error = refused.next_batch().await.map(|batch| batch.len()).unwrap_err();
    assert!(matches!(&error, NatsError::Refused(status) if status.starts_with("503")), "{error}");
    refusing.shutdown(Shutdown::Both).unwrap();
    // The consumer's server knows nothing of the refusal, and serves the request while it is closed.
    tokio::join!(refused.close(), stage.publish((0..300).map(report)));

    let since = Instant::now();
    let (mut puller, mut seen) = (stage.open(100).await, BTreeSet::new());
    while seen.len() < 300 {
        if let Ok(batch) = puller.next_batch().await {
            seen.extend(sequences(&batch));
            batch.ack().await;
        }
        assert!(since.elapsed() < Duration::from_secs(10), "{} messages have come", seen.len());
    }
    stage.reach(0, 0).await;
    puller.close().await;
    stage.end().await;
}

#[tokio::test]
async fn a_consumer_that_is_set_up_otherwise_is_changed_and_keeps_its_place() {
    let stage = Stage::new().await;
    let theirs = pull::Config {
        durable_name: Some(stage.name.clone()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: Duration::from_secs(3),
        max_deliver: 5,
        max_ack_pending: 7,
        max_batch: 1,
        description: Some("made by hand".into()),
        ..pull::Config::default()
    };
    let stream = stage.context.get_stream(&stage.name).await.unwrap();
    stream.create_consumer(theirs).await.unwrap();
    stage.publish((0..3).map(report)).await;
    for _ in 0..2 {
        let mut puller = stage.open(50).await;
        let batch = puller.next_batch().await.unwrap();
        assert_eq!(sequences(&batch), [1, 2, 3]);
        batch.give_back().await;
        puller.close().await;
        let config = stream.consumer_info(&stage.name).await.unwrap().config;
        let told = (config.ack_wait.as_secs(), config.max_deliver, config.max_ack_pending, config.max_batch);
        assert_eq!((told, config.description.as_deref()), ((30, -1, 2 * 50 * 16, 0), Some("made by hand")));
    }
    stage.end().await;
}

#[tokio::test]
async fn a_consumer_that_is_gone_is_noticed_and_made_anew() {
    let stage = Stage::new().await;
    let mut puller = stage.open(10).await;
    stage.publish([report(1)]).await;
    let batch = puller.next_batch().await.unwrap();
    stage.context.delete_consumer_from_stream(&stage.name, &stage.name).await.unwrap();
    batch.ack().await;
    assert!(puller.next_batch().await.is_err());
    puller.close().await;
    let mut puller = stage.open(10).await;
    let batch = puller.next_batch().await.unwrap();
    assert_eq!(sequences(&batch), [1]);
    stage.end().await;
}

#[tokio::test]
async fn a_stream_that_is_missing_is_named() {
    let stage = Stage::new().await;
    let mut puller = stage.open(10).await;
    stage.context.delete_stream(&stage.name).await.unwrap();
    assert!(puller.next_batch().await.is_err());
    let expected = format!("the stream {} does not exist: the platform has to make it", stage.name);
    let opened = stage.consumer(10).open().await;
    assert_eq!(opened.map(|_| ()).unwrap_err().to_string(), expected);
    assert!(stage.consumer(10).lag().await.is_err());
    stage.make_stream().await;
    stage.publish([report(1)]).await;
    assert_eq!(stage.open(10).await.next_batch().await.unwrap().len(), 1);
    stage.end().await;
}

#[tokio::test]
async fn events_about_invoices_are_kept_once_in_a_stream_like_the_usage_events() {
    let stage = Stage::new().await;
    let (stream, publisher) = (format!("{}_INVOICES", stage.name), stage.nats.publisher());
    let subjects = format!("{stream}.*");
    let missing = publisher.set_up(&stream, &subjects, "NO_SUCH_STREAM").await.unwrap_err();
    assert!(matches!(missing, NatsError::NoStream(name) if name == "NO_SUCH_STREAM"));
    let message = OutboxMessage {
        subject: format!("{stream}.generated"),
        message_id: "invoice-1".into(),
        tenant: TENANT.parse().unwrap(),
        traceparent: Some("00-1-2-01".into()),
        payload: b"{}".to_vec(),
    };
    for _ in 0..2 {
        publisher.set_up(&stream, &subjects, &stage.name).await.unwrap();
        publisher.publish(message.clone()).await.unwrap();
    }
    let made = stage.context.get_stream(&stream).await.unwrap();
    let info = made.get_info().await.unwrap();
    assert_eq!((info.state.messages, info.config.num_replicas), (1, stage.urls.len()));
    assert_eq!((info.config.retention, info.config.max_age.as_secs()), (RetentionPolicy::Limits, 604_800));
    let stored = made.get_raw_message(1).await.unwrap();
    for (header, expected) in [("Nats-Msg-Id", "invoice-1"), ("X-Tenant-Id", TENANT), ("traceparent", "00-1-2-01")] {
        assert_eq!(stored.headers.get(header).unwrap().as_str(), expected);
    }
    stage.context.delete_stream(&stream).await.unwrap();
    stage.end().await;
}

#[tokio::test]
async fn nobody_waits_for_a_cluster_that_is_down() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let connected =
        Nats::connect(&[format!("nats://{closed}")], "test", trusting_nobody(), || async { Ok(None) }).await;
    assert!(connected.is_ok());
    let wrong =
        Nats::connect(&["nats://a:1".into(), "nats://:x@@".into()], "test", trusting_nobody(), || async { Ok(None) })
            .await;
    assert_eq!(wrong.map(|_| ()).unwrap_err().to_string(), "node 2 is not nats://host:port or tls://host:port");
}
