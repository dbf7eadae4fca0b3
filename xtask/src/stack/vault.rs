//! `OpenBao` in its development mode, a Vault in memory, with the credentials of the services.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Purpose;
use super::http;
use super::site::{Site, server_command};

/// Starts the server and writes the secrets, which a restart has lost. True if it had to be started.
pub(crate) async fn up(site: &Site) -> Result<bool> {
    let folder = site.folder("bao")?;
    let command = || {
        let mut command = server_command(&site.servers.bao, &folder);
        command.args(["server", "-dev", "-dev-no-store-token"]);
        command.env("BAO_DEV_ROOT_TOKEN_ID", token(site)).env("BAO_DEV_LISTEN_ADDRESS", site.address("bao"));
        Ok(command)
    };
    let health = format!("{}/v1/sys/health", address(site));
    let started = site.ensure("bao", "", command, async || http::is_ok(&health).await).await?;
    if site.purpose != Purpose::Tests {
        for (name, fields) in secrets(site) {
            write(site, name, fields).await?;
        }
    }
    Ok(started)
}

/// `http://…` of the server.
pub(crate) fn address(site: &Site) -> String {
    format!("http://{}", site.address("bao"))
}

/// The root token.
pub(crate) fn token(site: &Site) -> String {
    site.secret(|s| s.vault_token.clone())
}

fn secrets(site: &Site) -> [(&'static str, Value); 4] {
    site.secret(|s| {
        let user = |role, password: &String| json!({"username": format!("{role}_login"), "password": password});
        [
            ("database-owner", user("billing_owner", &s.owner)),
            ("database-api", user("billing_api", &s.api)),
            ("database-worker", user("billing_worker", &s.worker)),
            ("s3", json!({"access_key": s.s3_access_key, "secret_key": s.s3_secret_key})),
        ]
    })
}

async fn write(site: &Site, name: &str, fields: Value) -> Result<()> {
    let url = format!("{}/v1/secret/data/billing/{name}", address(site));
    let request = http::client()?.post(url).header("X-Vault-Token", token(site)).json(&json!({ "data": fields }));
    let answer = request.send().await.with_context(|| format!("cannot write the secret {name}"))?;
    ensure!(answer.status().is_success(), "cannot write the secret {name}: the vault answered {}", answer.status());
    Ok(())
}
