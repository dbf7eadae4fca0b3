//! The connection to the cluster: bounded in every direction, and never waited for.

use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike as _, EventInterface as _};
use fred::types::Builder;
use fred::types::config::{
    ClusterDiscoveryPolicy, Config, ReconnectPolicy, ServerConfig, TlsConfig, TlsConnector, TlsHostMapping,
    UnresponsiveConfig,
};
use rustls::ClientConfig;
use tokio::sync::broadcast::error::RecvError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// From node to node, while a cluster moves a slot.
const REDIRECTIONS_MAX: u32 = 3;
const RECONNECT_MS_MIN: u32 = 100;
const RECONNECT_MS_MAX: u32 = 5_000;
/// Commands that wait for a connection; a cache has no use for more.
const QUEUED_COMMANDS_MAX: usize = 32;

/// The nodes of the cluster cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum RedisUrlError {
    /// None was given.
    #[error("no Redis node is given")]
    None,
    /// One is not `redis://host:port`. It is not shown: it may hold a password.
    #[error("node {0} is not redis://host:port or rediss://host:port")]
    NotRedis(usize),
    /// Some with `rediss://`, some without.
    #[error("all nodes must be redis:// or all rediss://")]
    Mixed,
    /// The client cannot be set up.
    #[error("the Redis client cannot be set up")]
    Setup(#[source] Error),
}

/// Starts a client and returns without waiting for its connections.
pub(crate) fn start(urls: &[String], command_timeout: Duration, tls: ClientConfig) -> Result<Client, RedisUrlError> {
    let client = Builder::from_config(cluster(urls, tls)?)
        .with_performance_config(|performance| performance.default_command_timeout = command_timeout)
        .with_connection_config(|connection| {
            connection.connection_timeout = CONNECT_TIMEOUT;
            connection.internal_command_timeout = CONNECT_TIMEOUT;
            connection.max_command_attempts = 1;
            connection.max_redirections = REDIRECTIONS_MAX;
            connection.cluster_cache_update_delay = Duration::ZERO;
            connection.max_command_buffer_len = QUEUED_COMMANDS_MAX;
            connection.reconnect_on_auth_error = true;
            connection.tcp.nodelay = Some(true);
            // A blackholed node keeps its connection open for ever; this closes it.
            connection.unresponsive =
                UnresponsiveConfig { max_timeout: Some(4 * command_timeout), interval: command_timeout };
        })
        .set_policy(ReconnectPolicy::new_exponential(0, RECONNECT_MS_MIN, RECONNECT_MS_MAX, 2))
        .build()
        .map_err(RedisUrlError::Setup)?;
    tell_of(&client);
    // The task ends with the last clone of the client.
    drop(client.connect());
    Ok(client)
}

/// Says why connections fail; the client keeps it to itself. Nothing is said twice in a row.
fn tell_of(client: &Client) {
    let mut errors = client.error_rx();
    tokio::spawn(async move {
        let mut told = String::new();
        loop {
            let text = match errors.recv().await {
                Ok((error, Some(node))) => format!("{node}: {error}"),
                Ok((error, None)) => error.to_string(),
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            };
            if told != text {
                tracing::warn!(error = text, "the connection to Redis fails");
                told = text;
            }
        }
    });
}

/// All nodes of the list in one configuration.
fn cluster(urls: &[String], tls: ClientConfig) -> Result<Config, RedisUrlError> {
    let mut configs = Vec::new();
    for (index, url) in urls.iter().enumerate() {
        let scheme_fits = ["redis://", "rediss://"].iter().any(|scheme| url.starts_with(scheme));
        let config = Config::from_url_clustered(url).ok().filter(|_| scheme_fits);
        configs.push(config.ok_or(RedisUrlError::NotRedis(index + 1))?);
    }
    let is_encrypted = urls.iter().filter(|url| url.starts_with("rediss://")).count();
    if is_encrypted != 0 && is_encrypted != urls.len() {
        return Err(RedisUrlError::Mixed);
    }
    // A cluster that tells its nodes by IP address, where certificates name hosts: the name that was asked counts.
    let tls = (is_encrypted != 0)
        .then(|| TlsConfig { connector: TlsConnector::from(tls), hostnames: TlsHostMapping::DefaultHost });
    let hosts = configs.iter().flat_map(|config| config.server.hosts()).collect();
    let first = configs.into_iter().next().ok_or(RedisUrlError::None)?;
    let server = ServerConfig::Clustered { hosts, policy: ClusterDiscoveryPolicy::ConfigEndpoint };
    // Without this, a cluster that is down at the start would never be tried again.
    Ok(Config { fail_fast: false, server, tls, ..first })
}

#[cfg(test)]
mod tests {
    use billing_testing::certificates::trusting_nobody;

    use super::*;

    #[test]
    fn nodes_are_collected_and_mistakes_do_not_show_passwords() {
        for (urls, expected) in [
            (vec!["redis://u:hunter2@a:1", "redis://b:2"], Ok(("a:1 b:2", Some("hunter2")))),
            (vec!["redis://a:1"], Ok(("a:1", None))),
            (vec!["rediss://a:1", "rediss://b:2"], Ok(("a:1 b:2", None))),
            (vec!["rediss://a:1", "redis://b:2"], Err("all nodes must be redis:// or all rediss://")),
            (vec![], Err("no Redis node is given")),
            (vec!["redis://a:1", "http://u:hunter2@b"], Err("node 2 is not redis://host:port or rediss://host:port")),
        ] {
            let urls: Vec<_> = urls.into_iter().map(str::to_owned).collect();
            let told = cluster(&urls, trusting_nobody()).map(|config| {
                let hosts: Vec<_> = config.server.hosts().iter().map(ToString::to_string).collect();
                (hosts.join(" "), config.password)
            });
            let expected = expected
                .map(|(hosts, password)| (hosts.to_owned(), password.map(str::to_owned)))
                .map_err(str::to_owned);
            assert_eq!(told.map_err(|error| error.to_string()), expected);
        }
    }
}
