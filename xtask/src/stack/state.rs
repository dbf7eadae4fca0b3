//! What a stack remembers between two commands, in `state.json` of its folder: ports, passwords, processes.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::process::Process;
use crate::canary::secret;

/// Names of all ports of a stack. A process may listen on its own name's port and on those that begin with it.
const PORTS: [&str; 21] = [
    "postgres",
    "replica",
    "redis-1",
    "redis-1-bus",
    "redis-2",
    "redis-2-bus",
    "redis-3",
    "redis-3-bus",
    "nats-1",
    "nats-1-route",
    "nats-2",
    "nats-2-route",
    "nats-3",
    "nats-3-route",
    "bao",
    "bao-cluster",
    "s3",
    "api",
    "api-metrics",
    "ingest",
    "ingest-metrics",
];

/// Where ports are looked for: below the range that the kernel gives to outgoing connections.
const PORT_FIRST: u16 = 20_000;
const PORT_COUNT: u16 = 12_000;

/// The memory of one stack.
#[derive(Serialize, Deserialize)]
pub(crate) struct State {
    /// Whether the stack was complete once; if not, nothing of it is worth keeping.
    pub(crate) complete: bool,
    pub(crate) ports: BTreeMap<String, u16>,
    pub(crate) secrets: Secrets,
    /// Parent of PostgreSQL's data folders.
    pub(crate) postgres_home: PathBuf,
    pub(crate) processes: BTreeMap<String, Launched>,
}

/// A process and the file it was started from.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Launched {
    pub(crate) process: Process,
    /// Changes when the program or its settings do.
    pub(crate) image: String,
}

/// Passwords of one stack, made up when it is.
#[derive(Serialize, Deserialize)]
pub(crate) struct Secrets {
    pub(crate) superuser: String,
    pub(crate) owner: String,
    pub(crate) api: String,
    pub(crate) worker: String,
    pub(crate) vault_token: String,
    pub(crate) s3_access_key: String,
    pub(crate) s3_secret_key: String,
}

impl State {
    /// A new memory with free ports.
    pub(crate) fn new(postgres_home: PathBuf) -> Result<Self> {
        let secrets = Secrets {
            superuser: secret("database-superuser"),
            owner: secret("database-owner"),
            api: secret("database-api"),
            worker: secret("database-worker"),
            vault_token: secret("vault-token"),
            s3_access_key: format!("AK{}", &Uuid::new_v4().simple().to_string()[..18].to_uppercase()),
            s3_secret_key: secret("s3-secret-key"),
        };
        Ok(Self { complete: false, ports: free_ports()?, secrets, postgres_home, processes: BTreeMap::new() })
    }

    /// The memory of the stack in `dir`, if there is one.
    pub(crate) fn load(dir: &Path) -> Result<Option<Self>> {
        let path = file(dir);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(|| {
                format!("cannot understand {}: stop its processes by hand and remove {}", path.display(), dir.display())
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes the memory back, whole or not at all.
    pub(crate) fn save(&self, dir: &Path) -> Result<()> {
        write_private(&file(dir), &serde_json::to_vec_pretty(self).context("cannot encode the state")?)
    }
}

/// Writes a file that only its owner may read; a reader sees the old content or the new one, never a part.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = path.with_extension("partial");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(bytes)?;
        fs::rename(&partial, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Whether something could listen on `port` now.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn file(dir: &Path) -> PathBuf {
    dir.join("state.json")
}

fn free_ports() -> Result<BTreeMap<String, u16>> {
    let (random, _) = Uuid::new_v4().as_u64_pair();
    let start = u16::try_from(random % u64::from(PORT_COUNT)).unwrap_or_default();
    let mut candidates =
        (0..PORT_COUNT).map(|step| PORT_FIRST + (start + step) % PORT_COUNT).filter(|port| is_free(*port));
    let ports: BTreeMap<String, u16> = PORTS.iter().map(|name| (*name).to_owned()).zip(&mut candidates).collect();
    if ports.len() < PORTS.len() {
        bail!(
            "{} free ports are needed on 127.0.0.1 between {PORT_FIRST} and {}",
            PORTS.len(),
            PORT_FIRST + PORT_COUNT
        );
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_another_one() {
        let ports = free_ports().unwrap();
        let different: std::collections::BTreeSet<u16> = ports.values().copied().collect();
        assert_eq!(different.len(), PORTS.len());
    }

    #[test]
    fn a_port_in_use_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!is_free(listener.local_addr().unwrap().port()));
    }
}
