//! A secret kept as new as its source has it: leases are renewed at two thirds of their time and taken anew when they can
//! be renewed no longer; what has no lease is looked at from time to time; what is refused is read anew at once.
//!
//! What cannot be read leaves the last good one in use, until its lease ends.

use std::time::Duration;

use billing_domain::ports::Clock as _;
use billing_vault::Lease;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::expiry::{EXPIRY, set_expiry};
use super::{Credentials, CredentialsError, Found, Source};
use crate::{Backoff, Secret, SystemClock, chain};

const ERRORS: &str = "billing_credentials_refresh_errors_total";

/// A file is small, and near.
const FILE_EVERY: Duration = Duration::from_secs(1);
/// What Vault keeps, but has not leased.
const VAULT_EVERY: Duration = Duration::from_secs(30);
/// Even if a lease is shorter.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(15);
/// What is read because it was refused may be a new user each time: not many of them.
const REFUSED_FIRST: Duration = Duration::from_secs(2);
const REFUSED_MAX: Duration = Duration::from_secs(60);
/// How long the start waits for a secret that is there.
const FIRST_TIME_MAX: Duration = Duration::from_secs(2);
/// How long a program that does one thing and ends waits for Vault.
const OBTAIN_TIME_MAX: Duration = Duration::from_secs(30);

/// A secret that is followed. It is for as long as somebody holds `current`.
#[derive(Clone)]
pub struct Followed<T> {
    /// `None` while it is not known yet, and when its lease has ended. It never changes once the sender is gone.
    pub current: watch::Receiver<Option<T>>,
    /// Whoever finds the secret refused says here which one it was.
    pub refused: mpsc::Sender<T>,
}

