//! Price decks: many lines that become versions of prices, or of operator costs, all or none.
//!
//! Here is decided what each line does to what stands ([`plan`]) and what is earned on each key after it
//! ([`price_margins`], [`cost_margins`]). Reading a file is the edge's; whether usage has been rated on a line's days
//! only the store knows, which says so by [`DeckPlan::refuse_rated`].

mod entry;
mod margin;
mod plan;

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;

use uuid::Uuid;

use crate::{Day, DayRange, Micros};

pub use entry::{CostTerms, DeckPrice};
pub use margin::{KeyMargin, MARGINS_LISTED_MAX, Margins, cost_margins, price_margins};
pub use plan::{plan, retell};

/// The content of a line: a price's ([`DeckPrice`]) or an operator cost's ([`CostTerms`]).
pub trait DeckEntry: Clone + Eq + Debug + Send + Sync {
    /// What two versions must not share on any day.
    type Key: Clone + Eq + Hash + Debug + Send + Sync;
    /// What a version says.
    type Terms: Clone + Eq + Debug + Send + Sync;

    /// Of the version that the line makes. What a line cannot say is as in the version that it supersedes.
    fn terms(&self, old: Option<&Self::Terms>) -> Self::Terms;

    /// What terms are filed under.
    fn key(terms: &Self::Terms) -> Self::Key;

    /// The days on which terms are in force.
    fn days(terms: &Self::Terms) -> DayRange;

    /// The same terms on other days.
    fn on(terms: &Self::Terms, days: DayRange) -> Self::Terms;

    /// A segment or message.
    fn unit_amount(terms: &Self::Terms) -> Micros;

    /// Whether a line could say all of it: a deck never replaces what it cannot show.
    fn fits_a_line(terms: &Self::Terms) -> bool;
}

/// A line and where it stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeckLine<E> {
    /// In the file; its header is on line 1.
    pub number: u32,
    /// What it says.
    pub entry: E,
}

/// What is to be imported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deck<E> {
    /// Chosen by the caller, so that a repeated call is the same call.
    pub id: Uuid,
    /// Of the file's bytes, for the audit log.
    pub sha256: [u8; 32],
    /// In any order; numbers differ.
    pub lines: Vec<DeckLine<E>>,
}

impl<E> Deck<E> {
    /// The id of the version that a line makes, if it makes one: always the same.
    #[must_use]
    pub fn version_id(&self, line: u32) -> Uuid {
        Uuid::new_v5(&self.id, &line.to_be_bytes())
    }
}

/// A version in the book: not cancelled, ended or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StandingVersion<T> {
    /// Of the price or cost.
    pub id: Uuid,
    /// 1 for the first of its line.
    pub version: u32,
    /// Whether another version was made of it: then it cannot be changed any more.
    pub is_superseded: bool,
    /// What it says.
    pub terms: T,
}

/// A version that a line makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewVersion<T> {
    /// The line.
    pub line: u32,
    /// [`Deck::version_id`] of it.
    pub id: Uuid,
    /// One more than the version that it supersedes, else 1.
    pub version: u32,
    /// What it says.
    pub terms: T,
    /// The version that it supersedes; `None`: it is added.
    pub old: Option<Superseded>,
}

/// A version that a line closes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Superseded {
    /// Of the price or cost.
    pub id: Uuid,
    /// Its price or cost.
    pub unit_amount: Micros,
    /// Its days from now on: it ends the day before the line begins. `None`: it would have begun no earlier than the
    /// line, so it is cancelled.
    pub days: Option<DayRange>,
}

/// Why a line is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LineRefusal {
    /// Two lines of one key share a day.
    #[error("line {0} is about the same key on one of the same days")]
    Doubled(u32),
    /// Another version, which the line does not supersede, is in force on one of its days.
    #[error("another version of this key begins on {0}; end the line before that day, or end that version first")]
    Overlap(Day),
    /// The version in force on the first day was changed before, and ends on that day.
    #[error("the version in force on this day was replaced and ends on {0}; begin after that day")]
    Replaced(Day),
    /// What stands is more than a line can say.
    #[error("the price in force on this day has a model or monthly terms that a deck cannot show; change it by itself")]
    NotForDecks,
    /// Usage of these days has been rated.
    #[error(
        "usage has been rated on or after this day at what the line would change; begin later, or make a correction"
    )]
    RatedUsage,
}

/// A line that cannot be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedLine {
    /// The line.
    pub line: u32,
    /// Why.
    pub why: LineRefusal,
}

/// What a deck does, line by line. Every list is in the order of lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeckPlan<E: DeckEntry> {
    /// Versions to be made.
    pub made: Vec<NewVersion<E::Terms>>,
    /// Lines that say what stands.
    pub unchanged: Vec<(u32, E::Terms)>,
    /// Lines that cannot be. Unless it is empty nothing is done.
    pub refused: Vec<RefusedLine>,
    /// The versions of the keys once everything is done.
    pub after: HashMap<E::Key, Vec<E::Terms>>,
}

impl<E: DeckEntry> DeckPlan<E> {
    /// Refuses the lines, in ascending order, that would change what usage has been rated at.
    pub fn refuse_rated(&mut self, lines: &[u32]) {
        self.made.retain(|made| lines.binary_search(&made.line).is_err());
        self.refused.extend(lines.iter().map(|line| RefusedLine { line: *line, why: LineRefusal::RatedUsage }));
        self.refused.sort_by_key(|refused| refused.line);
    }

    /// What holds on the first day of each line that is not refused.
    pub fn lines(&self) -> impl Iterator<Item = (u32, &E::Terms)> {
        let made = self.made.iter().map(|made| (made.line, &made.terms));
        made.chain(self.unchanged.iter().map(|(line, terms)| (*line, terms)))
    }
}

/// What a deck does, or did, and what is earned after it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeckReport<E: DeckEntry> {
    /// Line by line.
    pub plan: DeckPlan<E>,
    /// Key by key.
    pub margins: Margins,
}

#[cfg(test)]
mod tests;
