//! A Vault server of a test's own, the agent before it, and a Kubernetes that knows one service account.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

/// The server's root token.
pub(crate) const ROOT: &str = "root";
/// Vault's role of the pod, and the name of its service account.
pub(crate) const ROLE: &str = "billing-service";
const AUDIENCE: &str = "https://kubernetes.test";
/// What the service may do, as docs/OPERATIONS.md has it.
const POLICY: &str = r#"
path "secret/data/billing/*" { capabilities = ["read"] }
path "database/creds/*" { capabilities = ["read"] }
"#;
/// The method wants one, though it is not used over plain HTTP.
const CA: &str = "-----BEGIN CERTIFICATE-----
MIIBfjCCASWgAwIBAgIUY7mHCj42jAa3dBWbIRsfVOUnCscwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJdGVzdC1vbmx5MCAXDTI2MTEzMDE5MzgzMVoYDzIxMjYxMTA2
MTkzODMxWjAUMRIwEAYDVQQDDAl0ZXN0LW9ubHkwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATVo67aQ8S2VbU3N7XsRHfiR7TAtNN8bwNCSt8hXs7jctkCm2ijU/mH
RqWgsW2QzCOthJ0SwHR/TLv4dtgjeGHLo1MwUTAdBgNVHQ4EFgQUb8JE2TVireiu
XH2/9FjaXpUmnVEwHwYDVR0jBBgwFoAUb8JE2TVireiuXH2/9FjaXpUmnVEwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiA2/TeI9QiHqDBGcLnw30fB
U0CYpMlc9F0QOR195lKJXgIgeP8UKNCuwFCDuN+GG7f8IeUuD37mmKaMrUfs8pnb
s4g=
-----END CERTIFICATE-----
";

/// A Vault server in memory.
pub(crate) struct Bao {
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    process: Child,
}

/// An agent before it, logged in by Kubernetes' token of the pod.
pub(crate) struct Agent {
    pub(crate) port: u16,
    process: Child,
}

/// Answers TokenReview as Kubernetes does, for one token.
pub(crate) struct Kubernetes {
    port: u16,
    reviews: Arc<AtomicUsize>,
    /// The pod's.
    pub(crate) token: String,
}

/// How long what a role makes lives.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) ttl: &'static str,
    pub(crate) max_ttl: &'static str,
}

impl Bao {
    pub(crate) async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("billing-bao-{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).unwrap();
        let port = free_port();
        let mut command = bao(&folder);
        command.args(["server", "-dev", "-dev-no-store-token"]);
        command.env("BAO_DEV_ROOT_TOKEN_ID", ROOT).env("BAO_DEV_LISTEN_ADDRESS", format!("127.0.0.1:{port}"));
        let process = spawn(command, &folder.join("server.log"));
        let server = Self { folder, port, process };
        until("the vault answers", async || server.call("GET", "sys/health", &Value::Null).await.0 == 200).await;
        server.write("sys/policies/acl/billing", &json!({"policy": POLICY})).await;
        server
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// As root.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        call(self.port, &format!("X-Vault-Token: {ROOT}\r\n"), method, path, body).await.unwrap_or_default()
    }

