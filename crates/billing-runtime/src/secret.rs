//! A secret text: what may be one, and that it is never shown.

use std::fmt;

/// A text that cannot be a secret. The text itself is not told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SecretError {
    /// Nothing but white space.
    #[error("is empty")]
    Empty,
    /// What a template writes where it had no value.
    #[error("is `<no value>`: the template that wrote it found nothing")]
    NoValue,
}

/// A password, key or token. `Debug` prints `***`; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Line ends after the text are dropped: files have them, passwords do not.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn new(text: &str) -> Result<Self, SecretError> {
        let text = text.trim_end_matches(['\r', '\n']);
        match text {
            text if text.trim().is_empty() => Err(SecretError::Empty),
            text if text.contains("<no value>") => Err(SecretError::NoValue),
            text => Ok(Self(text.to_owned())),
        }
    }

    /// The text, for the one call that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_trimmed_checked_and_never_shown() {
        for (text, expected) in [
            ("s3cret", Ok("s3cret")),
            ("s3cret\n", Ok("s3cret")),
            ("s3cret\r\n", Ok("s3cret")),
            (" padded ", Ok(" padded ")),
            ("", Err(SecretError::Empty)),
            (" \n", Err(SecretError::Empty)),
            ("<no value>", Err(SecretError::NoValue)),
        ] {
            assert_eq!(Secret::new(text).as_ref().map(Secret::expose), expected.as_ref().map(|text| *text));
        }
        assert_eq!(format!("{:?}", Secret::new("s3cret").unwrap()), "***");
    }
}
