//! Why a secret cannot be had, in words for who must mend it.

use std::io;
use std::path::PathBuf;

use billing_vault::VaultError;

use crate::SecretError;

/// A secret cannot be had. Never holds one.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// There is no secret of that name.
    #[error("no secret {name} in {source_name}")]
    Missing {
        /// Of the secret.
        name: String,
        /// Where it was looked for.
        source_name: String,
    },
    /// It lacks a field.
    #[error("the secret {name} has no field {field}")]
    FieldMissing {
        /// Of the secret.
        name: String,
        /// The field.
        field: &'static str,
    },
    /// A field holds nothing that can be used.
    #[error("the field {field} of the secret {name} cannot be used")]
    Unusable {
        /// Of the secret.
        name: String,
        /// The field.
        field: &'static str,
        /// Why.
        #[source]
        source: SecretError,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Of the secret.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is no JSON object of texts.
    #[error("{} is not a JSON object of texts", .0.display())]
    NotAnObject(PathBuf),
    /// Vault did not give it.
    #[error("cannot read the secret {name}")]
    Vault {
        /// Of the secret.
        name: String,
        /// Why.
        #[source]
        source: VaultError,
    },
}

impl CredentialsError {
    /// Whether it may pass by itself within moments: Vault is sealed, starting, or cannot be reached.
    pub(crate) fn may_pass(&self) -> bool {
        let Self::Vault { source, .. } = self else { return false };
        match source {
            VaultError::Sealed | VaultError::Unreachable(_) | VaultError::TimedOut => true,
            VaultError::Status { code, .. } => *code >= 500,
            _ => false,
        }
    }
}
