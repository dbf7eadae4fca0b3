//! The fakes of `UsageReader` and `ReadOwnWrites`.

use std::collections::BTreeMap;

use billing_domain::ports::{
    AccountProfile, AdminAction, LogPosition, MarginPage, PortError, ReadOwnWrites, UsageAnswer, UsageReader,
};
use billing_domain::usage::{
    BucketKey, Granularity, MarginGrouping, MarginKey, MarginPlace, MarginQuestion, MarginRow, MarginSums, MarginTotal,
    RatedUsage, UsageCell, UsageQuestion, fold,
};
use billing_domain::{AccountId, Currency, Day, MoneyError};
use jiff::Timestamp;

use crate::memory::{Flaw, Memory, NotedRead, State};

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

    /// Of what was recorded, or put there as rated.
    async fn margins(
        &self,
        question: &MarginQuestion,
        after: Option<&MarginPlace>,
        limit: u32,
    ) -> Result<MarginPage, PortError> {
        let state = self.open("margins")?;
        let failed = |error| PortError::permanent("margins", error);
        let mut rows = state.earnings(question).map_err(failed)?;
        rows.sort_by_cached_key(MarginRow::place);
        let totals = totals(&rows).map_err(failed)?;
        rows.retain(|row| after.is_none_or(|after| *after < row.place()));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = if has_more { rows.last().map(MarginRow::place) } else { None };
        Ok(MarginPage { rows, next, totals, as_of: AS_OF })
    }

    async fn note_read(
        &self,
        account: Option<AccountId>,
        what: &'static str,
        action: &AdminAction,
    ) -> Result<(), PortError> {
        self.open("note_read")?.note(NotedRead { account, what, action: action.clone() })
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

fn totals(rows: &[MarginRow]) -> Result<Vec<MarginTotal>, MoneyError> {
    let mut totals: BTreeMap<Currency, MarginTotal> = BTreeMap::new();
    for MarginRow { currency, sums, .. } in rows {
        let none = MarginTotal { currency: *currency, groups: 0, sums: MarginSums::default() };
        let total = totals.entry(*currency).or_insert(none);
        total.groups += 1;
        total.sums = MarginSums {
            costed: total.sums.costed.plus(sums.costed)?,
            cost: total.sums.cost.plus(sums.cost)?,
            uncosted: total.sums.uncosted.plus(sums.uncosted)?,
            foreign: total.sums.foreign.plus(sums.foreign)?,
        };
    }
    Ok(totals.into_values().collect())
}

impl State {
    fn earnings(&self, question: &MarginQuestion) -> Result<Vec<MarginRow>, MoneyError> {
        let asked = |usage: &&RatedUsage| {
            question.days.contains(Day::of(usage.event.charged_at))
                && question.currency.is_none_or(|currency| currency == usage.event.currency)
        };
        let buckets = fold(self.rated.values().filter(asked))?.buckets;
        let mut groups: Vec<MarginRow> = Vec::new();
        for (bucket, mut sums) in buckets {
            if self.has(Flaw::TakesCostsForNothing) {
                sums.uncosted = 0;
            }
            let Some(key) = self.margin_key(question.grouping, &bucket) else { continue };
            let same = |row: &MarginRow| row.key == key && row.currency == bucket.currency;
            let at = groups.iter().position(same).unwrap_or_else(|| {
                groups.push(MarginRow { key: key.clone(), currency: bucket.currency, sums: MarginSums::default() });
                groups.len() - 1
            });
            groups[at].sums.add(&sums)?;
        }
        Ok(groups)
    }

    /// `None` for the tier of a price that is not there.
    fn margin_key(&self, grouping: MarginGrouping, bucket: &BucketKey) -> Option<MarginKey> {
        Some(match grouping {
            MarginGrouping::Operator => MarginKey::Operator(bucket.operator.clone()),
            MarginGrouping::Account => MarginKey::Account(bucket.account),
            MarginGrouping::Tier => MarginKey::Tier(self.prices.get(&bucket.price.0)?.row.terms.tier.clone()),
            MarginGrouping::Day => MarginKey::Day(bucket.day),
        })
    }

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
