//! Invoice documents in an S3-compatible store: create-only, compared by SHA-256, fetched by presigned URL.
//!
//! Nothing is ever overwritten. What a key means is decided by the domain.

mod address;
mod bucket;
mod keys;

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use billing_domain::ports::{DocumentStore, PortError, PutOutcome, RenderedDocument};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use object_store::ObjectStore;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{HttpClient, HttpConnector as _, ReqwestConnector};
use object_store::path::Path;
use object_store::signer::{Method, Signer};
use object_store::{
    Attribute, Attributes, BackoffConfig, Certificate, ClientOptions, Error, ObjectStoreExt, PutMode, PutOptions,
    PutPayload, RetryConfig,
};
use sha2::{Digest, Sha256};
use tracing::Instrument as _;
use tracing::field::Empty;

pub use address::Addressing;
pub use keys::{S3Credentials, S3Keys};

/// How long a presigned URL is good (contract, download route).
const URL_LIFETIME: Duration = Duration::from_secs(15 * 60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Tries of one call within the library; runs and people try again by themselves.
const RETRIES_MAX: usize = 2;
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Idle connections; a run bills at most 32 accounts side by side.
const IDLE_MAX: usize = 16;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Calls that failed, by operation.
const ERRORS: &str = "billing_s3_errors_total";
const OPERATIONS: [&str; 3] = ["get_document", "presign_document", "put_document"];

/// Describes the metric and begins its series at 0. A binary calls it once its recorder is installed.
pub fn register_metrics() {
    metrics::describe_counter!(ERRORS, metrics::Unit::Count, "Calls of the object store that failed, by operation");
    bucket::describe();
    for operation in OPERATIONS {
        metrics::counter!(ERRORS, "op" => operation).increment(0);
    }
}

/// Where the bucket is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct S3Config {
    /// `http://host:port` or `https://host`.
    pub endpoint: String,
    /// As the store names it.
    pub region: String,
    /// The bucket's name.
    pub bucket: String,
    /// Where the name stands in addresses.
    pub addressing: Addressing,
    /// Certificates in PEM of authorities that are trusted beside the machine's; may be empty.
    pub ca_pem: Vec<u8>,
}

/// A configuration that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// The client could not be made.
    #[error("the object store's configuration cannot work")]
    Config(#[source] Error),
    /// Only a host that has a name can have the bucket's before it.
    #[error(
        "the bucket cannot stand before the host: the object store's address must be https://name or https://name:port"
    )]
    HostAddressing,
}

/// Invoice documents. Cheap to clone.
#[derive(Clone)]
pub struct S3Documents {
    store: Arc<AmazonS3>,
    keys: S3Keys,
    /// For questions about the bucket itself.
    http: HttpClient,
    bucket_url: String,
    region: String,
}

impl S3Documents {
    /// Makes the client; connects when first used.
    ///
    /// # Errors
    /// [`S3Error`].
    pub fn new(config: &S3Config, keys: impl Into<S3Keys>) -> Result<Self, S3Error> {
        let keys = keys.into();
        let is_plain_http = config.endpoint.starts_with("http://");
        let bucket_url = config.addressing.bucket_url(&config.endpoint, &config.bucket)?;
        let mut client = ClientOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_timeout(REQUEST_TIMEOUT)
            .with_pool_max_idle_per_host(IDLE_MAX)
            .with_pool_idle_timeout(IDLE_TIMEOUT)
            .with_allow_http(is_plain_http);
        for certificate in Certificate::from_pem_bundle(&config.ca_pem).map_err(S3Error::Config)? {
            client = client.with_root_certificate(certificate);
        }
        let http = ReqwestConnector::default().connect(&client).map_err(S3Error::Config)?;
        let is_host = config.addressing == Addressing::Host;
        let backoff = BackoffConfig { init_backoff: BACKOFF_MIN, max_backoff: BACKOFF_MAX, base: 2.0 };
        let retry = RetryConfig { backoff, max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT };
        let store = AmazonS3Builder::new()
            .with_endpoint(if is_host { &bucket_url } else { &config.endpoint })
            .with_region(&config.region)
            .with_bucket_name(&config.bucket)
            .with_credentials(Arc::new(keys.clone()))
            .with_virtual_hosted_style_request(is_host)
            .with_client_options(client)
            .with_retry(retry)
            .build()
            .map_err(S3Error::Config)?;
        Ok(Self { store: Arc::new(store), keys, http, bucket_url, region: config.region.clone() })
    }

