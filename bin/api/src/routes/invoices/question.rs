//! From query parameters and caller to a filter: whose invoices, in which state, for which months.

use billing_domain::invoicing::InvoiceStatus;
use billing_domain::ports::InvoiceFilter;
use billing_domain::{AccountId, DayRange, InvoiceId, Month};

use crate::http::fields::{day, one_of, uuid};
use crate::http::problem::{Kind, Problem};
use crate::routes::call::Call;
use crate::routes::list::Place;
use crate::services::Store;

/// Where the list is.
const PATH: &str = "/v1/billing/invoices";

/// Every status with its name on the wire.
pub(super) const STATUSES: [(InvoiceStatus, &str); 3] =
    [(InvoiceStatus::Draft, "DRAFT"), (InvoiceStatus::Finalized, "FINALIZED"), (InvoiceStatus::Void, "VOID")];

/// Which invoices, and where in the list to go on.
///
/// # Errors
/// 404 when a customer asks for another account; 422 for values that cannot be.
pub(super) fn read<S: Store>(
    call: &Call<S>,
    is_whole: bool,
) -> Result<(InvoiceFilter, Place<(Month, InvoiceId)>), Problem> {
    let mut query = call.query()?;
    let asked = query.optional("accountId", uuid).map(AccountId);
    let own = if call.caller.is_staff() {
        None
    } else {
        // Nobody comes here without both, and without them there would be no fence.
        Some((call.caller.tenant.ok_or(Kind::Forbidden)?, call.caller.account.ok_or(Kind::Forbidden)?))
    };
    if own.is_some_and(|(_, account)| asked.is_some_and(|asked| asked != account)) {
        return Err(Kind::NotFound.into());
    }
    let place = if is_whole { Place::whole(PATH, call, &mut query) } else { Place::read(PATH, call, &mut query) }?;
    let filter = InvoiceFilter {
        tenant: own.map(|(tenant, _)| tenant),
        account: own.map(|(_, account)| account).or(asked),
        status: query.optional("status", one_of(&STATUSES)),
        from: query.optional("from", day),
        to: query.optional("to", day),
        with_drafts: own.is_none(),
    };
    if let (Some(from), Some(to)) = (filter.from, filter.to)
        && DayRange::inclusive(from, Some(to)).is_err()
    {
        query.refuse("to", "is not before from");
    }
    query.finish(Some((filter, place)))
}
