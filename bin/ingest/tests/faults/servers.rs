//! Servers that a test may kill: a NATS cluster, and Redis.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::encrypted::Encryption;
use crate::process::{Folder, Process, free_port, local, until, variable};

/// NATS servers with JetStream: one alone, or a cluster.
pub(crate) struct NatsServers {
    folder: PathBuf,
    pub(crate) ports: Vec<u16>,
    routes: Vec<u16>,
    nodes: Vec<Option<Process>>,
    encryption: Option<Encryption>,
}

impl NatsServers {
    pub(crate) async fn start(folder: &Folder, count: usize, encryption: Option<&Encryption>) -> Self {
        let folder = folder.path().to_owned();
        let ports = (0..count).map(|_| free_port()).collect();
        let routes = (0..count).map(|_| free_port()).collect();
        let nodes = (0..count).map(|_| None).collect();
        let mut servers = Self { folder, ports, routes, nodes, encryption: encryption.cloned() };
        for node in 0..count {
            servers.start_node(node);
        }
        servers.settled().await;
        servers
    }

    pub(crate) fn urls(&self) -> String {
        let scheme_and_host = if self.encryption.is_some() { "tls://localhost" } else { "nats://127.0.0.1" };
        self.ports.iter().map(|port| format!("{scheme_and_host}:{port}")).collect::<Vec<_>>().join(",")
    }

    pub(crate) fn start_node(&mut self, node: usize) {
        let name = format!("nats-{node}");
        let file = self.folder.join(format!("{name}.conf"));
        fs::write(&file, self.config(node, &name)).unwrap();
        let mut command = Command::new(variable("BILLING_TEST_NATS_SERVER"));
        command.arg("-c").arg(&file);
        self.nodes[node] = Some(Process::start(command, &self.folder.join(format!("{name}.log"))));
    }

    /// Has every node read its configuration again.
    pub(crate) fn reload(&self) {
        for (node, process) in self.nodes.iter().enumerate() {
            let name = format!("nats-{node}");
            fs::write(self.folder.join(format!("{name}.conf")), self.config(node, &name)).unwrap();
            process.as_ref().expect("it runs").signal(Signal::HUP);
        }
    }

    /// Whether who has the credentials is let in.
    pub(crate) async fn lets_in(&self, credentials: &str) -> bool {
        let encryption = self.encryption.as_ref().unwrap();
        let options = async_nats::ConnectOptions::with_credentials(credentials).unwrap();
        options.tls_client_config(encryption.authority.client()).connect(self.urls()).await.is_ok()
    }

    pub(crate) fn kill_node(&mut self, node: usize) {
        if let Some(mut process) = self.nodes[node].take() {
            process.kill();
        }
    }

    pub(crate) async fn client(&self) -> Context {
        let urls: Vec<String> = self.urls().split(',').map(str::to_owned).collect();
        let mut options = async_nats::ConnectOptions::new();
        if let Some(encryption) = &self.encryption {
            options = async_nats::ConnectOptions::with_credentials(&encryption.nats.credentials()).unwrap();
            options = options.tls_client_config(encryption.authority.client());
        }
        options = options.max_reconnects(None).ping_interval(Duration::from_secs(1));
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
        let encryption = self.encryption.as_ref().map(|encryption| {
            let (certificate, key) = (encryption.certificate.display(), encryption.key.display());
            format!("tls {{ cert_file: \"{certificate}\", key_file: \"{key}\" }}\n{}", encryption.nats.config())
        });
        let encryption = encryption.unwrap_or_default();
        format!(
            "server_name: {name}\nlisten: \"127.0.0.1:{port}\"\nmax_payload: 8388608\n\
             jetstream {{ store_dir: \"{}\", max_memory_store: 64MB, max_file_store: 1GB }}\n{cluster}\n{encryption}\n",
            store.display()
        )
    }
}

/// One Redis server that is a whole cluster.
pub(crate) struct RedisServer {
    pub(crate) port: u16,
    bus: u16,
    /// Of connections that are encrypted.
    tls_port: Option<u16>,
    process: Process,
}

impl RedisServer {
    pub(crate) async fn start(folder: &Folder) -> Self {
        Self::node(folder, None).await.alone().await
    }

    /// With a second port, on which it encrypts.
    pub(crate) async fn encrypted(folder: &Folder, encryption: &Encryption) -> Self {
        Self::node(folder, Some(encryption)).await.alone().await
    }

