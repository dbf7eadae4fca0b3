//! Three NATS servers with `JetStream`, and the stream that the gateway publishes to.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use async_nats::jetstream;
use async_nats::jetstream::stream::{Config, PersistenceMode, RetentionPolicy, StorageType};
use futures::future::try_join_all;

use super::Purpose;
use super::site::{Site, server_command};

/// Names of the nodes.
pub(crate) const NODES: [&str; 3] = ["nats-1", "nats-2", "nats-3"];

const STREAM: &str = "BILLING_EVENTS";
const SUBJECT: &str = "billing.events";
const MESSAGE_BYTES_MAX: i32 = 8 * 1024 * 1024;
const CLUSTER_LIMIT: Duration = Duration::from_secs(60);

/// Starts the nodes and waits until `JetStream` answers. True if any had to be started.
pub(crate) async fn up(site: &Site) -> Result<bool> {
    let started = try_join_all(nodes(site).map(|name| start(site, name))).await?;
    settle(site).await?;
    Ok(started.contains(&true))
}

/// `nats://…` of each node.
pub(crate) fn urls(site: &Site) -> Vec<String> {
    nodes(site).map(|name| format!("nats://{}", site.address(name))).collect()
}

fn nodes(site: &Site) -> impl Iterator<Item = &'static str> {
    NODES.into_iter().take(site.nats_nodes)
}

async fn start(site: &Site, name: &str) -> Result<bool> {
    let folder = site.folder(name)?;
    let file = folder.join("nats.conf");
    std::fs::write(&file, config(site, name)?).with_context(|| format!("cannot write {}", file.display()))?;
    let command = || {
        let mut command = server_command(&site.servers.nats_server, &folder);
        command.arg("-c").arg(&file);
        Ok(command)
    };
    let answers = async || {
        let client = connect(site, name).await?;
        client.flush().await.context("no answer")
    };
    site.ensure(name, "", command, answers).await
}

fn config(site: &Site, name: &str) -> Result<String> {
    let routes = NODES.map(|other| format!("\"nats://{}\"", site.address(&format!("{other}-route")))).join(", ");
    let route = site.address(&format!("{name}-route"));
    let cluster = match site.nats_nodes {
        1 => String::new(),
        _ => format!("cluster {{ name: billing, listen: \"{route}\", no_advertise: true, routes: [{routes}] }}\n"),
    };
    Ok(format!(
        "server_name: {name}\n\
         listen: \"{listen}\"\n\
         max_payload: {MESSAGE_BYTES_MAX}\n\
         jetstream {{ store_dir: \"{store}\", max_memory_store: 256MB, max_file_store: 8GB }}\n\
         {cluster}",
        listen = site.address(name),
        store = site.folder(name)?.join("jetstream").display(),
    ))
}

/// Waits until every replica of the stream (or, without one, the cluster's own leader) is there and up to date.
async fn settle(site: &Site) -> Result<()> {
    let deadline = Instant::now() + CLUSTER_LIMIT;
    let client = connect(site, NODES[0]).await?;
    loop {
        let why = match is_settled(site, jetstream::new(client.clone())).await {
            Ok(true) => return Ok(()),
            Ok(false) => "a replica of the stream is not up to date".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        if Instant::now() >= deadline {
            bail!("JetStream was not ready after {} s: {why}", CLUSTER_LIMIT.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn is_settled(site: &Site, mut jetstream: jetstream::Context) -> Result<bool> {
    jetstream.set_timeout(Duration::from_secs(2));
    if site.purpose == Purpose::Tests {
        jetstream.query_account().await.context("no leader of the cluster")?;
        return Ok(true);
    }
    let stream = jetstream.get_or_create_stream(stream(site.nats_nodes)).await.context("cannot create the stream")?;
    let info = stream.get_info().await.context("no leader of the stream")?;
    let replicas = info.cluster.map(|cluster| cluster.replicas).unwrap_or_default();
    Ok(replicas.len() + 1 == site.nats_nodes && replicas.iter().all(|replica| replica.current))
}

fn stream(nodes: usize) -> Config {
    Config {
        name: STREAM.to_owned(),
        subjects: vec![SUBJECT.to_owned()],
        retention: RetentionPolicy::WorkQueue,
        storage: StorageType::File,
        num_replicas: nodes,
        max_age: Duration::from_hours(48),
        duplicate_window: Duration::from_mins(2),
        max_message_size: MESSAGE_BYTES_MAX,
        // A single server writes each message and each acknowledgement by itself unless it is told otherwise; three have
        // the log of their agreement and write behind it. This one stands for three.
        persist_mode: (nodes == 1).then_some(PersistenceMode::Async),
        ..Config::default()
    }
}

async fn connect(site: &Site, name: &str) -> Result<async_nats::Client> {
    let url = format!("nats://{}", site.address(name));
    async_nats::connect(url).await.with_context(|| format!("cannot connect to {name}"))
}
