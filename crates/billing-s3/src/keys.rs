//! Whose requests these are: the keys as they are at each request.
//!
//! Keys that the store refuses are said so to whoever follows them, and newer ones are waited for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AwsCredential;
use object_store::{CredentialProvider, Error};
use tokio::sync::{mpsc, watch};

/// For newer keys, when those there are were refused.
const NEWER_KEYS_TIME_MAX: Duration = Duration::from_secs(4);

/// Who asks. The secret is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Credentials {
    /// Names the key.
    pub access_key: String,
    /// Secret.
    pub secret_key: String,
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Credentials").field("access_key", &"***").field("secret_key", &"***").finish()
    }
}

/// Who asks now. Clones share it.
#[derive(Clone)]
pub struct S3Keys {
    current: watch::Receiver<Option<S3Credentials>>,
    refused: Option<mpsc::Sender<S3Credentials>>,
}

impl S3Keys {
    /// As `current` says, which is `None` while they are not known; `refused` is told of keys that the store refuses.
    #[must_use]
    pub fn following(current: watch::Receiver<Option<S3Credentials>>, refused: mpsc::Sender<S3Credentials>) -> Self {
        Self { current, refused: Some(refused) }
    }

    /// What a request is about to be signed with.
    pub(crate) fn used(&self) -> Used {
        let mut current = self.current.clone();
        let keys = current.borrow_and_update().clone();
        Used { keys, current }
    }

    /// Whether a request failed for its keys, and newer ones came within seconds.
    pub(crate) async fn are_replaced(&self, failure: Option<&Error>, used: Used) -> bool {
        let is_refusal = matches!(failure, Some(Error::PermissionDenied { .. } | Error::Unauthenticated { .. }));
        let Used { keys: Some(keys), mut current } = used else { return false };
        let Some(refused) = self.refused.as_ref().filter(|_| is_refusal) else { return false };
        // A full queue holds the same word already.
        let _told = refused.try_send(keys);
        matches!(tokio::time::timeout(NEWER_KEYS_TIME_MAX, current.changed()).await, Ok(Ok(())))
    }
}

/// The keys of one request.
pub(crate) struct Used {
    keys: Option<S3Credentials>,
    current: watch::Receiver<Option<S3Credentials>>,
}

/// Always the same ones.
impl From<&S3Credentials> for S3Keys {
    fn from(keys: &S3Credentials) -> Self {
        Self { current: watch::channel(Some(keys.clone())).1, refused: None }
    }
}

impl fmt::Debug for S3Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[async_trait::async_trait]
impl CredentialProvider for S3Keys {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> Result<Arc<AwsCredential>, Error> {
        let Some(keys) = self.current.borrow().clone() else {
            return Err(Error::Generic { store: "S3", source: "the keys are not known yet".into() });
        };
        Ok(Arc::new(AwsCredential { key_id: keys.access_key, secret_key: keys.secret_key, token: None }))
    }
}