    async fn fetch(&self, key: &Path) -> Result<Option<Bytes>, Error> {
        let used = self.keys.used();
        let mut got = self.store.get(key).await;
        if self.keys.are_replaced(got.as_ref().err(), used).await {
            got = self.store.get(key).await;
        }
        match got {
            Ok(found) => found.bytes().await.map(Some),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is at the key, by its hash.
    async fn compare(&self, key: &Path, sha256: [u8; 32]) -> Result<Option<PutOutcome>, Error> {
        let found = self.fetch(key).await?;
        Ok(found.map(|bytes| {
            let is_same = Sha256::digest(&bytes).as_slice() == sha256;
            if is_same { PutOutcome::Stored } else { PutOutcome::OtherObject }
        }))
    }

    async fn put_once(&self, key: &str, document: &RenderedDocument) -> Result<PutOutcome, PortError> {
        let path = Path::from(key);
        // Some stores ignore If-None-Match: look first. Two runs that both see nothing write the same bytes.
        if let Some(outcome) = self.compare(&path, document.sha256).await.map_err(failed("put_document"))? {
            return Ok(outcome);
        }
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::ContentType, "application/pdf".into());
        let options = PutOptions { mode: PutMode::Create, attributes, ..PutOptions::default() };
        let bytes = PutPayload::from(Bytes::copy_from_slice(&document.bytes));
        let used = self.keys.used();
        let mut written = self.store.put_opts(&path, bytes.clone(), options.clone()).await;
        if self.keys.are_replaced(written.as_ref().err(), used).await {
            written = self.store.put_opts(&path, bytes, options).await;
        }
        let Err(error) = written else { return Ok(PutOutcome::Stored) };
        // "It exists" may mean our own first try, and a failure may have come after the store: only the object tells.
        match self.compare(&path, document.sha256).await {
            Ok(Some(outcome)) => Ok(outcome),
            Ok(None) | Err(_) => Err(failed("put_document")(error)),
        }
    }
}

impl DocumentStore for S3Documents {
    async fn put(&self, key: &str, document: &RenderedDocument) -> Result<PutOutcome, PortError> {
        traced("put_document", self.put_once(key, document)).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        let get = async { self.fetch(&Path::from(key)).await.map_err(failed("get_document")) };
        Ok(traced("get_document", get).await?.map(Vec::from))
    }

    async fn presign(&self, key: &str, now: Timestamp) -> Result<(String, Timestamp), PortError> {
        let url = self.store.signed_url(Method::GET, &Path::from(key), URL_LIFETIME).await;
        let url = url.map_err(failed("presign_document"))?;
        let lifetime = SignedDuration::try_from(URL_LIFETIME).unwrap_or(SignedDuration::ZERO);
        Ok((url.into(), now.checked_add(lifetime).unwrap_or(now)))
    }
}

/// The call as a part of whatever trace it is made for. Keys name accounts: they stay out of it.
async fn traced<T>(operation: &'static str, call: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
    let span = tracing::info_span!(
        "call",
        otel.name = format!("s3 {operation}"),
        otel.kind = "client",
        otel.status_code = Empty,
        rpc.system = "s3",
        rpc.method = operation,
    );
    let done = call.instrument(span.clone()).await;
    if done.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    done
}

/// What the library says of a failure can hold whole URLs with signatures: only its kind is kept.
fn failed(operation: &'static str) -> impl Fn(Error) -> PortError {
    move |error| {
        metrics::counter!(ERRORS, "op" => operation).increment(1);
        match error {
            Error::PermissionDenied { .. } => PortError::permanent(operation, "the store denies it"),
            Error::Unauthenticated { .. } => PortError::permanent(operation, "the store refuses the credentials"),
            Error::NotFound { .. } => PortError::transient(operation, "the bucket is not there"),
            error => PortError::transient(operation, Unanswered(root_cause(&error))),
        }
    }
}

/// The store did not answer, or not as a store does.
#[derive(Debug, thiserror::Error)]
#[error("the store does not answer as it should: {0}")]
struct Unanswered(String);

/// What the system or the encryption said at the bottom of a failure: never an address, nor a signature.
fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let mut found = None;
    let mut next = Some(error);
    while let Some(error) = next {
        found = error.downcast_ref::<io::Error>().map(ToString::to_string).or(found);
        next = error.source();
    }
    found.unwrap_or_else(|| "no more is known".to_owned())
}
