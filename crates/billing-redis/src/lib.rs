//! The price book's snapshot in a Redis Cluster, so that pods that start together do not all ask the database.
//!
//! Nothing is decided here and nothing depends on it: an answer is used only if it has the hash that the store
//! recorded, and every failure is counted and then treated as "not there".

mod client;
mod snapshot;

use std::time::Duration;

use billing_domain::PriceBook;
use billing_domain::ports::{PortError, PriceBookCache, Snapshot};
use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::KeysInterface as _;
use fred::types::Expiration;
use rustls::ClientConfig;
use sha2::{Digest as _, Sha256};
use tracing::Instrument as _;
use tracing::field::Empty;

pub use client::RedisUrlError;
pub use snapshot::SnapshotError;

/// What every key of the service begins with.
pub const KEY_PREFIX: &str = "billing:pricing:";

/// Counts what went wrong, by `op`, one of [`ERROR_OPS`].
pub const ERRORS_METRIC: &str = "billing_redis_errors_total";

/// The values of [`ERRORS_METRIC`]'s label: asking failed; offering failed; bytes with another hash than the store's;
/// bytes of the right hash that cannot be understood; a book too large for the cache.
pub const ERROR_OPS: [&str; 5] = ["fetch", "publish", "poisoned", "unreadable", "oversized"];

/// The whole of one command.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(250);
/// A larger snapshot is neither offered nor read: about 250,000 prices.
const SNAPSHOT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// From publication. A version that is still current then is read from the database, and published anew.
const TTL_SECONDS: i64 = 24 * 60 * 60;

/// The cache. Clones share one client.
#[derive(Clone)]
pub struct RedisCache {
    client: Client,
    key_prefix: String,
}

impl RedisCache {
    /// A cache on the cluster that these nodes belong to (`redis://[user:password@]host:port`, `rediss` for TLS; user and
    /// password of the first hold for all; `tls` says whose certificates are trusted). Returns at once; the connection is made, and made again, in the background.
    /// Keys begin with [`KEY_PREFIX`] except in tests.
    ///
    /// # Errors
    /// [`RedisUrlError`]. Must be called within a Tokio runtime.
    pub fn connect(urls: &[String], key_prefix: &str, tls: ClientConfig) -> Result<Self, RedisUrlError> {
        Ok(Self { client: client::start(urls, COMMAND_TIMEOUT, tls)?, key_prefix: key_prefix.to_owned() })
    }

    fn key(&self, version: i64) -> String {
        format!("{}snapshot:{version}", self.key_prefix)
    }
}

impl PriceBookCache for RedisCache {
    async fn fetch(&self, version: i64, sha256: [u8; 32]) -> Result<Option<PriceBook>, PortError> {
        // A range, so that no value, however large, is read beyond the limit. A missing key is an empty range.
        let read = self.client.getrange::<Bytes, _>(self.key(version), 0, SNAPSHOT_BYTES_MAX);
        let bytes = bounded("fetch", read).await.map_err(|error| failed("fetch", error))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if <[u8; 32]>::from(Sha256::digest(&bytes)) != sha256 {
            count("poisoned");
            tracing::warn!(version, "the cache holds another snapshot than the one recorded; it is ignored");
            return Ok(None);
        }
        snapshot::decode(&bytes, version).map(Some).map_err(|error| failed("unreadable", error))
    }

    fn snapshot(&self, book: &PriceBook) -> Result<Snapshot, PortError> {
        let bytes = snapshot::encode(book).map_err(|error| PortError::permanent("redis.snapshot", error))?;
        Ok(Snapshot { version: book.version(), sha256: Sha256::digest(&bytes).into(), bytes })
    }

    async fn publish(&self, snapshot: &Snapshot) -> Result<(), PortError> {
        if snapshot.bytes.len() > SNAPSHOT_BYTES_MAX {
            return Err(failed("oversized", SnapshotError::TooLarge));
        }
        let value = Bytes::copy_from_slice(&snapshot.bytes);
        let expiry = Some(Expiration::EX(TTL_SECONDS));
        let write = self.client.set::<(), _, _>(self.key(snapshot.version), value, expiry, None, false);
        bounded("publish", write).await.map_err(|error| failed("publish", error))
    }
}

/// The client bounds its commands too, but not the way of a command into its queue.
async fn bounded<T>(
    op: &'static str,
    command: impl Future<Output = Result<T, fred::error::Error>>,
) -> Result<T, fred::error::Error> {
    let span = tracing::info_span!(
        "command",
        otel.name = format!("redis {op}"),
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = "redis",
        db.operation.name = op,
    );
    let timed_out = |_| fred::error::Error::new(fred::error::ErrorKind::Timeout, "no answer in time");
    let done = tokio::time::timeout(COMMAND_TIMEOUT, command).instrument(span.clone()).await.map_err(timed_out);
    let done = done.and_then(|answered| answered);
    if done.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    done
}

fn failed(op: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> PortError {
    count(op);
    tracing::warn!(op, %error, "the price cache is of no help");
    PortError::transient(op, error)
}

fn count(op: &'static str) {
    metrics::counter!(ERRORS_METRIC, "op" => op).increment(1);
}
