//! A Redis Cluster of three masters. It is a cache: nothing of it survives a restart, only its membership does.

use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};
use tokio::process::Command;

use super::site::{Site, server_command};
use crate::exec;

/// Names of the nodes.
pub(crate) const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

const CLUSTER_LIMIT: Duration = Duration::from_secs(60);

/// Starts the nodes and joins them. True if any had to be started.
pub(crate) async fn up(site: &Site) -> Result<bool> {
    let [one, two, three] = NODES;
    let (one, two, three) = tokio::try_join!(start(site, one), start(site, two), start(site, three))?;
    if info(site, NODES[0]).await?.contains("cluster_slots_assigned:0") {
        join(site).await?;
    }
    settle(site).await?;
    Ok(one || two || three)
}

/// `redis://…` of each node.
pub(crate) fn urls(site: &Site) -> Vec<String> {
    NODES.iter().map(|name| format!("redis://{}", site.address(name))).collect()
}

async fn start(site: &Site, name: &str) -> Result<bool> {
    let folder = site.folder(name)?;
    let (port, bus) = (site.port(name).to_string(), site.port(&format!("{name}-bus")).to_string());
    let command = || {
        let mut command = server_command(&site.servers.redis_server, &folder);
        command.args(["--bind", "127.0.0.1", "--port", &port, "--cluster-enabled", "yes", "--cluster-port", &bus]);
        command.args(["--cluster-node-timeout", "2000", "--save", "", "--appendonly", "no", "--daemonize", "no"]);
        Ok(command)
    };
    site.ensure(name, "", command, async || info(site, name).await.map(drop)).await
}

async fn join(site: &Site) -> Result<()> {
    let mut command = Command::new(&site.servers.redis_cli);
    command.args(["--cluster", "create"]).args(NODES.map(|name| site.address(name)));
    command.args(["--cluster-replicas", "0", "--cluster-yes"]);
    exec::output("redis-cli --cluster create", &mut command).await?;
    Ok(())
}

async fn settle(site: &Site) -> Result<()> {
    let deadline = Instant::now() + CLUSTER_LIMIT;
    for name in NODES {
        while !info(site, name).await?.contains("cluster_state:ok") {
            if Instant::now() >= deadline {
                bail!("{name} does not find its cluster: `cargo xtask down`, then up again");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

async fn info(site: &Site, name: &str) -> Result<String> {
    let mut command = Command::new(&site.servers.redis_cli);
    command.args(["-h", "127.0.0.1", "-p", &site.port(name).to_string(), "cluster", "info"]);
    let info = exec::output("redis-cli", &mut command).await?;
    info.contains("cluster_state").then_some(info).with_context(|| format!("{name} is not a node of a cluster"))
}
