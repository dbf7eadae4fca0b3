//! Processes of the tests: started with a log each, told signals, ended when the test ends.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use uuid::Uuid;

use crate::support;

/// Below those that the system gives to outgoing connections.
const PORT_FIRST: u16 = 12_000;
const PORT_COUNT: u16 = 8_000;

/// A folder that is removed at the end, unless the test fails: then its logs are worth a look.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("billing-faults-{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let (true, Ok(said)) = (name.starts_with("ingest-"), std::fs::read(entry.path())) {
                support::keep(name.trim_end_matches(".log"), &said);
            }
        }
        if std::thread::panicking() {
            eprintln!("the logs are in {}", self.0.display());
        } else {
            let _not_worth_a_failure = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// What a test needs, by the name of its variable.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by `cargo xtask test`"))
}

/// A port of 127.0.0.1 that nobody listens on.
pub(crate) fn free_port() -> u16 {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let next = NEXT.get_or_init(|| AtomicU16::new(u16::try_from(Uuid::new_v4().as_u128() % 8_000).unwrap()));
    loop {
        let port = PORT_FIRST + next.fetch_add(1, Ordering::Relaxed) % PORT_COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Waits until the condition holds.
pub(crate) async fn until(what: &str, seconds: u64, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !condition().await {
        assert!(Instant::now() < deadline, "after {seconds} s still not: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// One process, ended at the latest when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Its output is added to the log. It stays in the group of the tests, so that who interrupts them ends it too.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        let file = || -> File { OpenOptions::new().create(true).append(true).open(log).unwrap() };
        command.stdin(Stdio::null()).stdout(file()).stderr(file());
        let child =
            command.spawn().unwrap_or_else(|error| panic!("{} does not start: {error}", command_name(&command)));
        Self(child)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.id(), signal);
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        let _already_gone = self.0.kill();
        let _collected = self.0.wait();
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Waits for its end.
    pub(crate) async fn end_within(&mut self, seconds: u64) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "process {} has not ended within {seconds} s", self.id());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.signal(Signal::CONT);
            self.kill();
        }
    }
}

fn command_name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// A signal to a process that this test, or a server of its own, has started.
pub(crate) fn send(id: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        let _already_gone = kill_process(pid, signal);
    }
}

/// Status and body of a GET; `None` when nobody answers.
pub(crate) async fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(local(port)).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())?;
        Some((status, body))
    };
    tokio::time::timeout(Duration::from_secs(3), ask).await.ok().flatten()
}
