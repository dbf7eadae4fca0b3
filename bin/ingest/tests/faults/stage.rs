//! A stage for one fault: a stream, a database, prices, and whoever publishes. Pods are started by the test.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{FromConsumer as _, Info, pull};
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::checker::{Findings, check};
use crate::encrypted::Encryption;
use crate::journal::{COSTS, Generator, Journal, Message, PRICES};
use crate::postgres_server::PostgresServer;
use crate::process::{Folder, until, variable};
use crate::servers::NatsServers;
use crate::support::TestDatabase;

pub(crate) const STREAM: &str = "BILLING_EVENTS";
pub(crate) const CONSUMER: &str = "billing-consumer";
const SUBJECT: &str = "billing.events";
/// Instead of half a minute, so that what a dead pod held comes again soon.
pub(crate) const SHORT_ACK_WAIT: Duration = Duration::from_secs(2);

/// What a test chooses.
pub(crate) struct Plan {
    pub(crate) nodes: usize,
    pub(crate) retention: RetentionPolicy,
    pub(crate) dedupe_window: Duration,
    /// A server of its own.
    pub(crate) own_postgres: bool,
    /// PostgreSQL of its own and NATS encrypt.
    pub(crate) encrypted: bool,
    pub(crate) priced: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            nodes: 1,
            retention: RetentionPolicy::WorkQueue,
            dedupe_window: Duration::from_secs(120),
            own_postgres: false,
            encrypted: false,
            priced: true,
        }
    }
}

pub(crate) struct Stage {
    pub(crate) db: TestDatabase,
    pub(crate) postgres: Option<PostgresServer>,
    pub(crate) nats: NatsServers,
    pub(crate) context: Context,
    pub(crate) publisher: Publisher,
    pub(crate) redis_urls: String,
    retention: RetentionPolicy,
    pub(crate) encryption: Option<Encryption>,
    pub(crate) folder: Folder,
}

impl Stage {
    pub(crate) async fn new(plan: Plan) -> Self {
        let folder = Folder::new();
        let encryption = plan.encrypted.then(|| Encryption::new(&folder));
        let postgres = match &encryption {
            Some(encryption) => Some(encryption.postgres(&folder).await),
            None if plan.own_postgres => Some(PostgresServer::start(&folder).await),
            None => None,
        };
        let db = match &postgres {
            Some(server) => TestDatabase::create_on(server.config()).await,
            None => TestDatabase::create().await,
        };
        if plan.priced {
            add_prices(&db).await;
        }
        let nats = NatsServers::start(&folder, plan.nodes, encryption.as_ref()).await;
        let context = nats.client().await;
        let stream = Config {
            name: STREAM.to_owned(),
            subjects: vec![SUBJECT.to_owned()],
            retention: plan.retention,
            num_replicas: plan.nodes,
            duplicate_window: plan.dedupe_window,
            max_message_size: 8 * 1024 * 1024,
            ..Config::default()
        };
        until("the stream is made", 30, async || context.create_stream(stream.clone()).await.is_ok()).await;
        let journal = Arc::new(Mutex::new(Journal::new(folder.path())));
        let generator = Arc::new(Mutex::new(Generator::new()));
        let publisher = Publisher { context: context.clone(), journal, generator };
        let redis_urls = variable("BILLING_TEST_REDIS_URLS");
        Self { db, postgres, nats, context, publisher, redis_urls, retention: plan.retention, encryption, folder }
    }

    pub(crate) fn database_name(&self) -> &str {
        self.db.url.rsplit('/').next().unwrap()
    }

    pub(crate) fn database_port(&self) -> u16 {
        let (_, rest) = self.db.url.rsplit_once(':').unwrap();
        rest.split('/').next().unwrap().parse().unwrap()
    }

    pub(crate) async fn messages(&self, count: usize) -> Vec<Message> {
        self.publisher.generator.lock().await.messages(count)
    }

    pub(crate) async fn publish(&self, messages: &[Message]) {
        self.publisher.publish(messages).await;
    }

    /// The consumer as its leader sees it; `None` while there is none.
    pub(crate) async fn consumer(&self) -> Option<Info> {
        let stream = self.context.get_stream_no_info(STREAM).await.ok()?;
        stream.consumer_info(CONSUMER).await.ok()
    }

    /// Has what is not acknowledged delivered again after so long. A pod that opens the consumer anew takes it back.
    pub(crate) async fn set_ack_wait(&self, ack_wait: Duration) -> Option<()> {
        let config = self.consumer().await?.config;
        if config.ack_wait != ack_wait {
            let config = pull::Config { ack_wait, ..pull::Config::try_from_consumer_config(config).ok()? };
            self.context.get_stream_no_info(STREAM).await.ok()?.update_consumer(config).await.ok()?;
        }
        Some(())
    }

