//! The fake of `UsageLedger`: exactly once, by the claims that stand. Buckets are not kept; they are the events' sums
//! whenever somebody asks.

use billing_domain::ports::{
    Late, PortError, RecordOutcome, Recorded, RerateOutcome, UncostedUsage, UnratedGroup, UsageLedger, WaitingUsage,
};
use billing_domain::pricing::{CostKey, CostShare};
use billing_domain::usage::{
    Claim, ClaimVerdict, Fingerprint, QuarantineReason, RatedUsage, Receipt, UnratedUsage, UsageBatch, judge,
};
use billing_domain::{Day, DayRange, MessageId};
use jiff::Timestamp;

use crate::memory::{Flaw, Memory, State};
use crate::pricing_reader::{key, place};

impl UsageLedger for Memory {
    async fn record(&self, batch: &UsageBatch<'_>) -> Result<RecordOutcome, PortError> {
        let mut state = self.open("record_usage")?;
        if !state.is_current(batch.book_version, batch.directory_version) {
            return Ok(RecordOutcome::Stale);
        }
        let mut recorded = Recorded::default();
        for delivery in in_stream_order(batch) {
            if !batch.is_replay && state.is_aside(delivery.claim().receipt) {
                recorded.redelivered += 1;
            } else {
                state.take(delivery, &mut recorded);
            }
        }
        for message in &batch.quarantined {
            let standing = message.message.and_then(|id| state.claims.get(&id));
            if state.is_aside(message.receipt) || standing.is_some_and(|claim| claim.receipt == message.receipt) {
                recorded.redelivered += 1;
            } else {
                state.quarantined.insert(message.receipt, message.reason);
                state.hold(message);
                *recorded.quarantined.entry(message.reason).or_default() += 1;
            }
        }
        Ok(RecordOutcome::Recorded(recorded))
    }

    async fn waiting_groups(&self, after: Option<&str>, limit: u32) -> Result<Vec<UnratedGroup>, PortError> {
        let groups = self.open("list_waiting_groups")?.groups();
        let following = groups.into_iter().filter(|(place, _)| after.is_none_or(|after| place.as_str() > after));
        Ok(following.map(|(_, count)| count.group).take(limit as usize).collect())
    }

    async fn waiting(
        &self,
        group: &UnratedGroup,
        days: DayRange,
        after: Option<&WaitingUsage>,
        limit: u32,
    ) -> Result<Vec<WaitingUsage>, PortError> {
        let state = self.open("list_waiting")?;
        let order = |waits: &WaitingUsage| (waits.usage.usage.charged_at, waits.position);
        let mut found: Vec<&WaitingUsage> = state
            .waiting
            .iter()
            .filter(|waits| place(&key(&waits.usage)) == group.place)
            .filter(|waits| days.contains(Day::of(waits.usage.usage.charged_at)))
            .filter(|waits| after.is_none_or(|after| order(waits) > order(after)))
            .collect();
        found.sort_by_key(|waits| order(waits));
        Ok(found.into_iter().take(limit as usize).cloned().collect())
    }

    async fn rerate(
        &self,
        book_version: i64,
        directory_version: i64,
        rated: &[RatedUsage],
    ) -> Result<RerateOutcome, PortError> {
        let mut state = self.open("rerate_usage")?;
        if !state.is_current(book_version, directory_version) {
            return Ok(RerateOutcome::Stale);
        }
        let mut late = Late::default();
        for usage in rated {
            if state.stop_waiting(usage.event.message).is_some() || state.has(Flaw::RatesWhatIsGone) {
                state.rated.insert(usage.event.message, usage.clone());
                late.messages += 1;
                late.negative_margin += u64::from(usage.is_loss());
            }
        }
        Ok(RerateOutcome::Rated(late))
    }

    async fn refuse_waiting(
        &self,
        messages: &[MessageId],
        reason: QuarantineReason,
        _detail: &str,
    ) -> Result<u64, PortError> {
        let mut state = self.open("refuse_waiting")?;
        let mut moved = 0;
        for message in messages {
            if let Some(waited) = state.stop_waiting(*message) {
                state.claims.remove(message);
                state.quarantined.entry(waited.usage.receipt).or_insert(reason);
                moved += 1;
            }
        }
        Ok(moved)
    }

    async fn uncosted(&self, key: &CostKey, days: DayRange, limit: u32) -> Result<Vec<UncostedUsage>, PortError> {
        let state = self.open("list_uncosted")?;
        let found = state.rated.values().filter(|usage| {
            let event = &usage.event;
            let traffic = (&event.operator, event.direction) == (&key.operator, key.direction);
            usage.rated.cost.is_none() && traffic && days.contains(Day::of(event.charged_at))
        });
        let uncosted = found.map(|usage| UncostedUsage { event: usage.event.clone(), bucket: 0 });
        Ok(uncosted.take(limit as usize).collect())
    }

