//! As whom Vault is asked: with no token of our own, with one that somebody else looks after, or with one that a login
//! by the pod's service account gives and that is looked after here.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use url::Url;
use vaultrs::api::AuthInfo;
use vaultrs::auth::kubernetes;
use vaultrs::client::{VaultClient, VaultClientSettingsBuilder};

use crate::request::{self, Request, TIMEOUT};
use crate::{TRUNCATED, Vault, VaultError};

/// What is presented to Vault.
#[derive(Debug)]
pub enum Auth {
    /// Nothing: the address is that of an agent, which presents its own token.
    Agent,
    /// A token.
    Token(Token),
    /// The token that a login by Kubernetes' token of the pod gives. Renewed at two thirds of its time, and replaced by
    /// that of a new login when it can be renewed no longer.
    Kubernetes {
        /// Where the method is mounted.
        mount: String,
        /// Vault's role.
        role: String,
        /// The file with Kubernetes' token, read at each login.
        jwt: PathBuf,
    },
}

/// A token, or where to find it. `Debug` does not show it.
pub enum Token {
    /// Itself.
    Value(String),
    /// A file that holds it and may be written anew at any time.
    File(PathBuf),
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("***"),
            Self::File(path) => path.fmt(f),
        }
    }
}

/// A login.
pub(crate) struct Session {
    token: String,
    /// Zero: for ever.
    ttl: Duration,
    renewed: Instant,
}

impl Session {
    fn of(login: AuthInfo) -> Self {
        let ttl = Duration::from_secs(login.lease_duration);
        Self { token: login.client_token, ttl, renewed: Instant::now() }
    }

    fn is_good(&self) -> bool {
        self.ttl.is_zero() || self.renewed.elapsed() < self.ttl
    }

    fn is_fresh(&self) -> bool {
        self.ttl.is_zero() || self.renewed.elapsed() < self.ttl * 2 / 3
    }
}

/// Whose token it is that is presented, and how long it lives: what was leased with it ends with it.
#[derive(Default)]
pub(crate) struct Holder {
    /// When it was made, which tells it from the next. Its accessor would, too, but agents keep that to themselves.
    pub(crate) made_at: Option<u64>,
    ttl: Option<Duration>,
}

impl Holder {
    pub(crate) fn of(data: &Value) -> Self {
        let made_at = data.get("creation_time").and_then(Value::as_u64);
        // One without an end has no such time; that of others is 0 in their last second.
        let ends = data.get("expire_time").is_some_and(|time| !time.is_null());
        let ttl = data.get("ttl").and_then(Value::as_u64).filter(|_| ends).map(Duration::from_secs);
        Self { made_at, ttl }
    }

    pub(crate) fn bound(&self, lease: Duration) -> Duration {
        self.ttl.map_or(lease, |ttl| ttl.min(lease))
    }
}

impl Vault {
    /// A client that presents what there is to present now.
    pub(crate) async fn client(&self) -> Result<VaultClient, VaultError> {
        match &self.auth {
            Auth::Agent => self.client_with(String::new()),
            Auth::Token(Token::Value(token)) => self.client_with(presentable(token)?),
            Auth::Token(Token::File(path)) => self.client_with(read(path).await?),
            Auth::Kubernetes { mount, role, jwt } => self.logged_in(mount, role, jwt).await,
        }
    }

    fn client_with(&self, token: String) -> Result<VaultClient, VaultError> {
        // The client library panics on what is refused here: addresses that are none, tokens that no header can hold.
        let address = Url::parse(&self.address).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        let address = address.ok_or(VaultError::Address)?;
        let settings = VaultClientSettingsBuilder::default()
            .address(address)
            .token(token)
            .verify(true)
            .ca_certs(self.ca_file.iter().map(|path| path.display().to_string()).collect::<Vec<_>>())
            .timeout(Some(TIMEOUT))
            .build()
            .map_err(|_| VaultError::Address)?;
        VaultClient::new(settings).map_err(|source| VaultError::Client(source.into()))
    }

    async fn logged_in(&self, mount: &str, role: &str, jwt: &Path) -> Result<VaultClient, VaultError> {
        let mut session = self.session.lock().await;
        if let Some(known) = session.as_mut().filter(|known| known.is_good()) {
            let client = self.client_with(known.token.clone())?;
            if known.is_fresh() {
                return Ok(client);
            }
            // By hand: the client library's own call has a mistake in its path.
            let renewal = Request::write("auth/token/renew-self", &json!({}));
            if let Ok(Some(granted)) = request::send(&client, renewal).await.map(|answer| answer.auth)
                && Duration::from_secs(granted.lease_duration) + TRUNCATED >= known.ttl
            {
                known.renewed = Instant::now();
                return Ok(client);
            }
        }
        let login = self.log_in(mount, role, jwt).await;
        if let (Err(_), Some(known)) = (&login, session.as_ref().filter(|known| known.is_good())) {
            // What is left of the old one's time is time for the next attempt.
            return self.client_with(known.token.clone());
        }
        let login = session.insert(Session::of(login?));
        self.client_with(login.token.clone())
    }

    async fn log_in(&self, mount: &str, role: &str, jwt: &Path) -> Result<AuthInfo, VaultError> {
        let jwt = read(jwt).await?;
        let client = self.client_with(String::new())?;
        let login = tokio::time::timeout(TIMEOUT, kubernetes::login(&client, mount, role, &jwt)).await;
        match login.map_err(|_| VaultError::TimedOut)? {
            Ok(login) if !login.client_token.is_empty() => Ok(login),
            Ok(_) => Err(VaultError::LoginRefused { mount: mount.to_owned(), role: role.to_owned() }),
            Err(error) => Err(VaultError::of_login(error, mount, role)),
        }
    }
}

async fn read(path: &Path) -> Result<String, VaultError> {
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|source| VaultError::TokenFile { path: path.to_owned(), source })?;
    presentable(&text)
}

fn presentable(text: &str) -> Result<String, VaultError> {
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(VaultError::Token);
    }
    Ok(token.to_owned())
}
