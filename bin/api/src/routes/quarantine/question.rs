//! From query parameters to a filter: which messages, and where in the list to go on.

use billing_domain::ports::{HeldState, QuarantineFilter};
use billing_domain::usage::QuarantineReason;
use billing_domain::{AccountId, DayRange};

use crate::http::cursor::Key;
use crate::http::fields::{day, one_of, uuid};
use crate::http::problem::Problem;
use crate::routes::call::Call;
use crate::routes::list::Place;
use crate::services::Store;

/// Where messages are.
pub(crate) const PATH: &str = "/v1/admin/pricing/quarantine";

/// Every state with its name on the wire; none: whatever became of a message.
pub(super) const STATES: [(Option<HeldState>, &str); 4] = [
    (Some(HeldState::Open), "open"),
    (Some(HeldState::Replayed), "replayed"),
    (Some(HeldState::Discarded), "discarded"),
    (None, "all"),
];

/// Every reason with its name, which is that of the metric and of the command line, too.
pub(super) fn reasons() -> [(QuarantineReason, &'static str); QuarantineReason::ALL.len()] {
    QuarantineReason::ALL.map(|reason| (reason, reason.name()))
}

/// Which messages, and where to go on.
///
/// # Errors
/// 422 for values that cannot be.
pub(super) fn read<S: Store>(call: &Call<S>) -> Result<(QuarantineFilter, Place<i64>), Problem> {
    let mut query = call.query()?;
    let place = Place::read(PATH, call, &mut query)?;
    let (from, to) = (query.optional("from", day), query.optional("to", day));
    if let (Some(from), Some(to)) = (from, to)
        && DayRange::inclusive(from, Some(to)).is_err()
    {
        query.refuse("to", "is not before from");
    }
    let filter = QuarantineFilter {
        reason: query.optional("reason", one_of(&reasons())),
        account: query.optional("accountId", uuid).map(AccountId),
        since: from.map(|day| day.start()),
        until: to.map(|day| day.next().start()),
        state: query.optional("state", one_of(&STATES)).unwrap_or(Some(HeldState::Open)),
    };
    query.finish(Some((filter, place)))
}

impl Key for i64 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}
