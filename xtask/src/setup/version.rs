//! Version numbers as servers print them.

use std::fmt;

/// Dotted numbers, compared number by number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(Vec<u32>);

impl Version {
    /// The first dotted number in `text`, such as 7.0.15 in `Redis server v=7.0.15 sha=0`.
    pub(crate) fn first_in(text: &str) -> Option<Self> {
        let from = text.find(|c: char| c.is_ascii_digit())?;
        let number = text[from..].split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        number.split('.').filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect::<Option<_>>().map(Self)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_print() {
        for (printed, version) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some("15.18")),
            ("postgres (PostgreSQL) 19beta1", Some("19")),
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64", Some("7.0.15")),
            ("nats-server: v2.15.1", Some("2.15.1")),
            ("OpenBao v2.7.2 (0123), built 2026-01-01T00:00:00Z", Some("2.7.2")),
            ("command not found", None),
        ] {
            assert_eq!(Version::first_in(printed).map(|v| v.to_string()).as_deref(), version, "{printed}");
        }
    }

    #[test]
    fn order_is_by_number() {
        let version = |text| Version::first_in(text);
        assert!(version("2.9.10") < version("2.12"));
        assert!(version("15") <= version("15.18"));
        assert!(version("7.0.15") >= version("7"));
    }
}
