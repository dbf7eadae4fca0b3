//! One request, bounded in time. The client library knows no leases, so the answer is read here.

use std::time::Duration;

use rustify::endpoint::Endpoint;
use rustify::enums::{RequestMethod, RequestType, ResponseType};
use serde::Deserialize;
use serde_json::Value;
use vaultrs::api::exec_with_no_result;
use vaultrs::client::VaultClient;

use crate::{Auth, Vault, VaultError};

/// The whole of one request; a server that has not answered by then is treated as one that is not there.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// What is asked of the API.
pub(crate) struct Request {
    path: String,
    body: Option<Vec<u8>>,
}

/// What every engine answers with.
#[derive(Deserialize)]
pub(crate) struct Answer {
    #[serde(default)]
    pub(crate) lease_id: String,
    /// Seconds.
    #[serde(default)]
    pub(crate) lease_duration: u64,
    #[serde(default)]
    pub(crate) renewable: bool,
    #[serde(default)]
    pub(crate) data: Value,
    /// Of a token that was renewed.
    pub(crate) auth: Option<Granted>,
}

/// For how long a token is good.
#[derive(Deserialize)]
pub(crate) struct Granted {
    /// Seconds.
    pub(crate) lease_duration: u64,
}

impl Request {
    pub(crate) fn read(path: &str) -> Self {
        Self { path: path.to_owned(), body: None }
    }

    pub(crate) fn write(path: &str, body: &Value) -> Self {
        Self { path: path.to_owned(), body: Some(body.to_string().into_bytes()) }
    }
}

impl Endpoint for Request {
    type Response = Answer;
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        self.path.clone()
    }

    fn method(&self) -> RequestMethod {
        if self.body.is_some() { RequestMethod::PUT } else { RequestMethod::GET }
    }

    fn body(&self) -> Result<Option<Vec<u8>>, rustify::errors::ClientError> {
        Ok(self.body.clone())
    }
}

pub(crate) async fn send(client: &VaultClient, request: Request) -> Result<Answer, VaultError> {
    let path = request.path.clone();
    let answer = tokio::time::timeout(TIMEOUT, exec_with_no_result(client, request)).await;
    answer.map_err(|_| VaultError::TimedOut)?.map_err(|error| VaultError::of(error, path))
}

impl Vault {
    pub(crate) async fn ask(&self, client: &VaultClient, request: Request) -> Result<Answer, VaultError> {
        let answer = send(client, request).await;
        if let (Err(VaultError::Forbidden { .. }), Auth::Kubernetes { .. }) = (&answer, &self.auth) {
            // The token may have been revoked: the next attempt logs in anew.
            *self.session.lock().await = None;
        }
        answer
    }
}
