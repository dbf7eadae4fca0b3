//! What the service should come to: counted beside the traffic, with integers of a millionth.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::cast::Account;
use super::deck::{self, Price};
use super::event::Event;
use super::period::Period;

/// What everybody works with: the month, the accounts and the prices.
pub(crate) struct World {
    pub(crate) period: Period,
    pub(crate) accounts: Vec<Account>,
    pub(crate) prices: Vec<Price>,
    /// Different messages in the month.
    pub(crate) messages: u64,
    pub(crate) seed: u64,
}

/// One line of one invoice. Accounts and prices by their place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct LineKey {
    pub(crate) account: usize,
    pub(crate) currency: &'static str,
    pub(crate) operator: &'static str,
    pub(crate) direction: &'static str,
    pub(crate) price: usize,
}

/// Messages, segments and their exact amount.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) messages: u64,
    pub(crate) segments: u64,
    pub(crate) micros: i128,
}

/// What an invoice should say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Bill {
    pub(crate) sums: Sums,
    /// The sum of its rounded lines, in hundredths.
    pub(crate) minor: i128,
}

/// Everything that should be recorded once the missing price is there, and everything that should not.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) lines: BTreeMap<LineKey, Sums>,
    /// How many messages went on the stream, of any kind.
    pub(crate) published: u64,
    pub(crate) duplicates: u64,
    /// Of the recorded ones, those that wait for the missing price at first.
    pub(crate) waiting: u64,
    /// By reason.
    pub(crate) quarantined: BTreeMap<&'static str, u64>,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.segments += other.segments;
        self.micros += other.micros;
    }
}

impl Model {
    /// Counts an event in its first publication.
    pub(crate) fn count(&mut self, event: &Event, world: &World) -> Result<()> {
        let account = &world.accounts[event.account];
        let price = deck::find(&world.prices, event, account).context("the deck has no price for an event")?;
        let Event { account, operator, direction, currency, .. } = *event;
        let sums = Sums { messages: 1, segments: event.segments.into(), micros: world.prices[price].rate(event) };
        self.lines.entry(LineKey { account, currency, operator, direction, price }).or_default().add(sums);
        self.published += 1;
        self.waiting += u64::from(world.prices[price].is_missing);
        Ok(())
    }

    /// Counts another publication of one that was counted.
    pub(crate) fn count_duplicate(&mut self) {
        self.published += 1;
        self.duplicates += 1;
    }

    /// Counts a message that cannot be usage.
    pub(crate) fn count_quarantined(&mut self, reason: &'static str) {
        self.published += 1;
        *self.quarantined.entry(reason).or_default() += 1;
    }

    /// Takes in what was counted elsewhere.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (key, sums) in &other.lines {
            self.lines.entry(*key).or_default().add(*sums);
        }
        for (reason, count) in &other.quarantined {
            *self.quarantined.entry(reason).or_default() += count;
        }
        self.published += other.published;
        self.duplicates += other.duplicates;
        self.waiting += other.waiting;
    }

    /// Messages that should be recorded.
    pub(crate) fn recorded(&self) -> u64 {
        self.lines.values().map(|sums| sums.messages).sum()
    }

    /// Messages that should be quarantined.
    pub(crate) fn set_aside(&self) -> u64 {
        self.quarantined.values().sum()
    }

    /// What each account should be billed in each of its currencies.
    pub(crate) fn bills(&self) -> BTreeMap<(usize, &'static str), Bill> {
        let mut bills: BTreeMap<_, Bill> = BTreeMap::new();
        for (key, sums) in &self.lines {
            let bill = bills.entry((key.account, key.currency)).or_default();
            bill.sums.add(*sums);
            bill.minor += minor(sums.micros);
        }
        bills
    }

    /// Exact amounts by currency.
    pub(crate) fn totals(&self) -> BTreeMap<&'static str, Sums> {
        let mut totals: BTreeMap<_, Sums> = BTreeMap::new();
        for (key, sums) in &self.lines {
            totals.entry(key.currency).or_default().add(*sums);
        }
        totals
    }
}

/// Hundredths of a currency unit, half away from zero. No amount here is negative.
pub(crate) fn minor(micros: i128) -> i128 {
    (micros + 5_000) / 10_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_is_rounded_up() {
        for (micros, expected) in [(0, 0), (4_999, 0), (5_000, 1), (14_999, 1), (15_000, 2), (1_000_000, 100)] {
            assert_eq!(minor(micros), expected, "{micros}");
        }
    }
}
