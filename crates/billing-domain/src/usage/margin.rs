//! What usage earns: what customers pay against what operators charge, by operator, account, tier or day. What has no known
//! cost is never taken for free: it is a part of its own.

use std::cmp::Ordering;
use std::fmt;

use crate::{AccountId, Currency, Day, DayRange, MicrosSum, MoneyError, OperatorId, Tier};

use super::bucket::BucketSums;
use super::report::{DAYS_MAX, ReportError, check_length};

/// By what usage is summed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MarginGrouping {
    /// The operator that carried it.
    Operator,
    /// The account that pays for it.
    Account,
    /// The tier of the price that rated it. A price for one account names a tier, too.
    Tier,
    /// The UTC day of its charge.
    Day,
}

/// What is asked. For staff only: it reaches every tenant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarginQuestion {
    /// Which days.
    pub days: DayRange,
    /// By what.
    pub grouping: MarginGrouping,
    /// Of prices in this currency only.
    pub currency: Option<Currency>,
}

impl MarginQuestion {
    /// Refuses a range of more days than usage is asked for.
    ///
    /// # Errors
    /// [`ReportError::TooLong`].
    pub fn check(&self) -> Result<(), ReportError> {
        check_length(self.days, DAYS_MAX)
    }
}

/// What the usage of a group has in common. Prints as on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MarginKey {
    /// See [`MarginGrouping::Operator`].
    Operator(OperatorId),
    /// See [`MarginGrouping::Account`].
    Account(AccountId),
    /// See [`MarginGrouping::Tier`].
    Tier(Tier),
    /// See [`MarginGrouping::Day`].
    Day(Day),
}

impl fmt::Display for MarginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(operator) => operator.fmt(f),
            Self::Account(account) => account.fmt(f),
            Self::Tier(tier) => tier.fmt(f),
            Self::Day(day) => day.fmt(f),
        }
    }
}

/// A part of a group's usage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UsagePart {
    /// Messages, charged or not.
    pub messages: u64,
    /// Their segments.
    pub segments: u64,
    /// What the customers pay.
    pub revenue: MicrosSum,
}

impl UsagePart {
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        let sum = |a: u64, b: u64| a.checked_add(b).ok_or(MoneyError::Overflow);
        Ok(Self {
            messages: sum(self.messages, other.messages)?,
            segments: sum(self.segments, other.segments)?,
            revenue: self.revenue.plus(other.revenue)?,
        })
    }
}

/// A group's usage in one currency, by what is known of its cost. A bucket is in one part as a whole: a cost holds for a
/// day, so all its messages have one or none has, but while a new cost is being filled in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MarginSums {
    /// Every message's cost is known, in the currency of its price.
    pub costed: UsagePart,
    /// What operators charge for that.
    pub cost: MicrosSum,
    /// No cost was in force.
    pub uncosted: UsagePart,
    /// The cost is in another currency than the price.
    pub foreign: UsagePart,
}

impl MarginSums {
    /// Adds a bucket.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn add(&mut self, bucket: &BucketSums) -> Result<(), MoneyError> {
        let part = match bucket {
            BucketSums { uncosted: 1.., .. } => &mut self.uncosted,
            BucketSums { foreign_cost: 1.., .. } => &mut self.foreign,
            _ => {
                self.cost = self.cost.plus(bucket.cost)?;
                &mut self.costed
            }
        };
        let BucketSums { messages, segments, amount, .. } = *bucket;
        *part = part.plus(UsagePart { messages, segments, revenue: amount })?;
        Ok(())
    }

    /// All of it.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn whole(&self) -> Result<UsagePart, MoneyError> {
        self.costed.plus(self.uncosted)?.plus(self.foreign)
    }

    /// Whether every message's cost is known, in the currency of its price.
    #[must_use]
    pub fn is_costed(&self) -> bool {
        self.uncosted.messages == 0 && self.foreign.messages == 0
    }

    /// Revenue less cost of what is costed; below 0 a loss. `None` when nothing is.
    #[must_use]
    pub fn margin(&self) -> Option<MicrosSum> {
        if self.costed.messages == 0 {
            return None;
        }
        self.costed.revenue.minus(self.cost).ok()
    }

    /// The margin as a share of the revenue of what is costed. `None` without a margin, or without revenue.
    #[must_use]
    pub fn rate(&self) -> Option<MarginRate> {
        MarginRate::of(self.margin()?, self.costed.revenue)
    }
}

/// A margin as a share of its revenue, in hundredths of a percent, rounded half away from zero. Prints in percent with two
/// decimals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarginRate(i64);

impl MarginRate {
    /// `None` without revenue, and for a loss that is beyond words.
    fn of(margin: MicrosSum, revenue: MicrosSum) -> Option<Self> {
        let twice = margin.0.checked_mul(20_000)?;
        let sign = margin.0.signum().checked_mul(revenue.0)?;
        let rounded = twice.checked_add(sign)?.checked_div(revenue.0.checked_mul(2)?)?;
        i64::try_from(rounded).ok().map(Self)
    }
}

