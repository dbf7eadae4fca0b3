//! Credentials that change while a connection stands: a real server that knows its users by their JWTs.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use billing_nats::{BoxError, Nats};
use billing_testing::certificates::trusting_nobody;
use nkeys::KeyPair;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use uuid::Uuid;

/// A server with one account, whose users need no entry in its configuration.
struct Server {
    process: Child,
    folder: PathBuf,
    port: u16,
    monitor: u16,
    account: KeyPair,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// By the rules of NATS's JWTs, version 2.
fn jwt(issuer: &KeyPair, subject: &KeyPair, expires: Option<u64>, nats: &Value) -> String {
    let mut claims = json!({
        "jti": Uuid::new_v4().to_string(), "iat": now(), "iss": issuer.public_key(), "name": "test",
        "sub": subject.public_key(), "nats": nats,
    });
    if let Some(expires) = expires {
        claims["exp"] = json!(expires);
    }
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", encode(&signature))
}

impl Server {
    async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("billing-nats-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).unwrap();
        let (port, monitor) = (free_port(), free_port());
        let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
        let of_operator = jwt(&operator, &operator, None, &json!({"type": "operator", "version": 2}));
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        });
        let of_account = jwt(&operator, &account, None, &json!({"type": "account", "version": 2, "limits": limits}));
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor}\"\noperator: {of_operator}\nresolver: MEMORY\n\
             resolver_preload: {{ {}: {of_account} }}\n",
            account.public_key()
        );
        let file = folder.join("nats.conf");
        std::fs::write(&file, config).unwrap();
        let program = std::env::var("BILLING_TEST_NATS_SERVER").expect("run these tests by `cargo xtask test`");
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(&file).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let server = Self { process: command.spawn().unwrap(), folder, port, monitor, account };
        until("the server answers", async || server.users().await.is_some()).await;
        server
    }

    /// A credentials file of a new user, and its public key.
    fn user(&self, expires: Option<u64>) -> (String, String) {
        let user = KeyPair::new_user();
        let claims = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}});
        let jwt = jwt(&self.account, &user, expires, &claims);
        let seed = user.seed().unwrap();
        let file = format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        (file, user.public_key())
    }

    /// Who is connected.
    async fn users(&self) -> Option<Vec<String>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.monitor)).await.ok()?;
        stream.write_all(b"GET /connz?auth=1 HTTP/1.0\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
        let users = body["connections"].as_array()?.iter().filter_map(|one| one["authorized_user"].as_str());
        Some(users.map(str::to_owned).collect())
    }

    async fn until_only(&self, user: &[&str]) {
        until("only this user is connected", async || self.users().await.is_some_and(|users| users == user)).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.process.kill().and_then(|()| self.process.wait());
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "after 20 s still not: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_made_anew_when_its_credentials_change() {
    let server = Server::start().await;
    let (sender, current) = watch::channel(None::<String>);
    let read = {
        let current = current.clone();
        move || {
            let now = current.borrow().clone();
            async move { now.map(Some).ok_or_else(|| BoxError::from("not known yet")) }
        }
    };
    let nats =
        Nats::connect(&[format!("nats://127.0.0.1:{}", server.port)], "test", trusting_nobody(), read).await.unwrap();
    nats.reconnect_on_change(current);
    assert!(nats.flush().await.is_err(), "connected without credentials");

    let (file, first) = server.user(None);
    sender.send_replace(Some(file));
    server.until_only(&[&first]).await;
    let (file, second) = server.user(None);
    sender.send_replace(Some(file));
    server.until_only(&[&second]).await;
    until("it works", async || nats.flush().await.is_ok()).await;

    // Its time ends before another is there.
    let (file, short) = server.user(Some(now() + 3));
    sender.send_replace(Some(file));
    server.until_only(&[&short]).await;
    server.until_only(&[]).await;
    let (file, last) = server.user(None);
    sender.send_replace(Some(file));
    server.until_only(&[&last]).await;
    until("it works", async || nats.flush().await.is_ok()).await;
}
