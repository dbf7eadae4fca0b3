//! The API as a process of its own on real servers, with an issuer whose tokens it believes.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "what a test cannot do without, it says so and ends")]

pub(crate) mod held;
pub(crate) mod issued;
pub(crate) mod proxy;
pub(crate) mod samples;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use billing_domain::{AccountId, TenantId};
use billing_s3::{Addressing, S3Config, S3Credentials, S3Documents};
use jiff::Timestamp;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::support::{self, PASSWORD, TestDatabase};
use samples::Ids;

const ISSUER: &str = "https://issuer.test";
const AUDIENCE: &str = "billing";
const START_TIME_MAX: Duration = Duration::from_secs(30);
/// Longer than any limit of the API on a connection.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const METRICS_TIME_MAX: Duration = Duration::from_secs(5);

/// A running API. It ends with this value.
pub(crate) struct Service {
    process: Child,
    address: String,
    metrics_address: String,
    folder: PathBuf,
    key: EncodingKey,
    jwks: Value,
    client: reqwest::Client,
}

pub(crate) fn s3_variable(name: &str) -> String {
    let full = format!("BILLING_TEST_S3_{name}");
    std::env::var(&full).unwrap_or_else(|_| panic!("{full} is not set: run the tests by `cargo xtask test`"))
}

/// The bucket that the API reads.
pub(crate) fn documents() -> S3Documents {
    let [endpoint, region, bucket] = ["ENDPOINT", "REGION", "BUCKET"].map(s3_variable);
    let [access_key, secret_key] = ["ACCESS_KEY", "SECRET_KEY"].map(s3_variable);
    let config = S3Config { endpoint, region, bucket, addressing: Addressing::Path, ca_pem: Vec::new() };
    S3Documents::new(&config, &S3Credentials { access_key, secret_key }).expect("a client")
}

/// Method and path of every route that the program says it has.
pub(crate) fn routes() -> Vec<(String, String)> {
    let printed = Command::new(env!("CARGO_BIN_EXE_api")).arg("routes").output().expect("it runs");
    let printed = String::from_utf8(printed.stdout).expect("a text");
    let rows = printed.lines().skip(1).map(|line| {
        let mut words = line.split_whitespace().map(str::to_owned);
        words.next().zip(words.next()).expect("a method and a path")
    });
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() > 30);
    rows
}

impl Service {
    pub(crate) async fn start(db: &TestDatabase) -> Self {
        Self::start_with(db, &[]).await
    }

    /// With more variables, or others.
    pub(crate) async fn start_with(db: &TestDatabase, variables: &[(&str, &str)]) -> Self {
        let service = Self::begin(db, variables);
        service.until("/health/ready").await;
        service
    }

    /// Begun, and perhaps never ready.
    pub(crate) fn begin(db: &TestDatabase, variables: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("billing-api-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).expect("a folder");
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let key = EncodingKey::from_ec_der(pair.to_pkcs8v1().expect("a key").as_ref());
        let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).expect("a public key");
        let keys = folder.join("jwks.json");
        let jwks = json!({"keys": [jwk]});
        std::fs::write(&keys, jwks.to_string()).expect("a file");
        let (address, metrics_address) = (free_address(), free_address());
        let log = std::fs::File::create(folder.join("log")).expect("a file");
        let process = Command::new(env!("CARGO_BIN_EXE_api"))
            .env_clear()
            .env("BILLING_DATABASE_URL", &db.url)
            .env("BILLING_SECRET_DATABASE_API_USERNAME", "billing_test_api")
            .env("BILLING_SECRET_DATABASE_API_PASSWORD", PASSWORD)
            .env("BILLING_S3_ENDPOINT", s3_variable("ENDPOINT"))
            .env("BILLING_S3_REGION", s3_variable("REGION"))
            .env("BILLING_S3_BUCKET", s3_variable("BUCKET"))
            .env("BILLING_SECRET_S3_ACCESS_KEY", s3_variable("ACCESS_KEY"))
            .env("BILLING_SECRET_S3_SECRET_KEY", s3_variable("SECRET_KEY"))
            .env("BILLING_JWT_JWKS", &keys)
            .env("BILLING_JWT_ISSUER", ISSUER)
            .env("BILLING_JWT_AUDIENCE", AUDIENCE)
            .env("BILLING_API_HTTP_ADDR", &address)
            .env("BILLING_API_METRICS_ADDR", &metrics_address)
            .envs(variables.iter().copied())
            .stderr(Stdio::from(log))
            .spawn()
            .expect("the API starts");
        Self { process, address, metrics_address, folder, key, jwks, client: reqwest::Client::new() }
    }

