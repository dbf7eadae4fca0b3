//! Replaying a quarantined message: its bytes are read anew, judged by today's rules, and recorded through the ledger.
//!
//! The ledger first, the note on the message second. Cut off in between, the message is still open and is replayed
//! again: the claim that stands has its very receipt, so nothing is recorded twice and the note is made then.

use jiff::Timestamp;

use crate::ports::{
    Accounts, AdminAction, HeldMessage, KeptBytes, PortError, PriceBookStore, Quarantine, RecordOutcome, Recorded,
    ReplayEnd, ReplayError, ReplayOutcome, ReplayTerms, ReplayedAs, UsageLedger,
};
use crate::usage::{
    AccountDirectory, Admitted, Fingerprint, QuarantineReason, RatedUsage, ReportedUsage, UnratedUsage, UsageBatch,
    admit, claims_end, observation,
};
use crate::{PriceBook, TenantId};

use super::Unreadable;

/// Prices or accounts may change so often while one message is replayed.
const ATTEMPTS_MAX: u32 = 20;
/// Requests that are carried out at a time.
const REQUESTS_MAX: u32 = 100;

/// Replays messages, one at a time, by the prices and accounts of the moment.
pub struct Replayer<'a, S, D> {
    store: &'a S,
    decode: D,
    book: PriceBook,
    directory: AccountDirectory,
}

impl<'a, S, D> Replayer<'a, S, D>
where
    S: Quarantine + UsageLedger + PriceBookStore + Accounts,
    D: Fn(Option<TenantId>, &[u8]) -> Result<ReportedUsage, Unreadable>,
{
    /// `decode` reads a message as it was published, given the tenant of its header.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn new(store: &'a S, decode: D) -> Result<Self, PortError> {
        let (book, directory) = (store.book().await?, store.directory().await?);
        Ok(Self { store, decode, book, directory })
    }

    /// Replays one message.
    ///
    /// # Errors
    /// When the store fails; the message is then as it was, or is recorded and a repeated call notes it.
    pub async fn replay(
        &mut self,
        id: i64,
        terms: ReplayTerms,
        action: &AdminAction,
    ) -> Result<ReplayOutcome, PortError> {
        let refused = |error| Ok(ReplayOutcome::Refused(error));
        let Some((held, bytes)) = self.store.open_held(id, "replay_quarantined", action).await? else {
            return refused(ReplayError::NotFound);
        };
        let raw = match bytes {
            _ if held.resolved.is_some() => return refused(ReplayError::Resolved),
            KeptBytes::Whole(raw) => raw,
            KeptBytes::Cut(_) => return refused(ReplayError::Cut),
            KeptBytes::Gone => return refused(ReplayError::Gone),
        };
        if held.reason == QuarantineReason::TenantMismatch && terms.tenant.is_none() {
            return refused(ReplayError::TenantNeeded);
        }
        let outcome = match (self.decode)(terms.tenant, &raw) {
            Ok(usage) => self.record(&held, &raw, &usage, terms, action.at).await?,
            Err(bad) => ReplayOutcome::Stays(bad.reason, bad.detail),
        };
        match &outcome {
            ReplayOutcome::Became(became) => self.store.settle_replay(id, *became, action).await?,
            ReplayOutcome::Stays(reason, detail) if *reason != held.reason || *detail != held.detail => {
                self.store.keep_held(id, *reason, detail).await?;
            }
            ReplayOutcome::Stays(..) | ReplayOutcome::Refused(_) => {}
        }
        Ok(outcome)
    }

    async fn record(
        &mut self,
        held: &HeldMessage,
        raw: &[u8],
        usage: &ReportedUsage,
        terms: ReplayTerms,
        now: Timestamp,
    ) -> Result<ReplayOutcome, PortError> {
        let as_of = judged_at(held, usage, terms, now);
        let mut learned = false;
        for _ in 0..ATTEMPTS_MAX {
            let admitted = match admit(usage, as_of, &self.directory, &self.book) {
                Ok(admitted) => admitted,
                Err(error) => return Ok(ReplayOutcome::Stays(error.reason(), error.to_string())),
            };
            // Learned once it is known to be admitted: what is refused teaches nothing.
            if let (false, Some(seen)) = (learned, observation(usage).filter(|seen| self.directory.is_news(seen))) {
                self.store.learn(&[seen]).await?;
                self.directory = self.store.directory().await?;
                learned = true;
                continue;
            }
            let batch = self.batch(held, raw, usage, admitted);
            match self.store.record(&batch).await? {
                RecordOutcome::Recorded(recorded) => return Ok(outcome(&recorded)),
                RecordOutcome::Stale => {
                    self.book = self.store.book().await?;
                    self.directory = self.store.directory().await?;
                }
            }
        }
        Err(PortError::transient("replay_quarantined", "prices or accounts change all the time"))
    }

    /// A batch of this one message.
    fn batch<'b>(
        &self,
        held: &HeldMessage,
        raw: &'b [u8],
        usage: &ReportedUsage,
        admitted: Admitted,
    ) -> UsageBatch<'b> {
        let (receipt, fingerprint) = (held.receipt, Fingerprint::of(usage));
        let mut batch = UsageBatch {
            book_version: self.book.version(),
            directory_version: self.directory.version(),
            is_replay: true,
            ..UsageBatch::default()
        };
        match admitted {
            Admitted::Rated(event, rated) => {
                batch.rated.push((RatedUsage { receipt, fingerprint, event, rated }, raw));
            }
            Admitted::Unrated(tenant, reason) => {
                let usage = usage.clone();
                batch.unrated.push((UnratedUsage { receipt, fingerprint, usage, tenant, reason }, raw));
            }
        }
        batch
    }
}