impl fmt::Display for MarginRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (magnitude, sign) = (self.0.unsigned_abs(), if self.0 < 0 { "-" } else { "" });
        write!(f, "{sign}{}.{:02}", magnitude / 100, magnitude % 100)
    }
}

/// A group in one currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarginRow {
    /// What its usage has in common.
    pub key: MarginKey,
    /// Of its prices.
    pub currency: Currency,
    /// Its sums.
    pub sums: MarginSums,
}

impl MarginRow {
    /// Where it stands in the list.
    #[must_use]
    pub fn place(&self) -> MarginPlace {
        MarginPlace { margin: self.sums.margin(), currency: self.currency, key: self.key.to_string() }
    }
}

/// A place in a list of groups: the lowest margin first, groups without one last; then by currency and key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarginPlace {
    /// As [`MarginSums::margin`].
    pub margin: Option<MicrosSum>,
    /// Of the prices.
    pub currency: Currency,
    /// The group's key as text.
    pub key: String,
}

impl Ord for MarginPlace {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = |place: &Self| (place.margin.is_none(), place.margin, place.currency);
        order(self).cmp(&order(other)).then_with(|| self.key.cmp(&other.key))
    }
}

impl PartialOrd for MarginPlace {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The sums of all groups in one currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarginTotal {
    /// Of the prices.
    pub currency: Currency,
    /// How many groups there are.
    pub groups: u64,
    /// Their sums.
    pub sums: MarginSums,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(amount: i128, cost: i128, uncosted: u64, foreign_cost: u64) -> BucketSums {
        let (amount, cost) = (MicrosSum(amount), MicrosSum(cost));
        BucketSums { messages: 2, segments: 3, units: 3, amount, cost, uncosted, foreign_cost }
    }

    #[test]
    fn what_has_no_known_cost_is_named_and_not_taken_for_free() {
        let part =
            |count: u64, revenue| UsagePart { messages: 2 * count, segments: 3 * count, revenue: MicrosSum(revenue) };
        let none = UsagePart::default();
        for (buckets, costed, uncosted, foreign, margin, rate) in [
            (vec![], none, none, none, None, None),
            (vec![bucket(100, 30, 0, 0), bucket(100, 30, 0, 0)], part(2, 200), none, none, Some(140), Some("70.00")),
            (vec![bucket(100, 130, 0, 0)], part(1, 100), none, none, Some(-30), Some("-30.00")),
            (vec![bucket(0, 30, 0, 0)], part(1, 0), none, none, Some(-30), None),
            (vec![bucket(100, 30, 0, 0), bucket(7, 0, 2, 0)], part(1, 100), part(1, 7), none, Some(70), Some("70.00")),
            // While a cost is being filled in, and beside one in another currency.
            (vec![bucket(100, 15, 1, 1)], none, part(1, 100), none, None, None),
            (vec![bucket(100, 15, 0, 1)], none, none, part(1, 100), None, None),
        ] {
            let mut sums = MarginSums::default();
            buckets.iter().try_for_each(|bucket| sums.add(bucket)).unwrap();
            assert_eq!((sums.costed, sums.uncosted, sums.foreign), (costed, uncosted, foreign), "{buckets:?}");
            assert_eq!(sums.margin(), margin.map(MicrosSum), "{buckets:?}");
            assert_eq!(sums.rate().map(|rate| rate.to_string()), rate.map(str::to_owned), "{buckets:?}");
            assert_eq!(sums.is_costed(), uncosted == none && foreign == none);
            assert_eq!(sums.whole().unwrap().messages, 2 * u64::try_from(buckets.len()).unwrap());
        }
    }

    #[test]
    fn rates_are_rounded_half_away_from_zero() {
        for (margin, revenue, expected) in [
            (1, 3, Some("33.33")),
            (2, 3, Some("66.67")),
            (-2, 3, Some("-66.67")),
            (1, 20_000, Some("0.01")),
            (-1, 20_000, Some("-0.01")),
            (1, 20_001, Some("0.00")),
            (-9_999, 1, Some("-999900.00")),
            (1, 0, None),
            (i128::MAX, 1, None),
        ] {
            let rate = MarginRate::of(MicrosSum(margin), MicrosSum(revenue));
            assert_eq!(rate.map(|rate| rate.to_string()), expected.map(str::to_owned), "{margin} of {revenue}");
        }
    }

    #[test]
    fn losses_come_first_and_what_is_unknown_last() {
        let place = |margin: Option<i128>, currency, key: &str| MarginPlace {
            margin: margin.map(MicrosSum),
            currency: Currency::new(currency).unwrap(),
            key: key.into(),
        };
        let sorted = [
            place(Some(-5), "USD", "a"),
            place(Some(-1), "AFN", "b"),
            place(Some(-1), "USD", "a"),
            place(Some(-1), "USD", "b"),
            place(Some(3), "AFN", "a"),
            place(None, "AFN", "a"),
            place(None, "USD", "a"),
        ];
        assert!(sorted.is_sorted());
    }
}
