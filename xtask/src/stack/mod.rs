//! A private stack: real servers on free loopback ports, and on them the service. This module decides the order; each
//! server's own module decides how it is started.

pub(crate) mod http;
mod info;
pub(crate) mod keys;
mod nats;
mod postgres;
mod process;
mod redis;
mod s3;
pub(crate) mod s3_server;
mod services;
mod site;
mod state;
mod stop;
mod vault;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

pub(crate) use info::{Info, ServiceInfo};
pub(crate) use keys::sign;

use crate::signals::unless_interrupted;
use crate::{setup, tree};
use site::Site;
use state::State;
use stop::{Data, Lock};

/// Which stack to start.
pub(crate) struct Options {
    /// Its folder.
    pub(crate) dir: PathBuf,
    pub(crate) purpose: Purpose,
}

/// What a stack is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The service runs on it.
    Service,
    /// Only the servers: no database of the service, no secrets, no stream, no processes of ours; PostgreSQL does not
    /// wait for the disk.
    Tests,
    /// Something is measured on it: PostgreSQL waits for the disk and has memory as a server of its own would.
    Bench,
}

/// A stack that is up, and that no other command may touch meanwhile. It stays up when this value is dropped:
/// [`Stack::down`] ends it.
pub(crate) struct Stack {
    dir: PathBuf,
    _lock: Lock,
    pub(crate) info: Info,
}

/// The developer's stack of this repository.
pub(crate) fn developer_dir() -> PathBuf {
    tree::root().join("target/stack")
}

/// `xtask up`.
pub(crate) async fn up_for_developer() -> Result<()> {
    let started = Instant::now();
    let stack = Stack::up(Options { dir: developer_dir(), purpose: Purpose::Service }).await?;
    println!("up after {}; all addresses are in {}", seconds(started), info::file(&stack.dir).display());
    if let Some(service) = &stack.info.service {
        println!("api {}, metrics {}", service.api_url, service.api_metrics_url);
    }
    Ok(())
}

/// `xtask down`, for the stack in `dir`.
pub(crate) async fn down(dir: &Path) -> Result<()> {
    match remove(dir).await? {
        Some(stopped) => {
            println!("{stopped} processes stopped, data removed; the logs are in {}", dir.join("logs").display());
        }
        None => println!("no stack is up"),
    }
    Ok(())
}

/// Stops whatever is left of a stack in `dir` and removes its data; how many processes ran, or `None` without a stack.
pub(crate) async fn remove(dir: &Path) -> Result<Option<usize>> {
    let _lock = Lock::take(dir)?;
    let known = dir.join("state.json").exists();
    let stopped = stop::stop(dir, Data::Remove).await?;
    Ok(known.then_some(stopped))
}

impl Stack {
    /// Starts the stack, or mends what died of one that is up. On failure and on a signal nothing is left running; data
    /// of a stack that was complete once are kept for the next start.
    pub(crate) async fn up(options: Options) -> Result<Self> {
        let root = tree::root();
        let servers = setup::servers(&root)?;
        let lock = Lock::take(&options.dir)?;
        let dir = options.dir.clone();
        // Empty as long as nothing was touched.
        let site = OnceCell::new();
        let work = async {
            let binaries = if options.purpose == Purpose::Tests { None } else { Some(build(&root).await?) };
            let opened = open(options, servers).await?;
            let site = site.get_or_init(|| opened);
            bring_up(site, binaries.as_deref()).await?;
            Ok(Info::of(site))
        };
        let result = unless_interrupted(work).await;
        match (result, site.get()) {
            (Ok(info), _) => Ok(Self { dir, _lock: lock, info }),
            (Err(error), None) => Err(error),
            (Err(error), Some(site)) => {
                let data = if site.is_complete() { Data::Keep } else { Data::Remove };
                match stop::stop(&dir, data).await {
                    Ok(_) if data == Data::Keep => {
                        eprintln!("the stack was stopped; its data stay for the next `cargo xtask up`");
                        Err(error)
                    }
                    Ok(_) => Err(error),
                    Err(left) => {
                        Err(error.context(format!("not all of the stack could be stopped ({left:#}) after this")))
                    }
                }
            }
        }
    }

    /// Starts only what recording usage needs: PostgreSQL that waits for the disk, with or without a replica, so many
    /// nodes of NATS, and Redis. Nothing of ours runs on it. On failure and on a signal nothing is left running.
    pub(crate) async fn up_for_bench(dir: PathBuf, has_replica: bool, nats_nodes: usize) -> Result<Self> {
        Self::up_some(dir, has_replica, nats_nodes, async |site| {
            tokio::try_join!(postgres::up(site), redis::up(site), nats::up(site)).map(drop)
        })
        .await
    }