    pub(crate) async fn last_sequence(&self) -> u64 {
        self.context.get_stream(STREAM).await.unwrap().cached_info().state.last_sequence
    }

    /// Waits until everything on the stream is acknowledged.
    pub(crate) async fn drained(&self) {
        until("everything is acknowledged", 90, async || {
            self.set_ack_wait(SHORT_ACK_WAIT).await;
            self.is_drained().await.unwrap_or(false)
        })
        .await;
    }

    async fn is_drained(&self) -> Option<bool> {
        let state = self.context.get_stream(STREAM).await.ok()?.cached_info().state.clone();
        let info = self.consumer().await?;
        let all = match self.retention {
            RetentionPolicy::WorkQueue => state.messages == 0,
            _ => info.ack_floor.stream_sequence >= state.last_sequence,
        };
        Some(all && info.num_pending == 0 && info.num_ack_pending == 0)
    }

    /// How often a message was delivered beyond the first time.
    pub(crate) async fn redelivered(&self) -> u64 {
        let delivered = self.consumer().await.unwrap().delivered;
        delivered.consumer_sequence - delivered.stream_sequence
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        self.db.number(&format!("SELECT count(*) FROM billing.{table}")).await
    }

    pub(crate) async fn findings(&self) -> Findings {
        let ledger = self.publisher.journal.lock().await.ledger();
        check(&self.db.owner, &ledger, self.last_sequence().await).await
    }

    /// Waits until nothing is left to do, and checks that nothing is lost, double, or wrong.
    pub(crate) async fn prove(&self) {
        self.drained().await;
        self.findings().await.assert_clean();
        until("no transaction is left open", 10, async || self.idle_transactions().await == 0).await;
    }

    async fn idle_transactions(&self) -> i64 {
        let idle = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        self.db.number(idle).await
    }
}

async fn add_prices(db: &TestDatabase) {
    let decimal = |micros: i128| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    for (tier, operator, micros) in PRICES {
        db.add_price(tier, operator, &decimal(micros)).await;
    }
    for (operator, micros) in COSTS {
        db.add_cost(operator, &decimal(micros)).await;
    }
}

/// The gateway: publishes until the stream has taken it, as often as it takes.
#[derive(Clone)]
pub(crate) struct Publisher {
    context: Context,
    pub(crate) journal: Arc<Mutex<Journal>>,
    pub(crate) generator: Arc<Mutex<Generator>>,
}

impl Publisher {
    pub(crate) async fn publish(&self, messages: &[Message]) {
        for chunk in messages.chunks(500) {
            let mut open: Vec<(u64, &Message)> = {
                let mut journal = self.journal.lock().await;
                let numbered = chunk.iter().map(|message| (journal.attempt(message), message)).collect();
                journal.sync();
                numbered
            };
            for _ in 0..60 {
                open = self.publish_once(open).await;
                if open.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            assert!(open.is_empty(), "the stream does not take {} messages", open.len());
        }
    }

    /// What the stream has not taken.
    async fn publish_once<'a>(&self, messages: Vec<(u64, &'a Message)>) -> Vec<(u64, &'a Message)> {
        let mut sent = Vec::new();
        for (number, message) in messages {
            let mut headers = HeaderMap::new();
            if message.raw.is_none() {
                headers.insert("X-Tenant-Id", crate::journal::tenant(message.account).to_string());
            }
            if let Some(dedupe) = &message.dedupe {
                headers.insert("Nats-Msg-Id", dedupe.as_str());
            }
            let ack = self.context.publish_with_headers(SUBJECT, headers, message.payload().into()).await;
            sent.push((number, message, ack));
        }
        let mut left = Vec::new();
        let mut taken = Vec::new();
        for (number, message, ack) in sent {
            let acknowledged = match ack {
                Ok(ack) => ack.await.ok(),
                Err(_) => None,
            };
            match acknowledged {
                Some(ack) => taken.push((number, ack.sequence)),
                None => left.push((number, message)),
            }
        }
        let mut journal = self.journal.lock().await;
        for (number, sequence) in taken {
            journal.acknowledge(number, sequence);
        }
        journal.sync();
        left
    }

    /// Publishes without a pause, a hundred at a time, until it is told to stop.
    pub(crate) fn load(&self) -> Load {
        let (publisher, stop) = (self.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                let messages = publisher.generator.lock().await.messages(100);
                publisher.publish(&messages).await;
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        });
        Load { stop, task }
    }
}

pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Load {
    pub(crate) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}
