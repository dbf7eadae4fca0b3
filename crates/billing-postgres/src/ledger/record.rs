//! Recording a batch: the transaction of the hot path.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use billing_domain::ports::{RecordOutcome, Recorded};
use billing_domain::usage::{ClaimVerdict, QuarantineReason, QuarantinedMessage, RatedUsage, UnratedUsage, UsageBatch};
use tokio_postgres::types::ToSql;

use crate::session::Session;
use crate::stream_gaps::Received;
use crate::transaction::{Failure, SessionTransaction, Verdict};

use super::aside::{self, Duplicate};
use super::claims::{self, Claimant, Claimants};
use super::{events, versions, waiting};

/// Two processes that hold the same ids once find what the other has claimed at the next attempt; those that meet again
/// and again wait for each other from this attempt on.
const CAREFUL_FROM: u32 = 3;

pub(super) struct RecordBatch<'a> {
    batch: &'a UsageBatch<'a>,
    /// Whether an attempt has found one of its buckets sealed.
    sealed: AtomicBool,
}

impl<'a> RecordBatch<'a> {
    pub(super) fn new(batch: &'a UsageBatch<'a>) -> Self {
        Self { batch, sealed: AtomicBool::new(false) }
    }
}

/// A claimant and what is behind it.
enum Claimed<'a> {
    Rated(&'a RatedUsage, &'a [u8]),
    Unrated(&'a UnratedUsage, &'a [u8]),
}

/// What the verdicts make of a batch.
#[derive(Default)]
struct Sorted<'a> {
    rated: Vec<&'a RatedUsage>,
    unrated: Vec<&'a UnratedUsage>,
    duplicates: Vec<Duplicate>,
    quarantined: Vec<QuarantinedMessage<'a>>,
    redelivered: u64,
    conflicts: u64,
}

impl SessionTransaction for RecordBatch<'_> {
    const NAME: &'static str = "record_usage";
    type Output = RecordOutcome;

    async fn run(&self, session: &Session, attempt: u32) -> Result<Verdict<RecordOutcome>, Failure> {
        let batch = self.batch;
        let (claimed, all) = claimants(batch);
        let mut claimants = Claimants::new(&all);
        let mut ids = claimants.ids();
        ids.extend(batch.quarantined.iter().filter_map(|message| Some(message.message?.0)));
        let received = Received::of(batch)?;
        let find = session.statement(claims::FIND).await?;
        let values: [&(dyn ToSql + Sync); 1] = [&ids];
        // All are known to the session before the first is sent, so they go out in one flight and in this order.
        versions::prepare(session).await?;
        aside::prepare(session).await?;
        let (state, found, aside) = tokio::join!(
            biased;
            versions::begin(session),
            session.client.query(&find, &values),
            aside::find(session, &received, batch.is_replay),
        );
        let (state, mut found, mut aside) = (state?, claims::read(&found?)?, aside?);
        if state.versions != (batch.book_version, batch.directory_version) {
            return Ok(Verdict::Rollback(RecordOutcome::Stale));
        }
        claimants.leave_out(&aside);
        let verdicts = claimants.claim(session, &mut found, attempt >= CAREFUL_FROM).await?;
        let mut sorted = sort(&claimed, &all, &verdicts);
        for message in &batch.quarantined {
            let standing = message.message.and_then(|id| found.get(&id.0));
            let is_aside = !aside.insert(message.receipt);
            if is_aside || standing.is_some_and(|claim| claim.receipt == message.receipt) {
                sorted.redelivered += 1;
            } else {
                sorted.quarantined.push(message.clone());
            }
        }
        aside::note_duplicates(session, &sorted.duplicates).await?;
        aside::quarantine(session, &sorted.quarantined).await?;
        waiting::set_aside(session, &sorted.unrated).await?;
        received.note(session).await?;
        // Last: others wait for the buckets from here to the end.
        let sealed = self.sealed.load(Ordering::Relaxed);
        let written = events::write(session, &sorted.rated, &state.partitions, sealed).await;
        self.sealed.fetch_or(matches!(written, Err(Failure::Contested(_))), Ordering::Relaxed);
        written?;
        Ok(Verdict::Commit(RecordOutcome::Recorded(count(&sorted))))
    }
}

fn claimants<'a>(batch: &'a UsageBatch<'a>) -> (Vec<Claimed<'a>>, Vec<Claimant>) {
    let rated = batch.rated.iter().map(|(usage, raw)| {
        let claimant = Claimant {
            message: usage.event.message,
            fingerprint: usage.fingerprint,
            receipt: usage.receipt,
            charged_at: usage.event.charged_at,
        };
        (Claimed::Rated(usage, raw), claimant)
    });
    let unrated = batch.unrated.iter().map(|(unrated, raw)| {
        let claimant = Claimant {
            message: unrated.usage.message,
            fingerprint: unrated.fingerprint,
            receipt: unrated.receipt,
            charged_at: unrated.usage.charged_at,
        };
        (Claimed::Unrated(unrated, raw), claimant)
    });
    rated.chain(unrated).unzip()
}

fn sort<'a>(claimed: &[Claimed<'a>], claimants: &[Claimant], verdicts: &[ClaimVerdict]) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    for ((claimed, claimant), verdict) in claimed.iter().zip(claimants).zip(verdicts) {
        let (account, raw) = match *claimed {
            Claimed::Rated(usage, raw) => (usage.event.account, raw),
            Claimed::Unrated(unrated, raw) => (unrated.usage.account, raw),
        };
        match (verdict, claimed) {
            (ClaimVerdict::New, Claimed::Rated(usage, _)) => sorted.rated.push(usage),
            (ClaimVerdict::New, Claimed::Unrated(unrated, _)) => sorted.unrated.push(unrated),
            (ClaimVerdict::Redelivery, _) => sorted.redelivered += 1,
            (ClaimVerdict::Duplicate, _) => {
                sorted.duplicates.push(Duplicate { claimant: *claimant, account });
            }
            (ClaimVerdict::Conflict, _) => {
                sorted.conflicts += 1;
                sorted.quarantined.push(QuarantinedMessage {
                    receipt: claimant.receipt,
                    reason: QuarantineReason::Conflict,
                    detail: "the message id stands with other content".to_owned(),
                    message: Some(claimant.message),
                    account: Some(account),
                    raw,
                });
            }
        }
    }
    sorted
}

fn count(sorted: &Sorted<'_>) -> Recorded {
    let mut quarantined: BTreeMap<QuarantineReason, u64> = BTreeMap::new();
    for message in sorted.quarantined.iter().filter(|message| message.reason != QuarantineReason::Conflict) {
        *quarantined.entry(message.reason).or_default() += 1;
    }
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    Recorded {
        rated: number(sorted.rated.len()),
        negative_margin: number(sorted.rated.iter().filter(|usage| usage.is_loss()).count()),
        uncosted: number(sorted.rated.iter().filter(|usage| usage.rated.cost.is_none()).count()),
        unrated: number(sorted.unrated.len()),
        duplicates: number(sorted.duplicates.len()),
        redelivered: sorted.redelivered,
        conflicts: sorted.conflicts,
        quarantined,
    }
}
