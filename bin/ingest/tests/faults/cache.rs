//! The price cache down, killed, silent, slow, and full of lies: not one amount differs.

use std::time::Duration;

use crate::pod::{Pod, RunningPod};
use crate::process::local;
use crate::proxy::{Mode, Proxy};
use crate::servers::{RedisCluster, RedisServer};
use crate::stage::{Plan, Stage};

/// Waits until a pod has offered its book. One that could not at its start offers the next version.
pub(crate) async fn offered(stage: &Stage, redis: &RedisServer) {
    for look in 1..=300 {
        if redis.ask("DBSIZE\r\n").await.trim() != ":0" {
            return;
        }
        if look % 30 == 0 {
            stage.db.add_cost(&format!("other-{look}"), "0.5").await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no pod has offered its book");
}

/// Has usage rated before and after the price book changes, so that it must be fetched anew with the cache as it is.
async fn bill(stage: &Stage, pod: &RunningPod) {
    stage.publish(&stage.messages(500).await).await;
    stage.drained().await;
    stage.db.add_cost("99999", "0.5").await;
    stage.publish(&stage.messages(500).await).await;
    stage.prove().await;
    assert!(pod.is_ready().await);
}

/// A fault that was never hit is a failure.
async fn assert_missed(pod: &RunningPod) {
    let fetched = pod.metric("billing_redis_errors_total{op=\"fetch\"}").await.unwrap();
    let published = pod.metric("billing_redis_errors_total{op=\"publish\"}").await.unwrap();
    assert!(fetched + published > 0, "nobody has missed the cache");
}

async fn down_at_the_start() {
    let stage = Stage::new(Plan::default()).await;
    let closed = crate::process::free_port();
    let pod = Pod::default().redis_at(&format!("redis://127.0.0.1:{closed}")).ready(&stage).await;
    bill(&stage, &pod).await;
    assert_missed(&pod).await;
    pod.stop().await;
}

async fn killed() {
    let stage = Stage::new(Plan::default()).await;
    let mut redis = RedisServer::start(&stage.folder).await;
    let pod = Pod::default().redis_at(&redis.url()).ready(&stage).await;
    offered(&stage, &redis).await;
    stage.publish(&stage.messages(500).await).await;
    redis.kill();
    bill(&stage, &pod).await;
    assert_missed(&pod).await;
    pod.stop().await;
}

async fn a_master_lost() {
    let stage = Stage::new(Plan::default()).await;
    let mut cluster = RedisCluster::start(&stage.folder).await;
    let pod = Pod::default().redis_at(&cluster.urls()).ready(&stage).await;
    let master = cluster.holder().await;
    stage.publish(&stage.messages(500).await).await;
    cluster.kill(master);
    bill(&stage, &pod).await;
    cluster.succeeded(master).await;
    stage.publish(&stage.messages(500).await).await;
    stage.prove().await;
    // One that is not connected yet when it first asks, asks the database.
    let mut served = 0;
    for _ in 0..5 {
        let later = Pod::default().redis_at(&cluster.urls()).ready(&stage).await;
        served += later.metric("billing_pricing_resolve_total{source=\"cache\"}").await.unwrap();
        later.stop().await;
        if served > 0 {
            break;
        }
    }
    assert!(served > 0, "the cluster serves no book after a master was lost");
    pod.stop().await;
}

async fn silent(mode: Mode) {
    let stage = Stage::new(Plan::default()).await;
    let redis = RedisServer::start(&stage.folder).await;
    let proxy = Proxy::to(local(redis.port)).await;
    // The node tells its own address, so every word passes the proxy only if it is told the proxy's.
    let announced = redis.ask(&format!("CONFIG SET cluster-announce-port {}\r\n", proxy.port)).await;
    assert!(announced.contains("OK"), "{announced}");
    let pod = Pod::default().redis_at(&format!("redis://127.0.0.1:{}", proxy.port)).ready(&stage).await;
    offered(&stage, &redis).await;
    proxy.set(mode);
    bill(&stage, &pod).await;
    assert_missed(&pod).await;
    pod.stop().await;
}

async fn poisoned() {
    // The book of another stage, with other prices, under the same version: well-formed, and wrong.
    let other = Stage::new(Plan { priced: false, ..Plan::default() }).await;
    let redis = RedisServer::start(&other.folder).await;
    for (tier, operator, _) in crate::journal::PRICES {
        other.db.add_price(tier, operator, "0.777777").await;
    }
    for (operator, _) in crate::journal::COSTS {
        other.db.add_cost(operator, "0.111111").await;
    }
    let pod = Pod::default().redis_at(&redis.url()).ready(&other).await;
    offered(&other, &redis).await;
    pod.stop().await;

    let stage = Stage::new(Plan::default()).await;
    let versions = "SELECT version FROM billing.book_versions WHERE book = 'prices'";
    for number in stage.db.number(versions).await..other.db.number(versions).await {
        stage.db.add_cost(&format!("other-{number}"), "0.5").await;
    }
    // Another pod has recorded what the right book's bytes are.
    let first = Pod::default().redis_at("redis://127.0.0.1:9").ready(&stage).await;
    first.stop().await;
    // One that is not connected yet when it first asks has not been lied to.
    let mut lied_to = 0;
    for _ in 0..5 {
        let pod = Pod::default().redis_at(&redis.url()).ready(&stage).await;
        lied_to += pod.metric("billing_redis_errors_total{op=\"poisoned\"}").await.unwrap();
        if lied_to > 0 {
            bill(&stage, &pod).await;
        }
        pod.stop().await;
        if lied_to > 0 {
            break;
        }
    }
    assert!(lied_to > 0, "nobody has looked at the wrong book");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cache_not_one_amount_differs() {
    tokio::join!(down_at_the_start(), killed(), a_master_lost());
    tokio::join!(silent(Mode::Blackhole), silent(Mode::Slow(Duration::from_millis(400))));
    poisoned().await;
}
