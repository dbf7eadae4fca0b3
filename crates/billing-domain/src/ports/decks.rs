//! Price decks: many versions at once, shown first, then made all or none.

use std::future::Future;

use crate::pricing::deck::{CostTerms, Deck, DeckEntry, DeckPrice, DeckReport};

use super::{AdminAction, ChangeOutcome, PortError};

/// Where decks of one sort are imported: of prices or of operator costs.
pub trait DeckStore<E: DeckEntry> {
    /// What the deck would do now. Changes nothing.
    fn preview(&self, deck: &Deck<E>) -> impl Future<Output = Result<DeckReport<E>, PortError>> + Send;

    /// Does what the deck says if no line is refused; else nothing. It is audited, gives the book one new version, and
    /// excludes rating while it commits.
    ///
    /// The same call again, by the deck's id or by the action's idempotency key, changes nothing and tells what the first
    /// one did; its margins are those of now.
    fn apply(
        &self,
        deck: &Deck<E>,
        action: &AdminAction,
    ) -> impl Future<Output = Result<ChangeOutcome<DeckReport<E>>, PortError>> + Send;
}

/// A home of decks of both sorts.
pub trait PriceDecks: DeckStore<DeckPrice> + DeckStore<CostTerms> {}

impl<T: DeckStore<DeckPrice> + DeckStore<CostTerms>> PriceDecks for T {}
