//! The S3 server of the stack and its bucket.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::s3_server::{ACCESS_KEY, SECRET_KEY};
use super::site::{Site, server_command};

/// The bucket that exists from the start.
pub(crate) const BUCKET: &str = "ghasi-invoices";
/// The region that requests are signed for.
pub(crate) const REGION: &str = "us-east-1";

/// Starts the server. True if it had to be started.
pub(crate) async fn up(site: &Site) -> Result<bool> {
    let folder = site.folder("s3")?;
    site.folder(&format!("s3/{BUCKET}"))?;
    let command = || {
        // This very program, even when its file was built anew meanwhile.
        let mut command = server_command(Path::new("/proc/self/exe"), &folder);
        command.arg0("xtask").args(["serve-s3", "--listen", &site.address("s3"), "--folder"]).arg(&folder);
        command.env(ACCESS_KEY, site.secret(|s| s.s3_access_key.clone()));
        command.env(SECRET_KEY, site.secret(|s| s.s3_secret_key.clone()));
        Ok(command)
    };
    let answers = async || {
        let client = super::http::client()?;
        let answer = client.get(endpoint(site)).send().await.context("no answer")?;
        // Nobody may list the buckets without a signature: a refusal shows that the server is there and checks.
        match answer.status() {
            reqwest::StatusCode::FORBIDDEN => Ok(()),
            other => bail!("it answers {other} to a request without a signature"),
        }
    };
    site.ensure("s3", "", command, answers).await
}

/// `http://…` of the server.
pub(crate) fn endpoint(site: &Site) -> String {
    format!("http://{}", site.address("s3"))
}
