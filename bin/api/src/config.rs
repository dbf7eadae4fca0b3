//! The environment variables of the API. The only place where it reads any.

use std::net::SocketAddr;

use billing_postgres::{CONNECTIONS_MAX, DatabaseConfig};
use billing_runtime::{Credentials, Env, EnvError, LogFilter, TraceConfig, Trust};
use billing_s3::{Addressing, S3Config};
use url::Url;

use crate::auth::{ClaimNames, JwksSource};

/// Of the connections to the primary, those that are kept for exports of usage.
const EXPORTS_MAX: u32 = 2;

/// What `api` needs.
pub(crate) struct ServeConfig {
    pub(crate) log: Option<LogFilter>,
    pub(crate) traces: Option<TraceConfig>,
    pub(crate) credentials: Credentials,
    pub(crate) database: DatabaseConfig,
    pub(crate) s3: S3Config,
    pub(crate) http: SocketAddr,
    pub(crate) metrics: SocketAddr,
    /// Whose pages may use the API; empty: no page of another origin.
    pub(crate) cors_origins: Vec<String>,
    pub(crate) jwks: JwksSource,
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) claims: ClaimNames,
    pub(crate) trust: Trust,
}

/// What `api migrate` needs.
pub(crate) struct MigrateConfig {
    pub(crate) log: Option<LogFilter>,
    pub(crate) credentials: Credentials,
    pub(crate) database_url: String,
    pub(crate) trust: Trust,
}

impl ServeConfig {
    /// # Errors
    /// [`EnvError`] with every variable that is wrong.
    pub(crate) fn read(mut env: Env) -> Result<Self, EnvError> {
        let trust = Trust::from_env(&mut env);
        let config = Self {
            log: log(&mut env),
            traces: TraceConfig::from_env(&mut env, "billing-api", &trust),
            credentials: Credentials::from_env(&mut env),
            database: database(&mut env, &trust),
            s3: s3(&mut env, &trust),
            http: env.address("BILLING_API_HTTP_ADDR", ([0, 0, 0, 0], 3020).into()),
            metrics: env.address("BILLING_API_METRICS_ADDR", ([0, 0, 0, 0], 9464).into()),
            cors_origins: cors_origins(&mut env),
            jwks: jwks(&mut env),
            issuer: env.required("BILLING_JWT_ISSUER", "the iss of the tokens"),
            audience: env.required("BILLING_JWT_AUDIENCE", "the aud of the tokens"),
            claims: ClaimNames {
                tenant: env.text("BILLING_JWT_CLAIM_TENANT", "tenant_id"),
                account: env.text("BILLING_JWT_CLAIM_ACCOUNT", "account_id"),
                scope: env.text("BILLING_JWT_CLAIM_SCOPE", "scope"),
                roles: env.text("BILLING_JWT_CLAIM_ROLES", "roles"),
            },
            trust,
        };
        env.check().map(|()| config)
    }
}

impl MigrateConfig {
    /// # Errors
    /// [`EnvError`] with every variable that is wrong.
    pub(crate) fn read(mut env: Env) -> Result<Self, EnvError> {
        let log = log(&mut env);
        let credentials = Credentials::from_env(&mut env);
        let database_url = database_url(&mut env);
        let trust = Trust::from_env(&mut env);
        env.check().map(|()| Self { log, credentials, database_url, trust })
    }
}

fn log(env: &mut Env) -> Option<LogFilter> {
    env.read("BILLING_LOG", LogFilter::parse("info"), LogFilter::ALLOWED, LogFilter::parse)
}

fn database_url(env: &mut Env) -> String {
    let url = env.url("BILLING_DATABASE_URL", &["postgres"]);
    url.unwrap_or_else(|| env.required("BILLING_DATABASE_URL", "postgres://host:port/dbname"))
}

fn database(env: &mut Env, trust: &Trust) -> DatabaseConfig {
    let url = database_url(env);
    let replica_url = env.url("BILLING_DATABASE_REPLICA_URL", &["postgres"]);
    let pool_primary = env.number("BILLING_DATABASE_POOL_PRIMARY", 10, 2..=CONNECTIONS_MAX);
    let pool_replica = env.number("BILLING_DATABASE_POOL_REPLICA", 5, 0..=CONNECTIONS_MAX);
    if pool_primary + pool_replica > CONNECTIONS_MAX {
        let allowed = format!("at most {CONNECTIONS_MAX} together with BILLING_DATABASE_POOL_PRIMARY");
        env.refuse("BILLING_DATABASE_POOL_REPLICA", &pool_replica.to_string(), &allowed);
    }
    DatabaseConfig {
        url,
        replica_url,
        pool_primary,
        pool_replica,
        pool_recording: 0,
        pool_exports: EXPORTS_MAX.min(pool_primary.saturating_sub(1)),
        application_name: "billing-api",
        tls: trust.client(),
    }
}

fn s3(env: &mut Env, trust: &Trust) -> S3Config {
    S3Config {
        endpoint: env.required_url("BILLING_S3_ENDPOINT", &["http", "https"]),
        region: env.text("BILLING_S3_REGION", "us-east-1"),
        bucket: env.text("BILLING_S3_BUCKET", "ghasi-invoices"),
        addressing: env
            .read("BILLING_S3_ADDRESSING", Some(Addressing::Path), "path or host", Addressing::parse)
            .unwrap_or_default(),
        ca_pem: trust.pem().to_vec(),
    }
}

