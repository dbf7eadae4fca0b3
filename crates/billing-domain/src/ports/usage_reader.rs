//! Usage as it is asked for.

use std::future::Future;

use jiff::Timestamp;

use crate::usage::{MarginPlace, MarginQuestion, MarginRow, MarginTotal, UsageCell, UsageQuestion};
use crate::{AccountId, Currency, TenantId};

use super::{AdminAction, PortError};

/// What a reader needs to know of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountProfile {
    /// Its tenant.
    pub tenant: TenantId,
    /// Its main currency.
    pub currency: Currency,
}

/// Cells and how fresh they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageAnswer {
    /// What is known of the account; `None` when it does not exist within the tenant that may be seen.
    pub account: Option<AccountProfile>,
    /// Hour cells for hourly questions, day cells otherwise.
    pub cells: Vec<UsageCell>,
    /// The instant up to which the answer is complete, in whole microseconds; also when there is no account.
    pub as_of: Timestamp,
}

/// Some groups, those that lose most first, and the sums of all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarginPage {
    /// The groups, in the order of their places.
    pub rows: Vec<MarginRow>,
    /// The last one's place, when more follow.
    pub next: Option<MarginPlace>,
    /// Of all groups, those of other pages included, by currency.
    pub totals: Vec<MarginTotal>,
    /// The instant up to which the answer is complete, in whole microseconds.
    pub as_of: Timestamp,
}

/// Reads usage.
pub trait UsageReader {
    /// Usage of one account, fenced by the question's tenant. From the replica when it is fresh.
    fn usage(&self, question: &UsageQuestion) -> impl Future<Output = Result<UsageAnswer, PortError>> + Send;

    /// What usage earns, of every tenant, after `after`. From the buckets; from the replica when it is fresh.
    fn margins(
        &self,
        question: &MarginQuestion,
        after: Option<&MarginPlace>,
        limit: u32,
    ) -> impl Future<Output = Result<MarginPage, PortError>> + Send;

    /// Notes in the audit log that staff read an account's data, or every account's.
    fn note_read(
        &self,
        account: Option<AccountId>,
        what: &'static str,
        action: &AdminAction,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}
