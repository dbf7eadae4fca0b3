//! Typed reading of environment variables: every mistake is collected, and all are told at once.
//!
//! What the variables mean is decided by who reads them. A variable that is set to nothing counts as not set.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use url::Url;

use crate::{Secret, SecretError};

/// The variables of a process, and what was wrong with those read so far.
///
/// A reading method always answers; after a mistake it answers with a stand-in that [`Env::check`] keeps from use.
#[derive(Debug)]
pub struct Env {
    values: BTreeMap<String, OsString>,
    problems: Vec<Problem>,
}

/// Every variable that is wrong: its name, what was read, and what is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct EnvError(Vec<Problem>);

#[derive(Debug)]
struct Problem {
    name: String,
    read: Read,
    allowed: String,
}

#[derive(Debug)]
enum Read {
    Nothing,
    Text(String),
    /// What was read is not told.
    Hidden(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, read, allowed } = self;
        match read {
            Read::Nothing => write!(f, "{name} is not set, allowed: {allowed}"),
            Read::Text(text) => write!(f, "{name} is {text:?}, allowed: {allowed}"),
            Read::Hidden(what) => write!(f, "{name} {what}, allowed: {allowed}"),
        }
    }
}

impl Env {
    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let values = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self { values: values.collect(), problems: Vec::new() }
    }

    /// Given variables, for tests.
    #[must_use]
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values = variables.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        Self { values: values.collect(), problems: Vec::new() }
    }

    /// Nothing, when every variable that was read is as it may be.
    ///
    /// # Errors
    /// [`EnvError`] with all that are not.
    pub fn check(self) -> Result<(), EnvError> {
        if self.problems.is_empty() { Ok(()) } else { Err(EnvError(self.problems)) }
    }

    /// The value as `parse` understands it; the default when it is not set; `None` after a mistake.
    pub fn read<T>(
        &mut self,
        name: &str,
        default: Option<T>,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let Some(text) = self.optional(name) else {
            if default.is_none() {
                self.problem(name, Read::Nothing, allowed);
            }
            return default;
        };
        let parsed = parse(&text);
        if parsed.is_none() {
            self.problem(name, Read::Text(without_user(&text)), allowed);
        }
        parsed
    }

    /// The text, if the variable is set.
    pub fn optional(&mut self, name: &str) -> Option<String> {
        match self.values.get(name)?.to_str() {
            Some("") => None,
            Some(text) => Some(text.to_owned()),
            None => {
                self.problem(name, Read::Hidden("is not UTF-8".into()), "text");
                None
            }
        }
    }

    /// The text, or a default.
    pub fn text(&mut self, name: &str, default: &str) -> String {
        self.optional(name).unwrap_or_else(|| default.to_owned())
    }

    /// A text that must be given.
    pub fn required(&mut self, name: &str, allowed: &str) -> String {
        self.read(name, None, allowed, |text| Some(text.to_owned())).unwrap_or_default()
    }

    /// A secret, if the variable is set. Its value is never told.
    pub fn secret(&mut self, name: &str) -> Option<Secret> {
        let text = self.optional(name)?;
        Secret::new(&text)
            .map_err(|error: SecretError| self.problem(name, Read::Hidden(error.to_string()), "a secret"))
            .ok()
    }

    /// A whole number within a range.
    pub fn number(&mut self, name: &str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        let parse = |text: &str| text.parse().ok().filter(|number| range.contains(number));
        self.read(name, Some(default), &allowed, parse).unwrap_or(default)
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        self.read(name, Some(default), "true or false", |text| text.parse().ok()).unwrap_or(default)
    }

    /// An address to listen on.
    pub fn address(&mut self, name: &str, default: SocketAddr) -> SocketAddr {
        self.read(name, Some(default), "an IP address and port such as 0.0.0.0:3020", |text| text.parse().ok())
            .unwrap_or(default)
    }

    /// A URL of one of the schemes, with a host; `None` when it is not set. User and password are never told.
    pub fn url(&mut self, name: &str, schemes: &[&str]) -> Option<String> {
        let text = self.optional(name)?;
        self.check_url(name, &text, schemes);
        Some(text)
    }

    /// A URL that must be given, as for [`Env::url`].
    pub fn required_url(&mut self, name: &str, schemes: &[&str]) -> String {
        let text = self.required(name, &format!("{}://host:port", schemes.join("|")));
        if !text.is_empty() {
            self.check_url(name, &text, schemes);
        }
        text
    }

    /// One or more URLs separated by commas, each as for [`Env::url`].
    pub fn urls(&mut self, name: &str, schemes: &[&str]) -> Vec<String> {
        let example = format!("{}://host:port, several separated by commas", schemes.join("|"));
        let texts = self.required(name, &example);
        let texts: Vec<_> = texts.split(',').map(str::trim).filter(|text| !text.is_empty()).collect();
        for text in &texts {
            self.check_url(name, text, schemes);
        }
        texts.into_iter().map(str::to_owned).collect()
    }

    /// Notes a mistake that only the reader can see, such as two variables that contradict each other.
    pub fn refuse(&mut self, name: &str, read: &str, allowed: &str) {
        self.problem(name, Read::Text(without_user(read)), allowed);
    }

    /// Every variable whose name begins so, without that beginning.
    pub(crate) fn with_prefix(&self, prefix: &str) -> BTreeMap<String, String> {
        let named = self.values.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value.to_str()?)));
        named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn check_url(&mut self, name: &str, text: &str, schemes: &[&str]) {
        let fits = Url::parse(text)
            .is_ok_and(|url| schemes.contains(&url.scheme()) && url.host_str().is_some_and(|host| !host.is_empty()));
        if !fits {
            let allowed = format!("{}://host:port", schemes.join("|"));
            self.problem(name, Read::Text(without_parameters(&without_user(text))), &allowed);
        }
    }

    fn problem(&mut self, name: &str, read: Read, allowed: &str) {
        self.problems.push(Problem { name: name.to_owned(), read, allowed: allowed.to_owned() });
    }
}

