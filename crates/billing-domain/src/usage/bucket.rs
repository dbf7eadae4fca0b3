//! Usage buckets: the sums of rated events by account, operator, direction, currency, price and UTC day.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use crate::{AccountId, Currency, Day, MicrosSum, MoneyError, OperatorId, PriceId, TenantId};

use super::event::Direction;
use super::intake::RatedUsage;
use crate::pricing::Rated;

/// What the events of one bucket share.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BucketKey {
    /// Who is billed. First, so that buckets sort by account.
    pub account: AccountId,
    /// The account's tenant.
    pub tenant: TenantId,
    /// The operator that carried the messages.
    pub operator: OperatorId,
    /// To or from the mobile.
    pub direction: Direction,
    /// Of the price.
    pub currency: Currency,
    /// The price that rated them.
    pub price: PriceId,
    /// The UTC day of `charged_at`.
    pub day: Day,
}

impl BucketKey {
    /// The bucket of a rated event.
    #[must_use]
    pub fn of(usage: &RatedUsage) -> Self {
        let event = &usage.event;
        Self {
            account: event.account,
            tenant: event.tenant,
            operator: event.operator.clone(),
            direction: event.direction,
            currency: event.currency,
            price: usage.rated.price,
            day: Day::of(event.charged_at),
        }
    }
}

/// The sums of a bucket, or what a batch adds to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BucketSums {
    /// Messages, charged or not.
    pub messages: u64,
    /// Their segments.
    pub segments: u64,
    /// What is charged of them: segments, or messages where the price is per message.
    pub units: u64,
    /// What the customer pays.
    pub amount: MicrosSum,
    /// What operators charge in the bucket's own currency.
    pub cost: MicrosSum,
    /// Messages whose operator cost is missing.
    pub uncosted: u64,
    /// Messages whose operator cost is in another currency.
    pub foreign_cost: u64,
}

impl BucketSums {
    /// Adds one event.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn add(&mut self, segments: u8, rated: &Rated, currency: Currency) -> Result<(), MoneyError> {
        self.messages += 1;
        self.segments += u64::from(segments);
        self.units += u64::from(rated.units);
        self.amount = self.amount.plus(rated.amount)?;
        match rated.cost {
            None => self.uncosted += 1,
            Some(cost) if cost.currency != currency => self.foreign_cost += 1,
            Some(cost) => self.cost = self.cost.plus(cost.amount)?,
        }
        Ok(())
    }

    /// Adds another bucket's sums.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn merge(&mut self, other: &Self) -> Result<(), MoneyError> {
        self.messages += other.messages;
        self.segments += other.segments;
        self.units += other.units;
        self.amount = self.amount.plus(other.amount)?;
        self.cost = self.cost.plus(other.cost)?;
        self.uncosted += other.uncosted;
        self.foreign_cost += other.foreign_cost;
        Ok(())
    }

    /// The operators' part, when all of it is known in the bucket's currency.
    #[must_use]
    pub fn known_cost(&self) -> Option<MicrosSum> {
        (self.uncosted == 0 && self.foreign_cost == 0).then_some(self.cost)
    }

    /// Amount minus cost, when the whole cost is known in the bucket's currency; may be negative.
    #[must_use]
    pub fn margin(&self) -> Option<MicrosSum> {
        self.amount.minus(self.known_cost()?).ok()
    }
}

/// What events add to buckets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folded {
    /// Each bucket once, in key order: two writers that take buckets in one order cannot wait for each other in a circle.
    pub buckets: Vec<(BucketKey, BucketSums)>,
    /// Of each event, in the order of the events, its place in `buckets`.
    pub places: Vec<usize>,
}

/// Folds events into what they add to each bucket.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn fold<'a>(events: impl IntoIterator<Item = &'a RatedUsage>) -> Result<Folded, MoneyError> {
    let mut found: HashMap<BucketKey, usize, FxBuildHasher> = HashMap::default();
    let (mut sums, mut places): (Vec<BucketSums>, Vec<usize>) = (Vec::new(), Vec::new());
    for usage in events {
        let place = *found.entry(BucketKey::of(usage)).or_insert_with(|| {
            sums.push(BucketSums::default());
            sums.len() - 1
        });
        sums[place].add(usage.event.segments.get(), &usage.rated, usage.event.currency)?;
        places.push(place);
    }
    let mut keys: Vec<(BucketKey, usize)> = found.into_iter().collect();
    keys.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let mut sorted = vec![0; keys.len()];
    keys.iter().enumerate().for_each(|(new, (_, old))| sorted[*old] = new);
    places.iter_mut().for_each(|place| *place = sorted[*place]);
    Ok(Folded { buckets: keys.into_iter().map(|(key, old)| (key, sums[old])).collect(), places })
}
