//! One chargeable message: as it was reported, and as it is priced.

use jiff::Timestamp;

use crate::{AccountId, Currency, MessageId, OperatorId, TenantId, Tier};

/// To the mobile (terminated) or from it (originated).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// Mobile-terminated.
    Mt,
    /// Mobile-originated.
    Mo,
}

impl Direction {
    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mt => "MT",
            Self::Mo => "MO",
        }
    }

    /// The direction of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Mt, Self::Mo].into_iter().find(|direction| direction.name() == name)
    }
}

/// How the message ended (delivery receipt).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DlrStatus {
    /// The mobile has it.
    Delivered,
    /// The operator could not deliver it.
    Failed,
    /// The mobile could not be reached.
    Undelivered,
    /// Its validity ran out.
    Expired,
    /// The operator refused it.
    Rejected,
}

impl DlrStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Delivered, Self::Failed, Self::Undelivered, Self::Expired, Self::Rejected];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "DELIVERED",
            Self::Failed => "FAILED",
            Self::Undelivered => "UNDELIVERED",
            Self::Expired => "EXPIRED",
            Self::Rejected => "REJECTED",
        }
    }

    /// The status of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A number of segments that no message has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a message has 1 to 10 segments")]
pub struct SegmentCountError;

/// Segments of one message: 1 to 10.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SegmentCount(u8);

impl SegmentCount {
    /// # Errors
    /// [`SegmentCountError`] outside 1 to 10.
    pub fn new(count: i64) -> Result<Self, SegmentCountError> {
        match u8::try_from(count) {
            Ok(count @ 1..=10) => Ok(Self(count)),
            _ => Err(SegmentCountError),
        }
    }

    /// 1 to 10.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

/// Where on the stream a message stood. A redelivery has the receipt of the first delivery; a second publication of
/// the same message has another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Receipt {
    /// The stream's sequence number, from 1.
    pub sequence: u64,
    /// When the stream took it, to the microsecond: tells a recreated stream's sequences from the old one's.
    pub published_at: Timestamp,
}

/// A message as a producer reported it. The delivery-report shape leaves out what the account's profile must add.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReportedUsage {
    /// The key of exactly-once recording.
    pub message: MessageId,
    /// Absent when the producer does not know it.
    pub tenant: Option<TenantId>,
    /// Who is billed.
    pub account: AccountId,
    /// Absent in the delivery-report shape.
    pub tier: Option<Tier>,
    /// The operator that carried it.
    pub operator: OperatorId,
    /// To or from the mobile.
    pub direction: Direction,
    /// 1 to 10.
    pub segments: SegmentCount,
    /// Absent in the delivery-report shape.
    pub currency: Option<Currency>,
    /// When it became chargeable.
    pub charged_at: Timestamp,
    /// How it ended.
    pub dlr_status: DlrStatus,
}

/// A message with everything that its price depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageEvent {
    /// The key of exactly-once recording.
    pub message: MessageId,
    /// The account's tenant.
    pub tenant: TenantId,
    /// Who is billed.
    pub account: AccountId,
    /// Of the event itself, else of the profile in force at `charged_at`.
    pub tier: Tier,
    /// The operator that carried it.
    pub operator: OperatorId,
    /// To or from the mobile.
    pub direction: Direction,
    /// 1 to 10.
    pub segments: SegmentCount,
    /// Of the event itself, else of the profile.
    pub currency: Currency,
    /// When it became chargeable; its UTC day decides the price and its UTC month the invoice.
    pub charged_at: Timestamp,
    /// How it ended.
    pub dlr_status: DlrStatus,
}