    async fn fill_costs(
        &self,
        book_version: i64,
        directory_version: i64,
        costs: &[(UncostedUsage, CostShare)],
    ) -> Result<Option<Late>, PortError> {
        let mut state = self.open("fill_costs")?;
        if !state.is_current(book_version, directory_version) {
            return Ok(None);
        }
        let (mut late, twice) = (Late::default(), state.has(Flaw::CostsTwice));
        for (usage, share) in costs {
            let missing = state.rated.get_mut(&usage.event.message).filter(|known| twice || known.rated.cost.is_none());
            if let Some(known) = missing {
                known.rated.cost = Some(*share);
                late.messages += 1;
                late.negative_margin += u64::from(known.is_loss());
            }
        }
        Ok(Some(late))
    }

    async fn unrated_count(&self) -> Result<u64, PortError> {
        Ok(u64::try_from(self.open("count_unrated")?.waiting.len()).unwrap_or(u64::MAX))
    }

    async fn prepare_partitions(&self, _now: Timestamp) -> Result<(), PortError> {
        drop(self.open("prepare_partitions")?);
        Ok(())
    }
}

/// What asks for a claim.
#[derive(Clone, Copy)]
enum Claimant<'a> {
    Rated(&'a RatedUsage),
    Unrated(&'a UnratedUsage),
}

impl Claimant<'_> {
    fn claim(&self) -> Claim {
        match self {
            Self::Rated(usage) => claim(usage.event.message, usage.fingerprint, usage.receipt),
            Self::Unrated(usage) => claim(usage.usage.message, usage.fingerprint, usage.receipt),
        }
    }
}

fn claim(message: MessageId, fingerprint: Fingerprint, receipt: Receipt) -> Claim {
    Claim { message, fingerprint, receipt }
}

/// Of two publications of one message the first makes the claim.
fn in_stream_order<'a>(batch: &'a UsageBatch<'_>) -> Vec<Claimant<'a>> {
    let rated = batch.rated.iter().map(|(usage, _)| Claimant::Rated(usage));
    let unrated = batch.unrated.iter().map(|(usage, _)| Claimant::Unrated(usage));
    let mut all: Vec<Claimant<'_>> = rated.chain(unrated).collect();
    all.sort_by_key(|claimant| claimant.claim().receipt);
    all
}

impl State {
    fn is_current(&self, book_version: i64, directory_version: i64) -> bool {
        let versions = (self.book_version(), self.directory_version());
        versions == (book_version, directory_version) || self.has(Flaw::RatesAtAnyVersion)
    }

    fn is_aside(&self, receipt: Receipt) -> bool {
        let is_aside = self.quarantined.contains_key(&receipt) || self.duplicates.contains(&receipt);
        is_aside && !self.has(Flaw::ForgetsWhatIsAside)
    }

    fn take(&mut self, claimant: Claimant<'_>, recorded: &mut Recorded) {
        let new = claimant.claim();
        let known = self.claims.get(&new.message).copied().filter(|_| !self.has(Flaw::ForgetsClaims));
        match judge(&known.unwrap_or(new), known.is_none(), new.fingerprint, new.receipt) {
            ClaimVerdict::New => {
                self.claims.insert(new.message, new);
                self.keep(claimant, recorded);
            }
            ClaimVerdict::Redelivery => recorded.redelivered += 1,
            ClaimVerdict::Duplicate => {
                self.duplicates.insert(new.receipt);
                recorded.duplicates += 1;
            }
            ClaimVerdict::Conflict => {
                self.quarantined.entry(new.receipt).or_insert(QuarantineReason::Conflict);
                recorded.conflicts += 1;
            }
        }
    }

    fn keep(&mut self, claimant: Claimant<'_>, recorded: &mut Recorded) {
        match claimant {
            Claimant::Rated(usage) => {
                recorded.rated += 1;
                recorded.negative_margin += u64::from(usage.is_loss());
                recorded.uncosted += u64::from(usage.rated.cost.is_none());
                self.rated.insert(usage.event.message, usage.clone());
            }
            Claimant::Unrated(usage) => {
                recorded.unrated += 1;
                self.set_aside(usage.clone());
            }
        }
    }

    fn stop_waiting(&mut self, message: MessageId) -> Option<WaitingUsage> {
        let at = self.waiting.iter().position(|waits| waits.usage.usage.message == message)?;
        Some(self.waiting.remove(at))
    }
}
