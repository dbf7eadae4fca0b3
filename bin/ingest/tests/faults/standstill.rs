//! Pods that shall not consume, and a consumer that delivers nothing beside a full stream.

use std::time::{Duration, SystemTime};

use crate::pod::Pod;
use crate::process::until;
use crate::stage::{CONSUMER, Plan, STREAM, Stage};

const LAG: &str = "billing_nats_consumer_lag";

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_shall_not_consume_leaves_everything_to_others() {
    let stage = Stage::new(Plan::default()).await;
    let first = Pod::default().ready(&stage).await;
    stage.publish(&stage.messages(300).await).await;
    stage.prove().await;
    first.stop().await;
    let idle = Pod::default().with("BILLING_CONSUMER_ENABLED", "false").ready(&stage).await;
    stage.publish(&stage.messages(700).await).await;
    // All pods tell the same lag, those too that do not work on it.
    until("it tells what waits", 15, async || idle.metric(LAG).await == Some(700)).await;
    assert_eq!(stage.count("billing_events").await, 300, "it consumes");
    assert_eq!(stage.consumer().await.unwrap().num_waiting, 0, "it asks for messages");
    let busy = Pod::default().ready(&stage).await;
    stage.prove().await;
    until("it tells that nothing waits", 15, async || idle.metric(LAG).await == Some(0)).await;
    assert_eq!(stage.count("billing_events").await, 1_000);
    idle.stop().await;
    busy.stop().await;
}

/// The pod finds out that it is given nothing although messages wait, and asks anew; when they are given again it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_delivers_nothing_is_noticed() {
    let stage = Stage::new(Plan::default()).await;
    let pod = Pod::default().ready(&stage).await;
    stage.publish(&stage.messages(300).await).await;
    stage.prove().await;
    let stream = stage.context.get_stream(STREAM).await.unwrap();
    let until_then = SystemTime::now() + Duration::from_secs(3_600);
    stream.pause_consumer(CONSUMER, until_then.into()).await.unwrap();
    stage.publish(&stage.messages(200).await).await;
    until("it notices", 50, async || pod.has_logged(&["the stream is of no use", "200"])).await;
    assert_eq!(stage.count("billing_events").await, 300);
    pod.assert_alive().await;
    stream.resume_consumer(CONSUMER).await.unwrap();
    stage.prove().await;
    pod.stop().await;
}