/// Carries out the replays that staff have asked for, oldest first; what became of how many messages. Each is theirs in the
/// audit log. Cut off in between, a request still waits, and its message is told to have been replayed before.
///
/// # Errors
/// When the store fails: what is left waits. A failure that will not pass ends the request and lets the others go on.
pub async fn replay_requested<S, D>(store: &S, decode: D, now: Timestamp) -> Result<u64, PortError>
where
    S: Quarantine + UsageLedger + PriceBookStore + Accounts,
    D: Fn(Option<TenantId>, &[u8]) -> Result<ReportedUsage, Unreadable>,
{
    let requests = store.waiting_replays(REQUESTS_MAX).await?;
    if requests.is_empty() {
        return Ok(0);
    }
    let mut replayer = Replayer::new(store, decode).await?;
    let (mut replayed, mut failed) = (0, None);
    for request in requests {
        let (actor, trace_id) = (request.by, request.trace_id);
        let action = AdminAction { actor, tenant: None, trace_id, at: now, reason: None, idempotency: None };
        let end = match replayer.replay(request.message, request.terms, &action).await {
            Ok(outcome) => ReplayEnd::from(outcome),
            Err(error) if error.retryable => return Err(error),
            Err(error) => {
                failed = Some(error);
                ReplayEnd::Refused("it could not be replayed: the log of ingest says why".into())
            }
        };
        replayed += u64::from(matches!(end, ReplayEnd::Became(_)));
        store.end_replay(request.id, &end, now).await?;
    }
    failed.map_or(Ok(replayed), Err)
}

/// The instant at which a message's age is judged. What was in time when it came stays in time, and what came too soon
/// is in time once its time has come.
fn judged_at(held: &HeldMessage, usage: &ReportedUsage, terms: ReplayTerms, now: Timestamp) -> Timestamp {
    let (charged_at, came) = (usage.charged_at, held.receipt.published_at);
    if terms.allow_old && charged_at > claims_end(now) {
        return charged_at.min(now.max(came));
    }
    charged_at.clamp(came, now.max(came))
}

fn outcome(recorded: &Recorded) -> ReplayOutcome {
    let Recorded { unrated, duplicates, conflicts, .. } = *recorded;
    if conflicts > 0 {
        let detail = "the message id stands with other content".to_owned();
        return ReplayOutcome::Stays(QuarantineReason::Conflict, detail);
    }
    ReplayOutcome::Became(match (unrated, duplicates) {
        (1.., _) => ReplayedAs::Unrated,
        (_, 1..) => ReplayedAs::Duplicate,
        // Rated now, or claimed by an earlier replay that was cut off.
        _ => ReplayedAs::Recorded,
    })
}
