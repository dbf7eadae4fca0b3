//! The API as the tests see it: one request in, status, headers and JSON out.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web::{Bytes, Data};
use billing_runtime::Health;
use billing_testing::Memory;
use billing_testing::certificates::trusting_nobody;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use futures::stream::LocalBoxStream;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::samples::Sample;
use super::tokens::{Issuer, Signer};
use crate::auth::{ClaimNames, Jwks, JwksSource, Verifier};
use crate::routes;
use crate::services::{Services, Store};

/// A Thursday in the middle of a month.
pub(super) const NOW: &str = "2026-10-15T12:00:00Z";
pub(super) const TENANT: Uuid = Uuid::from_u128(0xA);
pub(super) const ACCOUNT: Uuid = Uuid::from_u128(0xAA);
pub(super) const SUBJECT: &str = "someone";

impl Store for Memory {
    type Documents = Self;
    type Renderer = Self;
}

/// The API and what it stands on.
pub(super) struct World {
    pub(super) memory: Memory,
    pub(super) services: Data<Services<Memory>>,
    pub(super) origins: Vec<String>,
    jwks: PathBuf,
}

/// What came back.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
    pub(super) text: String,
    pub(super) bytes: Bytes,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    method: Method,
    uri: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub(super) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

impl World {
    pub(super) async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("api-test-{}-{}.json", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let jwks = std::env::temp_dir().join(name);
        std::fs::write(&jwks, Issuer::ours().jwks().to_string()).unwrap();
        let keys = Arc::new(Jwks::new(JwksSource::File(jwks.clone()), trusting_nobody()).unwrap());
        keys.refresh().await.unwrap();
        let claims = ClaimNames {
            tenant: "tenant_id".into(),
            account: "account_id".into(),
            scope: "scope".into(),
            roles: "roles".into(),
        };
        let verifier = Verifier::new(keys, Issuer::NAME.into(), Issuer::AUDIENCE.into(), claims);
        let memory = Memory::default();
        let (store, tools) = (memory.clone(), (memory.clone(), memory.clone()));
        let services = Services::new(store, tools, verifier, Health::default(), now, Handle::current()).unwrap();
        Self { memory, services: Data::new(services), origins: Vec::new(), jwks }
    }

    /// Replaces the issuer's keys.
    pub(super) fn publish(&self, jwks: &Value) {
        std::fs::write(&self.jwks, jwks.to_string()).unwrap();
    }

    pub(super) async fn send(&self, ask: &Ask) -> Reply {
        self.send_after(ask, None).await
    }

    /// Something happens after the head has been read and before the body comes.
    pub(super) async fn send_after(&self, ask: &Ask, before: Option<LocalBoxFuture<'static, ()>>) -> Reply {
        let app = init_service(routes::app(self.services.clone(), &self.origins)).await;
        let mut request = TestRequest::with_uri(&ask.uri).method(ask.method.clone());
        for (name, value) in &ask.headers {
            request = request.append_header((name.as_str(), value.as_str()));
        }
        if !ask.body.is_empty() {
            request = request.set_payload(ask.body.clone());
        }
        let mut request = request.to_request();
        if let Some(before) = before {
            let body = Bytes::from(ask.body.clone());
            let payload: LocalBoxStream<'static, _> = Box::pin(futures::stream::once(before.map(move |()| Ok(body))));
            request = request.replace_payload(Payload::Stream { payload }).0;
        }
        let response = call_service(&app, request).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = read_body(response).await;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Reply { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text, bytes }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.jwks);
    }
}

impl Ask {
    pub(super) fn new(method: &str, uri: &str) -> Self {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Self { method, uri: uri.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn get(uri: &str) -> Self {
        Self::new("GET", uri)
    }

    pub(super) fn sample(sample: &Sample, method: &str) -> Self {
        let ask = Self::new(method, &sample.uri);
        match &sample.body {
            Some((media, body)) => ask.raw(media, body.clone().into_bytes()),
            None => ask,
        }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn with_query(mut self, query: &str) -> Self {
        let mark = if self.uri.contains('?') { '&' } else { '?' };
        self.uri = format!("{}{mark}{query}", self.uri);
        self
    }

    pub(super) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// As the account `account` of the tenant, who may read.
    pub(super) fn customer(self, account: Uuid) -> Self {
        self.claims(&json!({"account_id": account, "scope": "billing:read", "roles": ["account.viewer"]}))
    }

    /// As staff who may read and change everything.
    pub(super) fn staff(self) -> Self {
        let scope = "billing:read billing:admin platform.finance";
        self.claims(&json!({"scope": scope, "roles": ["platform.billing_admin", "platform.finance"]}))
    }

    /// With a good token of these claims, beside those that every token has.
    pub(super) fn claims(self, claims: &Value) -> Self {
        self.bearer(&Issuer::ours().token(Signer::Es256, claims))
    }

    /// Its headers alone.
    pub(super) fn headers(&self) -> HeaderMap {
        let named = self.headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        named.collect()
    }

    pub(super) fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string().into_bytes())
    }

    pub(super) fn raw(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.body = body;
        self.header("Content-Type", content_type)
    }
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The last part of a problem's type.
    pub(super) fn problem(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default().trim_start_matches("/problems/")
    }

    /// The pointers of a problem's errors.
    pub(super) fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
    }

    /// The body without what differs between two answers of one kind.
    pub(super) fn without_instance(&self) -> Value {
        let mut body = self.body.clone();
        assert!(body.as_object_mut().unwrap().remove("instance").is_some(), "{}", self.text);
        body
    }
}
