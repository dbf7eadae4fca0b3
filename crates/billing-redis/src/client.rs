//! The connection to the cluster: bounded in every direction, and never waited for.

use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::ClientLike as _;
use fred::types::Builder;
use fred::types::config::{ClusterDiscoveryPolicy, Config, ReconnectPolicy, ServerConfig, UnresponsiveConfig};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
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
    /// The client cannot be set up, usually for want of TLS certificates.
    #[error("the Redis client cannot be set up")]
    Setup(#[source] Error),
}

/// Starts a client and returns without waiting for its connections.
pub(crate) fn start(urls: &[String], command_timeout: Duration) -> Result<Client, RedisUrlError> {
    let client = Builder::from_config(cluster(urls)?)
        .with_performance_config(|performance| performance.default_command_timeout = command_timeout)
        .with_connection_config(|connection| {
            connection.connection_timeout = CONNECT_TIMEOUT;
            connection.internal_command_timeout = CONNECT_TIMEOUT;
            connection.max_command_attempts = 1;
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
    // The task ends with the last clone of the client.
    drop(client.connect());
    Ok(client)
}

/// All nodes of the list in one configuration.
fn cluster(urls: &[String]) -> Result<Config, RedisUrlError> {
    let mut configs = Vec::new();
    for (index, url) in urls.iter().enumerate() {
        let scheme_fits = ["redis://", "rediss://"].iter().any(|scheme| url.starts_with(scheme));
        let config = Config::from_url_clustered(url).ok().filter(|_| scheme_fits);
        configs.push(config.ok_or(RedisUrlError::NotRedis(index + 1))?);
    }
    let hosts = configs.iter().flat_map(|config| config.server.hosts()).collect();
    let first = configs.into_iter().next().ok_or(RedisUrlError::None)?;
    let server = ServerConfig::Clustered { hosts, policy: ClusterDiscoveryPolicy::ConfigEndpoint };
    // Without this, a cluster that is down at the start would never be tried again.
    Ok(Config { fail_fast: false, server, ..first })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_collected_and_mistakes_do_not_show_passwords() {
        for (urls, expected) in [
            (vec!["redis://u:hunter2@a:1", "redis://b:2"], Ok(("a:1 b:2", Some("hunter2")))),
            (vec!["redis://a:1"], Ok(("a:1", None))),
            (vec![], Err("no Redis node is given")),
            (vec!["redis://a:1", "http://u:hunter2@b"], Err("node 2 is not redis://host:port or rediss://host:port")),
        ] {
            let urls: Vec<_> = urls.into_iter().map(str::to_owned).collect();
            let told = cluster(&urls).map(|config| {
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
