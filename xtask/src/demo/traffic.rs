//! The month's messages: how many at which hour, whose, over which operator, told by which producer, which of them twice
//! and which of them wrongly. The same for the same seed.

use std::collections::BTreeMap;

use anyhow::Result;
use rand::distr::weighted::WeightedIndex;
use rand::prelude::{Distribution, Rng, RngCore, SeedableRng, StdRng};
use uuid::Uuid;

use super::cast::OPERATORS;
use super::event::{Envelope, Event, Shape};
use super::hostile;
use super::model::{Model, World};

const HOUR_MILLIS: u64 = 60 * 60 * 1_000;
/// Of a day in Kabul: how busy each hour is.
const RHYTHM: [u64; 24] = [3, 2, 1, 1, 2, 4, 8, 13, 18, 21, 22, 21, 19, 19, 18, 18, 17, 15, 14, 13, 11, 9, 7, 5];
/// Whole hours that Kabul is ahead of UTC.
const KABUL: usize = 4;
/// In percent of another day.
const FRIDAY: u64 = 45;

/// One in so many messages comes twice.
const DUPLICATE_EVERY: u32 = 100;
/// So many messages later at most.
const DUPLICATE_WITHIN: u64 = 3_000;
/// In percent, of those that fit it.
const REPORTS: u32 = 21;
/// In percent, of messages that a mobile sent.
const ORIGINATED: u32 = 4;
/// In percent, of the messages of an account that uses two.
const SECOND_CURRENCY: u32 = 30;
/// Messages that contradict one that stands.
const CONFLICTS: u64 = 12;
/// One hostile message of each kind for so many good ones.
const HOSTILE_ROUND: u64 = 25_000;

/// In thousandths, by number of segments from 1.
const SEGMENTS: [u32; 10] = [700, 180, 70, 25, 10, 6, 4, 2, 2, 1];
const STATUSES: [(&str, u32); 5] =
    [("DELIVERED", 930), ("UNDELIVERED", 30), ("FAILED", 20), ("EXPIRED", 12), ("REJECTED", 8)];

/// Draws events.
struct Dice {
    rng: StdRng,
    accounts: WeightedIndex<u32>,
    operators: WeightedIndex<u32>,
    segments: WeightedIndex<u32>,
    statuses: WeightedIndex<u32>,
}

/// Sends the month through `send`; what it should come to, and the messages that contradict one of the month, which must
/// be sent when the month is recorded: the first one that is recorded stands.
pub(crate) fn month(world: &World, mut send: impl FnMut(Envelope) -> Result<()>) -> Result<(Model, Vec<Envelope>)> {
    let mut dice = Dice::new(world, 1)?;
    let (mut model, mut conflicts) = (Model::default(), Vec::new());
    let mut again: BTreeMap<u64, Vec<Envelope>> = BTreeMap::new();
    let hostile_every = (HOSTILE_ROUND.min(world.messages) / hostile::KINDS).max(1);
    let conflict_every = (world.messages / CONFLICTS).max(1);
    for (n, at) in (0..).zip(instants(world, &mut dice.rng)) {
        let event = dice.event(world, n, at);
        let account = &world.accounts[event.account];
        let opens = usize::try_from(n).is_ok_and(|n| n < world.accounts.len());
        let shape =
            if !opens && event.fits_report(account) && dice.percent(REPORTS) { Shape::Report } else { Shape::Charged };
        model.count(&event, world)?;
        send(event.write(shape, account, world.period))?;
        if dice.rng.random_ratio(1, DUPLICATE_EVERY) {
            let due = n + dice.rng.random_range(1..=DUPLICATE_WITHIN);
            again.entry(due).or_default().push(dice.again(&event, shape, world));
        }
        while let Some(entry) = again.first_entry().filter(|entry| *entry.key() <= n) {
            entry.remove().into_iter().try_for_each(|envelope| {
                model.count_duplicate();
                send(envelope)
            })?;
        }
        if n % hostile_every == 0 {
            let bad = Event { id: dice.id(world, at), ..event.clone() };
            let (reason, envelope) = hostile::message(n / hostile_every, &bad, account, world.period);
            model.count_quarantined(reason);
            send(envelope)?;
        }
        if n % conflict_every == conflict_every / 2 {
            let other = Event { segments: event.segments % 10 + 1, ..event };
            let envelope = other.write(Shape::Charged, account, world.period);
            conflicts.push(Envelope { id: Some(format!("{}-other", other.id)), ..envelope });
        }
    }
    for envelope in again.into_values().flatten() {
        model.count_duplicate();
        send(envelope)?;
    }
    Ok((model, conflicts))
}

/// Usage of one account that comes after its month was billed.
pub(crate) fn late(world: &World, account: usize, number: u64) -> Result<(Model, Vec<Envelope>)> {
    let mut dice = Dice::new(world, 2 + u64::try_from(account).unwrap_or_default())?;
    let (mut model, mut envelopes) = (Model::default(), Vec::new());
    let last_hours = u64::from(world.period.days()) * 24 * HOUR_MILLIS;
    for n in 0..number {
        let at = last_hours - 1 - (number - n) * 977;
        let event = Event { account, currency: world.accounts[account].currency, ..dice.event(world, n, at) };
        model.count(&event, world)?;
        envelopes.push(event.write(Shape::Charged, &world.accounts[account], world.period));
    }
    Ok((model, envelopes))
}

