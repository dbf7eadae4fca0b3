//! HTTP to the stack's own servers: loopback, no proxy, no TLS.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// A client that does not look for the machine's proxies and certificates.
pub(crate) fn client() -> Result<reqwest::Client> {
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(5));
    builder.build().context("cannot make an HTTP client")
}

/// Succeeds if `url` answers with a status of success.
pub(crate) async fn is_ok(url: &str) -> Result<()> {
    let answer = client()?.get(url).send().await.with_context(|| format!("no answer from {url}"))?;
    ensure!(answer.status().is_success(), "{url} answers {}", answer.status());
    Ok(())
}
