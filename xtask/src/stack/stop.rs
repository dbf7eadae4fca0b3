//! Stops what a stack started, and removes what it left. The logs stay until the next start.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio::task::JoinSet;

use super::info;
use super::state::{Launched, State};

/// What is to become of the data.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Data {
    Keep,
    Remove,
}

/// Held by the command that starts or stops a stack; two at once would each start half of it.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the stack in `dir`.
    pub(crate) fn take(dir: &Path) -> Result<Self> {
        let path = dir.with_extension("lock");
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        }
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                bail!("another command is working on {}: let it finish", dir.display())
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }
}

/// Stops every process of the stack in `dir` that still runs; the number of them.
pub(crate) async fn stop(dir: &Path, data: Data) -> Result<usize> {
    let Some(mut state) = State::load(dir)? else {
        return Ok(0);
    };
    // Nobody may take the stack for a running one from now on.
    remove(&info::file(dir))?;
    let running: Vec<(String, Launched)> =
        state.processes.clone().into_iter().filter(|(_, one)| one.process.is_alive()).collect();
    let (own, servers): (Vec<_>, Vec<_>) = running.iter().partition(|(name, _)| name == "api" || name == "ingest");
    stop_all(&own, data).await?;
    stop_all(&servers, data).await?;
    state.processes.clear();
    if data == Data::Keep {
        state.save(dir)?;
        return Ok(running.len());
    }
    remove(&state.postgres_home.join("postgres"))?;
    remove(&state.postgres_home.join("replica"))?;
    if state.postgres_home != dir {
        remove(&state.postgres_home)?;
    }
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let leftovers = entries.flatten().map(|entry| entry.path());
    for path in leftovers.filter(|path| !path.ends_with("logs") && !path.ends_with("state.json")) {
        remove(&path)?;
    }
    remove(&dir.join("state.json"))?;
    Ok(running.len())
}

async fn stop_all(processes: &[&(String, Launched)], data: Data) -> Result<()> {
    let mut stopping = JoinSet::new();
    for (name, launched) in processes {
        let signal = match (name.as_str(), data) {
            // A checkpoint is only worth its time if the data are; SIGINT and SIGQUIT are PostgreSQL's own, see
            // "Shutting Down the Server" in its manual.
            ("postgres" | "replica", Data::Keep) => Signal::INT,
            ("postgres" | "replica", Data::Remove) => Signal::QUIT,
            _ => Signal::TERM,
        };
        let (name, process) = (name.clone(), launched.process.clone());
        stopping.spawn(async move {
            process.stop(signal, Duration::from_secs(15)).await.with_context(|| format!("cannot stop {name}"))
        });
    }
    // Whatever one of them answers, the others are stopped as well.
    let results = stopping.join_all().await;
    results.into_iter().collect()
}

/// Removes a file or a folder. The last children of a killed server may still write into it, hence the second look.
fn remove(path: &Path) -> Result<()> {
    let once = || match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    let mut result = once();
    for _ in 0..20 {
        match &result {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
        result = once();
    }
    result.with_context(|| format!("cannot remove {}", path.display()))
}
