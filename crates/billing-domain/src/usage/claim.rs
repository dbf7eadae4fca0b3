//! Exactly once: whether a message is new, came again, was published twice, or contradicts what stands.

use uuid::Uuid;

use crate::MessageId;

use super::event::{Receipt, ReportedUsage};

/// The content of a message that must not change: account, operator, direction, segments and delivery status.
///
/// A version-5 UUID in the account's name space: 122 bits, equal for both producers' shapes of one message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fingerprint(pub Uuid);

impl Fingerprint {
    /// Of a message as it was reported.
    #[must_use]
    pub fn of(usage: &ReportedUsage) -> Self {
        let operator = usage.operator.as_str().as_bytes();
        let mut content = [0_u8; 64 + 3];
        let (head, tail) = content.split_at_mut(operator.len());
        head.copy_from_slice(operator);
        // Operator ids hold no byte below '-', so the three numbers cannot be taken for a part of one.
        tail[..3].copy_from_slice(&[usage.direction as u8, usage.segments.get(), usage.dlr_status as u8]);
        Self(Uuid::new_v5(&usage.account.0, &content[..operator.len() + 3]))
    }
}

/// What stands for a message id: the first content that was recorded, and where it came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Whose claim.
    pub message: MessageId,
    /// Of the content.
    pub fingerprint: Fingerprint,
    /// Of the delivery that made it.
    pub receipt: Receipt,
}

/// How a delivery relates to the claim that stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClaimVerdict {
    /// It made the claim: record it.
    New,
    /// The very same publication again: nothing to do, nothing to count as received.
    Redelivery,
    /// Another publication with the same content: counted, not recorded.
    Duplicate,
    /// Another publication with other content: the first stands, this one is quarantined.
    Conflict,
}

/// Judges one delivery against the claim that stands after the batch's claims were made.
///
/// `made_now`: the standing claim was made by this batch and no earlier delivery of the batch has used it.
///
/// ```
/// use billing_domain::MessageId;
/// use billing_domain::usage::{Claim, ClaimVerdict, Fingerprint, Receipt, judge};
///
/// let (same, other) = (Fingerprint("0199a000-0000-7000-8000-000000000001".parse()?), Fingerprint(Default::default()));
/// let at = |sequence| Receipt { sequence, published_at: Default::default() };
/// let message = MessageId("0199a000-0000-7000-8000-000000000002".parse()?);
/// let standing = Claim { message, fingerprint: same, receipt: at(7) };
/// assert_eq!(judge(&standing, false, same, at(7)), ClaimVerdict::Redelivery);
/// assert_eq!(judge(&standing, false, same, at(8)), ClaimVerdict::Duplicate);
/// assert_eq!(judge(&standing, false, other, at(8)), ClaimVerdict::Conflict);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn judge(standing: &Claim, made_now: bool, fingerprint: Fingerprint, receipt: Receipt) -> ClaimVerdict {
    match (standing.receipt == receipt, standing.fingerprint == fingerprint) {
        (true, _) if made_now => ClaimVerdict::New,
        (true, _) => ClaimVerdict::Redelivery,
        (false, true) => ClaimVerdict::Duplicate,
        (false, false) => ClaimVerdict::Conflict,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::usage::{Direction, DlrStatus, SegmentCount};
    use crate::{AccountId, Currency, OperatorId, TenantId, Tier};

    fn usage() -> ReportedUsage {
        ReportedUsage {
            message: MessageId(Uuid::from_u128(1)),
            tenant: Some(TenantId(Uuid::from_u128(2))),
            account: AccountId(Uuid::from_u128(3)),
            tier: Some(Tier::new("GROWTH").unwrap()),
            operator: OperatorId::new("op-20").unwrap(),
            direction: Direction::Mt,
            segments: SegmentCount::new(2).unwrap(),
            currency: Some(Currency::new("USD").unwrap()),
            charged_at: Timestamp::UNIX_EPOCH,
            dlr_status: DlrStatus::Delivered,
        }
    }

    #[test]
    fn the_fingerprint_is_over_account_operator_direction_segments_and_status_only() {
        let base = usage();
        let changed = |change: fn(&mut ReportedUsage)| {
            let mut other = usage();
            change(&mut other);
            Fingerprint::of(&other) != Fingerprint::of(&base)
        };
        assert!(changed(|u| u.account = AccountId(Uuid::from_u128(4))));
        assert!(changed(|u| u.operator = OperatorId::new("op-21").unwrap()));
        assert!(changed(|u| u.direction = Direction::Mo));
        assert!(changed(|u| u.segments = SegmentCount::new(3).unwrap()));
        assert!(changed(|u| u.dlr_status = DlrStatus::Failed));
        assert!(!changed(|u| u.tenant = None));
        assert!(!changed(|u| u.tier = None));
        assert!(!changed(|u| u.currency = None));
        assert!(!changed(|u| u.charged_at = Timestamp::MAX));
        assert!(!changed(|u| u.message = MessageId(Uuid::from_u128(9))));
    }

    #[test]
    fn deliveries_are_told_apart_by_receipt_and_content() {
        let at = |sequence| Receipt { sequence, published_at: Timestamp::UNIX_EPOCH };
        let fingerprint = Fingerprint::of(&usage());
        let other = Fingerprint(Uuid::nil());
        let standing = Claim { message: usage().message, fingerprint, receipt: at(7) };
        for (made_now, content, receipt, expected) in [
            (true, fingerprint, at(7), ClaimVerdict::New),
            (false, fingerprint, at(7), ClaimVerdict::Redelivery),
            (false, fingerprint, at(8), ClaimVerdict::Duplicate),
            (true, fingerprint, at(8), ClaimVerdict::Duplicate),
            (false, other, at(8), ClaimVerdict::Conflict),
            (true, other, at(8), ClaimVerdict::Conflict),
        ] {
            assert_eq!(judge(&standing, made_now, content, receipt), expected);
        }
    }
}
