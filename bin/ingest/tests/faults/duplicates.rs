//! One message published more than once, and messages that contradict each other.

use std::time::Duration;

use crate::journal::{Expected, Message};
use crate::pod::Pod;
use crate::process::until;
use crate::stage::{Plan, Stage};

fn again(messages: &[Message], change: impl Fn(usize, Message) -> Message) -> Vec<Message> {
    messages.iter().cloned().enumerate().map(|(number, message)| change(number, message)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_published_again_is_one_row() {
    let stage = Stage::new(Plan { dedupe_window: Duration::from_millis(100), ..Plan::default() }).await;
    let first = stage.messages(300).await;
    // Before any pod runs: within one batch, with and without an id that the stream could know it by, in both shapes.
    stage.publish(&first).await;
    stage.publish(&again(&first[..100], |_, message| Message { dedupe: None, ..message })).await;
    stage
        .publish(&again(&first[100..200], |number, message| Message {
            dedupe: Some(format!("another-{number}")),
            report: number % 2 == 0,
            ..message
        }))
        .await;
    // After the stream's own window: the last one is taken as new once all before it are forgotten.
    let taken = stage.last_sequence().await;
    until("the stream has forgotten the ids", 10, async || {
        stage.publish(&first[299..]).await;
        stage.last_sequence().await > taken
    })
    .await;
    stage.publish(&first[200..299]).await;
    let pods = [Pod::default().batch(200).ready(&stage).await, Pod::default().batch(200).ready(&stage).await];
    // While two pods work.
    for _ in 0..3 {
        let fresh = stage.messages(400).await;
        let twice = again(&fresh, |_, message| Message { dedupe: None, ..message });
        tokio::join!(stage.publish(&fresh), stage.publish(&twice));
    }
    stage.drained().await;
    // Long recorded.
    stage.publish(&again(&first, |_, message| Message { dedupe: None, report: true, ..message })).await;
    stage.prove().await;
    assert_eq!(stage.count("billing_events").await, 300 + 3 * 400);
    assert_eq!(stage.count("duplicate_messages").await, 300 + 3 * 400 + 300);

    // The same id with other content: what stands, stands.
    let contradict = |number: usize, message: Message| {
        let mut other = Message { dedupe: None, expected: Expected::Quarantined("conflict".into()), ..message };
        match number % 4 {
            0 => other.segments = other.segments % 10 + 1,
            1 => other.operator = if other.operator == "41201" { "41220" } else { "41201" },
            2 => other.account = (other.account + 4) % 40,
            _ => other.status = if other.status == "FAILED" { "DELIVERED" } else { "FAILED" },
        }
        other
    };
    stage.publish(&again(&first, contradict)).await;
    stage.prove().await;
    assert_eq!(stage.count("quarantined_messages").await, 300);
    for pod in pods {
        pod.stop().await;
    }
}