    /// One that has no slots yet.
    async fn node(folder: &Folder, encryption: Option<&Encryption>) -> Self {
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
            "--cluster-node-timeout",
            "1000",
            "--repl-diskless-sync-delay",
            "0",
        ]);
        // A node that has never met another does not know its own address.
        command.args(["--cluster-announce-ip", "127.0.0.1"]);
        let tls_port = encryption.map(|encryption| {
            let tls_port = free_port();
            // Else the cluster names the other port, to whoever asks by this one.
            command.args(["--tls-cluster", "yes"]);
            command.args(["--tls-port", &tls_port.to_string(), "--tls-auth-clients", "no", "--tls-cert-file"]);
            command.arg(&encryption.certificate).arg("--tls-key-file").arg(&encryption.key);
            command.arg("--tls-ca-cert-file").arg(&encryption.authority_file);
            tls_port
        });
        let process = Process::start(command, &home.join("log"));
        let server = Self { port, bus, tls_port, process };
        until("Redis answers", 20, async || server.ask("PING\r\n").await.contains("PONG")).await;
        server
    }

    /// One that has all slots.
    async fn alone(self) -> Self {
        self.ask("CLUSTER ADDSLOTSRANGE 0 16383\r\n").await;
        until("Redis is a cluster", 20, async || self.ask("CLUSTER INFO\r\n").await.contains("cluster_state:ok")).await;
        self
    }

    pub(crate) fn url(&self) -> String {
        match self.tls_port {
            Some(port) => format!("rediss://localhost:{port}"),
            None => format!("redis://127.0.0.1:{}", self.port),
        }
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

/// Three masters, and a replica of each.
pub(crate) struct RedisCluster {
    /// The masters, then the replicas in the same order.
    pub(crate) nodes: Vec<RedisServer>,
}

impl RedisCluster {
    const MASTERS: usize = 3;

    pub(crate) async fn start(folder: &Folder) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..2 * Self::MASTERS {
            nodes.push(RedisServer::node(folder, None).await);
        }
        for (node, slots) in nodes.iter().zip(["0 5460", "5461 10922", "10923 16383"]) {
            node.ask(&format!("CLUSTER ADDSLOTSRANGE {slots}\r\n")).await;
        }
        for other in &nodes[1..] {
            nodes[0].ask(&format!("CLUSTER MEET 127.0.0.1 {} {}\r\n", other.port, other.bus)).await;
        }
        let says = async |node: &RedisServer, what: &str| node.ask("CLUSTER INFO\r\n").await.contains(what);
        for node in &nodes {
            until("the nodes know each other", 30, async || says(node, "cluster_known_nodes:6").await).await;
            until("the cluster is whole", 30, async || says(node, "cluster_state:ok").await).await;
        }
        let (masters, replicas) = nodes.split_at(Self::MASTERS);
        for (master, replica) in masters.iter().zip(replicas) {
            let name = master.ask("CLUSTER MYID\r\n").await;
            let name = name.lines().nth(1).unwrap().to_owned();
            // It may not know the master yet; a second word to one that follows would begin it anew.
            until("the replica obeys", 30, async || {
                replica.ask(&format!("CLUSTER REPLICATE {name}\r\n")).await.contains("+OK")
            })
            .await;
        }
        for replica in replicas {
            let follows = async || replica.ask("INFO replication\r\n").await.contains("master_link_status:up");
            until("the replica follows", 30, follows).await;
        }
        Self { nodes }
    }

    pub(crate) fn urls(&self) -> String {
        self.nodes.iter().map(RedisServer::url).collect::<Vec<_>>().join(",")
    }

    /// Waits until a master holds a book and its replica has it; which one.
    pub(crate) async fn holder(&self) -> usize {
        let mut found = None;
        let holds = async |node: usize| self.nodes[node].ask("DBSIZE\r\n").await.trim() != ":0";
        for _ in 0..400 {
            for master in 0..Self::MASTERS {
                if holds(master).await && holds(master + Self::MASTERS).await {
                    found = Some(master);
                }
            }
            if let Some(master) = found {
                return master;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no pod has offered its book");
    }

    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    /// Waits until the replica of this master is the master.
    pub(crate) async fn succeeded(&self, master: usize) {
        let replica = &self.nodes[master + Self::MASTERS];
        until("the replica is the master", 30, async || {
            replica.ask("INFO replication\r\n").await.contains("role:master")
                && replica.ask("CLUSTER INFO\r\n").await.contains("cluster_state:ok")
        })
        .await;
    }
}
