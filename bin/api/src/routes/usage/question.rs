//! From query parameters and caller to a usage question: whose usage, which days, how finely.

use billing_domain::usage::{Granularity, UsageQuestion};
use billing_domain::{AccountId, Day, OperatorId};

use crate::http::fields::{Fields, one_of, uuid};
use crate::http::problem::{Kind, Problem};
use crate::routes::call::Call;
use crate::routes::terms::days_asked;
use crate::services::Store;

/// Every granularity with its name on the wire.
pub(super) const GRANULARITIES: [(Granularity, &str); 3] =
    [(Granularity::Hour, "hour"), (Granularity::Day, "day"), (Granularity::Month, "month")];

/// What is asked, if the caller may ask it.
///
/// # Errors
/// 404 when a customer asks for another account; 422 for values that cannot be.
pub(super) fn read<S: Store>(call: &Call<S>) -> Result<UsageQuestion, Problem> {
    let mut query = call.query()?;
    let account = account(call, &mut query)?;
    let days = days_asked(&mut query, Day::of(call.now));
    let granularity = query.optional("granularity", one_of(&GRANULARITIES)).unwrap_or_default();
    let operator = query.optional("operatorId", OperatorId::new);
    let tenant = if call.caller.is_staff() { None } else { call.caller.tenant };
    let question =
        account.zip(days).map(|(account, days)| UsageQuestion { tenant, account, days, granularity, operator });
    query.finish(question)
}

/// The account asked for, else the token's own. For customers every other account does not exist.
fn account<S: Store>(call: &Call<S>, query: &mut Fields) -> Result<Option<AccountId>, Problem> {
    let own = call.caller.account;
    if !query.has("accountId") {
        if own.is_none() {
            query.refuse("accountId", "is required: the token names no account");
        }
        return Ok(own);
    }
    let asked = query.optional("accountId", uuid).map(AccountId);
    if !call.caller.is_staff() && asked.is_some() && asked != own {
        return Err(Kind::NotFound.into());
    }
    Ok(asked)
}
