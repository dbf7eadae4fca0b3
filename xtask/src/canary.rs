//! Secrets that can be recognised wherever they turn up, and the search for them in what a run of the tests has written.
//!
//! What the tests make up begins with a fixed word and its own name. What cannot, because a library makes it, has a form that
//! nothing else has: private keys, seeds of NATS, signed tokens.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use uuid::Uuid;

/// In two halves, so that what prints this file is no leak.
const MARK: &str = concat!("canary-of", "-the-");
/// Between a secret's name and what nobody can guess.
const NAME_ENDS: &str = "-0";
/// The middle of the same in base64, at each of the three places where it may begin.
const MARK_BASE64: [&str; 3] = ["FuYXJ5LW9mLXRoZS", "bmFyeS1vZi10aGUt", "YW5hcnktb2YtdGhl"];
const PRIVATE_KEY: &str = concat!("PRIVATE", " KEY-----");
/// Length of a seed of NATS, and the letters behind its first.
const SEED_LENGTH: usize = 58;
const SEED_KINDS: &str = "UAONCX";

/// A new secret of that name, of small letters, digits and hyphens.
pub(crate) fn secret(name: &str) -> String {
    format!("{MARK}{name}{NAME_ENDS}{}", Uuid::new_v4().simple())
}

/// Looks through every file below the folders; the file and the secret's name for each leak, never the value. `skip` says
/// which files are none of ours.
pub(crate) fn search(folders: &[PathBuf], skip: impl Fn(&Path) -> bool) -> Result<Vec<String>> {
    let (mut found, mut open) = (Vec::new(), folders.to_vec());
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).with_context(|| format!("cannot look into {}", path.display()))?;
            open.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
        } else if path.is_file() && !skip(&path) {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let names = leaks(&String::from_utf8_lossy(&bytes));
            found.extend(names.into_iter().map(|name| format!("{}: {name}", path.display())));
        }
    }
    found.sort();
    Ok(found)
}

/// The names of the secrets in a text.
fn leaks(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices(MARK) {
        let rest = &text[at + MARK.len()..];
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
        let name = rest[..end].split_once(NAME_ENDS).map_or(&rest[..end], |(name, _)| name);
        found.insert(format!("secret of the {}", name.trim_end_matches('-')));
    }
    if MARK_BASE64.iter().any(|mark| text.contains(mark)) {
        found.insert("a secret in base64".to_owned());
    }
    if text.contains(PRIVATE_KEY) {
        found.insert("a private key".to_owned());
    }
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c))) {
        if is_token(word) {
            found.insert("a signed token".to_owned());
        } else if is_seed(word) {
            found.insert("a seed of NATS".to_owned());
        }
    }
    found
}

/// A JSON Web Token: the first two of its three parts are JSON objects.
fn is_token(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    matches!(parts[..], [head, claims, signature]
        if head.starts_with("eyJ") && claims.starts_with("eyJ") && signature.len() > 20)
}

fn is_seed(word: &str) -> bool {
    let mut letters = word.chars();
    word.len() == SEED_LENGTH
        && letters.next() == Some('S')
        && letters.next().is_some_and(|kind| SEED_KINDS.contains(kind))
        && letters.all(|c| c.is_ascii_uppercase() || ('2'..='7').contains(&c))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn every_secret_is_recognised_and_named_without_its_value() {
        let planted = secret("database-api");
        let seed = format!("SU{}", "A".repeat(56));
        let token = format!("eyJhbGciOi.eyJzdWIi.{}", "x".repeat(43));
        for (text, expected) in [
            ("nothing to see".to_owned(), None),
            (format!("{{\"password\":\"{planted}\"}}"), Some("secret of the database-api")),
            (format!("postgres://api:{planted}@host/billing"), Some("secret of the database-api")),
            (format!("authorization: Basic {}", STANDARD.encode(format!("api:{planted}"))), Some("a secret in base64")),
            (
                format!("authorization: Basic {}", STANDARD.encode(format!("users:{planted}"))),
                Some("a secret in base64"),
            ),
            (
                format!("authorization: Basic {}", STANDARD.encode(format!("root:{planted}"))),
                Some("a secret in base64"),
            ),
            (format!("-----BEGIN EC {PRIVATE_KEY}"), Some("a private key")),
            (format!("seed {seed}, read"), Some("a seed of NATS")),
            (format!("seed {seed}A"), None),
            (format!("Bearer {token}\n"), Some("a signed token")),
            ("eyJhbGciOi.eyJzdWIi".to_owned(), None),
        ] {
            let found = leaks(&text);
            assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected.as_slice(), "{text}");
            assert!(found.iter().all(|name| !name.contains(&planted)));
        }
    }

    #[test]
    fn a_planted_leak_is_found_in_its_file() {
        let folder = std::env::temp_dir().join(format!("billing-canary-{}", Uuid::new_v4().simple()));
        fs::create_dir_all(folder.join("logs")).unwrap();
        fs::write(folder.join("logs/api.log"), "{\"message\":\"serving\"}\n").unwrap();
        assert_eq!(search(std::slice::from_ref(&folder), |_| false).unwrap(), Vec::<String>::new());
        let leak = folder.join("logs/ingest.log");
        fs::write(&leak, [b"\xff\n", secret("s3").as_bytes()].concat()).unwrap();
        let found = search(std::slice::from_ref(&folder), |_| false).unwrap();
        assert_eq!(found, [format!("{}: secret of the s3", leak.display())]);
        assert_eq!(search(std::slice::from_ref(&folder), |path| path == leak).unwrap(), Vec::<String>::new());
        fs::remove_dir_all(folder).unwrap();
    }
}
