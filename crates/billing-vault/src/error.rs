//! Why a secret was not given, in words for who must mend it. Never holds the token or a secret.

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
    #[error("Vault is sealed: unseal it")]
    Sealed,
    /// The pod's service account may not log in as this role.
    #[error("Vault refuses to let this pod log in as {role} by auth/{mount}")]
    LoginRefused {
        /// Of the method.
        mount: String,
        /// Vault's role.
        role: String,
    },
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
    #[error("Vault's answer for {path} is not a secret")]
    Answer {
        /// Mount and path.
        path: String,
    },
}

impl VaultError {
    /// What a failed request means.
    pub(crate) fn of(error: ClientError, path: String) -> Self {
        match status_of(error) {
            Failed::Status(401 | 403) => Self::Forbidden { path },
            Failed::Status(501 | 503) => Self::Sealed,
            Failed::Status(code) => Self::Status { code, path },
            Failed::Lost(lost) => Self::Unreachable(lost),
            Failed::Garbled => Self::Answer { path },
        }
    }

    /// What a failed login means.
    pub(crate) fn of_login(error: ClientError, mount: &str, role: &str) -> Self {
        match Self::of(error, format!("auth/{mount}/login")) {
            Self::Forbidden { .. } | Self::Status { code: 400, .. } => {
                Self::LoginRefused { mount: mount.to_owned(), role: role.to_owned() }
            }
            other => other,
        }
    }
}

enum Failed {
    Status(u16),
    Lost(Box<dyn Error + Send + Sync>),
    /// Its text could quote the answer, and with it a secret.
    Garbled,
}

fn status_of(error: ClientError) -> Failed {
    match error {
        ClientError::APIError { code, .. } => Failed::Status(code),
        ClientError::RestClientError { source } => match source {
            RestError::ServerResponseError { code, .. } => Failed::Status(code),
            lost @ (RestError::RequestError { .. } | RestError::ResponseError { .. }) => Failed::Lost(lost.into()),
            _ => Failed::Garbled,
        },
        _ => Failed::Garbled,
    }
}
