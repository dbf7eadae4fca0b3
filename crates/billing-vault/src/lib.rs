//! Secrets from a Vault server's key-value engine, version 2. What a secret is for is decided elsewhere.
//!
//! One read is one bounded request with the token as it is at that moment, so that rotated tokens and secrets are
//! found. Leases and renewal are the sidecar's work.

mod error;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;
use vaultrs::client::{VaultClient, VaultClientSettingsBuilder};
use vaultrs::kv2;

pub use error::VaultError;

/// The whole of one request; a server that has not answered by then is treated as one that is not there.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// A Vault server's key-value engine.
#[derive(Debug)]
pub struct Vault {
    /// `http://host:port` or `https://host:port`.
    pub address: String,
    /// What is presented to it.
    pub token: Token,
    /// Where the engine is mounted.
    pub mount: String,
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

impl Vault {
    /// The text fields of the secret's newest version; `None` when there is no such secret.
    ///
    /// # Errors
    /// [`VaultError`], within five seconds.
    pub async fn read(&self, path: &str) -> Result<Option<BTreeMap<String, String>>, VaultError> {
        let client = self.client().await?;
        let read = kv2::read::<Map<String, Value>>(&client, &self.mount, path);
        let answer = tokio::time::timeout(READ_TIMEOUT, read).await.map_err(|_| VaultError::TimedOut)?;
        let fields = match answer {
            Ok(fields) => fields,
            Err(error) => return VaultError::of(error, &self.mount, path),
        };
        let text = |(field, value)| match value {
            Value::String(text) => Ok((field, text)),
            _ => Err(VaultError::NotText { path: path.to_owned(), field }),
        };
        fields.into_iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    async fn client(&self) -> Result<VaultClient, VaultError> {
        // The client library panics on what is refused here: addresses that are none, tokens that no header can hold.
        let address = Url::parse(&self.address).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        let address = address.ok_or(VaultError::Address)?;
        let settings = VaultClientSettingsBuilder::default()
            .address(address)
            .token(self.token().await?)
            .verify(true)
            .timeout(Some(READ_TIMEOUT))
            .build()
            .map_err(|_| VaultError::Address)?;
        VaultClient::new(settings).map_err(|source| VaultError::Client(source.into()))
    }

    async fn token(&self) -> Result<String, VaultError> {
        let text = match &self.token {
            Token::Value(token) => token.clone(),
            Token::File(path) => tokio::fs::read_to_string(path)
                .await
                .map_err(|source| VaultError::TokenFile { path: path.clone(), source })?,
        };
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(VaultError::Token);
        }
        Ok(token.to_owned())
    }
}
