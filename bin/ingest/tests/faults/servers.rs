//! Servers that a test may kill: a NATS cluster, PostgreSQL with a standby, Redis.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_postgres::{Client, NoTls};

use crate::process::{Folder, Process, free_port, local, send, until, variable};

/// NATS servers with JetStream: one alone, or a cluster.
pub(crate) struct NatsServers {
    folder: PathBuf,
    pub(crate) ports: Vec<u16>,
    routes: Vec<u16>,
    nodes: Vec<Option<Process>>,
}

impl NatsServers {
    pub(crate) async fn start(folder: &Folder, count: usize) -> Self {
        let folder = folder.path().to_owned();
        let ports = (0..count).map(|_| free_port()).collect();
        let routes = (0..count).map(|_| free_port()).collect();
        let mut servers = Self { folder, ports, routes, nodes: (0..count).map(|_| None).collect() };
        for node in 0..count {
            servers.start_node(node);
        }
        servers.settled().await;
        servers
    }

    pub(crate) fn urls(&self) -> String {
        self.ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
    }

    pub(crate) fn start_node(&mut self, node: usize) {
        let name = format!("nats-{node}");
        let file = self.folder.join(format!("{name}.conf"));
        fs::write(&file, self.config(node, &name)).unwrap();
        let mut command = Command::new(variable("BILLING_TEST_NATS_SERVER"));
        command.arg("-c").arg(&file);
        self.nodes[node] = Some(Process::start(command, &self.folder.join(format!("{name}.log"))));
    }

    pub(crate) fn kill_node(&mut self, node: usize) {
        if let Some(mut process) = self.nodes[node].take() {
            process.kill();
        }
    }

    pub(crate) async fn client(&self) -> Context {
        let urls: Vec<String> = self.urls().split(',').map(str::to_owned).collect();
        let options = async_nats::ConnectOptions::new().max_reconnects(None).ping_interval(Duration::from_secs(1));
        let client = options.retry_on_initial_connect().connect(&urls).await.unwrap();
        let mut context = jetstream::new(client);
        context.set_timeout(Duration::from_secs(2));
        context
    }

    /// Waits until JetStream has a leader.
    pub(crate) async fn settled(&self) {
        let context = self.client().await;
        until("JetStream answers", 30, async || context.query_account().await.is_ok()).await;
    }

    fn config(&self, node: usize, name: &str) -> String {
        let store = self.folder.join(format!("{name}-store"));
        let (port, route) = (self.ports[node], self.routes[node]);
        let cluster = if self.nodes.len() == 1 {
            String::new()
        } else {
            let routes: Vec<String> = self.routes.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
            let routes = routes.join(", ");
            format!("cluster {{ name: faults, listen: \"127.0.0.1:{route}\", no_advertise: true, routes: [{routes}] }}")
        };
        format!(
            "server_name: {name}\nlisten: \"127.0.0.1:{port}\"\nmax_payload: 8388608\n\
             jetstream {{ store_dir: \"{}\", max_memory_store: 64MB, max_file_store: 1GB }}\n{cluster}\n",
            store.display()
        )
    }
}

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
        let data = folder.path().join("postgres");
        private_folder(&data);
        let mut command = program("initdb", folder.path());
        command.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
        run(command.arg("--pgdata").arg(&data));
        let file = data.join("postgresql.conf");
        fs::write(&file, fs::read_to_string(&file).unwrap() + SETTINGS).unwrap();
        fs::write(
            data.join("pg_hba.conf"),
            "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n",
        )
        .unwrap();
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

/// One Redis server that is a whole cluster.
pub(crate) struct RedisServer {
    pub(crate) port: u16,
    process: Process,
}

impl RedisServer {
    pub(crate) async fn start(folder: &Folder) -> Self {
        let (port, bus) = (free_port(), free_port());
        let home = folder.path().join(format!("redis-{port}"));
        fs::create_dir_all(&home).unwrap();
        let mut command = Command::new(variable("BILLING_TEST_REDIS_SERVER"));
        command.current_dir(&home).args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args([
            "--cluster-enabled",
            "yes",
            "--cluster-port",
            &bus.to_string(),
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        // A node that has never met another does not know its own address.
        command.args(["--cluster-announce-ip", "127.0.0.1"]);
        let process = Process::start(command, &home.join("log"));
        let server = Self { port, process };
        until("Redis answers", 20, async || server.ask("PING\r\n").await.contains("PONG")).await;
        server.ask("CLUSTER ADDSLOTSRANGE 0 16383\r\n").await;
        until("Redis is a cluster", 20, async || server.ask("CLUSTER INFO\r\n").await.contains("cluster_state:ok"))
            .await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) async fn ask(&self, command: &str) -> String {
        let ask = async {
            let mut stream = tokio::net::TcpStream::connect(local(self.port)).await?;
            stream.write_all(command.as_bytes()).await?;
            let mut answer = vec![0; 4096];
            let count = stream.read(&mut answer).await?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer[..count]).into_owned())
        };
        tokio::time::timeout(Duration::from_secs(2), ask).await.ok().and_then(Result::ok).unwrap_or_default()
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
fn other_user() -> Option<(u32, u32)> {
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
