//! What each line of a deck does to what stands: it makes the next version of what is in force on its first day, as a
//! single change does, or a first version, or nothing.

use std::collections::HashMap;
use std::hash::Hash;

use uuid::Uuid;

use crate::{Day, DayRange};

use super::{Deck, DeckEntry, DeckLine, DeckPlan, LineRefusal, NewVersion, RefusedLine, StandingVersion, Superseded};

/// What a deck does to the standing versions of its keys. Versions of other keys may be among them and stay as they are.
#[must_use]
pub fn plan<E: DeckEntry>(deck: &Deck<E>, standing: Vec<StandingVersion<E::Terms>>) -> DeckPlan<E> {
    let mut book: HashMap<E::Key, Vec<StandingVersion<E::Terms>>> = HashMap::new();
    for version in standing {
        book.entry(E::key(&version.terms)).or_default().push(version);
    }
    let mut plan = DeckPlan { made: Vec::new(), unchanged: Vec::new(), refused: Vec::new(), after: HashMap::new() };
    let mut keys: HashMap<E::Key, Vec<(&DeckLine<E>, DayRange)>> = HashMap::new();
    for line in &deck.lines {
        let terms = line.entry.terms(None);
        keys.entry(E::key(&terms)).or_default().push((line, E::days(&terms)));
    }
    for (key, mut lines) in keys {
        // Each line sees what those of earlier days did.
        lines.sort_by_key(|(line, days)| (days.from(), line.number));
        let doubled = doubled(&lines);
        let versions = book.entry(key).or_default();
        for (line, days) in lines {
            let number = line.number;
            let outcome = match doubled.get(&number) {
                Some(other) => Err(LineRefusal::Doubled(*other)),
                None => apply(deck, line, days, versions),
            };
            match outcome {
                Ok(Some(made)) => plan.made.push(made),
                Ok(None) => plan.unchanged.push((number, line.entry.terms(None))),
                Err(why) => plan.refused.push(RefusedLine { line: number, why }),
            }
        }
    }
    plan.made.sort_by_key(|made| made.line);
    plan.unchanged.sort_by_key(|(line, _)| *line);
    plan.refused.sort_by_key(|refused| refused.line);
    plan.after = terms_by_key(book);
    plan
}

/// The plan of a deck that was applied before: `found` are the versions that it made, of which line numbers are known by
/// their ids, and the versions that these superseded, as they are now.
#[must_use]
pub fn retell<E: DeckEntry>(
    deck: &Deck<E>,
    standing: Vec<StandingVersion<E::Terms>>,
    mut found: HashMap<Uuid, (u32, Option<Superseded>)>,
) -> DeckPlan<E> {
    let mut plan = DeckPlan { made: Vec::new(), unchanged: Vec::new(), refused: Vec::new(), after: HashMap::new() };
    for line in &deck.lines {
        let (id, terms) = (deck.version_id(line.number), line.entry.terms(None));
        match found.remove(&id) {
            Some((version, old)) => plan.made.push(NewVersion { line: line.number, id, version, terms, old }),
            None => plan.unchanged.push((line.number, terms)),
        }
    }
    let mut book: HashMap<E::Key, Vec<StandingVersion<E::Terms>>> = HashMap::new();
    for version in standing {
        book.entry(E::key(&version.terms)).or_default().push(version);
    }
    plan.after = terms_by_key(book);
    plan
}

/// The lines of one key, sorted by first day, that share a day with another, and which other.
fn doubled<E>(lines: &[(&DeckLine<E>, DayRange)]) -> HashMap<u32, u32> {
    let mut doubled = HashMap::new();
    let mut longest: Option<(u32, DayRange)> = None;
    for (line, days) in lines {
        let number = line.number;
        if let Some((other, _)) = longest.filter(|(_, longest)| longest.overlaps(*days)) {
            doubled.insert(number, other);
            doubled.entry(other).or_insert(number);
        }
        let ends_later = |until: Day| days.until().is_none_or(|own| own > until);
        if longest.is_none_or(|(_, longest)| longest.until().is_some_and(ends_later)) {
            longest = Some((number, *days));
        }
    }
    doubled
}

/// Does what one line says to the versions of its key; `None`: they say so already.
fn apply<E: DeckEntry>(
    deck: &Deck<E>,
    line: &DeckLine<E>,
    days: DayRange,
    versions: &mut Vec<StandingVersion<E::Terms>>,
) -> Result<Option<NewVersion<E::Terms>>, LineRefusal> {
    let in_force = versions.iter().position(|version| E::days(&version.terms).contains(days.from()));
    let old = in_force.map(|at| &versions[at]);
    if old.is_some_and(|old| says_so_already(line, days, &old.terms)) {
        return Ok(None);
    }
    if old.is_some_and(|old| !E::fits_a_line(&old.terms)) {
        return Err(LineRefusal::NotForDecks);
    }
    let others = versions.iter().enumerate().filter(|(at, _)| Some(*at) != in_force);
    let clashes = others.map(|(_, version)| E::days(&version.terms)).filter(|other| other.overlaps(days));
    if let Some(begins) = clashes.map(DayRange::from).min() {
        return Err(LineRefusal::Overlap(begins));
    }
    let superseded = old.map(|old| supersede::<E>(old, days)).transpose()?;
    let version = old.map_or(0, |old| old.version) + 1;
    let (id, terms) = (deck.version_id(line.number), line.entry.terms(old.map(|old| &old.terms)));
    if let Some(closed) = in_force.map(|at| versions.swap_remove(at))
        && let Some(days) = superseded.and_then(|old| old.days)
    {
        let terms = E::on(&closed.terms, days);
        versions.push(StandingVersion { is_superseded: true, terms, ..closed });
    }
    versions.push(StandingVersion { id, version, is_superseded: false, terms: terms.clone() });
    Ok(Some(NewVersion { line: line.number, id, version, terms, old: superseded }))
}

/// Whether what stands on a line's first day stands until its end, and says the same.
fn says_so_already<E: DeckEntry>(line: &DeckLine<E>, days: DayRange, old: &E::Terms) -> bool {
    E::days(old).until() == days.until() && line.entry.terms(Some(old)) == E::on(old, days)
}

/// What becomes of the version that a line supersedes: it ends the day before. A version that would begin no later than
/// it was never in force.
fn supersede<E: DeckEntry>(old: &StandingVersion<E::Terms>, days: DayRange) -> Result<Superseded, LineRefusal> {
    let old_days = E::days(&old.terms);
    if old.is_superseded {
        return Err(LineRefusal::Replaced(old_days.last().unwrap_or(old_days.from())));
    }
    let days = DayRange::new(old_days.from(), Some(days.from())).ok();
    Ok(Superseded { id: old.id, unit_amount: E::unit_amount(&old.terms), days })
}

fn terms_by_key<K: Eq + Hash, T>(book: HashMap<K, Vec<StandingVersion<T>>>) -> HashMap<K, Vec<T>> {
    book.into_iter().map(|(key, versions)| (key, versions.into_iter().map(|version| version.terms).collect())).collect()
}