/// Origins as browsers write them: scheme, host and perhaps a port, and nothing behind.
fn cors_origins(env: &mut Env) -> Vec<String> {
    const NAME: &str = "BILLING_API_CORS_ORIGINS";
    const ALLOWED: &str = "origins such as https://portal.example, several separated by commas; not *";
    let parse = |text: &str| text.split(',').map(|origin| origin_of(origin.trim())).collect::<Option<Vec<String>>>();
    env.read(NAME, Some(Vec::new()), ALLOWED, parse).unwrap_or_default()
}

fn origin_of(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_web = ["http", "https"].contains(&url.scheme());
    (is_web && url.origin().ascii_serialization() == text).then(|| text.to_owned())
}

/// What looks like an address is one; anything else is a path.
fn jwks(env: &mut Env) -> JwksSource {
    const NAME: &str = "BILLING_JWT_JWKS";
    let text = env.required(NAME, "the path of a JSON Web Key Set, or its http:// or https:// address");
    if !text.contains("://") {
        return JwksSource::File(text.into());
    }
    env.url(NAME, &["http", "https"]);
    JwksSource::Url(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [(&str, &str); 5] = [
        ("BILLING_DATABASE_URL", "postgres://db:5432/billing"),
        ("BILLING_JWT_JWKS", "/etc/billing/jwks.json"),
        ("BILLING_JWT_ISSUER", "https://idp.example"),
        ("BILLING_JWT_AUDIENCE", "billing"),
        ("BILLING_S3_ENDPOINT", "http://s3:9000"),
    ];

    #[test]
    fn five_variables_are_needed_and_each_mistake_is_named() {
        for (changes, mistake) in [
            (vec![], None),
            (vec![("BILLING_JWT_JWKS", "https://idp.example/jwks")], None),
            (vec![("BILLING_JWT_JWKS", "ftp://idp.example/jwks")], Some("BILLING_JWT_JWKS is")),
            (vec![("BILLING_JWT_JWKS", "")], Some("BILLING_JWT_JWKS is not set")),
            (vec![("BILLING_JWT_ISSUER", "")], Some("BILLING_JWT_ISSUER is not set")),
            (vec![("BILLING_JWT_AUDIENCE", "")], Some("BILLING_JWT_AUDIENCE is not set")),
            (vec![("BILLING_DATABASE_URL", "mysql://db/billing")], Some("BILLING_DATABASE_URL is")),
            (vec![("BILLING_API_HTTP_ADDR", "3020")], Some("BILLING_API_HTTP_ADDR is \"3020\"")),
            (vec![("BILLING_DATABASE_POOL_PRIMARY", "11")], Some("BILLING_DATABASE_POOL_REPLICA is \"5\"")),
            (vec![("BILLING_S3_ENDPOINT", "s3:9000")], Some("BILLING_S3_ENDPOINT is")),
            (vec![("BILLING_S3_ENDPOINT", "")], Some("BILLING_S3_ENDPOINT is not set")),
            (vec![("BILLING_S3_ADDRESSING", "host")], None),
            (
                vec![("BILLING_S3_ADDRESSING", "virtual")],
                Some("BILLING_S3_ADDRESSING is \"virtual\", allowed: path or host"),
            ),
            (vec![("BILLING_TLS_CA_FILE", "/nowhere.pem")], Some("BILLING_TLS_CA_FILE is \"/nowhere.pem\"")),
            (vec![("BILLING_API_CORS_ORIGINS", "https://a.example, http://localhost:8080")], None),
            (vec![("BILLING_API_CORS_ORIGINS", "https://a.example/")], Some("BILLING_API_CORS_ORIGINS is")),
            (vec![("BILLING_API_CORS_ORIGINS", "https://a.example:443")], Some("BILLING_API_CORS_ORIGINS is")),
            (vec![("BILLING_API_CORS_ORIGINS", "https://a.example,*")], Some("BILLING_API_CORS_ORIGINS is")),
            (vec![("BILLING_API_CORS_ORIGINS", "null")], Some("BILLING_API_CORS_ORIGINS is")),
            (vec![("BILLING_API_CORS_ORIGINS", "a.example")], Some("BILLING_API_CORS_ORIGINS is")),
            (vec![("BILLING_LOG", "a=b=c")], Some("BILLING_LOG is")),
        ] {
            let env = Env::of(NEEDED.into_iter().chain(changes.clone()));
            match (ServeConfig::read(env), mistake) {
                (Ok(_), None) => {}
                (Err(error), Some(mistake)) => assert!(error.to_string().contains(mistake), "{error}"),
                (Ok(_), Some(mistake)) => panic!("{mistake} was not found"),
                (Err(error), None) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn defaults_are_the_platforms() {
        let config = ServeConfig::read(Env::of(NEEDED)).unwrap();
        assert_eq!((config.http.to_string().as_str(), config.metrics.port()), ("0.0.0.0:3020", 9464));
        assert_eq!((config.database.pool_primary, config.database.pool_replica), (10, 5));
        assert_eq!((config.s3.region.as_str(), config.s3.bucket.as_str()), ("us-east-1", "ghasi-invoices"));
        assert_eq!(config.jwks, JwksSource::File("/etc/billing/jwks.json".into()));
        assert_eq!((config.claims.tenant.as_str(), config.cors_origins.len()), ("tenant_id", 0));
    }
}
