//! The proof of an invoice: what its lines say beside what the buckets that it sealed hold and what the events of these
//! buckets add up to, and whether every message that came for the account and month is accounted for. It compares and
//! never mends.

use jiff::Timestamp;

use super::lines::{InvoiceLine, LineKey};
use crate::pricing::{ChargeOn, ChargeUnit, PriceTerms};
use crate::usage::BucketSums;
use crate::{MicrosSum, MoneyError};

/// What the events of a bucket, or of several at one price, add up to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventTally {
    /// Events, charged or not: each is one message.
    pub messages: u64,
    /// Their segments.
    pub segments: u64,
    /// Those of them that were delivered.
    pub delivered_messages: u64,
    /// The segments of these.
    pub delivered_segments: u64,
    /// The sum of their amounts.
    pub amount: MicrosSum,
    /// Those whose account, tenant, operator, direction, currency, price or day is not their bucket's.
    pub misplaced: u64,
    /// The first and the last place on the stream; `None` without events.
    pub places: Option<(u64, u64)>,
}

impl EventTally {
    /// What a price charges of them: segments or messages, all or the delivered ones.
    #[must_use]
    pub fn units(&self, price: &PriceTerms) -> u64 {
        match (price.model.unit(), price.charge_on) {
            (ChargeUnit::Segment, ChargeOn::AnyTerminal) => self.segments,
            (ChargeUnit::Segment, ChargeOn::Delivered) => self.delivered_segments,
            (ChargeUnit::Message, ChargeOn::AnyTerminal) => self.messages,
            (ChargeUnit::Message, ChargeOn::Delivered) => self.delivered_messages,
        }
    }

    /// Adds those of another bucket.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn merge(&mut self, other: &Self) -> Result<(), MoneyError> {
        self.messages += other.messages;
        self.segments += other.segments;
        self.delivered_messages += other.delivered_messages;
        self.delivered_segments += other.delivered_segments;
        self.amount = self.amount.plus(other.amount)?;
        self.misplaced += other.misplaced;
        self.places = match (self.places, other.places) {
            (Some(one), Some(two)) => Some((one.0.min(two.0), one.1.max(two.1))),
            (one, two) => one.or(two),
        };
        Ok(())
    }
}

/// One line, and what it was made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineProof {
    /// What the line is told apart by.
    pub key: LineKey,
    /// As it is stored; `None`: usage was sealed that no line names.
    pub line: Option<InvoiceLine>,
    /// How many buckets the invoice sealed for it.
    pub buckets: u64,
    /// What they hold.
    pub sealed: BucketSums,
    /// What the events that were summed in them add up to, and what is charged of these; `None` when the month's events
    /// are archived.
    pub events: Option<(EventTally, u64)>,
}

impl LineProof {
    /// Whether line, buckets and events say the same.
    #[must_use]
    pub fn agrees(&self) -> bool {
        let sealed = (self.sealed.messages, self.sealed.segments, self.sealed.amount);
        let line = self.line.as_ref().is_some_and(|line| (line.messages, line.segments, line.exact) == sealed);
        let events = self.events.is_none_or(|(events, units)| {
            (events.messages, events.segments, events.amount) == sealed
                && units == self.sealed.units
                && events.misplaced == 0
        });
        line && events
    }
}

/// What became of every message that came for one account and month ("Exactly once" of the rules of money).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Receipts {
    /// Distinct places on the stream among all of the following.
    pub received: u64,
    /// Rated events of the month, in every currency, on whichever invoice or on none yet.
    pub recorded: u64,
    /// Second publications of messages of the month.
    pub duplicates: u64,
    /// Messages that cannot be usage and were published in the month; once replayed, they count as what they became.
    pub quarantined: u64,
    /// Usage of the month that waits for a price.
    pub unrated: u64,
}

impl Receipts {
    /// Whether no publication is counted twice.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.received == self.recorded + self.duplicates + self.quarantined + self.unrated
    }
}

/// Everything that an invoice stands on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvoiceProof {
    /// In the order of the lines.
    pub lines: Vec<LineProof>,
    /// Of the invoice's account and month.
    pub receipts: Receipts,
    /// When it was counted.
    pub as_of: Timestamp,
}

impl InvoiceProof {
    /// Whether all of it agrees.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.lines.iter().all(LineProof::agrees) && self.receipts.agrees()
    }
}
