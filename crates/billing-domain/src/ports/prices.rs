//! Prices and operator costs: the book for rating, and the changes that staff make.

use std::future::Future;

use jiff::Timestamp;
use uuid::Uuid;

use crate::pricing::{CorrectionError, CostKey, OperatorMatch, PriceTerms};
use crate::usage::Direction;
use crate::{AccountId, CostId, Currency, Day, DayRange, Micros, OperatorCost, OperatorId, Price, PriceBook, PriceId};
use crate::{TenantId, Tier};

use super::{PortError, ReplayError};

/// The current version of the price book, and the hash of its snapshot if one was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BookStamp {
    /// One more with every change of a price or cost.
    pub version: i64,
    /// SHA-256 of the snapshot's bytes.
    pub snapshot_sha256: Option<[u8; 32]>,
}

/// The prices' home.
pub trait PriceBookStore {
    /// The current version.
    fn stamp(&self) -> impl Future<Output = Result<BookStamp, PortError>> + Send;

    /// Every price and cost at the current version.
    fn book(&self) -> impl Future<Output = Result<PriceBook, PortError>> + Send;

    /// Records the hash of the snapshot of that version, unless one is recorded or the version is past.
    fn pin_snapshot(&self, version: i64, sha256: [u8; 32]) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// A book as bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The book's version.
    pub version: i64,
    /// Deterministic: the same book gives the same bytes.
    pub bytes: Vec<u8>,
    /// Of the bytes.
    pub sha256: [u8; 32],
}

/// A place to fetch the book from when a pod starts cold. It decides nothing: what it gives is believed only if it
/// has the hash that the store recorded.
pub trait PriceBookCache {
    /// The book of that version, when the cache has bytes of that hash; `None` when it has not, or has others.
    fn fetch(
        &self,
        version: i64,
        sha256: [u8; 32],
    ) -> impl Future<Output = Result<Option<PriceBook>, PortError>> + Send;

    /// The book as bytes.
    ///
    /// # Errors
    /// When it cannot be written as bytes.
    fn snapshot(&self, book: &PriceBook) -> Result<Snapshot, PortError>;

    /// Offers a snapshot to other pods.
    fn publish(&self, snapshot: &Snapshot) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Who changes something, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminAction {
    /// The token's `sub`.
    pub actor: String,
    /// The token's tenant, if it has one.
    pub tenant: Option<TenantId>,
    /// Correlates audit rows with logs and answers.
    pub trace_id: String,
    /// Why somebody looks at what is not theirs, as they say it: 1 to 200 characters.
    pub reason: Option<String>,
    /// Now.
    pub at: Timestamp,
    /// The caller's key and the hash of what was asked: the same key and hash has one effect in 24 hours.
    pub idempotency: Option<(String, [u8; 32])>,
}

/// A price to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPrice {
    /// Chosen by the caller, so that a repeated call is the same call.
    pub id: PriceId,
    /// What it says.
    pub terms: PriceTerms,
}

/// An operator cost to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCost {
    /// Chosen by the caller.
    pub id: CostId,
    /// Operator, direction and currency.
    pub key: CostKey,
    /// A segment.
    pub cost_per_segment: Micros,
    /// The days on which it is in force.
    pub days: DayRange,
}

/// What a change of an existing row turns it into.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CostDraft {
    /// The new version's id.
    pub id: CostId,
    /// A segment.
    pub cost_per_segment: Micros,
    /// The days of the new version.
    pub days: DayRange,
}

/// Why a change was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No such row.
    NotFound,
    /// Another row of the same key is in force on one of its days.
    Overlap,
    /// It would begin on a day for which usage has been rated that it would price otherwise: make a correction.
    RatedUsage,
    /// It has ended or was cancelled, and cannot be changed any more.
    Ended,
    /// It is not, or no longer, as the caller has seen it, or what the change was based on.
    Changed,
    /// The idempotency key was used for something else.
    KeyReused,
    /// A call with the same idempotency key is under way.
    KeyInUse,
    /// A correction that does not fit its price.
    Correction(CorrectionError),
    /// A quarantined message that cannot be replayed.
    Replay(ReplayError),
}

