//! Why a secret was not given, in words for who must mend it. Never holds the token or a secret.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::PathBuf;

use rustify::errors::ClientError as RestError;
use vaultrs::error::ClientError;

/// A secret cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The address is no http(s) URL.
    #[error("the address of Vault is not http://host:port or https://host:port")]
    Address,
    /// The token is empty or no header can hold it.
    #[error("the token for Vault is empty or holds characters that no token has")]
    Token,
    /// The token's file cannot be read.
    #[error("cannot read the token for Vault from {}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The client cannot be set up: certificates, usually.
    #[error("the client for Vault cannot be set up")]
    Client(#[source] Box<dyn Error + Send + Sync>),
    /// Nobody has unsealed it since it started.
    #[error("Vault is sealed: unseal it, then start again")]
    Sealed,
    /// The token is unknown, expired, or its policy does not allow it.
    #[error("Vault does not let this token read {path}")]
    Forbidden {
        /// Mount and path.
        path: String,
    },
    /// No connection, or it broke.
    #[error("Vault cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// No answer in time.
    #[error("Vault has not answered within 5 s")]
    TimedOut,
    /// A field is a number, list or object.
    #[error("the field {field} of {path} is not text")]
    NotText {
        /// Of the secret.
        path: String,
        /// The field.
        field: String,
    },
    /// Another status.
    #[error("Vault answered {code} for {path}")]
    Status {
        /// The HTTP status.
        code: u16,
        /// Mount and path.
        path: String,
    },
    /// An answer that cannot be understood.
    #[error("Vault's answer for {path} is not that of a key-value engine, version 2")]
    Answer {
        /// Mount and path.
        path: String,
    },
}

impl VaultError {
    /// What a failed read means; that there is no such secret is not an error.
    pub(crate) fn of(error: ClientError, mount: &str, path: &str) -> Result<Option<BTreeMap<String, String>>, Self> {
        let path = format!("{mount}/{path}");
        let code = match error {
            ClientError::APIError { code, .. } => code,
            ClientError::RestClientError { source } => match source {
                RestError::ServerResponseError { code, .. } => code,
                lost @ (RestError::RequestError { .. } | RestError::ResponseError { .. }) => {
                    return Err(Self::Unreachable(lost.into()));
                }
                // Its text could quote the answer, and with it a secret.
                _ => return Err(Self::Answer { path }),
            },
            _ => return Err(Self::Answer { path }),
        };
        match code {
            404 => Ok(None),
            401 | 403 => Err(Self::Forbidden { path }),
            501 | 503 => Err(Self::Sealed),
            code => Err(Self::Status { code, path }),
        }
    }
}
