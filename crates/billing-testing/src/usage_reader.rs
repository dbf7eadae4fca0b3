//! The fake of `UsageReader`.

use billing_domain::ports::{AdminAction, PortError, UsageAnswer, UsageReader};
use billing_domain::usage::UsageQuestion;
use billing_domain::{AccountId, Day};
use jiff::Timestamp;

use crate::memory::{Memory, NotedRead};

/// Until when every answer is complete.
const AS_OF: Timestamp = Timestamp::constant(1_792_065_600, 0);

impl UsageReader for Memory {
    async fn usage(&self, question: &UsageQuestion) -> Result<UsageAnswer, PortError> {
        let state = self.open("usage")?;
        let seen = state.accounts.get(&question.account).copied();
        let account = seen.filter(|profile| question.tenant.is_none_or(|tenant| tenant == profile.tenant));
        let cells = state.usage.iter().filter(|(owner, operator, cell)| {
            account.is_some()
                && *owner == question.account
                && question.operator.as_ref().is_none_or(|asked| asked == operator)
                && question.days.contains(Day::of(cell.start))
        });
        let cells = cells.map(|(_, _, cell)| cell.clone()).collect();
        Ok(UsageAnswer { account, cells, as_of: AS_OF })
    }

    async fn note_read(
        &self,
        account: Option<AccountId>,
        what: &'static str,
        action: &AdminAction,
    ) -> Result<(), PortError> {
        self.open("note_read")?.noted.push(NotedRead { account, what, action: action.clone() });
        Ok(())
    }
}
