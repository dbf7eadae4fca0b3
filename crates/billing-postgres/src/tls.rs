//! Connections to the server: encrypted, and its certificate checked for issuer and name, unless the server is on this
//! machine or its address says `sslmode=disable`. Why one could not be opened is told in words for who must mend it.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The whole way to a session: name, connection, handshake, login.
pub(crate) const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No answer in time.
    #[error("the database server has not opened a session within {} s", OPEN_TIMEOUT.as_secs())]
    TimedOut,
    /// It has `ssl = off`.
    #[error(
        "the database server does not encrypt: set ssl = on there, or add sslmode=disable to its address where nobody \
         can listen in"
    )]
    Unencrypted,
    /// Its certificate, usually.
    #[error("the connection to the database cannot be encrypted")]
    Handshake(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server is there and has no such database.
    #[error("the database server has no database of that name")]
    NoDatabase(#[source] Error),
    /// User, password, or where from.
    #[error("the database server refuses the login")]
    Refused(#[source] Error),
    /// Anything else.
    #[error("the database cannot be connected to")]
    Failed(#[source] Error),
}

impl ServerError {
    fn of(error: Error) -> Self {
        match error.code() {
            Some(&SqlState::INVALID_CATALOG_NAME) => return Self::NoDatabase(error),
            // The user is gone, its time is over, its password is another one, or it may not come in.
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE || code.code().starts_with("28") => {
                return Self::Refused(error);
            }
            _ => {}
        }
        // The driver keeps the kind to itself.
        if error.to_string() != "error performing TLS handshake" {
            return Self::Failed(error);
        }
        match error.into_source() {
            Some(source) if source.is::<io::Error>() => Self::Handshake(source),
            _ => Self::Unencrypted,
        }
    }
}

/// What somebody must drive as long as the session lasts.
pub(crate) type Wire = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// What the address does not say about encryption is decided by where it leads.
pub(crate) fn decide(config: &mut Config) {
    if config.get_ssl_mode() == SslMode::Prefer {
        let is_near = config.get_hosts().iter().all(is_this_machine);
        config.ssl_mode(if is_near { SslMode::Disable } else { SslMode::Require });
    }
}

/// A session, within bounds.
pub(crate) async fn connect(config: &Config, tls: &MakeRustlsConnect) -> Result<(Client, Wire), ServerError> {
    let opened = tokio::time::timeout(OPEN_TIMEOUT, config.connect(tls.clone())).await;
    opened.map_err(|_| ServerError::TimedOut)?.map_err(ServerError::of)
}

/// Nobody listens in between.
fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        Host::Unix(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_in_the_open() {
        for (url, expected) in [
            ("postgres://billing-primary.postgresql:5432/billing", SslMode::Require),
            ("postgres://10.0.0.7/billing", SslMode::Require),
            ("postgres://localhost/billing", SslMode::Disable),
            ("postgres://127.0.0.1:5432/billing", SslMode::Disable),
            ("postgres://127.0.0.1,10.0.0.7/billing", SslMode::Require),
            ("postgres://localhost.example/billing", SslMode::Require),
            ("postgres://127.0.0.1/billing?sslmode=require", SslMode::Require),
            ("postgres://db/billing?sslmode=disable", SslMode::Disable),
            ("postgres://db/billing?sslmode=prefer", SslMode::Require),
        ] {
            let mut config = url.parse().unwrap();
            decide(&mut config);
            assert_eq!(config.get_ssl_mode(), expected, "{url}");
        }
    }
}
