//! Identifiers: what names a thing, and which text may be one. They say nothing about the things they name.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id! {
    /// One chargeable message, named by the gateway. The key of exactly-once recording.
    MessageId
}
uuid_id! {
    /// An organisation on the platform; the fence that no row may cross.
    TenantId
}
uuid_id! {
    /// Who is billed. An account belongs to one tenant for ever.
    AccountId
}
uuid_id! {
    /// One immutable version of a price.
    PriceId
}
uuid_id! {
    /// One immutable version of an operator cost.
    CostId
}
uuid_id! {
    /// One correction of a price.
    CorrectionId
}
uuid_id! {
    /// One invoice, in whatever state.
    InvoiceId
}
uuid_id! {
    /// One credit note, the document that cancels an issued invoice.
    CreditNoteId
}

/// A text that cannot be an identifier.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IdError {
    /// Operator ids are 1 to 64 characters of `[A-Za-z0-9_-]`.
    #[error("an operator id is 1 to 64 characters of A-Z, a-z, 0-9, _ and -")]
    Operator,
    /// Tiers are 1 to 64 bytes without control characters or surrounding space.
    #[error("an account tier is 1 to 64 bytes of text without control characters or surrounding space")]
    Tier,
}

/// A mobile operator as the gateway names it: opaque, 1 to 64 characters of `[A-Za-z0-9_-]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OperatorId(Arc<str>);

impl OperatorId {
    /// # Errors
    /// [`IdError::Operator`] when the text is empty, longer than 64 or has another character.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let fits =
            (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if fits { Ok(Self(text.into())) } else { Err(IdError::Operator) }
    }

    /// The id as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A price tier: `STARTER`, `GROWTH`, `ENTERPRISE`, `CUSTOM` or any text of the platform's, 1 to 64 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tier(Arc<str>);

impl Tier {
    /// # Errors
    /// [`IdError::Tier`] when the text is empty, too long, padded or has control characters.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let fits = (1..=64).contains(&text.len()) && text.trim() == text && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.into())) } else { Err(IdError::Tier) }
    }

    /// The tier as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operator_ids_are_short_and_plain() {
        let long = "a".repeat(65);
        for (text, ok) in [
            ("op-20", true),
            ("41201", true),
            ("A_b-9", true),
            (&long[..64], true),
            ("", false),
            (&long, false),
            ("op 20", false),
            ("*", false),
            ("op/20", false),
            ("öp", false),
        ] {
            assert_eq!(OperatorId::new(text).is_ok(), ok, "{text:?}");
        }
    }

    #[test]
    fn tiers_are_text_without_surprises() {
        for (text, ok) in
            [("STARTER", true), ("Gold 2", true), ("", false), (" A", false), ("A\n", false), ("A\u{0}B", false)]
        {
            assert_eq!(Tier::new(text).is_ok(), ok, "{text:?}");
        }
    }
}