    /// Until there is an answer of success.
    pub(crate) async fn until(&self, path: &str) {
        let deadline = Instant::now() + START_TIME_MAX;
        loop {
            let answer = self.client.get(self.url(path)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(Instant::now() < deadline, "the API does not come up: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).expect("a log")
    }

    /// Its page of metrics; `None` when it does not answer.
    pub(crate) fn metrics(&self) -> Option<String> {
        let mut stream = TcpStream::connect(&self.metrics_address).ok()?;
        stream.set_read_timeout(Some(METRICS_TIME_MAX)).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
        let mut page = String::new();
        stream.read_to_string(&mut page).ok()?;
        Some(page)
    }

    /// The issuer's keys, as it publishes them.
    pub(crate) fn jwks(&self) -> &Value {
        &self.jwks
    }

    /// As the account of the tenant, who may read.
    pub(crate) fn customer(&self, account: AccountId, tenant: TenantId) -> String {
        self.token(json!({
            "sub": "customer", "account_id": account.0, "tenant_id": tenant.0, "scope": "billing:read",
            "roles": ["account.viewer"],
        }))
    }

    /// As staff of finance and pricing.
    pub(crate) fn staff(&self) -> String {
        let scope = "billing:read billing:admin platform.finance";
        self.token(json!({"sub": "staff", "scope": scope, "roles": ["platform.finance", "platform.billing_admin"]}))
    }

    /// As staff, by a key that the issuer has not published.
    pub(crate) fn signed_by_a_new_key(&self) -> String {
        let header = Header { kid: Some("new".into()), ..Header::new(Algorithm::ES256) };
        let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "staff", "exp": Timestamp::now().as_second() + 600});
        jsonwebtoken::encode(&header, &claims, &self.key).expect("a token")
    }

    /// With these claims beside those that every token has.
    pub(crate) fn token(&self, mut claims: Value) -> String {
        claims["iss"] = json!(ISSUER);
        claims["aud"] = json!(AUDIENCE);
        claims["exp"] = json!(Timestamp::now().as_second() + 600);
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.key).expect("a token")
    }

    pub(crate) fn request(&self, method: Method, token: &str, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path)).bearer_auth(token)
    }

    /// The route's sample about things of these ids.
    pub(crate) fn sample(&self, token: &str, method: &str, path: &str, ids: &Ids) -> RequestBuilder {
        let sample = samples::sample(method, path, ids);
        let ask = self.request(method.parse().expect("a method"), token, &sample.uri);
        match sample.body {
            Some((media, body)) => ask.header("Content-Type", media).body(body),
            None => ask,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A connection on which nothing has been said yet.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("the API listens");
        stream.set_read_timeout(Some(SILENCE_MAX)).expect("a limit");
        stream
    }

    /// Asks it to stop, and waits until it has: what was going on has been done.
    pub(crate) fn stop(mut self) {
        self.keep_metrics();
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").arg(pid).status().expect("a signal").success());
        assert!(self.process.wait().expect("an end").success(), "{}", self.log());
    }

    /// For the search for secrets.
    fn keep_metrics(&self) {
        if let Some(page) = self.metrics() {
            support::keep("api-metrics", page.as_bytes());
        }
    }

    /// Status and body.
    pub(crate) async fn get(&self, token: &str, path: &str) -> (u16, Value) {
        read(self.request(Method::GET, token, path).send().await.expect("an answer")).await
    }

    /// Status and body.
    pub(crate) async fn post(&self, token: &str, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
        let request = self.request(Method::POST, token, path).json(body);
        let request = key.map_or(request.try_clone(), |key| Some(request.header("Idempotency-Key", key)));
        read(request.expect("a request").send().await.expect("an answer")).await
    }
}

pub(crate) async fn read(response: Response) -> (u16, Value) {
    let (status, body) = (response.status().as_u16(), response.bytes().await.expect("a body"));
    support::keep_also("api-answers", &body);
    (status, serde_json::from_slice(&body).expect("JSON"))
}

impl Drop for Service {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.keep_metrics();
        }
        let _ended = self.process.kill().and_then(|()| self.process.wait());
        support::keep("api", &std::fs::read(self.folder.join("log")).unwrap_or_default());
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
}

/// Until the server has no such session any more: it notices the end of a connection by itself.
pub(crate) async fn until_none(db: &TestDatabase, sessions: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while db.number(sessions).await > 0 {
        assert!(Instant::now() < deadline, "the server goes on: {sessions}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
