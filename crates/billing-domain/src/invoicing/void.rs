//! Declaring an invoice void: why, and what becomes of its usage.

use crate::{MicrosSum, MinorAmount, Month};

use super::invoice::{Invoice, InvoiceStatus};
use super::lines::InvoiceContents;

/// What becomes of a void invoice's usage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Disposition {
    /// It is released, and a later run bills it again.
    #[default]
    Rebill,
    /// It is closed and never billed.
    Waive,
}

impl Disposition {
    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rebill => "rebill",
            Self::Waive => "waive",
        }
    }

    /// The disposition of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Rebill, Self::Waive].into_iter().find(|disposition| disposition.name() == name)
    }
}

/// What declaring an invoice void would do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VoidEffect {
    /// As it stands.
    pub invoice: Invoice,
    /// What would be released, or never be billed, by month.
    pub usage: Vec<ReleasedUsage>,
    /// What the next run would issue in its place, as of now; `None` when it is waived, or would come to nothing.
    pub reissue: Option<Reissue>,
}

/// Usage of one month that an invoice has sealed, in the invoice's currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReleasedUsage {
    /// When it was used.
    pub month: Month,
    /// Messages.
    pub messages: u64,
    /// Their segments.
    pub segments: u64,
    /// What they cost by their prices, unrounded.
    pub exact: MicrosSum,
}

/// The invoice that would stand for a void one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reissue {
    /// Lines, adjustments and taxes.
    pub contents: InvoiceContents,
    /// The sum of its lines and adjustments.
    pub subtotal: MinorAmount,
    /// Subtotal and taxes.
    pub total: MinorAmount,
}

/// A text that is no reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a reason has 1 to 500 characters, not only spaces, and no control characters")]
pub struct VoidReasonError;

/// Why an invoice is void: 1 to 500 characters. Its credit note shows it, so the customer reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VoidReason(String);

impl VoidReason {
    /// # Errors
    /// [`VoidReasonError`].
    pub fn new(text: &str) -> Result<Self, VoidReasonError> {
        let bad_character = |c: char| c.is_control() && c != '\n' && c != '\t';
        let fits = (1..=500).contains(&text.chars().count()) && !text.trim().is_empty();
        if fits && !text.contains(bad_character) { Ok(Self(text.to_owned())) } else { Err(VoidReasonError) }
    }

    /// The reason as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl InvoiceStatus {
    /// Whether an invoice may be declared void: once, when it is FINALIZED, or a DRAFT that has a number, which must not be
    /// lost, and is stuck, so that no run is about to issue it.
    #[must_use]
    pub fn can_be_voided(self, has_number: bool, is_stuck: bool) -> bool {
        match self {
            Self::Finalized => true,
            Self::Draft => has_number && is_stuck,
            Self::Void => false,
        }
    }
}

impl Invoice {
    /// Whether a credit note goes with declaring it void: when it was issued. A draft with a number was never sent, so there
    /// is nothing that a document would have to take back; its number is accounted for by the void invoice itself.
    #[must_use]
    pub fn is_credited_when_void(&self) -> bool {
        self.finalized_at.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn void_once_and_only_what_is_issued_or_has_a_number_in_vain() {
        for (status, has_number, is_stuck, expected) in [
            (InvoiceStatus::Finalized, true, false, true),
            (InvoiceStatus::Draft, true, true, true),
            (InvoiceStatus::Draft, true, false, false),
            (InvoiceStatus::Draft, false, true, false),
            (InvoiceStatus::Void, true, true, false),
        ] {
            assert_eq!(status.can_be_voided(has_number, is_stuck), expected, "{status:?} {has_number} {is_stuck}");
        }
    }

    #[test]
    fn reasons_are_text() {
        let long = "ä".repeat(500);
        for (text, ok) in [
            ("wrong price", true),
            (&*long, true),
            (&*format!("{long}x"), false),
            ("", false),
            ("  ", false),
            ("a\u{0}", false),
        ] {
            assert_eq!(VoidReason::new(text).is_ok(), ok);
        }
    }
}
