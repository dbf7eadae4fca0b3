//! What an invoice needs to know of its customer: name, address, tax id, taxes and language, by the day from which they
//! hold. What a customer pays is not kept here.

use std::fmt;

use crate::Day;

use super::{Party, TaxRate};

/// Lines of an address.
pub const ADDRESS_LINES_MAX: usize = 8;
/// Taxes of one account.
pub const TAX_RATES_MAX: usize = 5;
/// Characters of a legal name or a line of an address.
const LINE_MAX: usize = 200;
/// Characters of a tax id.
const TAX_ID_MAX: usize = 64;

/// A text that an invoice cannot print, or no language.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PartyError {
    /// See [`party_line`].
    #[error("is 1 to {LINE_MAX} characters without control characters or surrounding space")]
    Line,
    /// See [`party_tax_id`].
    #[error("is 1 to {TAX_ID_MAX} characters without control characters or surrounding space")]
    TaxId,
    /// See [`LanguageTag`].
    #[error("is a language, if need be with script and region, as BCP 47 writes them: en, fa-AF, uz-Latn-UZ")]
    Language,
}

/// A legal name or a line of an address: 1 to 200 characters of any script, on one line.
///
/// # Errors
/// [`PartyError::Line`].
pub fn party_line(text: &str) -> Result<String, PartyError> {
    if is_line(text, LINE_MAX) { Ok(text.to_owned()) } else { Err(PartyError::Line) }
}

/// A tax id: 1 to 64 characters.
///
/// # Errors
/// [`PartyError::TaxId`].
pub fn party_tax_id(text: &str) -> Result<String, PartyError> {
    if is_line(text, TAX_ID_MAX) { Ok(text.to_owned()) } else { Err(PartyError::TaxId) }
}

fn is_line(text: &str, max: usize) -> bool {
    !text.is_empty() && text.chars().count() <= max && text.trim() == text && !text.chars().any(char::is_control)
}

/// A language as BCP 47 names it: two or three letters, then perhaps a script of four letters, then perhaps a region of
/// two letters or three digits, in the case that BCP 47 recommends. Nothing else of BCP 47.
///
/// An invoice in a language that the templates do not have is in English.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LanguageTag(String);

impl LanguageTag {
    /// # Errors
    /// [`PartyError::Language`] for another text.
    pub fn new(text: &str) -> Result<Self, PartyError> {
        let mut parts = text.split('-').peekable();
        let language = parts.next().unwrap_or_default();
        let is_language = (2..=3).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_lowercase());
        parts.next_if(|part| is_script(part));
        parts.next_if(|part| is_region(part));
        if is_language && parts.next().is_none() { Ok(Self(text.to_owned())) } else { Err(PartyError::Language) }
    }

    /// The whole tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The language alone: `fa` of `fa-AF`.
    #[must_use]
    pub fn language(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }
}

impl Default for LanguageTag {
    /// English.
    fn default() -> Self {
        Self("en".to_owned())
    }
}

impl fmt::Display for LanguageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_script(part: &str) -> bool {
    let (first, rest) = part.split_at_checked(1).unwrap_or_default();
    part.len() == 4 && first.bytes().all(|b| b.is_ascii_uppercase()) && rest.bytes().all(|b| b.is_ascii_lowercase())
}

fn is_region(part: &str) -> bool {
    (part.len() == 2 && part.bytes().all(|b| b.is_ascii_uppercase()))
        || (part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit()))
}

/// What invoices say of a customer from one day on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartyVersion {
    /// The first day it holds.
    pub from: Day,
    /// Legal name, address, tax id.
    pub party: Party,
    /// The language of its invoices.
    pub locale: LanguageTag,
    /// At most [`TAX_RATES_MAX`], in the order in which invoices print them.
    pub tax_rates: Vec<TaxRate>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_tags_of_bcp_47() {
        for (text, language) in [
            ("en", Some("en")),
            ("de", Some("de")),
            ("prs", Some("prs")),
            ("fa-AF", Some("fa")),
            ("uz-Latn-UZ", Some("uz")),
            ("zh-Hant", Some("zh")),
            ("es-419", Some("es")),
            ("", None),
            ("e", None),
            ("EN", None),
            ("engl", None),
            ("en-", None),
            ("en-us", None),
            ("en-USA", None),
            ("en_US", None),
            ("en-US-Latn", None),
            ("en-US-x-own", None),
            ("en--US", None),
            ("é", None),
            ("en-Lätn", None),
        ] {
            let tag = LanguageTag::new(text).ok();
            assert_eq!(tag.as_ref().map(LanguageTag::language), language, "{text:?}");
        }
    }

    #[test]
    fn lines_can_be_printed() {
        let (longest, too_long) = ("ش".repeat(200), "ش".repeat(201));
        for (text, ok) in [
            ("Ghasi", true),
            ("شهر نو، سرک هفتم", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("", false),
            (" A", false),
            ("A\nB", false),
            ("A\u{7f}", false),
        ] {
            assert_eq!(party_line(text).is_ok(), ok, "{text:?}");
        }
        for (length, ok) in [(0, false), (1, true), (64, true), (65, false)] {
            assert_eq!(party_tax_id(&"9".repeat(length)).is_ok(), ok, "{length}");
        }
    }
}
