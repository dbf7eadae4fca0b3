//! The fakes of `QuarantineAdmin` and `Quarantine`: what the ledger has set aside, or a test has put.

use billing_domain::ports::{
    AdminAction, ChangeOutcome, HeldDetails, HeldMessage, HeldPage, HeldState, KEPT_BYTES_MAX, KeptBytes, PortError,
    Quarantine, QuarantineAdmin, QuarantineFilter, Refusal, ReplayEnd, ReplayError, ReplayRequest, ReplayTerms,
    ReplayedAs, Resolution,
};
use billing_domain::usage::{QuarantineReason, QuarantinedMessage, redacted};
use jiff::Timestamp;
use uuid::Uuid;

use crate::idempotency::{earlier, remember};
use crate::memory::{Flaw, Memory, NotedRead, State};

/// A message that was set aside, and its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    message: HeldMessage,
    raw: Vec<u8>,
}

impl QuarantineAdmin for Memory {
    async fn list_held(
        &self,
        filter: &QuarantineFilter,
        after: Option<i64>,
        limit: u32,
        action: &AdminAction,
    ) -> Result<HeldPage, PortError> {
        let mut state = self.open("list_quarantined")?;
        state.note_held(filter.account, "quarantined messages", action)?;
        let wanted = state.held.iter().map(|held| &held.message).filter(|message| is_wanted(message, filter));
        let mut rows: Vec<HeldMessage> =
            wanted.filter(|message| after.is_none_or(|after| after < message.id)).cloned().collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let is_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| is_more).map(|last| last.id);
        Ok(HeldPage { rows, next })
    }

    async fn knows_held(&self, id: i64) -> Result<bool, PortError> {
        Ok(self.open("find_quarantined")?.held(id).is_some())
    }

    async fn show_held(&self, id: i64, action: &AdminAction) -> Result<Option<HeldDetails>, PortError> {
        let mut state = self.open("show_quarantined")?;
        let found = state.details(id);
        if found.is_some() {
            state.note_held(None, "quarantined message", action)?;
        }
        Ok(found)
    }

    async fn request_replay(
        &self,
        message: i64,
        terms: ReplayTerms,
        id: Uuid,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<HeldDetails>, PortError> {
        let mut state = self.open("request_replay")?;
        let asked = state.ask(message, terms, id, action);
        Ok(asked.map_or_else(ChangeOutcome::Refused, ChangeOutcome::Done))
    }

    async fn discard_held(
        &self,
        id: i64,
        note: &str,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<HeldDetails>, PortError> {
        let mut state = self.open("discard_quarantined")?;
        let discarded = state.discard(id, note, action);
        Ok(discarded.map_or_else(ChangeOutcome::Refused, ChangeOutcome::Done))
    }
}

impl Quarantine for Memory {
    async fn open_held(
        &self,
        id: i64,
        _purpose: &'static str,
        _action: &AdminAction,
    ) -> Result<Option<(HeldMessage, KeptBytes)>, PortError> {
        let state = self.open("open_quarantined")?;
        Ok(state.held(id).map(|held| {
            let is_cut = held.raw.len() >= KEPT_BYTES_MAX;
            let bytes = if is_cut { KeptBytes::Cut(held.raw.clone()) } else { KeptBytes::Whole(held.raw.clone()) };
            (held.message.clone(), bytes)
        }))
    }

    async fn settle_replay(&self, id: i64, became: ReplayedAs, action: &AdminAction) -> Result<(), PortError> {
        let mut state = self.open("settle_replay")?;
        let Some(message) = state.held_mut(id) else { return Ok(()) };
        if !matches!(message.resolved, Some((Resolution::Replayed(_), ..))) {
            message.resolved = Some((Resolution::Replayed(became), action.actor.clone(), action.at));
            let receipt = message.receipt;
            state.quarantined.remove(&receipt);
        }
        Ok(())
    }

    async fn keep_held(&self, id: i64, reason: QuarantineReason, detail: &str) -> Result<(), PortError> {
        let mut state = self.open("keep_quarantined")?;
        if let Some(message) = state.held_mut(id).filter(|message| message.resolved.is_none()) {
            (message.reason, message.detail) = (reason, detail.to_owned());
        }
        Ok(())
    }

    async fn waiting_replays(&self, limit: u32) -> Result<Vec<ReplayRequest>, PortError> {
        let state = self.open("list_waiting_replays")?;
        let waiting = state.replays.iter().filter(|request| request.ended.is_none());
        Ok(waiting.take(limit as usize).cloned().collect())
    }

    async fn end_replay(&self, id: Uuid, end: &ReplayEnd, at: Timestamp) -> Result<(), PortError> {
        let mut state = self.open("end_replay")?;
        if let Some(request) = state.replays.iter_mut().find(|request| request.id == id) {
            request.ended.get_or_insert((end.clone(), at));
        }
        Ok(())
    }
}

fn is_wanted(message: &HeldMessage, filter: &QuarantineFilter) -> bool {
    let state = match message.resolved {
        None => HeldState::Open,
        Some((Resolution::Replayed(_), ..)) => HeldState::Replayed,
        Some((Resolution::Discarded(_), ..)) => HeldState::Discarded,
    };
    filter.reason.is_none_or(|reason| reason == message.reason)
        && filter.account.is_none_or(|account| message.account == Some(account))
        && filter.since.is_none_or(|since| since <= message.arrived_at)
        && filter.until.is_none_or(|until| message.arrived_at < until)
        && filter.state.is_none_or(|wanted| wanted == state)
}

impl Memory {
    /// A message that was set aside, with bytes of its own, in the place of one with its id.
    pub fn put_held(&self, message: HeldMessage, raw: &[u8]) {
        let mut state = self.remembered();
        state.held.retain(|held| held.message.id != message.id);
        state.held.push(Held { message, raw: raw.to_vec() });
        state.held.sort_by_key(|held| held.message.id);
    }
}

impl State {
    /// Sets a message aside, once.
    pub(crate) fn hold(&mut self, quarantined: &QuarantinedMessage<'_>) {
        let QuarantinedMessage { receipt, reason, detail, account, raw, .. } = quarantined;
        if self.held.iter().any(|held| held.message.receipt == *receipt) {
            return;
        }
        let id = self.held.last().map_or(1, |held| held.message.id + 1);
        let message = HeldMessage {
            id,
            receipt: *receipt,
            reason: *reason,
            detail: detail.clone(),
            account: *account,
            arrived_at: receipt.published_at,
            bytes: u64::try_from(raw.len()).unwrap_or(u64::MAX),
            resolved: None,
        };
        self.held.push(Held { message, raw: raw.to_vec() });
    }

    fn note_held(
        &mut self,
        account: Option<billing_domain::AccountId>,
        what: &'static str,
        action: &AdminAction,
    ) -> Result<(), PortError> {
        self.note(NotedRead { account, what, action: action.clone() })
    }

    fn held(&self, id: i64) -> Option<&Held> {
        self.held.iter().find(|held| held.message.id == id)
    }

    fn held_mut(&mut self, id: i64) -> Option<&mut HeldMessage> {
        self.held.iter_mut().map(|held| &mut held.message).find(|message| message.id == id)
    }

    fn details(&self, id: i64) -> Option<HeldDetails> {
        let Held { message, raw } = self.held(id)?.clone();
        let shown = if self.has(Flaw::ShowsBytes) { String::from_utf8_lossy(&raw).into() } else { redacted(&raw) };
        let replay = self.replays.iter().rfind(|request| request.message == id).cloned();
        Some(HeldDetails { message, shown: Some(shown), replay })
    }

    fn ask(
        &mut self,
        message: i64,
        terms: ReplayTerms,
        id: Uuid,
        action: &AdminAction,
    ) -> Result<HeldDetails, Refusal> {
        let asked_before = earlier(&self.keys, action)?.is_some();
        let found = self.details(message).ok_or(Refusal::Replay(ReplayError::NotFound))?;
        let last = found.replay.as_ref();
        if asked_before || last.is_some_and(|last| last.id == id) {
            return Ok(found);
        }
        if let Some(error) = found.message.replay_error(terms, action.at) {
            return Err(Refusal::Replay(error));
        }
        if last.is_some_and(|last| last.ended.is_none()) {
            return Err(Refusal::Replay(ReplayError::Waiting));
        }
        remember(&mut self.keys, action, id);
        let (by, trace_id) = (action.actor.clone(), action.trace_id.clone());
        self.replays.push(ReplayRequest { id, message, terms, by, trace_id, at: action.at, ended: None });
        self.details(message).ok_or(Refusal::Replay(ReplayError::NotFound))
    }

    fn discard(&mut self, id: i64, note: &str, action: &AdminAction) -> Result<HeldDetails, Refusal> {
        let done_before = earlier(&self.keys, action)?.is_some();
        let reopens = self.has(Flaw::ReopensTheClosed);
        let message = self.held_mut(id).ok_or(Refusal::NotFound)?;
        let is_mine = matches!(&message.resolved, Some((Resolution::Discarded(_), by, at))
            if (by, at) == (&action.actor, &action.at));
        if message.resolved.is_none() || (reopens && !is_mine) {
            message.resolved = Some((Resolution::Discarded(note.to_owned()), action.actor.clone(), action.at));
            remember(&mut self.keys, action, Uuid::nil());
        } else if !(done_before || is_mine) {
            return Err(Refusal::Ended);
        }
        self.details(id).ok_or(Refusal::NotFound)
    }
}