impl Credentials {
    /// Follows a secret. `make` says what the fields come to, or `None` when they are missing and must not be. What is
    /// wrong with the environment is told at once, as it stays wrong; other sources are tried until they answer, and
    /// waited for no longer than for an instant.
    ///
    /// # Errors
    /// [`CredentialsError`] of the environment. Must be called within a Tokio runtime.
    pub async fn follow<T, F, const N: usize>(
        &self,
        name: &'static str,
        fields: [&'static str; N],
        make: F,
    ) -> Result<Followed<T>, CredentialsError>
    where
        T: Clone + PartialEq + Send + Sync + 'static,
        F: Fn(Option<[Secret; N]>) -> Option<T> + Send + Sync + 'static,
    {
        let wanted = Wanted { credentials: self.clone(), name, fields, make };
        if matches!(&*self.0, Source::Env(_)) {
            let read = wanted.read().await?;
            return Ok(wanted.begin(Some(read)));
        }
        let mut followed = wanted.begin(None);
        // What is looked at once, at the start, is looked at with it; but nothing hangs on it.
        drop(timeout(FIRST_TIME_MAX, followed.current.wait_for(Option::is_some)).await);
        Ok(followed)
    }

    /// Likewise, for a program that does one thing and ends: has the secret, or the reason why it cannot be had. Waits
    /// half a minute for a Vault that is sealed or away, and for nothing else.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub async fn obtain<T, F, const N: usize>(
        &self,
        name: &'static str,
        fields: [&'static str; N],
        make: F,
    ) -> Result<Followed<T>, CredentialsError>
    where
        T: Clone + PartialEq + Send + Sync + 'static,
        F: Fn(Option<[Secret; N]>) -> Option<T> + Send + Sync + 'static,
    {
        let wanted = Wanted { credentials: self.clone(), name, fields, make };
        let deadline = Instant::now() + OBTAIN_TIME_MAX;
        let mut retry = Backoff::new(RETRY_FIRST, RETRY_MAX);
        loop {
            match wanted.read().await {
                Ok(read) => return Ok(wanted.begin(Some(read))),
                Err(error) if error.may_pass() && Instant::now() < deadline => {
                    tracing::warn!(secret = name, error = chain(&error), "waiting for a secret");
                    sleep(retry.next_wait()).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// What is followed.
struct Wanted<F, const N: usize> {
    credentials: Credentials,
    name: &'static str,
    fields: [&'static str; N],
    make: F,
}

/// What is in use, and since when it is known to be good.
struct Held {
    lease: Option<Lease>,
    since: Instant,
}

impl Held {
    fn ends(&self) -> Option<Instant> {
        self.lease.as_ref().map(|lease| self.since + lease.valid_for)
    }
}

impl<T, F, const N: usize> Wanted<F, N>
where
    T: Clone + PartialEq + Send + Sync + 'static,
    F: Fn(Option<[Secret; N]>) -> Option<T> + Send + Sync + 'static,
{
    async fn read(&self) -> Result<(T, Option<Lease>), CredentialsError> {
        let found = self.credentials.read(self.name, self.fields).await?;
        let (fields, lease) = found.map_or((None, None), |Found { fields, lease }| (Some(fields), lease));
        let made = (self.make)(fields).ok_or_else(|| self.credentials.missing(self.name))?;
        Ok((made, lease))
    }

    fn begin(self, read: Option<(T, Option<Lease>)>) -> Followed<T> {
        let held = |lease| Held { lease, since: Instant::now() };
        let (value, held) = read.map_or((None, None), |(value, lease)| (Some(value), Some(held(lease))));
        let (sender, current) = watch::channel(value);
        let (refused, refusals) = mpsc::channel(1);
        metrics::describe_counter!(
            ERRORS,
            metrics::Unit::Count,
            "Secrets that could not be read or renewed, by secret"
        );
        metrics::describe_gauge!(EXPIRY, metrics::Unit::Seconds, "When what is in use ends unless it is renewed");
        metrics::counter!(ERRORS, "secret" => self.name).increment(0);
        set_expiry(self.name, None);
        if !matches!(&*self.credentials.0, Source::Env(_)) {
            tokio::spawn(Follower { wanted: self, sender, refusals }.run(held));
        }
        Followed { current, refused }
    }

    /// When to look again.
    fn pause(&self, held: &Held) -> Duration {
        match (&held.lease, &*self.credentials.0) {
            (Some(lease), _) => (lease.valid_for * 2 / 3).max(PAUSE_MIN),
            (None, Source::Vault { .. }) => VAULT_EVERY,
            (None, _) => FILE_EVERY,
        }
    }
}

struct Follower<T, F, const N: usize> {
    wanted: Wanted<F, N>,
    sender: watch::Sender<Option<T>>,
    refusals: mpsc::Receiver<T>,
}

impl<T, F, const N: usize> Follower<T, F, N>
where
    T: Clone + PartialEq + Send + Sync + 'static,
    F: Fn(Option<[Secret; N]>) -> Option<T> + Send + Sync + 'static,
{
    /// Ends when nobody holds the secret any more.
    async fn run(mut self, mut held: Option<Held>) {
        let mut retry = Backoff::new(RETRY_FIRST, RETRY_MAX);
        let mut refused = Backoff::new(REFUSED_FIRST, REFUSED_MAX);
        let mut is_refused = false;
        let mut not_before = Instant::now();
        let mut due = Instant::now();
        if let Some(held) = &held {
            self.tell_expiry(held);
            due += self.wanted.pause(held);
        }
        loop {
            tokio::select! {
                () = self.sender.closed() => return,
                () = sleep_until(due) => {}
                Some(value) = self.refusals.recv() => {
                    if self.sender.borrow().as_ref() == Some(&value) {
                        is_refused = true;
                        due = due.min(not_before);
                    }
                    continue;
                }
            }
            if is_refused {
                not_before = Instant::now() + refused.next_wait();
            } else {
                refused.reset();
            }
            match self.refresh(held.as_ref().filter(|_| !is_refused)).await {
                Ok(now) => {
                    retry.reset();
                    self.tell_expiry(&now);
                    due = Instant::now() + self.wanted.pause(&now);
                    held = Some(now);
                }
                Err(error) => {
                    metrics::counter!(ERRORS, "secret" => self.wanted.name).increment(1);
                    due = Instant::now() + retry.next_wait();
                    held = self.after(&error, held);
                    due = held.as_ref().and_then(Held::ends).map_or(due, |ends| due.min(ends));
                }
            }
            is_refused = false;
        }
    }

    /// Renews what is held, or reads it anew.
    async fn refresh(&self, held: Option<&Held>) -> Result<Held, CredentialsError> {
        let Wanted { credentials, name, .. } = &self.wanted;
        // A lease began after it was asked for.
        let since = Instant::now();
        if let Some(lease) = held.and_then(|held| held.lease.as_ref())
            && let Some(renewed) = credentials.renew(name, lease).await?
        {
            return Ok(Held { lease: Some(renewed), since });
        }
        let (value, lease) = self.wanted.read().await?;
        let is_new = self.sender.send_if_modified(|current| {
            let is_new = current.as_ref() != Some(&value);
            *current = Some(value);
            is_new
        });
        if is_new {
            tracing::info!(secret = name, "a new secret is in use");
        }
        Ok(Held { lease, since })
    }

    /// What is still in use after a failure: what there was, unless its time is over.
    fn after(&self, error: &CredentialsError, held: Option<Held>) -> Option<Held> {
        let (secret, error) = (self.wanted.name, chain(error));
        match held {
            Some(held) if held.ends().is_none_or(|ends| Instant::now() < ends) => {
                tracing::warn!(secret, error, "a secret cannot be read: the last good one stays in use");
                Some(held)
            }
            Some(_) => {
                tracing::error!(secret, error, "a secret's lease has ended, and a new one cannot be had");
                self.sender.send_replace(None);
                None
            }
            None => {
                tracing::warn!(secret, error, "a secret cannot be read: what needs it does not work yet");
                None
            }
        }
    }

    fn tell_expiry(&self, held: &Held) {
        // Of a file nobody here knows when it ends; the database may.
        if let Source::Vault { .. } = &*self.wanted.credentials.0 {
            let ends = held.lease.as_ref().map(|lease| SystemClock.now() + lease.valid_for);
            set_expiry(self.wanted.name, ends);
        }
    }
}
