//! When what is in use ends, as its metric tells it: what Vault has leased by its lease, and any other login by what the database
//! says of it. An agent that gets no new login is found out by that before the login ends.

use std::time::Duration;

use jiff::Timestamp;

use super::{Credentials, Source};
use crate::{Shutdown, chain};

pub(super) const EXPIRY: &str = "billing_credentials_expiry_timestamp_seconds";

const LOOK_EVERY: Duration = Duration::from_secs(30);
/// There may be no login yet.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// `None`: it does not end by itself.
pub(super) fn set_expiry(secret: &'static str, ends: Option<Timestamp>) {
    let seconds = ends.map_or(f64::INFINITY, |ends| ends.as_duration().as_secs_f64());
    metrics::gauge!(EXPIRY, "secret" => secret).set(seconds);
}

impl Credentials {
    /// Tells when the login of that secret ends, as `ask` says, until the process shall stop. Of what Vault has leased to this
    /// process it is known already.
    pub async fn watch_login<F, E>(self, secret: &'static str, ask: impl Fn() -> F + Send, shutdown: Shutdown)
    where
        F: Future<Output = Result<Option<Timestamp>, E>> + Send,
        E: std::error::Error + Send,
    {
        if matches!(&*self.0, Source::Vault { .. }) {
            return shutdown.requested().await;
        }
        loop {
            let pause = match ask().await {
                Ok(ends) => {
                    set_expiry(secret, ends);
                    LOOK_EVERY
                }
                Err(error) => {
                    tracing::debug!(secret, error = chain(&error), "when the login ends could not be asked");
                    LOOK_AGAIN
                }
            };
            if shutdown.sleep(pause).await {
                return;
            }
        }
    }
}
