//! Pods that die, stand still, or are asked to stop, at every boundary and at random.

use std::time::Duration;

use async_nats::jetstream::stream::RetentionPolicy;
use rustix::process::Signal;

use crate::pod::Pod;
use crate::process::{local, until};
use crate::proxy::{Mode, Proxy, Trap};
use crate::stage::{Plan, SHORT_ACK_WAIT, Stage};

/// As in production.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// More than any other transaction than that of a batch.
const BATCH_BYTES: usize = 8_000;
/// Every statement has it.
const ANYTHING: &[u8] = &[0];

/// Where a pod is killed.
#[derive(Clone, Copy, Debug)]
enum Boundary {
    Fetched,
    InTransaction,
    Committed,
    Acknowledging,
}

async fn killed_at(boundary: Boundary, retention: RetentionPolicy) {
    let stage = Stage::new(Plan { retention, ..Plan::default() }).await;
    let database = Proxy::to(local(stage.database_port())).await;
    let nats = Proxy::to(local(stage.nats.ports[0])).await;
    let introductions = stage.publisher.generator.lock().await.introductions();
    stage.publish(&introductions).await;
    let pod = Pod::default().database_at(database.port).nats_at(nats.port).ready(&stage).await;
    stage.drained().await;

    match boundary {
        Boundary::Fetched => database.set(Mode::Blackhole),
        Boundary::InTransaction => database.arm(Trap::Sent(b"COMMIT", BATCH_BYTES)),
        Boundary::Committed => database.arm(Trap::Answered(b"COMMIT", BATCH_BYTES)),
        Boundary::Acknowledging => nats.arm(Trap::Sent(b"+ACK", 0)),
    }
    stage.publish(&stage.messages(3_000).await).await;
    match boundary {
        Boundary::Fetched => {
            until("messages are in a pod's hand", 20, async || {
                stage.consumer().await.is_some_and(|info| info.num_ack_pending > 0)
            })
            .await;
        }
        Boundary::Acknowledging => nats.sprung().await,
        Boundary::InTransaction | Boundary::Committed => database.sprung().await,
    }
    pod.kill();
    database.set(Mode::Cut);
    nats.set(Mode::Cut);
    assert!(!matches!(boundary, Boundary::Fetched) || stage.count("billing_events").await == 40);

    let next = Pod::default().ready(&stage).await;
    stage.prove().await;
    assert!(stage.redelivered().await > 0, "{boundary:?}: nothing had to be delivered again");
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_killed_at_a_boundary() {
    tokio::join!(
        killed_at(Boundary::Fetched, RetentionPolicy::WorkQueue),
        killed_at(Boundary::InTransaction, RetentionPolicy::WorkQueue),
    );
    tokio::join!(
        killed_at(Boundary::Committed, RetentionPolicy::WorkQueue),
        killed_at(Boundary::Acknowledging, RetentionPolicy::Limits),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_killed_at_random_under_load() {
    let stage = Stage::new(Plan::default()).await;
    let load = stage.publisher.load();
    let mut pods = vec![Pod::default().ready(&stage).await, Pod::default().ready(&stage).await];
    for _ in 0..6 {
        let (wait, which) = {
            let mut generator = stage.publisher.generator.lock().await;
            (generator.below(400), usize::try_from(generator.below(2)).unwrap())
        };
        tokio::time::sleep(Duration::from_millis(wait)).await;
        pods.swap_remove(which).kill();
        let next = Pod::default().start(&stage);
        next.until_ready().await;
        pods.push(next);
    }
    load.stop().await;
    stage.prove().await;
    assert!(stage.redelivered().await > 0, "no kill hit a pod with messages in hand");
    for pod in pods {
        pod.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_a_commit_is_lost() {
    let stage = Stage::new(Plan::default()).await;
    let database = Proxy::to(local(stage.database_port())).await;
    let pod = Pod::default().database_at(database.port).ready(&stage).await;
    for _ in 0..3 {
        database.arm(Trap::Answered(b"COMMIT", BATCH_BYTES));
        stage.publish(&stage.messages(1_500).await).await;
        database.sprung().await;
        let committed = stage.count("billing_events").await;
        assert!(committed > 0, "the commit has not landed");
        database.set(Mode::Cut);
        database.set(Mode::Pass);
        stage.drained().await;
    }
    stage.prove().await;
    pod.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_stood_still_changes_nothing_when_it_wakes() {
    let stage = Stage::new(Plan::default()).await;
    let introductions = stage.publisher.generator.lock().await.introductions();
    stage.publish(&introductions).await;
    let database = Proxy::to(local(stage.database_port())).await;
    let nats = Proxy::to(local(stage.nats.ports[0])).await;
    let sleeper = Pod::default().database_at(database.port).nats_at(nats.port).ready(&stage).await;
    stage.drained().await;
    // It is given all of them at once, so its batch is large however slowly they are published, and it is being recorded.
    nats.set(Mode::Blackhole);
    stage.publish(&stage.messages(2_000).await).await;
    database.arm(Trap::Sent(ANYTHING, BATCH_BYTES));
    nats.set(Mode::Pass);
    database.sprung().await;
    database.set(Mode::Blackhole);
    sleeper.signal(Signal::STOP);
    let other = Pod::default().ready(&stage).await;
    until("the stream waits no longer", 20, async || stage.set_ack_wait(SHORT_ACK_WAIT).await.is_some()).await;
    tokio::time::sleep(3 * SHORT_ACK_WAIT).await;
    stage.prove().await;
    let before = digest(&stage).await;
    assert!(stage.redelivered().await >= 300, "the other pod was not given what the sleeper held");

    database.arm(Trap::Sent(b"COMMIT", BATCH_BYTES));
    database.set(Mode::Pass);
    sleeper.signal(Signal::CONT);
    database.sprung().await;
    database.set(Mode::Pass);
    sleeper.until_ready().await;
    stage.prove().await;
    assert_eq!(digest(&stage).await, before);
    sleeper.stop().await;
    other.stop().await;
}

/// Of everything that a second delivery could have changed.
async fn digest(stage: &Stage) -> String {
    stage
        .db
        .text(
            "SELECT md5(
                (SELECT string_agg(e::text, ';' ORDER BY message_id) FROM billing.billing_events e)
                || (SELECT string_agg(b::text, ';' ORDER BY id) FROM billing.usage_buckets b)
                || (SELECT count(*) FROM billing.duplicate_messages)::text
                || (SELECT count(*) FROM billing.quarantined_messages)::text)",
        )
        .await
}

/// What cannot be recorded before the process must end is given back: another pod has it at once, and not after half a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_asked_to_stop_while_the_database_says_nothing() {
    let stage = Stage::new(Plan::default()).await;
    let database = Proxy::to(local(stage.database_port())).await;
    let pod = Pod::default().database_at(database.port).ready(&stage).await;
    stage.publish(&stage.messages(500).await).await;
    stage.drained().await;
    database.set(Mode::Blackhole);
    // Nothing comes back by itself for half a minute.
    stage.set_ack_wait(ACK_WAIT).await.unwrap();
    stage.publish(&stage.messages(2_000).await).await;
    let in_hand = async || stage.consumer().await.unwrap().num_ack_pending >= 1_000;
    until("it has messages in hand", 20, in_hand).await;
    pod.stop().await;
    let other = Pod::default().ready(&stage).await;
    until("all of it is recorded", 15, async || stage.count("billing_events").await == 2_500).await;
    stage.prove().await;
    other.stop().await;
}

/// While it looks at the database for the first time, and while it prepares partitions.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_asked_to_stop_at_its_start_while_the_database_says_nothing() {
    let stage = Stage::new(Plan::default()).await;
    let database = Proxy::to(local(stage.database_port())).await;
    database.set(Mode::Blackhole);
    let stopped_after = async |seconds| {
        let pod = Pod::default().database_at(database.port).start(&stage);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        pod.until_not_ready().await;
        pod.stop().await;
    };
    tokio::join!(stopped_after(1), stopped_after(11));
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_asked_to_stop_under_load() {
    let stage = Stage::new(Plan::default()).await;
    let load = stage.publisher.load();
    let mut pod = Pod::default().ready(&stage).await;
    for _ in 0..6 {
        let wait = stage.publisher.generator.lock().await.below(600);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let next = Pod::default().ready(&stage).await;
        std::mem::replace(&mut pod, next).stop().await;
    }
    load.stop().await;
    stage.prove().await;
    assert!(stage.count("billing_events").await > 1_000);
    pod.stop().await;
}
