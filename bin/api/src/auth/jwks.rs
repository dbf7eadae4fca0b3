//! The issuer's keys, kept fresh: from a file or over HTTP, every five minutes and, for keys not seen before, at most once
//! in 30 seconds; few may wait for that. A refresh that fails keeps the last good keys. What a key is good for is decided
//! elsewhere.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use billing_runtime::Backoff;
use jiff::{SignedDuration, Timestamp};
use rustls::ClientConfig;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{Mutex, Semaphore, watch};

use super::keys::KeySet;

const REFRESH_EVERY: Duration = Duration::from_secs(300);
const REFRESH_FOR_UNKNOWN: SignedDuration = SignedDuration::from_secs(30);
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
const FETCH_TIME_MAX: Duration = Duration::from_secs(5);
/// Callers who may wait for a key that is not known: who has no token at all could be any number of them.
const WAITING_MAX: usize = 16;
/// Bytes.
const DOCUMENT_MAX: u64 = 256 * 1024;

/// Where the keys come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum JwksSource {
    /// A file, read again at each refresh.
    File(PathBuf),
    /// An `http://` or `https://` address. Redirects are not followed.
    Url(String),
}

/// Why keys could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JwksError {
    /// The HTTP client could not be made.
    #[error("the HTTP client for the token keys cannot be set up")]
    Client(#[source] reqwest::Error),
    /// The file cannot be read.
    #[error("the file of the token keys cannot be read")]
    File(#[source] io::Error),
    /// The address does not answer.
    #[error("the token keys cannot be fetched")]
    Fetch(#[source] reqwest::Error),
    /// More bytes than any key set has.
    #[error("the document of the token keys has more than {DOCUMENT_MAX} bytes")]
    TooLarge,
    /// Something else than a key set.
    #[error("the document of the token keys is no JSON Web Key Set with an RS256, ES256 or EdDSA key")]
    NoKeys,
}

/// The keys of one issuer.
pub(crate) struct Jwks {
    source: JwksSource,
    http: reqwest::Client,
    keys: watch::Sender<Arc<KeySet>>,
    asked_for_unknown: Mutex<Option<Timestamp>>,
    waiting: Semaphore,
}

impl Jwks {
    /// Without keys yet.
    ///
    /// # Errors
    /// [`JwksError::Client`].
    pub(crate) fn new(source: JwksSource, tls: ClientConfig) -> Result<Self, JwksError> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(FETCH_TIME_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(JwksError::Client)?;
        let keys = watch::Sender::new(Arc::new(KeySet::default()));
        Ok(Self { source, http, keys, asked_for_unknown: Mutex::new(None), waiting: Semaphore::new(WAITING_MAX) })
    }

    /// The last good keys; empty until the first.
    pub(crate) fn keys(&self) -> Arc<KeySet> {
        self.keys.borrow().clone()
    }

    /// Reads the keys again and replaces them when they are good.
    ///
    /// # Errors
    /// [`JwksError`]; the keys stay as they were.
    pub(crate) async fn refresh(&self) -> Result<(), JwksError> {
        let document = match &self.source {
            JwksSource::File(path) => tokio::time::timeout(FETCH_TIME_MAX, read(path))
                .await
                .map_err(|_| JwksError::File(io::ErrorKind::TimedOut.into()))??,
            JwksSource::Url(url) => self.fetch(url).await?,
        };
        let keys = KeySet::parse(&document).ok_or(JwksError::NoKeys)?;
        self.keys.send_replace(Arc::new(keys));
        Ok(())
    }

    /// Refreshes for a key that is not known, unless that was done within the last 30 seconds. Whoever asks meanwhile
    /// waits for the same refresh, if not too many do, and a caller that leaves does not break it off.
    pub(crate) async fn refresh_for_unknown(self: &Arc<Self>, now: Timestamp) {
        let Ok(_place) = self.waiting.try_acquire() else { return };
        let this = Arc::clone(self);
        let refresh = tokio::spawn(async move {
            let mut asked = this.asked_for_unknown.lock().await;
            if asked.is_none_or(|at| now.duration_since(at).abs() >= REFRESH_FOR_UNKNOWN) {
                *asked = Some(now);
                this.refresh_or_warn().await;
            }
        });
        if refresh.await.is_err() {
            tracing::error!("the refresh of the token keys broke off");
        }
    }

    /// Refreshes for ever, so that keys which the issuer has withdrawn stop being accepted.
    pub(crate) async fn keep_fresh(self: Arc<Self>) {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        loop {
            // Without keys nobody is let in: an issuer that is back is not left waiting.
            let wait = if self.keys().is_empty() { backoff.next_wait() } else { REFRESH_EVERY };
            tokio::time::sleep(wait).await;
            self.refresh_or_warn().await;
        }
    }

    async fn refresh_or_warn(&self) {
        if let Err(error) = self.refresh().await {
            tracing::warn!(error = billing_runtime::chain(&error), "the token keys stay as they were");
        }
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, JwksError> {
        let fetching = |error: reqwest::Error| JwksError::Fetch(error.without_url());
        let answer = self.http.get(url).send().await.and_then(reqwest::Response::error_for_status);
        let mut answer = answer.map_err(fetching)?;
        let mut document = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(fetching)? {
            document.extend_from_slice(&chunk);
            if u64::try_from(document.len()).unwrap_or(u64::MAX) > DOCUMENT_MAX {
                return Err(JwksError::TooLarge);
            }
        }
        Ok(document)
    }
}

async fn read(path: &PathBuf) -> Result<Vec<u8>, JwksError> {
    let mut document = Vec::new();
    let file = tokio::fs::File::open(path).await.map_err(JwksError::File)?;
    file.take(DOCUMENT_MAX + 1).read_to_end(&mut document).await.map_err(JwksError::File)?;
    if u64::try_from(document.len()).unwrap_or(u64::MAX) > DOCUMENT_MAX {
        return Err(JwksError::TooLarge);
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use billing_testing::certificates::{self, Authority, trusting_nobody};
    use futures::FutureExt as _;

    use super::*;

    const GOOD: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","alg":"EdDSA","use":"sig",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    /// Answers each request by its path, until the test ends.
    fn serve() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let good = format!("{address}/good");
        std::thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let mut head = [0; 2_048];
                let read = connection.read(&mut head).unwrap_or_default();
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let (status, location, body) = match head.split(' ').nth(1).unwrap_or_default() {
                    "/good" => ("200 OK", "", GOOD.to_owned()),
                    "/moved" => ("302 Found", good.as_str(), String::new()),
                    "/broken" => ("500 Oops", "", GOOD.to_owned()),
                    "/large" => ("200 OK", "", " ".repeat(300 * 1_024)),
                    "/empty" => ("200 OK", "", r#"{"keys":[]}"#.to_owned()),
                    _ => ("200 OK", "", "<html>".to_owned()),
                };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nlocation: {location}\r\nconnection: close\r\n\r\n{body}"
                );
                let _left_early = connection.write_all(answer.as_bytes());
            }
        });
        address
    }

    #[tokio::test]
    async fn an_issuer_of_the_platforms_own_authority_is_trusted_and_no_other() {
        let authority = Authority::new();
        let (address, _answered) = certificates::serve(&authority.sign(&["localhost"]), GOOD);
        for (tls, is_trusted) in
            [(trusting_nobody(), false), (Authority::new().client(), false), (authority.client(), true)]
        {
            let jwks = Jwks::new(JwksSource::Url(address.clone()), tls).unwrap();
            let refreshed = jwks.refresh().await;
            assert_eq!(refreshed.is_ok(), is_trusted, "{refreshed:?}");
            assert_eq!(jwks.keys().is_empty(), !is_trusted);
        }
    }

    #[tokio::test]
    async fn only_a_whole_key_set_replaces_the_last_good_one() {
        let address = serve();
        let jwks = |source| Jwks { source, ..Jwks::new(JwksSource::File(PathBuf::new()), trusting_nobody()).unwrap() };
        for (path, expected) in [
            ("good", None),
            ("moved", Some("the document of the token keys is no JSON Web Key Set")),
            ("broken", Some("the token keys cannot be fetched")),
            ("large", Some("the document of the token keys has more than 262144 bytes")),
            ("empty", Some("the document of the token keys is no JSON Web Key Set")),
            ("garbage", Some("the document of the token keys is no JSON Web Key Set")),
        ] {
            let mut jwks = jwks(JwksSource::Url(format!("{address}/good")));
            jwks.refresh().await.unwrap();
            jwks.source = JwksSource::Url(format!("{address}/{path}"));
            match (jwks.refresh().await, expected) {
                (Ok(()), None) => {}
                (Err(error), Some(told)) => {
                    let error = billing_runtime::chain(&error);
                    assert!(error.contains(told) && !error.contains(path), "{path}: {error}");
                }
                (outcome, _) => panic!("{path}: {outcome:?}"),
            }
            assert!(!jwks.keys().is_empty(), "{path}");
        }
        let nowhere = jwks(JwksSource::File("/nowhere/jwks.json".into()));
        assert!(matches!(nowhere.refresh().await, Err(JwksError::File(_))));
    }

    /// An issuer that takes connections and says nothing, which tells how many are waiting: none but one connection is made.
    #[tokio::test]
    async fn of_many_with_an_unknown_key_few_wait_for_a_silent_issuer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let jwks = Arc::new(Jwks::new(JwksSource::Url(address), trusting_nobody()).unwrap());
        let now = Timestamp::UNIX_EPOCH;
        let mut asking: Vec<_> = (0..100).map(|_| Box::pin(jwks.refresh_for_unknown(now))).collect();
        // Each is asked once: who does not wait is done.
        let waiting = asking.iter_mut().filter_map(|one| one.now_or_never().is_none().then_some(())).count();
        assert_eq!(waiting, WAITING_MAX);
        drop(asking);
        let mut after = Box::pin(jwks.refresh_for_unknown(now));
        assert!(after.as_mut().now_or_never().is_none(), "a place is free again when its caller has left");
    }
}