impl Dice {
    fn new(world: &World, stream: u64) -> Result<Self> {
        Ok(Self {
            rng: StdRng::seed_from_u64(world.seed.wrapping_mul(31).wrapping_add(stream)),
            accounts: WeightedIndex::new(world.accounts.iter().map(|account| account.weight))?,
            operators: WeightedIndex::new(OPERATORS.map(|(_, _, weight)| weight))?,
            segments: WeightedIndex::new(SEGMENTS)?,
            statuses: WeightedIndex::new(STATUSES.map(|(_, weight)| weight))?,
        })
    }

    /// The n-th event. The first ones make every account known, one each.
    fn event(&mut self, world: &World, n: u64, at: u64) -> Event {
        let opening = usize::try_from(n).ok().filter(|n| *n < world.accounts.len());
        let account = opening.unwrap_or_else(|| self.accounts.sample(&mut self.rng));
        let second = world.accounts[account].also.filter(|_| self.percent(SECOND_CURRENCY) && opening.is_none());
        let segments = self.segments.sample(&mut self.rng) + 1;
        Event {
            id: self.id(world, at),
            account,
            operator: OPERATORS[self.operators.sample(&mut self.rng)].0,
            direction: if opening.is_none() && self.percent(ORIGINATED) { "MO" } else { "MT" },
            segments: u8::try_from(segments).unwrap_or(1),
            status: STATUSES[self.statuses.sample(&mut self.rng)].0,
            currency: second.unwrap_or(world.accounts[account].currency),
            at,
        }
    }

    /// The same message once more: under another id on the stream, under none, or as the other producer tells it.
    fn again(&mut self, event: &Event, shape: Shape, world: &World) -> Envelope {
        let account = &world.accounts[event.account];
        let way = self.rng.random_range(0..3);
        let shape = match shape {
            Shape::Charged if way == 0 && event.fits_report(account) => Shape::Report,
            Shape::Report if way == 0 => Shape::Charged,
            same => same,
        };
        let id = (way != 1).then(|| format!("{}-again", event.id));
        Envelope { id, ..event.write(shape, account, world.period) }
    }

    /// A UUID of version 7.
    fn id(&mut self, world: &World, at: u64) -> Uuid {
        let mut random = [0; 10];
        self.rng.fill_bytes(&mut random);
        uuid::Builder::from_unix_timestamp_millis(world.period.epoch_millis(at), &random).into_uuid()
    }

    fn percent(&mut self, percent: u32) -> bool {
        self.rng.random_ratio(percent, 100)
    }
}

/// When each message was sent: by day and night, less on Fridays, in order.
fn instants(world: &World, rng: &mut StdRng) -> Vec<u64> {
    let hours = (1..=world.period.days()).flat_map(|day| {
        let busy = if world.period.is_friday(day) { FRIDAY } else { 100 };
        (0..RHYTHM.len()).map(move |hour| busy * RHYTHM[(hour + KABUL) % RHYTHM.len()])
    });
    let hours: Vec<u64> = hours.collect();
    let all: u64 = hours.iter().sum();
    let (mut before, mut instants) = (0, Vec::new());
    for (hour, weight) in (0..).zip(hours) {
        let sent = |weights: u64| world.messages * weights / all;
        let number = sent(before + weight) - sent(before);
        before += weight;
        instants.extend(
            (0..number).map(|n| hour * HOUR_MILLIS + (n * HOUR_MILLIS + rng.random_range(0..HOUR_MILLIS)) / number),
        );
    }
    instants
}

#[cfg(test)]
mod tests {
    use super::super::{cast, deck, period::Period};
    use super::*;

    fn world(messages: u64, seed: u64) -> World {
        let accounts = cast::accounts(12, seed);
        let prices = deck::prices(&accounts);
        let period = Period::before("2026-11-22T18:00:00Z".parse().unwrap()).unwrap();
        World { period, accounts, prices, messages, seed }
    }

    fn played(messages: u64, seed: u64) -> (Model, Vec<Vec<u8>>) {
        let mut sent = Vec::new();
        let (model, conflicts) = month(&world(messages, seed), |envelope| {
            sent.push(envelope.payload);
            Ok(())
        })
        .unwrap();
        assert_eq!(conflicts.len(), usize::try_from(CONFLICTS).unwrap());
        (model, sent)
    }

    #[test]
    fn a_seed_is_a_month() {
        let (model, sent) = played(3_000, 7);
        assert_eq!(model.recorded(), 3_000);
        assert_eq!(model.published, u64::try_from(sent.len()).unwrap());
        assert_eq!(model.published, model.recorded() + model.duplicates + model.set_aside());
        assert_eq!(model.quarantined.len(), 6);
        assert!((10..60).contains(&model.duplicates) && model.waiting > 0, "{} {}", model.duplicates, model.waiting);
        assert_eq!(sent, played(3_000, 7).1);
        assert_ne!(sent, played(3_000, 8).1);
    }

    #[test]
    fn nights_are_quiet() {
        let world = world(50_000, 1);
        let instants = instants(&world, &mut StdRng::seed_from_u64(1));
        assert_eq!(instants.len(), 50_000);
        assert!(instants.is_sorted());
        let at_hour = |wanted: u64| instants.iter().filter(|at| *at / HOUR_MILLIS % 24 == wanted).count();
        assert!(at_hour(6) > 5 * at_hour(22), "{} {}", at_hour(6), at_hour(22));
    }
}
