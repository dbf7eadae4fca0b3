//! The stream's servers killed, deposed and restarted, and its consumer deleted.

use std::time::Instant;

use async_nats::jetstream::stream::RetentionPolicy;
use tokio::sync::Mutex;

use crate::pod::{Pod, RunningPod};
use crate::process::until;
use crate::stage::{CONSUMER, Load, Plan, STREAM, Stage};

/// Clusters take turns, so that a small machine stays calm.
pub(crate) static TURN: Mutex<()> = Mutex::const_new(());

/// How long after the stream takes messages again a message may take to be recorded.
const RESUMES_WITHIN: u64 = 10;

/// Publishes one more message, as often as it takes, and waits until it is recorded.
pub(crate) async fn resumes(stage: &Stage, after: &str) {
    let since = Instant::now();
    let message = stage.messages(1).await;
    stage.publish(&message).await;
    let taken = since.elapsed();
    let id = message[0].id;
    until(&format!("{after}, a new message is recorded"), RESUMES_WITHIN, async || {
        stage.db.number(&format!("SELECT count(*) FROM billing.billing_events WHERE message_id = '{id}'")).await == 1
    })
    .await;
    eprintln!("{after}: taken after {taken:?}, recorded after {:?}", since.elapsed());
}

pub(crate) async fn leader(stage: &Stage) -> usize {
    let stream = stage.context.get_stream(STREAM).await.unwrap();
    let name = stream.cached_info().cluster.as_ref().and_then(|cluster| cluster.leader.clone()).unwrap();
    name.strip_prefix("nats-").unwrap().parse().unwrap()
}

async fn consumer_leader(stage: &Stage) -> Option<String> {
    stage.consumer().await?.cluster?.leader
}

async fn step_down(stage: &Stage, what: &str) {
    let client = stage.context.client();
    let answer = client.request(format!("$JS.API.{what}"), "".into()).await.unwrap();
    let answer = String::from_utf8_lossy(&answer.payload).into_owned();
    assert!(answer.contains("\"success\":true"), "{what}: {answer}");
}

/// First of the consumer, then of the stream, then with the node that leads.
async fn loses_leaders(stage: &mut Stage) {
    let before = consumer_leader(stage).await;
    step_down(stage, &format!("CONSUMER.LEADER.STEPDOWN.{STREAM}.{CONSUMER}")).await;
    until("the consumer has another leader", 20, async || {
        let now = consumer_leader(stage).await;
        now.is_some() && now != before
    })
    .await;
    resumes(stage, "after the consumer's leader stepped down").await;
    step_down(stage, &format!("STREAM.LEADER.STEPDOWN.{STREAM}")).await;
    resumes(stage, "after the stream's leader stepped down").await;

    let node = leader(stage).await;
    stage.nats.kill_node(node);
    resumes(stage, "after the leading node was killed").await;
    stage.nats.start_node(node);
    resumes(stage, "after the node came back").await;
}

/// Two pods, and what is published meanwhile.
async fn under_load(retention: RetentionPolicy) -> (Stage, [RunningPod; 2], Load) {
    let stage = Stage::new(Plan { nodes: 3, retention, ..Plan::default() }).await;
    let pods = [Pod::default().ready(&stage).await, Pod::default().ready(&stage).await];
    let load = stage.publisher.load();
    until("usage is recorded", 30, async || stage.count("billing_events").await > 500).await;
    (stage, pods, load)
}

/// A stream that keeps what is acknowledged: a new leader must know how far that is.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_whose_stream_keeps_its_messages_loses_leaders() {
    let _turn = TURN.lock().await;
    let (mut stage, pods, load) = under_load(RetentionPolicy::Limits).await;
    loses_leaders(&mut stage).await;
    load.stop().await;
    stage.prove().await;
    for pod in pods {
        pod.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_loses_leaders_and_nodes() {
    let _turn = TURN.lock().await;
    let (mut stage, pods, load) = under_load(RetentionPolicy::WorkQueue).await;
    loses_leaders(&mut stage).await;

    let reachable = async |expected: u64| {
        for pod in &pods {
            let told = async || pod.metric("billing_nats_reachable").await == Some(expected);
            until(&format!("the pod tells that NATS is reachable: {expected}"), 30, told).await;
        }
    };
    reachable(1).await;
    for node in 0..3 {
        stage.nats.kill_node(node);
    }
    for pod in &pods {
        pod.until_not_ready().await;
    }
    reachable(0).await;
    for node in 0..3 {
        stage.nats.start_node(node);
    }
    resumes(&stage, "after the whole cluster was restarted").await;
    reachable(1).await;
    load.stop().await;
    stage.prove().await;
    for pod in pods {
        pod.until_ready().await;
        until("nothing waits any more", 20, async || pod.metric("billing_oldest_pending_seconds").await == Some(0))
            .await;
        pod.stop().await;
    }
}

async fn deleted(retention: RetentionPolicy) {
    let stage = Stage::new(Plan { retention, ..Plan::default() }).await;
    let pods = [Pod::default().ready(&stage).await, Pod::default().ready(&stage).await];
    stage.publish(&stage.messages(5_000).await).await;
    stage.drained().await;
    for pod in &pods {
        let noted = ["\"sequence\":5000", "noted where everything before is acknowledged"];
        until("the pod has noted its place", 20, async || pod.has_logged(&noted)).await;
    }
    let load = stage.publisher.load();
    for _ in 0..3 {
        let until_then = stage.count("billing_events").await + 300;
        until("usage is recorded", 30, async || stage.count("billing_events").await > until_then).await;
        stage.context.delete_consumer_from_stream(CONSUMER, STREAM).await.unwrap();
        resumes(&stage, "after the consumer was deleted").await;
    }
    load.stop().await;
    stage.prove().await;
    let begins = || async { format!("{:?}", stage.consumer().await.unwrap().config.deliver_policy) };
    if retention == RetentionPolicy::Limits {
        let begins = begins().await;
        assert!(begins.contains("ByStartSequence"), "it begins anew with everything: {begins}");
    }
    for pod in pods {
        pod.stop().await;
    }

    // While no pod runs: then only the database knows how far the stream was recorded.
    let stream = stage.context.get_stream(STREAM).await.unwrap().cached_info().clone();
    let (created, last) = (stream.created.unix_timestamp_nanos() / 1_000, stream.state.last_sequence);
    let note = format!(
        "INSERT INTO billing.stream_floors (stream_created_at, checked, last_sequence)
        VALUES ('epoch'::timestamptz + {created} * interval '1 microsecond', {last}, {last})
        ON CONFLICT (stream_created_at) DO UPDATE SET checked = {last}, last_sequence = {last}"
    );
    stage.db.owner.batch_execute(&note).await.unwrap();
    stage.context.delete_consumer_from_stream(CONSUMER, STREAM).await.unwrap();
    stage.publish(&stage.messages(500).await).await;
    let pod = Pod::default().ready(&stage).await;
    stage.prove().await;
    if retention == RetentionPolicy::Limits {
        assert!(begins().await.contains(&format!("start_sequence: {}", last + 1)), "{}", begins().await);
    }
    pod.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_deleted_under_us_is_made_anew_where_it_was() {
    tokio::join!(deleted(RetentionPolicy::WorkQueue), deleted(RetentionPolicy::Limits));
}