/// What became of a change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChangeOutcome<T> {
    /// Done, now or by an earlier call with the same idempotency key.
    Done(T),
    /// Not done, and nothing was written.
    Refused(Refusal),
}

/// A page of a list, by keyset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// The last row's key, when more rows follow.
    pub next: Option<Uuid>,
}

/// Which prices to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PriceFilter {
    /// Of this tier.
    pub tier: Option<Tier>,
    /// For this operator or for any.
    pub operator: Option<OperatorMatch>,
    /// For this account.
    pub account: Option<AccountId>,
    /// In force on this day.
    pub active_on: Option<Day>,
}

/// Which operator costs to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CostFilter {
    /// Of this operator.
    pub operator: Option<OperatorId>,
    /// In this direction.
    pub direction: Option<Direction>,
    /// In this currency.
    pub currency: Option<Currency>,
    /// In force on this day.
    pub active_on: Option<Day>,
}

/// Prices and costs as staff change them. Every change is audited, gives the book a new version, and excludes rating
/// while it commits.
pub trait PriceAdmin {
    /// Prices by id, after `after`.
    fn prices(
        &self,
        filter: &PriceFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> impl Future<Output = Result<Page<Price>, PortError>> + Send;

    /// One price, in force or not.
    fn price(&self, id: PriceId) -> impl Future<Output = Result<Option<Price>, PortError>> + Send;

    /// Makes a price.
    fn create_price(
        &self,
        new: &NewPrice,
        action: &AdminAction,
    ) -> impl Future<Output = Result<ChangeOutcome<Price>, PortError>> + Send;

    /// Closes a price the day before `new` begins and makes `new` its next version. Only the version last made can
    /// be changed, and only while it is what `new` was based on: what has ended meanwhile does not come back by it.
    fn supersede_price(
        &self,
        based_on: &Price,
        new: &NewPrice,
        action: &AdminAction,
    ) -> impl Future<Output = Result<ChangeOutcome<Price>, PortError>> + Send;

    /// Makes `today` the last day; a price that has not begun is cancelled and kept for the record. Only as it was
    /// `seen`, if that is said.
    fn end_price(
        &self,
        id: PriceId,
        seen: Option<&Price>,
        today: Day,
        action: &AdminAction,
    ) -> impl Future<Output = Result<ChangeOutcome<Price>, PortError>> + Send;

    /// Costs by id, after `after`.
    fn costs(
        &self,
        filter: &CostFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> impl Future<Output = Result<Page<OperatorCost>, PortError>> + Send;

    /// One cost, in force or not.
    fn cost(&self, id: CostId) -> impl Future<Output = Result<Option<OperatorCost>, PortError>> + Send;

    /// Makes a cost.
    fn create_cost(
        &self,
        new: &NewCost,
        action: &AdminAction,
    ) -> impl Future<Output = Result<ChangeOutcome<OperatorCost>, PortError>> + Send;

    /// Closes a cost the day before `new` begins and makes `new` its next version. Only while it is what `new` was based
    /// on.
    fn supersede_cost(
        &self,
        based_on: &OperatorCost,
        new: &CostDraft,
        action: &AdminAction,
    ) -> impl Future<Output = Result<ChangeOutcome<OperatorCost>, PortError>> + Send;

    /// Makes `today` the last day; a cost that has not begun is cancelled and kept for the record. Only as it was `seen`,
    /// if that is said.
    fn end_cost(
        &self,
        id: CostId,
        seen: Option<&OperatorCost>,
        today: Day,
        action: &AdminAction,
    ) -> impl Future<Output = Result<ChangeOutcome<OperatorCost>, PortError>> + Send;
}
