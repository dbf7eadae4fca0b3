//! A measured program's start and end: its port, its way to a database, and how it is asked to stop.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A port that nobody listens on.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr().context("no port is free")?.port())
}

/// The URL of a database without who asks.
pub(crate) fn without_login(url: &str) -> Result<String> {
    let (_, place) = url.rsplit_once('@').context("no address of the database")?;
    Ok(format!("postgres://{place}"))
}

/// Asks it to stop, and waits.
pub(crate) async fn stop(mut child: Child, name: &str) -> Result<()> {
    let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    kill_process(pid.with_context(|| format!("{name} has ended by itself"))?, Signal::TERM)
        .with_context(|| format!("cannot stop {name}"))?;
    let ended = tokio::time::timeout(STOP_LIMIT, child.wait()).await;
    let ended = ended.with_context(|| format!("{name} does not stop"))??;
    ensure!(ended.success(), "{name} ended with {ended}");
    Ok(())
}
