//! The environment variables of the run. The only place where it reads any.

use std::time::Duration;

use billing_domain::invoicing::Party;
use billing_domain::use_cases::IssueTerms;
use billing_postgres::{CONNECTIONS_MAX, DatabaseConfig};
use billing_runtime::{Credentials, Env, EnvError, LogFilter, TraceConfig, Trust};
use billing_s3::{Addressing, S3Config};

/// What a run needs.
pub(crate) struct Config {
    pub(crate) traces: Option<TraceConfig>,
    pub(crate) credentials: Credentials,
    pub(crate) database: DatabaseConfig,
    pub(crate) nats_urls: Vec<String>,
    pub(crate) s3: S3Config,
    pub(crate) terms: IssueTerms,
    /// How long failed accounts are tried again.
    pub(crate) retry_for: Duration,
    /// How long the consumer may take to record what was on the stream.
    pub(crate) lag_for: Duration,
    /// Accounts billed side by side.
    pub(crate) parallel: u32,
    pub(crate) trust: Trust,
}

impl Config {
    /// # Errors
    /// [`EnvError`] with every variable that is wrong.
    pub(crate) fn read(mut env: Env) -> Result<(LogFilter, Self), EnvError> {
        // Progress is told on the terminal; logs only say what is wrong, unless more is asked for.
        let log = env.read("BILLING_LOG", LogFilter::parse("warn"), LogFilter::ALLOWED, LogFilter::parse);
        let trust = Trust::from_env(&mut env);
        let config = Self {
            traces: TraceConfig::from_env(&mut env, "billing-invoice-cron", &trust),
            credentials: Credentials::from_env(&mut env),
            database: DatabaseConfig {
                url: env.urls("BILLING_DATABASE_URL", &["postgres"]).concat(),
                // A replica may be behind, and money is not decided on what it shows.
                replica_url: None,
                pool_primary: env.number("BILLING_DATABASE_POOL_PRIMARY", 10, 2..=CONNECTIONS_MAX),
                pool_replica: 0,
                pool_recording: 0,
                pool_exports: 0,
                application_name: "billing-invoice-cron",
                tls: trust.client(),
            },
            nats_urls: env.urls("BILLING_NATS_URLS", &["nats", "tls"]),
            s3: S3Config {
                endpoint: env.urls("BILLING_S3_ENDPOINT", &["http", "https"]).concat(),
                region: env.text("BILLING_S3_REGION", "us-east-1"),
                bucket: env.text("BILLING_S3_BUCKET", "ghasi-invoices"),
                addressing: env
                    .read("BILLING_S3_ADDRESSING", Some(Addressing::Path), "path or host", Addressing::parse)
                    .unwrap_or_default(),
                ca_pem: trust.pem().to_vec(),
            },
            terms: IssueTerms { seller: seller(&mut env), payment_terms_days: payment_terms(&mut env) },
            retry_for: minutes(&mut env, "BILLING_INVOICE_RETRY_MINUTES", 45),
            lag_for: minutes(&mut env, "BILLING_INVOICE_LAG_MINUTES", 10),
            parallel: env.number("BILLING_INVOICE_PARALLEL", 4, 1..=32),
            trust,
        };
        env.check().map(|()| (log.unwrap_or_default(), config))
    }
}

fn seller(env: &mut Env) -> Party {
    let address = env.text("BILLING_SELLER_ADDRESS", "");
    Party {
        name: env.required("BILLING_SELLER_NAME", "the legal name of who issues the invoices"),
        address: address.split('|').map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        tax_id: env.optional("BILLING_SELLER_TAX_ID"),
    }
}

fn payment_terms(env: &mut Env) -> u16 {
    u16::try_from(env.number("BILLING_PAYMENT_TERMS_DAYS", 30, 0..=365)).unwrap_or(30)
}

fn minutes(env: &mut Env, name: &str, default: u32) -> Duration {
    Duration::from_secs(u64::from(env.number(name, default, 0..=240)) * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [(&str, &str); 4] = [
        ("BILLING_DATABASE_URL", "postgres://db:5432/billing"),
        ("BILLING_NATS_URLS", "nats://n1:4222,nats://n2:4222"),
        ("BILLING_S3_ENDPOINT", "http://s3:9000"),
        ("BILLING_SELLER_NAME", "Ghasi Telecom"),
    ];

    #[test]
    fn each_mistake_is_named() {
        for (name, value, mistake) in [
            ("BILLING_SELLER_ADDRESS", "Street 4 | Kabul", None),
            ("BILLING_SELLER_NAME", "", Some("BILLING_SELLER_NAME is not set")),
            ("BILLING_PAYMENT_TERMS_DAYS", "366", Some("BILLING_PAYMENT_TERMS_DAYS is \"366\"")),
            ("BILLING_INVOICE_PARALLEL", "0", Some("BILLING_INVOICE_PARALLEL is \"0\"")),
            ("BILLING_S3_ENDPOINT", "s3:9000", Some("BILLING_S3_ENDPOINT")),
        ] {
            let read = Config::read(Env::of(NEEDED.into_iter().chain([(name, value)])));
            let told = read.err().map(|error| error.to_string());
            match mistake {
                None => assert_eq!(told, None),
                Some(mistake) => assert!(told.unwrap_or_default().contains(mistake), "{mistake}"),
            }
        }
        let config = Config::read(Env::of(NEEDED.into_iter().chain([("BILLING_SELLER_ADDRESS", "Street 4 | Kabul")])));
        assert_eq!(config.unwrap().1.terms.seller.address, ["Street 4", "Kabul"]);
    }
}
