//! A PostgreSQL server that a test may kill, and its standby.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tokio_postgres::{Client, NoTls};

use crate::process::{Folder, Process, free_port, send, until, variable};

/// One PostgreSQL server, on a folder of its own.
pub(crate) struct PostgresServer {
    data: PathBuf,
    pub(crate) port: u16,
    process: Option<Process>,
}

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 60
shared_buffers = 32MB
fsync = off
wal_level = replica
max_wal_senders = 4
wal_retrieve_retry_interval = 100ms
autovacuum = off
";

impl PostgresServer {
    pub(crate) async fn start(folder: &Folder) -> Self {
        Self::start_with(folder, |_| String::new(), "").await
    }

    /// With more settings, of one who may put files into its folder, and rules that come before the others.
    pub(crate) async fn start_with(folder: &Folder, settings: impl FnOnce(&Path) -> String, rules: &str) -> Self {
        let data = folder.path().join("postgres");
        private_folder(&data);
        let mut command = program("initdb", folder.path());
        command.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
        run(command.arg("--pgdata").arg(&data));
        let file = data.join("postgresql.conf");
        fs::write(&file, fs::read_to_string(&file).unwrap() + SETTINGS + &settings(&data)).unwrap();
        let rules = format!("{rules}\nhost all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n");
        fs::write(data.join("pg_hba.conf"), rules).unwrap();
        let mut server = Self { data, port: free_port(), process: None };
        server.resume(folder).await;
        let template = server.connect("template1").await.unwrap();
        template.batch_execute("CREATE EXTENSION IF NOT EXISTS btree_gist").await.unwrap();
        server
    }

    /// A standby of the server behind this port, by the name that `synchronous_standby_names` knows.
    pub(crate) async fn standby(folder: &Folder, primary: u16) -> Self {
        let data = folder.path().join("standby");
        private_folder(&data);
        let mut command = program("pg_basebackup", folder.path());
        command.args(["--host=127.0.0.1", "--username=postgres", "--port", &primary.to_string()]);
        command.args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync", "--pgdata"]);
        run(command.arg(&data));
        let mut standby = Self { data, port: free_port(), process: None };
        standby.resume(folder).await;
        standby
    }

    /// Starts it again on what it had written.
    pub(crate) async fn resume(&mut self, folder: &Folder) {
        let name = self.data.file_name().unwrap().to_string_lossy().into_owned();
        let _stale = fs::remove_file(self.data.join("postmaster.pid"));
        let mut command = program("postgres", folder.path());
        command.args(["-p", &self.port.to_string(), "-c", &format!("cluster_name={name}"), "-D"]).arg(&self.data);
        self.process = Some(Process::start(command, &folder.path().join(format!("{name}.log"))));
        until("PostgreSQL answers", 30, async || self.connect("postgres").await.is_some()).await;
    }

    pub(crate) fn config(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user("postgres").dbname("postgres");
        config.connect_timeout(Duration::from_secs(2));
        config
    }

    pub(crate) async fn connect(&self, database: &str) -> Option<Client> {
        let (client, connection) = self.config().dbname(database).connect(NoTls).await.ok()?;
        tokio::spawn(connection);
        client.simple_query("SELECT 1").await.ok()?;
        Some(client)
    }

    /// Every process of it is gone at once, as in a crash.
    pub(crate) fn crash(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let children = children(process.id());
        process.kill();
        for child in children {
            send(child, Signal::CONT);
            send(child, Signal::KILL);
        }
    }

    /// Every process of it stands still, or goes on.
    pub(crate) fn signal(&self, signal: Signal) {
        let postmaster = self.process.as_ref().unwrap().id();
        for id in std::iter::once(postmaster).chain(children(postmaster)) {
            send(id, signal);
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.crash();
    }
}

fn program(name: &str, home: &Path) -> Command {
    let mut command = Command::new(Path::new(&variable("BILLING_TEST_POSTGRES_BIN")).join(name));
    command.env("LC_ALL", "C.UTF-8").current_dir(home);
    if let Some((uid, gid)) = other_user() {
        command.uid(uid).gid(gid);
    }
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{:?}: {}", command, String::from_utf8_lossy(&output.stderr));
}

fn private_folder(path: &Path) {
    fs::create_dir(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    if let Some((uid, gid)) = other_user() {
        chown(path, Some(uid), Some(gid)).unwrap();
    }
}

/// PostgreSQL refuses to run as root.
pub(crate) fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = ["postgres:", "nobody:"].into_iter().find_map(|name| passwd.lines().find(|line| line.starts_with(name)));
    let fields: Vec<&str> = line.expect("a user that PostgreSQL can run as").split(':').collect();
    Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}

fn children(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let list = fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}
