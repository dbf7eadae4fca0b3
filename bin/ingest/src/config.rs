//! The variables that ingest reads: their names, defaults and limits. Nothing else reads any.

use std::net::SocketAddr;

use billing_postgres::{CONNECTIONS_MAX, DatabaseConfig};
use billing_runtime::{Credentials, Env, EnvError, LogFilter, TraceConfig, Trust};

/// Of the connections to the database, those that workers must leave to everything else.
const CONNECTIONS_SPARE: u32 = 3;
/// Of a command: one of them records what is replayed.
const COMMAND_CONNECTIONS: u32 = 2;

/// Everything that can be chosen.
pub(crate) struct Config {
    pub(crate) traces: Option<TraceConfig>,
    pub(crate) credentials: Credentials,
    pub(crate) database: DatabaseConfig,
    pub(crate) redis_urls: Vec<String>,
    pub(crate) nats_urls: Vec<String>,
    pub(crate) http_addr: SocketAddr,
    pub(crate) metrics_addr: SocketAddr,
    pub(crate) consumer_enabled: bool,
    pub(crate) workers: u32,
    pub(crate) batch_size: u32,
    pub(crate) trust: Trust,
}

/// What a command needs that looks at the database and ends.
pub(crate) struct CommandConfig {
    pub(crate) credentials: Credentials,
    pub(crate) database: DatabaseConfig,
}

impl CommandConfig {
    /// Reads every variable, or tells all that are wrong at once. Little is logged, unless asked for: the command prints.
    pub(crate) fn read(mut env: Env) -> Result<(LogFilter, Self), EnvError> {
        let quiet = LogFilter::parse("warn");
        let log = env.read("BILLING_LOG", quiet, LogFilter::ALLOWED, LogFilter::parse);
        let trust = Trust::from_env(&mut env);
        let database = database(&mut env, &trust, COMMAND_CONNECTIONS, 1);
        let config = Self { credentials: Credentials::from_env(&mut env), database };
        env.check()?;
        Ok((log.unwrap_or_default(), config))
    }
}

fn database(env: &mut Env, trust: &Trust, pool_primary: u32, pool_recording: u32) -> DatabaseConfig {
    DatabaseConfig {
        url: env.required_url("BILLING_DATABASE_URL", &["postgres"]),
        // Nothing here may be decided by a replica, so none is connected to.
        replica_url: None,
        pool_primary,
        pool_replica: 0,
        pool_recording,
        pool_exports: 0,
        application_name: "billing-ingest",
        tls: trust.client(),
    }
}

impl Config {
    /// Reads every variable, or tells all that are wrong at once.
    pub(crate) fn read(mut env: Env) -> Result<(LogFilter, Self), EnvError> {
        let log = env.read("BILLING_LOG", Some(LogFilter::default()), LogFilter::ALLOWED, LogFilter::parse);
        let pool_primary = env.number("BILLING_DATABASE_POOL_PRIMARY", 10, CONNECTIONS_SPARE + 1..=CONNECTIONS_MAX);
        let workers = env.number("BILLING_INGEST_WORKERS", 2, 1..=CONNECTIONS_MAX - CONNECTIONS_SPARE);
        let trust = Trust::from_env(&mut env);
        let config = Self {
            traces: TraceConfig::from_env(&mut env, "billing-ingest", &trust),
            credentials: Credentials::from_env(&mut env),
            database: database(&mut env, &trust, pool_primary, workers),
            redis_urls: env.urls("BILLING_REDIS_URLS", &["redis", "rediss"]),
            nats_urls: env.urls("BILLING_NATS_URLS", &["nats", "tls"]),
            http_addr: env.address("BILLING_INGEST_HTTP_ADDR", ([0, 0, 0, 0], 3020).into()),
            metrics_addr: env.address("BILLING_INGEST_METRICS_ADDR", ([0, 0, 0, 0], 9464).into()),
            consumer_enabled: env.flag("BILLING_CONSUMER_ENABLED", true),
            workers,
            batch_size: env.number("BILLING_INGEST_BATCH_SIZE", 20_000, 1..=20_000),
            trust,
        };
        if config.workers + CONNECTIONS_SPARE > pool_primary {
            let allowed = format!("at most {CONNECTIONS_SPARE} less than BILLING_DATABASE_POOL_PRIMARY");
            env.refuse("BILLING_INGEST_WORKERS", &config.workers.to_string(), &allowed);
        }
        env.check()?;
        Ok((log.unwrap_or_default(), config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 3] = [
        ("BILLING_DATABASE_URL", "postgres://db:5432/billing"),
        ("BILLING_REDIS_URLS", "redis://a:6379,redis://b:6379"),
        ("BILLING_NATS_URLS", "nats://a:4222"),
    ];

    #[test]
    fn little_must_be_given() {
        let (_, config) = Config::read(Env::of(GOOD)).unwrap();
        assert_eq!((config.workers, config.batch_size, config.consumer_enabled), (2, 20_000, true));
        assert_eq!((config.http_addr.port(), config.metrics_addr.port()), (3020, 9464));
        assert_eq!((config.redis_urls.len(), config.database.pool_primary), (2, 10));
    }

    #[test]
    fn mistakes_are_told() {
        for (name, value, expected) in [
            ("BILLING_LOG", "x=loud", "BILLING_LOG is \"x=loud\", allowed: a level"),
            ("BILLING_NATS_URLS", "", "BILLING_NATS_URLS is not set, allowed: nats|tls://host:port"),
            (
                "BILLING_DATABASE_URL",
                "mysql://db",
                "BILLING_DATABASE_URL is \"mysql://db\", allowed: postgres://host:port",
            ),
            ("BILLING_INGEST_WORKERS", "8", "BILLING_INGEST_WORKERS is \"8\", allowed: at most 3 less than"),
            ("BILLING_INGEST_WORKERS", "0", "BILLING_INGEST_WORKERS is \"0\", allowed: a whole number from 1 to 12"),
            ("BILLING_DATABASE_POOL_PRIMARY", "16", "BILLING_DATABASE_POOL_PRIMARY is \"16\", allowed: a whole number"),
        ] {
            let variables = GOOD.into_iter().filter(|(known, _)| *known != name).chain([(name, value)]);
            let told = Config::read(Env::of(variables)).map(|_| ()).unwrap_err().to_string();
            assert!(told.starts_with(expected), "{told}");
        }
    }
}
