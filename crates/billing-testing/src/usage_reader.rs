//! The fakes of `UsageReader` and `ReadOwnWrites`.

use billing_domain::ports::{
    AccountProfile, AdminAction, LogPosition, PortError, ReadOwnWrites, UsageAnswer, UsageReader,
};
use billing_domain::usage::{Granularity, RatedUsage, UsageCell, UsageQuestion, fold};
use billing_domain::{AccountId, Day, MoneyError};
use jiff::Timestamp;

use crate::memory::{Memory, NotedRead, State};

/// Until when every answer is complete.
const AS_OF: Timestamp = Timestamp::constant(1_792_065_600, 0);

impl UsageReader for Memory {
    async fn usage(&self, question: &UsageQuestion) -> Result<UsageAnswer, PortError> {
        let state = self.open("usage")?;
        let seen = state.accounts.get(&question.account).copied().or_else(|| state.profile(question));
        let account = seen.filter(|profile| question.tenant.is_none_or(|tenant| tenant == profile.tenant));
        let cells = state.usage.iter().filter(|(owner, operator, cell)| {
            account.is_some()
                && *owner == question.account
                && question.operator.as_ref().is_none_or(|asked| asked == operator)
                && question.days.contains(Day::of(cell.start))
        });
        let mut cells: Vec<UsageCell> = cells.map(|(_, _, cell)| cell.clone()).collect();
        if account.is_some() {
            cells.extend(state.recorded(question).map_err(|error| PortError::permanent("usage", error))?);
        }
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

/// There is one copy of everything: whoever reads sees what was written.
impl ReadOwnWrites for Memory {
    async fn log_position(&self) -> Result<LogPosition, PortError> {
        let written = self.open("log_position")?.changes();
        Ok(LogPosition(written))
    }

    fn seeing(self, _: LogPosition) -> Self {
        self
    }
}

impl State {
    /// A number that grows with every change of a price or cost.
    fn changes(&self) -> u64 {
        u64::try_from(self.prices.changes.saturating_add(self.costs.changes)).unwrap_or_default()
    }

    fn profile(&self, question: &UsageQuestion) -> Option<AccountProfile> {
        let record = self.histories.get(&question.account)?.record();
        let latest = record.profile.last()?;
        Some(AccountProfile { tenant: record.tenant, currency: latest.currency })
    }

    /// The sums of the recorded events: of a day, or for hourly questions of an hour.
    fn recorded(&self, question: &UsageQuestion) -> Result<Vec<UsageCell>, MoneyError> {
        let asked = |usage: &&RatedUsage| {
            usage.event.account == question.account
                && question.operator.as_ref().is_none_or(|operator| *operator == usage.event.operator)
                && question.days.contains(Day::of(usage.event.charged_at))
        };
        let hour = |usage: &RatedUsage| match question.granularity {
            Granularity::Hour => usage.event.charged_at.as_second().div_euclid(3600) * 3600,
            Granularity::Day | Granularity::Month => Day::of(usage.event.charged_at).start().as_second(),
        };
        let mut usage: Vec<&RatedUsage> = self.rated.values().filter(asked).collect();
        usage.sort_by_key(|usage| hour(usage));
        let mut cells = Vec::new();
        for same in usage.chunk_by(|a, b| hour(a) == hour(b)) {
            let start = Timestamp::from_second(hour(same[0])).unwrap_or(Timestamp::UNIX_EPOCH);
            let sums = fold(same.iter().copied())?.buckets;
            cells.extend(sums.into_iter().map(|(key, sums)| UsageCell { currency: key.currency, start, sums }));
        }
        Ok(cells)
    }
}