/// A value as it may be told: what stands before an `@` may be a password.
fn without_user(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, host)) => format!("***@{host}"),
        None => text.to_owned(),
    }
}

/// An address as it may be told: what follows a `=` or `?` may be a password, in `host=db password=…` as in `?password=…`.
fn without_parameters(text: &str) -> String {
    match text.find(['=', '?']) {
        Some(at) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_values() {
        let mut env =
            Env::of([("N", "7"), ("F", "false"), ("A", "127.0.0.1:80"), ("U", "nats://a:1, nats://b:2"), ("E", "")]);
        assert_eq!(env.number("N", 1, 1..=9), 7);
        assert_eq!(env.number("M", 3, 1..=9), 3);
        assert!(!env.flag("F", true) && env.flag("G", true));
        assert_eq!(env.address("A", ([0, 0, 0, 0], 1).into()).to_string(), "127.0.0.1:80");
        assert_eq!(env.urls("U", &["nats", "tls"]), ["nats://a:1", "nats://b:2"]);
        assert_eq!(env.optional("E"), None);
        assert_eq!(env.text("E", "none"), "none");
        assert_eq!(env.url("V", &["http"]), None);
        assert!(env.check().is_ok());
    }

    #[test]
    fn every_mistake_is_told_at_once_without_passwords() {
        let mut env = Env::of([
            ("N", "0"),
            ("F", "yes"),
            ("R", "redis://user:hunter2@h:6379,http://x"),
            ("S", "<no value>"),
            ("A", "localhost"),
        ]);
        env.number("N", 1, 1..=9);
        env.flag("F", true);
        env.urls("R", &["redis"]);
        env.required("MISSING", "a name");
        env.secret("S");
        env.address("A", ([0, 0, 0, 0], 1).into());
        env.refuse("N", "0", "no more than M");
        let told = env.check().unwrap_err().to_string();
        for part in [
            r#"N is "0", allowed: a whole number from 1 to 9"#,
            r#"F is "yes", allowed: true or false"#,
            r#"R is "http://x", allowed: redis://host:port"#,
            "MISSING is not set, allowed: a name",
            "S is `<no value>`",
            r#"A is "localhost", allowed: an IP address and port such as 0.0.0.0:3020"#,
            r#"N is "0", allowed: no more than M"#,
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(!told.contains("hunter2"));
        assert_eq!(without_user("redis://user:p@ss@h:1"), "***@h:1");
        assert_eq!(without_parameters("host=db user=x password=hunter2"), "host…");
        assert_eq!(without_parameters("http://h/?password=hunter2"), "http://h/…");
    }
}
