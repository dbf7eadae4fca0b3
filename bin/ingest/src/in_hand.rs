//! Which messages the workers of this process are recording. A message that is published a second time mostly comes right
//! behind the first, so into the next batch, while the first is being recorded by another worker. Both would claim the
//! same id: one would wait for the other in the database, fail, and do its whole batch again. So the second waits here.
//!
//! That saves work and decides nothing: of what two processes have in hand, the database alone knows.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use billing_domain::MessageId;
use billing_domain::use_cases::Delivery;
use rustc_hash::FxBuildHasher;

/// The ids that are being recorded.
#[derive(Default)]
pub(crate) struct InHand(Mutex<HashSet<MessageId, FxBuildHasher>>);

/// Ids that one worker records, until it is dropped.
pub(crate) struct Held<'a> {
    by: &'a InHand,
    messages: Vec<MessageId>,
}

impl InHand {
    /// Holds the ids of all deliveries but those that another worker holds; these are taken out and returned.
    pub(crate) fn hold<'a, 'd>(&'a self, deliveries: &mut Vec<Delivery<'d>>) -> (Held<'a>, Vec<Delivery<'d>>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let elsewhere =
            deliveries.extract_if(.., |delivery| message(delivery).is_some_and(|id| all.contains(&id))).collect();
        let mut messages: Vec<MessageId> = deliveries.iter().filter_map(message).collect();
        // A message that the batch has twice is held once.
        messages.retain(|id| all.insert(*id));
        (Held { by: self, messages }, elsewhere)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut all = self.by.0.lock().unwrap_or_else(PoisonError::into_inner);
        for message in &self.messages {
            all.remove(message);
        }
    }
}

fn message(delivery: &Delivery<'_>) -> Option<MessageId> {
    delivery.content.as_ref().ok().map(|usage| usage.message)
}

#[cfg(test)]
mod tests {
    use billing_domain::usage::{Direction, DlrStatus, QuarantineReason, Receipt, ReportedUsage, SegmentCount};
    use billing_domain::use_cases::Unreadable;
    use billing_domain::{AccountId, OperatorId};
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn usage(message: u128) -> ReportedUsage {
        ReportedUsage {
            message: MessageId(Uuid::from_u128(message)),
            tenant: None,
            account: AccountId(Uuid::from_u128(2)),
            tier: None,
            operator: OperatorId::new("op-20").unwrap(),
            direction: Direction::Mt,
            segments: SegmentCount::new(1).unwrap(),
            currency: None,
            charged_at: Timestamp::UNIX_EPOCH,
            dlr_status: DlrStatus::Delivered,
        }
    }

    fn deliveries(messages: &[Option<u128>]) -> Vec<Delivery<'static>> {
        let unreadable = || Unreadable { reason: QuarantineReason::Malformed, detail: String::new(), account: None };
        let one = |(sequence, message): (u64, &Option<u128>)| Delivery {
            receipt: Receipt { sequence, published_at: Timestamp::UNIX_EPOCH },
            raw: b"",
            content: message.map(usage).ok_or_else(unreadable),
        };
        (1..).zip(messages).map(one).collect()
    }

    fn sequences(deliveries: &[Delivery<'_>]) -> Vec<u64> {
        deliveries.iter().map(|delivery| delivery.receipt.sequence).collect()
    }

    #[test]
    fn what_another_worker_records_waits_until_it_is_done() {
        let in_hand = InHand::default();
        let mut first = deliveries(&[Some(1), None, Some(2), Some(1)]);
        let (held, elsewhere) = in_hand.hold(&mut first);
        assert_eq!((sequences(&first), elsewhere.len()), (vec![1, 2, 3, 4], 0), "twice in one batch");

        let mut second = deliveries(&[Some(3), Some(1), None, Some(1)]);
        let (also_held, elsewhere) = in_hand.hold(&mut second);
        assert_eq!((sequences(&second), sequences(&elsewhere)), (vec![1, 3], vec![2, 4]));

        drop(also_held);
        let mut third = deliveries(&[Some(2), Some(3)]);
        let (_, elsewhere) = in_hand.hold(&mut third);
        assert_eq!(sequences(&elsewhere), [1], "only what was held by the one that is done is free");

        drop(held);
        let mut fourth = deliveries(&[Some(1), Some(2)]);
        let (_, elsewhere) = in_hand.hold(&mut fourth);
        assert_eq!(elsewhere.len(), 0);
    }
}
