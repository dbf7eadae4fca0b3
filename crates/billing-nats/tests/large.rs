//! A server that takes larger messages than a batch may have: they are taken, too, or nothing behind them would be.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::stream::{Config, RetentionPolicy};
use async_nats::jetstream::{self, Context};
use billing_nats::{ConsumerConfig, Nats};
use billing_testing::certificates::trusting_nobody;
use uuid::Uuid;

const MIB: usize = 1024 * 1024;

struct Server {
    process: Child,
    folder: PathBuf,
    url: String,
}

impl Server {
    async fn start() -> (Self, Context) {
        let folder = std::env::temp_dir().join(format!("billing-nats-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = folder.join("nats.conf");
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\nmax_payload: 32MB\nmax_pending: 128MB\njetstream {{ store_dir: \"{}\" }}\n",
            folder.display()
        );
        std::fs::write(&file, config).unwrap();
        let program = std::env::var("BILLING_TEST_NATS_SERVER").expect("run these tests by `cargo xtask test`");
        let mut command = Command::new(program);
        command.arg("-c").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { process: command.spawn().unwrap(), folder, url: format!("127.0.0.1:{port}") };
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match async_nats::connect(&server.url).await {
                Ok(client) => return (server, jetstream::new(client)),
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.process.kill().and_then(|()| self.process.wait());
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_larger_than_a_batch_stands_in_nobodys_way() {
    let (server, context) = Server::start().await;
    let (stream, durable, subjects) = ("LARGE".to_owned(), "large".to_owned(), vec!["large".to_owned()]);
    let config = Config { name: stream.clone(), subjects, retention: RetentionPolicy::WorkQueue, ..Config::default() };
    context.create_stream(config).await.unwrap();
    // The second batch is cut short by what has no room in it.
    for bytes in [17 * MIB, 1, 1, 20 * MIB, 18 * MIB, 1] {
        context.publish("large", vec![b'{'; bytes].into()).await.unwrap().await.unwrap();
    }
    let nats = Nats::connect(std::slice::from_ref(&server.url), "test", trusting_nobody(), || async { Ok(None) })
        .await
        .unwrap();
    let config = ConsumerConfig { stream, durable, batches: 4, batch_size: 500, is_traced: false };
    let mut puller = nats.consumer(config).open().await.unwrap();
    let (mut seen, began) = (Vec::new(), Instant::now());
    while seen.len() < 6 {
        let batch = puller.next_batch().await.unwrap();
        for delivery in batch.deliveries() {
            let why = delivery.content.unwrap_err().reason;
            seen.push((delivery.receipt.sequence, delivery.raw.len(), format!("{why:?}")));
        }
        batch.ack().await;
    }
    assert!(began.elapsed() < Duration::from_secs(10), "it was waited for: {:?}", began.elapsed());
    let of = |bytes: usize| if bytes == 1 { "Malformed" } else { "Oversized" };
    let expected = [17 * MIB, 1, 1, 20 * MIB, 18 * MIB, 1];
    let expected: Vec<_> = (1..).zip(expected).map(|(number, bytes)| (number, bytes, of(bytes).to_owned())).collect();
    assert_eq!(seen, expected);
    puller.close().await;
}