    /// Starts only what issuing invoices needs, likewise: PostgreSQL that waits for the disk, and the object store.
    pub(crate) async fn up_for_invoices(dir: PathBuf) -> Result<Self> {
        Self::up_some(dir, false, 1, async |site| tokio::try_join!(postgres::up(site), s3::up(site)).map(drop)).await
    }

    /// Starts only what answering questions needs, likewise: PostgreSQL with a replica.
    pub(crate) async fn up_for_rest(dir: PathBuf) -> Result<Self> {
        Self::up_some(dir, true, 1, async |site| postgres::up(site).await.map(drop)).await
    }

    async fn up_some(
        dir: PathBuf,
        has_replica: bool,
        nats_nodes: usize,
        start: impl AsyncFnOnce(&Site) -> Result<()>,
    ) -> Result<Self> {
        let servers = setup::servers(&tree::root())?;
        let lock = Lock::take(&dir)?;
        let work = async {
            stop::stop(&dir, Data::Remove).await?;
            clear_logs(&dir)?;
            let mut site = Site::new(dir.clone(), servers, Purpose::Bench, State::new(postgres::home(&dir)?)?)?;
            (site.has_replica, site.nats_nodes) = (has_replica, nats_nodes);
            start(&site).await?;
            Ok(Info::of(&site))
        };
        match unless_interrupted(work).await {
            Ok(info) => Ok(Self { dir, _lock: lock, info }),
            Err(error) => {
                stop::stop(&dir, Data::Remove).await?;
                Err(error)
            }
        }
    }

    /// Stops everything and removes the data.
    pub(crate) async fn down(self) -> Result<()> {
        stop::stop(&self.dir, Data::Remove).await.map(drop)
    }
}

async fn build(root: &Path) -> Result<PathBuf> {
    step("build", async { Ok((services::build(root).await?, "api, ingest, invoice-cron".to_owned())) }).await
}

/// The site of a stack that was complete once, or a new one where the ruins of an unfinished start were.
async fn open(options: Options, servers: setup::Servers) -> Result<Site> {
    let Options { dir, purpose } = options;
    // Tests always begin with empty servers.
    let usable = |state: &State| purpose != Purpose::Tests && state.complete && state.postgres_home.exists();
    let known = State::load(&dir)?.filter(usable);
    let state = match known {
        Some(state) => state,
        None => {
            stop::stop(&dir, Data::Remove).await?;
            clear_logs(&dir)?;
            State::new(postgres::home(&dir)?)?
        }
    };
    Site::new(dir, servers, purpose, state)
}

fn clear_logs(dir: &Path) -> Result<()> {
    let logs = dir.join("logs");
    if logs.exists() {
        std::fs::remove_dir_all(&logs).with_context(|| format!("cannot remove {}", logs.display()))?;
    }
    Ok(())
}

async fn bring_up(site: &Site, binaries: Option<&Path>) -> Result<()> {
    tokio::try_join!(
        step("vault", async { Ok(((), how(vault::up(site).await?, &vault::address(site)))) }),
        step("s3", async { Ok(((), how(s3::up(site).await?, &s3::endpoint(site)))) }),
        step("postgresql", async {
            let places = format!("{}, replica {}", site.address("postgres"), site.address("replica"));
            Ok(((), how(postgres::up(site).await?, &places)))
        }),
        step("redis", async { Ok(((), how(redis::up(site).await?, &redis::urls(site).join(" ")))) }),
        step("nats", async { Ok(((), how(nats::up(site).await?, &nats::urls(site).join(" ")))) }),
    )?;
    if let Some(binaries) = binaries {
        step("migrate", async {
            services::migrate(site, binaries).await?;
            Ok(((), "database billing".to_owned()))
        })
        .await?;
        let start = async |name: &'static str| {
            step(name, async {
                Ok(((), how(services::start(site, binaries, name).await?, &format!("http://{}", site.address(name)))))
            })
            .await
        };
        tokio::try_join!(start("api"), start("ingest"))?;
    }
    site.set_complete()?;
    Info::of(site).save(&site.dir)
}

fn how(started: bool, place: &str) -> String {
    format!("{} {place}", if started { "started" } else { "runs" })
}

/// Does one step and prints its line when it is done.
async fn step<T>(name: &str, work: impl Future<Output = Result<(T, String)>>) -> Result<T> {
    let started = Instant::now();
    let (result, what) = work.await?;
    println!("{name:<11}{:>8}  {what}", seconds(started));
    Ok(result)
}

/// The time since `started`, such as `3.2 s`.
pub(crate) fn seconds(started: Instant) -> String {
    let elapsed: Duration = started.elapsed();
    format!("{:.1} s", elapsed.as_secs_f64())
}