    pub(crate) async fn write(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call("PUT", path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    /// A secret of the key-value engine.
    pub(crate) async fn store(&self, name: &str, fields: &Value) {
        self.write(&format!("secret/data/billing/{name}"), &json!({"data": fields})).await;
    }

    pub(crate) async fn seal(&self) {
        self.write("sys/seal", &Value::Null).await;
    }

    pub(crate) async fn unseal(&self) {
        // The server answers before it has said all that it says at its start.
        for _ in 0..100 {
            let log = std::fs::read_to_string(self.folder.join("server.log")).unwrap();
            if let Some(key) = log.lines().find_map(|line| line.strip_prefix("Unseal Key: ")) {
                self.write("sys/unseal", &json!({"key": key.trim()})).await;
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server does not tell its key");
    }

    /// Makes users in the database of the superuser's URL from now on.
    pub(crate) async fn connect_database(&self, superuser: &str, database: &str) {
        let (credentials, place) = superuser.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
        let (username, password) = credentials.split_once(':').unwrap();
        let (place, _) = place.split_once('/').unwrap();
        self.write("sys/mounts/database", &json!({"type": "database"})).await;
        let config = json!({
            "plugin_name": "postgresql-database-plugin",
            "allowed_roles": "*",
            "connection_url": format!("postgresql://{{{{username}}}}:{{{{password}}}}@{place}/{database}?sslmode=disable"),
            "username": username,
            "password": password,
        });
        self.write("database/config/billing", &config).await;
    }

    /// A role whose users are members of `member_of` and own nothing, by the statements of docs/OPERATIONS.md. Its name,
    /// which the users' names hold.
    pub(crate) async fn add_role(&self, member_of: &str, terms: Terms) -> String {
        let name = Uuid::new_v4().simple().to_string()[..8].to_owned();
        let role = json!({
            "db_name": "billing",
            "creation_statements": [
                format!(r#"CREATE ROLE "{{{{name}}}}" LOGIN PASSWORD '{{{{password}}}}' VALID UNTIL '{{{{expiration}}}}' IN ROLE {member_of}"#)
            ],
            "revocation_statements": [
                r#"ALTER ROLE "{{name}}" NOLOGIN"#,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}'",
                r#"DROP ROLE IF EXISTS "{{name}}""#,
            ],
            "default_ttl": terms.ttl,
            "max_ttl": terms.max_ttl,
        });
        self.write(&format!("database/roles/{name}"), &role).await;
        name
    }

    /// Takes back whatever the role has made.
    pub(crate) async fn revoke(&self, role: &str) {
        self.write(&format!("sys/leases/revoke-prefix/database/creds/{role}"), &Value::Null).await;
    }

    /// Lets the pod of that Kubernetes log in.
    pub(crate) async fn trust(&self, kubernetes: &Kubernetes, terms: Terms) {
        self.write("sys/auth/kubernetes", &json!({"type": "kubernetes"})).await;
        let host = format!("http://127.0.0.1:{}", kubernetes.port);
        let config = json!({"kubernetes_host": host, "disable_local_ca_jwt": true, "kubernetes_ca_cert": CA});
        self.write("auth/kubernetes/config", &config).await;
        let role = json!({
            "bound_service_account_names": [ROLE],
            "bound_service_account_namespaces": ["billing"],
            "token_policies": ["billing"],
            "token_ttl": terms.ttl,
            "token_max_ttl": terms.max_ttl,
        });
        self.write(&format!("auth/kubernetes/role/{ROLE}"), &role).await;
        std::fs::write(self.jwt(), format!("{}\n", kubernetes.token)).unwrap();
    }

    /// Where the pod's token lies.
    pub(crate) fn jwt(&self) -> PathBuf {
        self.folder.join("jwt")
    }

    /// An agent that presents its own token to whoever asks through it, and renders each template to a file.
    pub(crate) fn agent(&self, templates: &[(&str, &Path)]) -> Agent {
        let port = free_port();
        let templates: String = templates
            .iter()
            .map(|(contents, file)| format!("template {{ contents = {contents:?}\n destination = {file:?} }}\n"))
            .collect();
        let config = format!(
            "vault {{ address = \"{}\" }}\n\
             auto_auth {{ method \"kubernetes\" {{ mount_path = \"auth/kubernetes\"\n\
               config = {{ role = \"{ROLE}\"\n token_path = {:?} }} }} }}\n\
             api_proxy {{ use_auto_auth_token = true }}\n\
             template_config {{ static_secret_render_interval = \"1s\" }}\n\
             listener \"tcp\" {{ address = \"127.0.0.1:{port}\"\n tls_disable = true }}\n{templates}",
            self.address(),
            self.jwt(),
        );
        let file = self.folder.join(format!("agent-{port}.hcl"));
        std::fs::write(&file, config).unwrap();
        let mut command = bao(&self.folder);
        command.arg("agent").arg(format!("-config={}", file.display()));
        Agent { port, process: spawn(command, &self.folder.join(format!("agent-{port}.log"))) }
    }
}

impl Agent {
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Until it lets requests through.
    pub(crate) async fn ready(&self) {
        let looked_up = async || call(self.port, "", "GET", "auth/token/lookup-self", &Value::Null).await;
        until("the agent has logged in", async || looked_up().await.is_some_and(|(status, _)| status == 200)).await;
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        let _ended = self.process.kill().and_then(|()| self.process.wait());
        if !std::thread::panicking() {
            let _gone = std::fs::remove_dir_all(&self.folder);
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

impl Kubernetes {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let reviews = Arc::new(AtomicUsize::new(0));
        let token = pod_token();
        let (counted, known) = (Arc::clone(&reviews), token.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(review(stream, Arc::clone(&counted), known.clone()));
            }
        });
        Self { port, reviews, token }
    }

    /// How often a token was looked at: at each login, and at each renewal of what it gave.
    pub(crate) fn reviews(&self) -> usize {
        self.reviews.load(Ordering::Relaxed)
    }
}

/// One request, one answer.
async fn review(mut stream: TcpStream, counted: Arc<AtomicUsize>, known: String) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let text = String::from_utf8_lossy(&request);
    let is_review = text.starts_with("POST /apis/authentication.k8s.io/v1/tokenreviews ");
    let body: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap_or_default();
    let is_known = is_review && body.pointer("/spec/token") == Some(&json!(known));
    counted.fetch_add(usize::from(is_known), Ordering::Relaxed);
    let user = json!({"username": format!("system:serviceaccount:billing:{ROLE}"), "uid": "u1"});
    let status = json!({"authenticated": is_known, "audiences": [AUDIENCE], "user": user});
    let answer = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}).to_string();
    let head = format!(
        "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.len()
    );
    let _gone = stream.write_all(format!("{head}{answer}").as_bytes()).await;
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.is_some_and(|length| body.len() >= length.trim().parse::<usize>().unwrap())
}

/// As Kubernetes projects it into a pod; nobody looks at its signature but the TokenReview.
fn pod_token() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({
        "iss": "kubernetes/serviceaccount", "sub": format!("system:serviceaccount:billing:{ROLE}"), "aud": [AUDIENCE],
        "iat": now - 60, "nbf": now - 60, "exp": now + 3600,
        "kubernetes.io": {"namespace": "billing", "serviceaccount": {"name": ROLE, "uid": "u1"}},
    });
    let header = json!({"alg": "RS256", "kid": "test"});
    [header.to_string(), claims.to_string(), Uuid::new_v4().to_string()]
        .map(|part| base64url(part.as_bytes()))
        .join(".")
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_usize, |word, byte| word << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        text.extend((0..=chunk.len()).map(|digit| char::from(DIGITS[word >> (18 - 6 * digit) & 63])));
    }
    text
}

/// `None` when nobody answers.
async fn call(port: u16, token: &str, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        // By the older version, so that the answer comes in one piece.
        let request = format!(
            "{method} /v1/{path} HTTP/1.0\r\nHost: localhost\r\n{token}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((status, serde_json::from_str(body).unwrap_or_default()))
    };
    tokio::time::timeout(Duration::from_secs(10), ask).await.ok().flatten()
}

/// Waits until the condition holds.
pub(crate) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < deadline, "after 30 s still not: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

fn bao(home: &Path) -> Command {
    let program = std::env::var("BILLING_TEST_BAO");
    let program =
        program.unwrap_or_else(|_| panic!("BILLING_TEST_BAO is not set: run these tests by `cargo xtask test`"));
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).current_dir(home);
    command
}

fn spawn(mut command: Command, log: &Path) -> Child {
    let file = std::fs::File::create(log).unwrap();
    command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
    command.spawn().unwrap()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
