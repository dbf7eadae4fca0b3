//! What each port promises, as suites that run against any adapter: the fakes of this crate keep them, and so do the real
//! ones. A suite makes a fresh store for each promise and panics at the first that is broken, naming it.
//!
//! ```
//! use billing_testing::contracts::{self, Fresh};
//! use billing_testing::Memory;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! contracts::usage_ledger(async || Fresh::of(Memory::default())).await;
//! # });
//! ```
#![allow(clippy::expect_used, clippy::panic, reason = "what a promise cannot do without, it says so and ends")]

mod accounts;
mod cache;
mod corrections;
mod documents;
mod ledger;
mod margins;
mod prices;
mod quarantine;
mod stage;
mod waiting;

#[cfg(test)]
mod tests;

use billing_domain::ports::{
    AccountAdmin, Accounts, DocumentStore, PriceAdmin, PriceBookCache, PriceBookStore, PriceCorrections, Quarantine,
    QuarantineAdmin, UsageLedger, UsageReader,
};

use stage::Stage;

/// A store with nothing in it, as its two sorts of callers hold it.
#[derive(Clone, Debug)]
pub struct Fresh<S> {
    /// For whoever changes prices and accounts and reads usage.
    pub staff: S,
    /// For whoever records usage.
    pub worker: S,
}

impl<S: Clone> Fresh<S> {
    /// One store for both.
    #[must_use]
    pub fn of(store: S) -> Self {
        Self { staff: store.clone(), worker: store }
    }
}

/// `UsageLedger`: exactly once, whatever is delivered again; nothing at a version that is past; what waits is rated once,
/// costs are filled once, and sums are those of the events.
pub async fn usage_ledger<S>(make: impl AsyncFn() -> Fresh<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    ledger::what_is_delivered_again_changes_nothing(&Stage(make().await)).await;
    ledger::a_second_publication_is_counted_and_not_recorded(&Stage(make().await)).await;
    ledger::the_first_content_stands(&Stage(make().await)).await;
    ledger::what_is_judged_otherwise_later_stays_what_it_was(&Stage(make().await)).await;
    ledger::of_one_batch_the_first_publication_stands(&Stage(make().await)).await;
    ledger::nothing_is_written_at_a_version_that_is_past(&Stage(make().await)).await;
    ledger::sums_are_those_of_the_events(&Stage(make().await)).await;
    waiting::what_waits_is_rated_once(&Stage(make().await)).await;
    waiting::what_waited_in_vain_gives_up_its_claim(&Stage(make().await)).await;
    waiting::a_missing_cost_is_filled_once(&Stage(make().await)).await;
    waiting::a_loss_that_a_late_cost_shows_is_told(&Stage(make().await)).await;
}

/// `PriceAdmin` and `PriceBookStore`: no two periods of a key overlap, a change closes the version before it, what ends is
/// kept and does not come back, what was seen otherwise stays, one idempotency key has one effect, every change and no other gives the book a new version, and no price begins
/// where it would have priced usage otherwise.
pub async fn prices<S>(make: impl AsyncFn() -> Fresh<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    prices::periods_of_one_key_do_not_overlap(&Stage(make().await)).await;
    prices::a_change_closes_the_version_before_it(&Stage(make().await)).await;
    prices::what_ends_is_kept(&Stage(make().await)).await;
    prices::one_idempotency_key_has_one_effect(&Stage(make().await)).await;
    prices::an_idempotency_key_holds_for_a_day(&Stage(make().await)).await;
    prices::every_change_gives_the_book_a_version(&Stage(make().await)).await;
    prices::costs_change_like_prices(&Stage(make().await)).await;
    prices::what_was_seen_otherwise_stays(&Stage(make().await)).await;
    prices::what_has_ended_meanwhile_does_not_come_back(&Stage(make().await)).await;
    prices::rated_usage_is_not_priced_otherwise(&Stage(make().await)).await;
}

/// `PriceBookCache`: what was published is given out by its hash, and nothing else ever is.
pub async fn price_book_cache<C: PriceBookCache>(make: impl AsyncFn() -> C) {
    cache::a_book_is_given_out_by_its_hash_only(&make().await).await;
    cache::other_bytes_are_never_given_out(&make().await).await;
}

/// `DocumentStore`: created once, adopted when it is the same, never overwritten; a URL for 15 minutes.
pub async fn documents<D: DocumentStore>(make: impl AsyncFn() -> D) {
    documents::an_object_is_created_once(&make().await).await;
    documents::of_two_writers_one_wins(&make().await).await;
    documents::a_url_is_good_for_a_quarter_of_an_hour(&make().await).await;
}

/// `Accounts` and `AccountAdmin`: one tenant for ever, profiles learned from the day they were seen, staff's word above
/// what is learned, nothing done twice, and nothing changed that was seen otherwise.
pub async fn accounts<S: Accounts + AccountAdmin>(make: impl AsyncFn() -> Fresh<S>) {
    accounts::a_profile_is_learned_once(&make().await).await;
    accounts::a_tenant_is_for_ever(&make().await).await;
    accounts::what_staff_say_stands(&make().await).await;
    accounts::what_was_seen_otherwise_stays(&make().await).await;
}

/// `PriceCorrections`: a preview writes nothing, a correction tells what the preview told, and rated usage stays as it is.
pub async fn corrections<S>(make: impl AsyncFn() -> Fresh<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader + PriceCorrections,
{
    corrections::a_preview_writes_nothing(&Stage(make().await)).await;
    corrections::a_correction_changes_no_rated_event(&Stage(make().await)).await;
    corrections::what_does_not_fit_its_price_is_refused(&Stage(make().await)).await;
}

/// `UsageReader::margins`: losses first, what has no known cost named, and pages that leave nothing out.
pub async fn margins<S>(make: impl AsyncFn() -> Fresh<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    margins::losses_come_first_and_what_has_no_cost_is_named(&Stage(make().await)).await;
    margins::sums_are_those_of_usage_on_every_page(&Stage(make().await)).await;
}

/// `QuarantineAdmin` and `Quarantine`: staff see no bytes; a replay is asked for and carried out once; what is discarded is
/// closed for good.
pub async fn quarantine<S>(make: impl AsyncFn() -> Fresh<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader + QuarantineAdmin + Quarantine,
{
    quarantine::staff_see_what_is_held_and_no_bytes(&Stage(make().await)).await;
    quarantine::a_replay_is_asked_for_and_carried_out_once(&Stage(make().await)).await;
    quarantine::a_replay_that_mends_nothing_says_so(&Stage(make().await)).await;
    quarantine::what_is_discarded_is_closed_for_good(&Stage(make().await)).await;
}
