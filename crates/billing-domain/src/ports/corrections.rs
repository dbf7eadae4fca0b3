//! Corrections of prices that have rated usage: what they would change, and making them.

use std::future::Future;

use uuid::Uuid;

use crate::pricing::Correction;
use crate::{AccountId, MinorAmount, Month, PriceId};

use super::{AdminAction, ChangeOutcome, Page, PortError};

/// What a correction changes for one account and month.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CorrectionDelta {
    /// Whose usage.
    pub account: AccountId,
    /// Of which month.
    pub month: Month,
    /// Units charged by the price in the month so far.
    pub units: u64,
    /// What the month comes to by this price without the correction.
    pub before: MinorAmount,
    /// What it comes to with it. The difference goes on the account's next invoice.
    pub after: MinorAmount,
}

/// A correction and all that it changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CorrectionEffect {
    /// The correction.
    pub correction: Correction,
    /// Where something changes, by account and month.
    pub deltas: Vec<CorrectionDelta>,
}

/// Corrections as staff make them. Like a change of a price, one is audited and excludes rating while it commits; it
/// changes no rated event and no issued invoice.
pub trait PriceCorrections {
    /// What a correction would change; nothing is written.
    fn preview_correction(
        &self,
        correction: &Correction,
    ) -> impl Future<Output = Result<ChangeOutcome<CorrectionEffect>, PortError>> + Send;

    /// Makes a correction; the next invoice of each account that it concerns asks for the difference.
    fn correct_price(
        &self,
        correction: &Correction,
        action: &AdminAction,
    ) -> impl Future<Output = Result<ChangeOutcome<CorrectionEffect>, PortError>> + Send;

    /// Corrections by id, after `after`; of one price or of all.
    fn corrections(
        &self,
        price: Option<PriceId>,
        after: Option<Uuid>,
        limit: u32,
    ) -> impl Future<Output = Result<Page<Correction>, PortError>> + Send;
}
