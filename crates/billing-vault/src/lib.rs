//! Secrets of a Vault server, of its key-value engine (version 2) or of one that makes them and leases them. What a
//! secret is for, and when it is read anew, is decided elsewhere.
//!
//! Every call is a few bounded requests with the token as it is at that moment, so that rotated tokens are found.

mod error;
mod identity;
mod request;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Mutex;

pub use error::VaultError;
pub use identity::{Auth, Token};
use identity::{Holder, Session};
use request::{Answer, Request};

/// What is granted may be this much less than what was asked for: Vault counts in whole seconds.
const TRUNCATED: Duration = Duration::from_secs(1);

/// A Vault server, or the agent before it.
pub struct Vault {
    address: String,
    auth: Auth,
    ca_file: Option<PathBuf>,
    session: Mutex<Option<Session>>,
}

/// A secret as it was read.
pub struct Reading {
    /// Its texts; secret.
    pub fields: BTreeMap<String, String>,
    /// For how long it is good; `None` when it is until somebody changes it.
    pub lease: Option<Lease>,
}

/// What Vault has promised of a secret that it made for us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    id: String,
    /// What each renewal asks for: what was granted at first.
    term: Duration,
    renewable: bool,
    /// Of the token that it was made for, and with which it ends.
    holder_made_at: Option<u64>,
    /// How long the secret is good from now on, unless it is renewed.
    pub valid_for: Duration,
}

impl Vault {
    /// `http://host:port` or `https://host:port`; connects when it is asked something.
    #[must_use]
    pub fn new(address: String, auth: Auth) -> Self {
        Self { address, auth, ca_file: None, session: Mutex::default() }
    }

    /// Trusts the authorities of this file, in PEM, beside the machine's.
    #[must_use]
    pub fn trusting(self, ca_file: Option<PathBuf>) -> Self {
        Self { ca_file, ..self }
    }

    /// What lies at a path of the API, such as `secret/data/billing/s3` or `database/creds/billing-api`; `None` when
    /// there is nothing.
    ///
    /// # Errors
    /// [`VaultError`], within seconds.
    pub async fn read(&self, path: &str) -> Result<Option<Reading>, VaultError> {
        let client = self.client().await?;
        // Before the secret, so that none is made for nothing when this fails.
        let holder = self.holder(&client).await?;
        let answer = match self.ask(&client, Request::read(path)).await {
            Err(VaultError::Status { code: 404, .. }) => return Ok(None),
            answer => answer?,
        };
        let lease = (!answer.lease_id.is_empty()).then(|| {
            let term = Duration::from_secs(answer.lease_duration);
            let valid_for = holder.bound(term);
            let renewable = answer.renewable;
            Lease { id: answer.lease_id.clone(), term, renewable, holder_made_at: holder.made_at, valid_for }
        });
        Ok(Some(Reading { fields: texts(answer, path)?, lease }))
    }

    /// The lease as it is after it was asked to last as long again; `None` when it will not: read the secret anew.
    ///
    /// # Errors
    /// [`VaultError`] when Vault could not be asked.
    pub async fn renew(&self, lease: &Lease) -> Result<Option<Lease>, VaultError> {
        if !lease.renewable {
            return Ok(None);
        }
        let client = self.client().await?;
        let holder = self.holder(&client).await?;
        if holder.made_at != lease.holder_made_at {
            return Ok(None);
        }
        let body = json!({"lease_id": lease.id, "increment": lease.term.as_secs()});
        match self.ask(&client, Request::write("sys/leases/renew", &body)).await {
            Ok(answer) => {
                let granted = Duration::from_secs(answer.lease_duration);
                let valid_for = holder.bound(granted);
                Ok((granted + TRUNCATED >= lease.term).then(|| Lease { valid_for, ..lease.clone() }))
            }
            // The lease is gone, or the policy does not allow it.
            Err(VaultError::Status { code: 400 | 404, .. } | VaultError::Forbidden { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn holder(&self, client: &vaultrs::client::VaultClient) -> Result<Holder, VaultError> {
        match self.ask(client, Request::read("auth/token/lookup-self")).await {
            Ok(answer) => Ok(Holder::of(&answer.data)),
            // A policy may forbid to ask. What the token itself may, the next request tells.
            Err(VaultError::Forbidden { .. } | VaultError::Status { .. }) => Ok(Holder::default()),
            Err(error) => Err(error),
        }
    }
}

/// The key-value engine wraps what it holds together with what it knows of it.
fn texts(answer: Answer, path: &str) -> Result<BTreeMap<String, String>, VaultError> {
    let not_a_secret = || VaultError::Answer { path: path.to_owned() };
    let Value::Object(mut data) = answer.data else { return Err(not_a_secret()) };
    if data.contains_key("metadata")
        && let Some(Value::Object(inner)) = data.remove("data")
    {
        data = inner;
    }
    let text = |(field, value)| match value {
        Value::String(text) => Ok((field, text)),
        _ => Err(VaultError::NotText { path: path.to_owned(), field }),
    };
    data.into_iter().map(text).collect()
}
