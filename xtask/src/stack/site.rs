//! The folder of one stack, and how a process is started in it, found again, and waited for.

use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio::process::Command;
use tokio::time::timeout;

use super::process::{Process, becomes_true};
use super::state::{Launched, Secrets, State, is_free};
use super::{Purpose, nats};
use crate::setup::Servers;

/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long one that runs already may take to answer before it is started anew.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long a port may stay in use after its process is gone.
const PORT_LIMIT: Duration = Duration::from_secs(5);
/// How long a process may take to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// A stack's folder with its memory.
pub(crate) struct Site {
    pub(crate) dir: PathBuf,
    pub(crate) servers: Servers,
    /// What the stack is for.
    pub(crate) purpose: Purpose,
    /// Whether PostgreSQL has a replica.
    pub(crate) has_replica: bool,
    /// Nodes of the NATS cluster; one is a server by itself.
    pub(crate) nats_nodes: usize,
    state: RefCell<State>,
}

impl Site {
    pub(crate) fn new(dir: PathBuf, servers: Servers, purpose: Purpose, state: State) -> Result<Self> {
        fs::create_dir_all(dir.join("logs")).with_context(|| format!("cannot create {}", dir.display()))?;
        state.save(&dir)?;
        let state = RefCell::new(state);
        Ok(Self { dir, servers, purpose, has_replica: true, nats_nodes: nats::NODES.len(), state })
    }

    /// The loopback port of this name.
    pub(crate) fn port(&self, name: &str) -> u16 {
        self.state.borrow().ports.get(name).copied().unwrap_or_default()
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self, name: &str) -> String {
        format!("127.0.0.1:{}", self.port(name))
    }

    pub(crate) fn secret<T>(&self, pick: impl FnOnce(&Secrets) -> T) -> T {
        pick(&self.state.borrow().secrets)
    }

    pub(crate) fn postgres_home(&self) -> PathBuf {
        self.state.borrow().postgres_home.clone()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.state.borrow().complete
    }

    pub(crate) fn set_complete(&self) -> Result<()> {
        self.state.borrow_mut().complete = true;
        self.save()
    }

    /// Whether the process `name` was started and still lives.
    pub(crate) fn runs(&self, name: &str) -> bool {
        self.state.borrow().processes.get(name).is_some_and(|one| one.process.is_alive())
    }

    /// Names and numbers of the processes that were started.
    pub(crate) fn pids(&self) -> std::collections::BTreeMap<String, u32> {
        self.state.borrow().processes.iter().map(|(name, one)| (name.clone(), one.process.pid)).collect()
    }

    /// A folder below this one, made if it is not there.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(path)
    }

    /// Makes sure that the process `name` runs and that `answers` succeeds. True if it had to be started.
    ///
    /// `image` tells a new program from the old one; a process with another image is started anew.
    pub(crate) async fn ensure(
        &self,
        name: &str,
        image: &str,
        command: impl FnOnce() -> Result<Command>,
        answers: impl AsyncFn() -> Result<()>,
    ) -> Result<bool> {
        let known = self.state.borrow().processes.get(name).cloned();
        if let Some(known) = known.filter(|known| known.process.is_alive()) {
            if known.image == image && timeout(ANSWER_LIMIT, answers()).await.is_ok_and(|answer| answer.is_ok()) {
                return Ok(false);
            }
            known.process.stop(Signal::TERM, STOP_LIMIT).await?;
        }
        let taken = || self.ports_of(name).into_iter().find(|port| !is_free(*port));
        // The threads of a killed process may hold its ports a moment longer than it lives.
        if !becomes_true(PORT_LIMIT, || taken().is_none()).await
            && let Some(port) = taken()
        {
            bail!(
                "port {port} of {name} is used by another program: free it, or let `cargo xtask down` forget this stack"
            );
        }
        let log = self.dir.join("logs").join(format!("{name}.log"));
        let logged_before = log.metadata().map_or(0, |log| log.len());
        let process = self.start(name, image, command()?, &log)?;
        self.wait_for(name, &process, answers, &log, logged_before).await?;
        Ok(true)
    }

    fn ports_of(&self, name: &str) -> Vec<u16> {
        let ports = &self.state.borrow().ports;
        let own = |port: &str| port == name || port.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
        ports.iter().filter(|(port, _)| own(port)).map(|(_, number)| *number).collect()
    }

    fn start(&self, name: &str, image: &str, mut command: Command, log: &Path) -> Result<Process> {
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let (out, err) = (open(), open());
        let out = out.with_context(|| format!("cannot write {}", log.display()))?;
        let err = err.with_context(|| format!("cannot write {}", log.display()))?;
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name} ({program})"))?;
        let process = Process::of(child.id().unwrap_or_default())?;
        let launched = Launched { process: process.clone(), image: image.to_owned() };
        self.state.borrow_mut().processes.insert(name.to_owned(), launched);
        self.save()?;
        Ok(process)
    }

    async fn wait_for(
        &self,
        name: &str,
        process: &Process,
        answers: impl AsyncFn() -> Result<()>,
        log: &Path,
        logged_before: u64,
    ) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let why = match timeout(ANSWER_LIMIT, answers()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(why)) => format!("{why:#}"),
                Err(_) => "no answer".to_owned(),
            };
            if !process.is_alive() {
                bail!("{name} ended at once: {} (all of it in {})", complaint(log, logged_before), log.display());
            }
            if Instant::now() >= deadline {
                bail!("{name} was not ready after {} s: {why} (its log is {})", START_LIMIT.as_secs(), log.display());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn save(&self) -> Result<()> {
        self.state.borrow().save(&self.dir)
    }
}

/// An environment without the developer's settings for the same programs.
pub(crate) fn server_command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).env("LC_ALL", "C.UTF-8").current_dir(home);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// Tells one build of a program from another.
pub(crate) fn image(program: &Path) -> Result<String> {
    let metadata = program.metadata().with_context(|| format!("cannot find {}", program.display()))?;
    let built = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Ok(format!("{} {} {}", program.display(), metadata.len(), built.as_nanos()))
}

/// The line of a log that most probably says what was wrong.
fn complaint(log: &Path, from: u64) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let said = String::from_utf8_lossy(bytes.get(usize::try_from(from).unwrap_or_default()..).unwrap_or_default());
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let bad = |line: &&str| ["fatal", "error", "panicked"].iter().any(|word| line.to_lowercase().contains(word));
    lines().rfind(bad).or_else(|| lines().next_back()).unwrap_or("it said nothing").to_owned()
}
