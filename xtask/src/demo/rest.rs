//! The service's REST interface as its users have it: a token for each of them, JSON, and problems told in full.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::cast::Account;
use crate::stack::{self, ServiceInfo};

/// How long a token is good.
const TOKEN: Duration = Duration::from_secs(2 * 60 * 60);
const TIMEOUT: Duration = Duration::from_secs(30);

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) enum Who<'a> {
    /// A customer's own people: `billing:read`.
    Customer(&'a Account),
    /// Staff who set prices.
    BillingAdmin,
    /// Staff who void invoices and see every account.
    Finance,
}

/// A client of the service.
pub(crate) struct Rest {
    http: reqwest::Client,
    dir: PathBuf,
    service: ServiceInfo,
}

impl Rest {
    /// Of the stack in `dir`.
    pub(crate) fn new(dir: PathBuf, service: ServiceInfo) -> Result<Self> {
        let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(TIMEOUT);
        Ok(Self { http: builder.build().context("cannot make an HTTP client")?, dir, service })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.service.api_url
    }

    /// A token, as the platform's own issuer would give it.
    pub(crate) fn token(&self, who: Who<'_>) -> Result<String> {
        let now = Timestamp::now().as_second();
        let expires = now + i64::try_from(TOKEN.as_secs()).unwrap_or_default();
        let (subject, scope, role) = match who {
            Who::Customer(_) => ("demo-customer", "billing:read", "account.viewer"),
            Who::BillingAdmin => ("demo-billing-admin", "billing:read billing:admin", "platform.billing_admin"),
            Who::Finance => ("demo-finance", "billing:read platform.finance", "platform.finance"),
        };
        let mut claims = json!({
            "iss": self.service.issuer, "aud": self.service.audience, "sub": subject, "iat": now, "exp": expires,
            "scope": scope, "roles": [role],
        });
        if let Who::Customer(account) = who {
            claims["tenant_id"] = json!(account.tenant);
            claims["account_id"] = json!(account.id);
        }
        stack::sign(&self.dir, &claims)
    }

    /// A JSON answer.
    pub(crate) async fn get(&self, who: Who<'_>, path: &str) -> Result<Value> {
        json_of(path, self.send(who, Method::GET, path, None, "application/json").await?).await
    }

    /// The JSON answer to a JSON body.
    pub(crate) async fn post(&self, who: Who<'_>, path: &str, body: &Value) -> Result<Value> {
        json_of(path, self.send(who, Method::POST, path, Some(body), "application/json").await?).await
    }

    /// The JSON answer to a JSON body that changes something.
    pub(crate) async fn patch(&self, who: Who<'_>, path: &str, body: &Value) -> Result<Value> {
        json_of(path, self.send(who, Method::PATCH, path, Some(body), "application/json").await?).await
    }

    /// Only the status of the answer.
    pub(crate) async fn status(&self, who: Who<'_>, method: Method, path: &str, body: Option<&Value>) -> Result<u16> {
        Ok(self.send(who, method, path, body, "application/json").await?.status().as_u16())
    }

    /// A document.
    pub(crate) async fn pdf(&self, who: Who<'_>, path: &str) -> Result<Vec<u8>> {
        bytes_of(path, self.send(who, Method::GET, path, None, "application/pdf").await?).await
    }

    /// Whatever a presigned URL gives to whoever has it.
    pub(crate) async fn presigned(&self, url: &str) -> Result<Vec<u8>> {
        let answer = self.http.get(url).send().await.map_err(reqwest::Error::without_url);
        bytes_of("the presigned URL", answer.context("the presigned URL does not answer")?).await
    }

    async fn send(
        &self,
        who: Who<'_>,
        method: Method,
        path: &str,
        body: Option<&Value>,
        accept: &str,
    ) -> Result<Response> {
        let url = format!("{}{path}", self.service.api_url);
        let mut request = self.http.request(method, url).bearer_auth(self.token(who)?).header("Accept", accept);
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.with_context(|| format!("{path} does not answer"))
    }
}

/// Text of a member of a JSON object.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("the answer has no {name}"))
}

/// A count of a JSON object.
pub(crate) fn number(value: &Value, name: &str) -> Result<u64> {
    value[name].as_u64().with_context(|| format!("the answer has no {name}"))
}

/// An amount of a JSON object, in units of its `decimals`-th decimal; it has exactly so many.
pub(crate) fn amount(value: &Value, name: &str, decimals: usize) -> Result<i128> {
    let text = text(value, name)?;
    let exact = text.split_once('.').filter(|(_, fraction)| fraction.len() == decimals);
    exact
        .and_then(|(whole, fraction)| format!("{whole}{fraction}").parse().ok())
        .with_context(|| format!("{name} is {text:?}, which has not {decimals} decimals"))
}

async fn json_of(path: &str, answer: Response) -> Result<Value> {
    let bytes = bytes_of(path, answer).await?;
    serde_json::from_slice(&bytes).with_context(|| format!("the answer of {path} is no JSON"))
}

async fn bytes_of(path: &str, answer: Response) -> Result<Vec<u8>> {
    let status = answer.status();
    let bytes = answer.bytes().await.with_context(|| format!("the answer of {path} broke off"))?;
    if !status.is_success() {
        bail!("{path} answers {status}: {}", String::from_utf8_lossy(&bytes));
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_their_decimals() {
        for (value, decimals, expected) in [
            (json!("12.500000"), 6, Some(12_500_000)),
            (json!("0.05"), 2, Some(5)),
            (json!("12.5"), 2, None),
            (json!("12"), 2, None),
            (json!(12.5), 1, None),
        ] {
            assert_eq!(amount(&json!({ "a": value }), "a", decimals).ok(), expected);
        }
    }
}
