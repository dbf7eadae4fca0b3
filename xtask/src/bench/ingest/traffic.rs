//! Messages as a gateway publishes them, and what must come of them: sums by bucket, reckoned here in 128 bits.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use uuid::{Builder, Uuid};

/// The mobile operators: their ids, and what they charge for a segment, in micros.
pub(crate) const OPERATORS: [(&str, i64); 5] =
    [("41201", 4_100), ("41220", 3_950), ("41240", 4_300), ("41250", 4_050), ("41280", 4_275)];
/// Tiers, and the price of a segment, in micros.
pub(crate) const TIERS: [(&str, i64); 3] = [("STARTER", 12_500), ("GROWTH", 10_750), ("ENTERPRISE", 9_125)];
const STATUSES: [&str; 4] = ["DELIVERED", "DELIVERED", "DELIVERED", "UNDELIVERED"];
/// Every so many messages one is published a second time.
const DUPLICATE_EVERY: u64 = 100;
/// Until its second publication, so many others go by.
const DUPLICATE_AFTER: u64 = 2_000;

/// One publication.
pub(crate) struct Publication {
    /// `Nats-Msg-Id`; a second publication has none, or the stream would refuse it.
    pub(crate) id: Option<Uuid>,
    pub(crate) message: Uuid,
    pub(crate) tenant: Uuid,
    pub(crate) payload: String,
}

/// Sums of one account and operator, or of all.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Sums {
    pub(crate) messages: i128,
    pub(crate) segments: i128,
    pub(crate) amount: i128,
    pub(crate) cost: i128,
}

/// What must stand in the database.
#[derive(Clone, Default)]
pub(crate) struct Model {
    pub(crate) buckets: BTreeMap<(Uuid, &'static str), Sums>,
    pub(crate) total: Sums,
    pub(crate) duplicates: u64,
    /// Of the last four bytes of every different message id: the ids themselves need not be kept.
    pub(crate) ids: i128,
}

impl Model {
    fn add(&mut self, account: Uuid, operator: usize, segments: i64, price: i64, message: Uuid) {
        let (operator, cost) = OPERATORS[operator];
        for sums in [&mut self.total, self.buckets.entry((account, operator)).or_default()] {
            sums.messages += 1;
            sums.segments += i128::from(segments);
            sums.amount += i128::from(segments * price);
            sums.cost += i128::from(segments * cost);
        }
        self.ids += i128::from(u32::from_be_bytes(message.as_bytes()[12..].try_into().unwrap_or_default()));
    }
}

/// An endless source of messages of so many accounts. The same seed makes the same ids, which the stream refuses for two
/// minutes.
pub(crate) struct Traffic {
    random: StdRng,
    accounts: u32,
    number: u64,
    again: std::collections::VecDeque<(u64, Publication)>,
    pub(crate) model: Model,
}

impl Traffic {
    pub(crate) fn new(accounts: u32, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { random, accounts, number: 0, again: std::collections::VecDeque::new(), model: Model::default() }
    }

    /// The next publication. `charged_at` is not in the future.
    pub(crate) fn next(&mut self, charged_at: Timestamp) -> Publication {
        if self.again.front().is_some_and(|(due, _)| *due <= self.number)
            && let Some((_, publication)) = self.again.pop_front()
        {
            self.model.duplicates += 1;
            return publication;
        }
        self.number += 1;
        let publication = self.make(charged_at);
        if self.number.is_multiple_of(DUPLICATE_EVERY) {
            let again = Publication { id: None, payload: publication.payload.clone(), ..publication };
            self.again.push_back((self.number + DUPLICATE_AFTER, again));
        }
        publication
    }

    /// The first messages go round: one for each account and operator.
    fn first_round(&self) -> Option<(u32, usize)> {
        let place = self.number.checked_sub(1)?;
        let (index, operator) = (place % u64::from(self.accounts), place / u64::from(self.accounts));
        Some((u32::try_from(index).ok()?, usize::try_from(operator).ok().filter(|at| *at < OPERATORS.len())?))
    }

    fn make(&mut self, charged_at: Timestamp) -> Publication {
        let first = self.first_round();
        let random = &mut self.random;
        let message = Builder::from_random_bytes(random.random()).into_uuid();
        let anybody = (random.random_range(0..self.accounts), random.random_range(0..OPERATORS.len()));
        let (index, operator) = first.unwrap_or(anybody);
        let (account, tenant) = (id_of(b'a', index), id_of(b't', index / 10));
        let segments = i64::from(random.random_range(1..=4_u8)).min(3);
        let status = STATUSES[random.random_range(0..STATUSES.len())];
        let (tier, price) = TIERS[usize::try_from(index).unwrap_or_default() % TIERS.len()];
        self.model.add(account, operator, segments, price, message);
        let mut payload = String::with_capacity(400);
        let _infallible = write!(
            payload,
            r#"{{"schemaVersion":"1","messageId":"{message}","tenantId":"{tenant}","accountId":"{account}","#
        );
        let _infallible = write!(
            payload,
            r#""accountTier":"{tier}","operatorId":"{}","direction":"MT","segmentCount":{segments},"#,
            OPERATORS[operator].0
        );
        let _infallible = write!(payload, r#""currency":"USD","chargedAt":"{charged_at:.3}","dlrStatus":"{status}"}}"#);
        Publication { id: Some(message), message, tenant, payload }
    }
}

/// The same id for the same thing in every run.
fn id_of(kind: u8, index: u32) -> Uuid {
    Builder::from_random_bytes(
        (u128::from(kind) << 120 | u128::from(index.wrapping_mul(0x9e37_79b1)) << 16).to_be_bytes(),
    )
    .into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_hundred_comes_twice_and_is_summed_once() {
        let mut traffic = Traffic::new(7, 1);
        let published: Vec<_> = (0..10_000).map(|_| traffic.next(Timestamp::UNIX_EPOCH)).collect();
        let model = &traffic.model;
        assert_eq!(model.total.messages + i128::from(model.duplicates), 10_000);
        let second = published.iter().filter(|one| one.id.is_none()).count();
        assert_eq!((second, model.duplicates), (79, 79));
        let distinct: std::collections::HashSet<_> = published.iter().map(|one| one.message).collect();
        assert_eq!(i128::try_from(distinct.len()).unwrap(), model.total.messages);
        let messages: i128 = model.buckets.values().map(|sums| sums.messages).sum();
        assert_eq!((messages, model.buckets.len()), (model.total.messages, 35));
    }
}
