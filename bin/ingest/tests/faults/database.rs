//! PostgreSQL killed, stopped, full, out of connections, and followed by its standby.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::checker::{Findings, check};
use crate::journal::Message;
use crate::pod::{Pod, RunningPod};
use crate::postgres_server::PostgresServer;
use crate::process::{local, until};
use crate::proxy::{Mode, Proxy};
use crate::stage::{Plan, Stage};

/// Servers of their own take turns, so that a small machine stays calm.
static TURN: Mutex<()> = Mutex::const_new(());

/// How far the consumer's acknowledgements are.
async fn acknowledged(stage: &Stage) -> u64 {
    stage.consumer().await.unwrap().ack_floor.consumer_sequence
}

/// With the database away: nothing is acknowledged, the pod says that it is not ready, and does not ask to be restarted.
async fn nothing_is_acknowledged(stage: &Stage, pod: &RunningPod) {
    // What was committed may still be on its way.
    let mut before = acknowledged(stage).await;
    for look in 1.. {
        assert!(look < 40, "acknowledgements do not end");
        tokio::time::sleep(Duration::from_millis(500)).await;
        if std::mem::replace(&mut before, acknowledged(stage).await) == before {
            break;
        }
    }
    stage.publish(&stage.messages(2_000).await).await;
    until("messages are in hand", 20, async || stage.consumer().await.unwrap().num_ack_pending > 0).await;
    pod.until_not_ready().await;
    assert_eq!(acknowledged(stage).await, before, "acknowledged without a database");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_crashes_or_stands_still() {
    let _turn = TURN.lock().await;
    let mut stage = Stage::new(Plan { own_postgres: true, ..Plan::default() }).await;
    let pod = Pod::default().ready(&stage).await;
    let load = stage.publisher.load();
    until("usage is recorded", 30, async || stage.count("billing_events").await > 500).await;
    stage.postgres.as_mut().unwrap().crash();
    load.stop().await;
    nothing_is_acknowledged(&stage, &pod).await;
    let folder = &stage.folder;
    stage.postgres.as_mut().unwrap().resume(folder).await;
    stage.db.owner = stage.postgres.as_ref().unwrap().connect(stage.database_name()).await.unwrap();
    pod.until_ready().await;
    stage.prove().await;

    // Longer than messages are waited for: they are kept alive, and none is delivered twice.
    let deliveries = stage.redelivered().await;
    let ack_wait = Duration::from_secs(12);
    stage.set_ack_wait(ack_wait).await.unwrap();
    stage.postgres.as_ref().unwrap().signal(Signal::STOP);
    nothing_is_acknowledged(&stage, &pod).await;
    // Longer than `ack_wait`; and whoever asks whether this pod could work is told that it cannot.
    until("it is told that recording hangs", 45, async || pod.has_logged(&["does not answer", "the batch is kept"]))
        .await;
    assert!(pod.not_ready().await.contains("recording"));
    assert_eq!(stage.redelivered().await, deliveries, "messages in hand were delivered again");
    stage.postgres.as_ref().unwrap().signal(Signal::CONT);
    pod.until_ready().await;
    stage.prove().await;
    pod.stop().await;
}

/// What makes the server refuse, and what ends that.
async fn refused(begins: &str, ends: &str) {
    let stage = Stage::new(Plan::default()).await;
    let begins = begins.replace("DATABASE_NAME", stage.database_name());
    let ends = ends.replace("DATABASE_NAME", stage.database_name());
    let pod = Pod::default().ready(&stage).await;
    stage.publish(&stage.messages(1_000).await).await;
    stage.drained().await;
    stage.db.owner.batch_execute(&begins).await.unwrap();
    nothing_is_acknowledged(&stage, &pod).await;
    assert_eq!(stage.count("billing_events").await, 1_000, "{begins}: the fault was not hit");
    stage.db.owner.batch_execute(&ends).await.unwrap();
    pod.until_ready().await;
    stage.prove().await;
    pod.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_full_or_out_of_connections() {
    let no_connections = "ALTER DATABASE DATABASE_NAME CONNECTION LIMIT 0;
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = 'DATABASE_NAME' AND pid <> pg_backend_pid()";
    let disk_full = "CREATE FUNCTION billing.full() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER disk_is_full BEFORE INSERT ON billing.message_keys
            FOR EACH STATEMENT EXECUTE FUNCTION billing.full()";
    tokio::join!(
        refused(no_connections, "ALTER DATABASE DATABASE_NAME CONNECTION LIMIT -1"),
        refused(disk_full, "DROP TRIGGER disk_is_full ON billing.message_keys"),
    );
}

/// Longer than a request for messages is open.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(6);

async fn of_accounts(stage: &Stage, accounts: Range<u32>, each: usize) -> Vec<Message> {
    let mut generator = stage.publisher.generator.lock().await;
    let all = accounts.flat_map(|account| std::iter::repeat_n(account, each));
    all.map(|account| Message { account, ..generator.message() }.priced()).collect()
}

/// Others, that belong into the same buckets.
fn again(messages: &[Message]) -> Vec<Message> {
    messages.iter().map(|message| Message { id: Uuid::new_v4(), dedupe: None, ..message.clone() }).collect()
}

/// Pod and standby reach the primary each by a proxy.
struct Pair {
    stage: Stage,
    pod: RunningPod,
    of_pod: Proxy,
    of_standby: Proxy,
    standby: PostgresServer,
}

async fn with_standby(synchronous: bool) -> Pair {
    let stage = Stage::new(Plan { own_postgres: true, ..Plan::default() }).await;
    let primary = stage.postgres.as_ref().unwrap();
    let of_standby = Proxy::to(local(primary.port)).await;
    let standby = PostgresServer::standby(&stage.folder, of_standby.port).await;
    if synchronous {
        let admin = primary.connect("postgres").await.unwrap();
        admin.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'").await.unwrap();
        admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        let is_sync = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        until("the standby confirms", 20, async || stage.db.number(is_sync).await == 1).await;
    }
    let of_pod = Proxy::to(local(primary.port)).await;
    let pod = Pod::default().database_at(of_pod.port).ready(&stage).await;
    Pair { stage, pod, of_pod, of_standby, standby }
}

/// The primary is gone, the standby is the primary from now on.
async fn fail_over(stage: &mut Stage, proxy: &Proxy, standby: &PostgresServer) {
    stage.postgres.as_mut().unwrap().crash();
    proxy.set(Mode::Cut);
    promote(stage, proxy, standby).await;
    proxy.set(Mode::Pass);
}

async fn promote(stage: &mut Stage, proxy: &Proxy, standby: &PostgresServer) {
    let name = stage.database_name().to_owned();
    let admin = standby.connect(&name).await.unwrap();
    admin.batch_execute("ALTER SYSTEM SET synchronous_standby_names = ''").await.unwrap();
    let promoted = admin.query_one("SELECT pg_promote(true, 30)", &[]).await.unwrap();
    assert!(promoted.get::<_, bool>(0));
    stage.db.owner = admin;
    proxy.lead_to(local(standby.port));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_to_a_synchronous_standby_loses_nothing() {
    let _turn = TURN.lock().await;
    let Pair { mut stage, pod, of_pod, of_standby: _of_standby, standby } = with_standby(true).await;
    until("it is told", 20, async || pod.metric("billing_pg_synchronous_standby").await == Some(1)).await;
    let load = stage.publisher.load();
    until("usage is recorded", 30, async || stage.count("billing_events").await > 1_000).await;
    fail_over(&mut stage, &of_pod, &standby).await;
    let until_then = stage.count("billing_events").await;
    until("the new primary records", 60, async || stage.count("billing_events").await > until_then).await;
    load.stop().await;
    pod.until_ready().await;
    stage.prove().await;
    pod.stop().await;
}

/// One that stands still keeps its connections, and answers nobody: who waits there is told that another has taken its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_stands_still_is_left_for_the_one_that_is_promoted() {
    let _turn = TURN.lock().await;
    let Pair { mut stage, pod, of_pod, of_standby: _of_standby, standby } = with_standby(true).await;
    let load = stage.publisher.load();
    until("usage is recorded", 30, async || stage.count("billing_events").await > 1_000).await;
    stage.postgres.as_ref().unwrap().signal(Signal::STOP);
    promote(&mut stage, &of_pod, &standby).await;
    let until_then = stage.count("billing_events").await;
    until("the new primary records", 60, async || stage.count("billing_events").await > until_then).await;
    load.stop().await;
    // Also what waits for an answer of the one that stands still, and is kept alive.
    until("nothing is in hand any more", 25, async || stage.consumer().await.unwrap().num_ack_pending == 0).await;
    pod.until_ready().await;
    stage.prove().await;
    pod.stop().await;
}

/// What an asynchronous standby had not received is gone with the primary. It is named by the numbers that the stream
/// gave: nothing else is wrong, and nothing is double. The service names the same numbers.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_failover_to_an_asynchronous_standby_loses_is_named() {
    let _turn = TURN.lock().await;
    let Pair { mut stage, pod, of_pod, of_standby, standby } = with_standby(false).await;
    assert_eq!(pod.metric("billing_pg_synchronous_standby").await, Some(0));
    stage.publish(&stage.messages(1_000).await).await;
    stage.drained().await;
    // Each pod looks at the stream when it starts: so it is noted how far all was received.
    Pod::default().database_at(of_pod.port).ready(&stage).await.stop().await;
    let received = standby.connect(stage.database_name()).await.unwrap();
    let checked = "SELECT count(*) FROM billing.stream_floors WHERE checked = 1000";
    until("the standby has it", 20, async || received.query_one(checked, &[]).await.unwrap().get::<_, i64>(0) == 1)
        .await;
    of_standby.set(Mode::Cut);
    // Of new accounts, too: the version by which they are known and their buckets are lost as well.
    let new = of_accounts(&stage, 40..60, 10).await;
    let unlucky = [of_accounts(&stage, 40..60, 1).await, new.clone(), again(&new), stage.messages(280).await];
    for messages in &unlucky {
        stage.publish(messages).await;
        stage.drained().await;
    }
    let unlucky = unlucky.concat();
    let numbers: BTreeSet<u64> = (1_001..=1_700).collect();
    pod.signal(Signal::STOP);
    tokio::time::sleep(REQUEST_TIME_MAX).await;
    fail_over(&mut stage, &of_pod, &standby).await;
    // The lost ids and the lost version are given out again, while the pod still knows whose they were.
    let other = Pod::default().database_at(of_pod.port).ready(&stage).await;
    let others = of_accounts(&stage, 60..80, 1).await;
    stage.publish(&others).await;
    stage.drained().await;
    stage.publish(&of_accounts(&stage, 60..80, 9).await).await;
    stage.drained().await;
    other.stop().await;
    pod.signal(Signal::CONT);
    pod.until_ready().await;
    let mut reports = again(&others);
    reports.iter_mut().for_each(|message| message.report = true);
    for messages in [reports, again(&new), stage.messages(80).await] {
        stage.publish(&messages).await;
        stage.drained().await;
    }
    let ledger = stage.publisher.journal.lock().await.ledger();
    let found = check(&stage.db.owner, &ledger, stage.last_sequence().await).await;
    let lost = unlucky.iter().map(|message| message.id).collect();
    assert_eq!(found, Findings { lost, not_received: numbers, ..Findings::default() });
    let watcher = Pod::default().database_at(of_pod.port).ready(&stage).await;
    until("the gap is counted", 20, async || watcher.metric("billing_stream_gap_messages_total").await == Some(700))
        .await;
    let gaps = "SELECT string_agg(first_sequence || '-' || last_sequence, ' ') FROM billing.stream_gaps";
    assert_eq!(stage.db.text(gaps).await, "1001-1700");
    watcher.stop().await;
    pod.stop().await;
}
