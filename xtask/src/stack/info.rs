//! What the outside may know of a stack: `stack.json` for programs, `env` for the service's own binaries.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::Purpose;
use super::site::Site;
use super::state::write_private;
use super::{keys, nats, postgres, redis, s3, vault};

/// Everything that a client of the stack needs, as `stack.json` has it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Info {
    /// URL of the superuser on the primary.
    pub(crate) database_url: String,
    /// The same on the replica.
    pub(crate) replica_url: String,
    pub(crate) redis_urls: Vec<String>,
    pub(crate) nats_urls: Vec<String>,
    /// Path of a credentials file; the stack's NATS asks for none.
    pub(crate) nats_creds: Option<PathBuf>,
    pub(crate) s3_endpoint: String,
    pub(crate) s3_region: String,
    pub(crate) s3_access_key: String,
    pub(crate) s3_secret_key: String,
    pub(crate) s3_bucket: String,
    pub(crate) vault_addr: String,
    pub(crate) vault_token: String,
    /// Process name to process number.
    pub(crate) pids: BTreeMap<String, u32>,
    /// Absent where only the servers run.
    #[serde(flatten)]
    pub(crate) service: Option<ServiceInfo>,
}

/// Where the service's own processes are, and which tokens they accept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ServiceInfo {
    pub(crate) api_url: String,
    pub(crate) api_metrics_url: String,
    pub(crate) ingest_metrics_url: String,
    pub(crate) jwks_path: PathBuf,
    pub(crate) issuer: String,
    pub(crate) audience: String,
}

impl Info {
    /// What is true of `site` now.
    pub(crate) fn of(site: &Site) -> Self {
        let url = |name, path| format!("http://{}{path}", site.address(name));
        let service = ServiceInfo {
            api_url: url("api", ""),
            api_metrics_url: url("api-metrics", "/metrics"),
            ingest_metrics_url: url("ingest-metrics", "/metrics"),
            jwks_path: site.dir.join("jwks.json"),
            issuer: keys::ISSUER.to_owned(),
            audience: keys::AUDIENCE.to_owned(),
        };
        Self {
            database_url: postgres::superuser_url(site, "postgres"),
            replica_url: postgres::superuser_url(site, "replica"),
            redis_urls: redis::urls(site),
            nats_urls: nats::urls(site),
            nats_creds: None,
            s3_endpoint: s3::endpoint(site),
            s3_region: s3::REGION.to_owned(),
            s3_access_key: site.secret(|s| s.s3_access_key.clone()),
            s3_secret_key: site.secret(|s| s.s3_secret_key.clone()),
            s3_bucket: s3::BUCKET.to_owned(),
            vault_addr: vault::address(site),
            vault_token: vault::token(site),
            pids: site.pids(),
            service: (site.purpose != Purpose::Tests).then_some(service),
        }
    }

    /// Writes `stack.json` into the stack's folder.
    pub(crate) fn save(&self, dir: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("cannot encode stack.json")? + "\n";
        write_private(&file(dir), text.as_bytes())
    }

    /// Reads `stack.json` of the stack in `dir`, which is there as long as the stack is up.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let path = file(dir);
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).with_context(|| format!("cannot understand {}", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!("no stack is up: start it with `cargo xtask up`")
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

/// The file that says where a running stack is.
pub(crate) fn file(dir: &Path) -> PathBuf {
    dir.join("stack.json")
}

/// The variables that all three binaries read.
pub(crate) fn variables(site: &Site) -> Vec<(&'static str, String)> {
    let jwks = site.dir.join("jwks.json").display().to_string();
    vec![
        ("BILLING_LOG", "info".to_owned()),
        ("BILLING_CREDENTIALS", "vault".to_owned()),
        ("VAULT_ADDR", vault::address(site)),
        ("VAULT_TOKEN", vault::token(site)),
        ("BILLING_DATABASE_URL", postgres::url(site, "postgres")),
        ("BILLING_DATABASE_REPLICA_URL", postgres::url(site, "replica")),
        ("BILLING_REDIS_URLS", redis::urls(site).join(",")),
        ("BILLING_NATS_URLS", nats::urls(site).join(",")),
        ("BILLING_S3_ENDPOINT", s3::endpoint(site)),
        ("BILLING_S3_REGION", s3::REGION.to_owned()),
        ("BILLING_S3_BUCKET", s3::BUCKET.to_owned()),
        ("BILLING_API_HTTP_ADDR", site.address("api")),
        ("BILLING_API_METRICS_ADDR", site.address("api-metrics")),
        ("BILLING_INGEST_HTTP_ADDR", site.address("ingest")),
        ("BILLING_INGEST_METRICS_ADDR", site.address("ingest-metrics")),
        ("BILLING_JWT_JWKS", jwks),
        ("BILLING_JWT_ISSUER", keys::ISSUER.to_owned()),
        ("BILLING_JWT_AUDIENCE", keys::AUDIENCE.to_owned()),
        // Without blanks, so that a shell and a parser of KEY=value lines read the same.
        ("BILLING_SELLER_NAME", "Ghasi".to_owned()),
        ("BILLING_SELLER_ADDRESS", "Kabul".to_owned()),
        ("BILLING_SELLER_TAX_ID", "1000000001".to_owned()),
    ]
}

/// `KEY=value` lines.
pub(crate) fn env_file(variables: &[(&str, String)]) -> Result<String> {
    let mut text = String::new();
    for (name, value) in variables {
        writeln!(text, "{name}={value}")?;
    }
    Ok(text)
}
