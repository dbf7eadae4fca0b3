//! `ingest quarantine list | show | replay | discard`.

use std::io::Write as _;

use billing_domain::ports::{
    ChangeOutcome, HeldMessage, HeldState, KeptBytes, Quarantine as _, QuarantineAdmin as _, QuarantineFilter, Refusal,
    ReplayOutcome, ReplayTerms, ReplayedAs, Resolution,
};
use billing_domain::usage::{QuarantineReason, redacted};
use billing_domain::use_cases::Replayer;
use billing_nats::decode_stored;
use serde::Serialize;
use serde_json::json;

use super::Session;
use crate::arguments::{Filter, Quarantine};

const PAGE: u32 = 500;

pub(super) async fn run(session: &Session, command: &Quarantine) -> anyhow::Result<bool> {
    match command {
        Quarantine::List { filter, all } => list(session, &wanted(filter, *all)).await,
        Quarantine::Show { id, raw } => show(session, *id, *raw).await,
        Quarantine::Replay { ids, reason, allow_old, tenant } => {
            let terms = ReplayTerms { tenant: *tenant, allow_old: *allow_old };
            replay(session, ids, *reason, terms).await
        }
        Quarantine::Discard { ids, note } => discard(session, ids, note).await,
    }
}

fn wanted(filter: &Filter, with_resolved: bool) -> QuarantineFilter {
    QuarantineFilter {
        reason: filter.reason,
        account: filter.account,
        since: filter.since.map(|day| day.start()),
        until: None,
        state: (!with_resolved).then_some(HeldState::Open),
    }
}

/// A message as it is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: i64,
    reason: &'static str,
    detail: String,
    account_id: Option<String>,
    arrived_at: String,
    stream_sequence: u64,
    published_at: String,
    bytes: u64,
    state: &'static str,
    resolved_by: Option<String>,
    resolved_at: Option<String>,
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

impl Shown {
    fn of(held: &HeldMessage) -> Self {
        let (state, note) = match &held.resolved {
            None => ("open", None),
            Some((Resolution::Replayed(became), ..)) => (became.name(), None),
            Some((Resolution::Discarded(note), ..)) => ("discarded", Some(note.clone())),
        };
        Self {
            id: held.id,
            reason: held.reason.name(),
            detail: held.detail.clone(),
            account_id: held.account.map(|account| account.to_string()),
            arrived_at: held.arrived_at.to_string(),
            stream_sequence: held.receipt.sequence,
            published_at: held.receipt.published_at.to_string(),
            bytes: held.bytes,
            state,
            resolved_by: held.resolved.as_ref().map(|(_, who, _)| who.clone()),
            resolved_at: held.resolved.as_ref().map(|(_, _, at)| at.to_string()),
            note,
            content: None,
        }
    }

    fn line(&self) -> String {
        let Self { id, reason, detail, arrived_at, bytes, state, .. } = self;
        let account = self.account_id.as_deref().unwrap_or("-");
        format!("{id}  {arrived_at}  {reason}  {account}  {bytes} bytes  {state}  {detail}")
    }
}

async fn list(session: &Session, filter: &QuarantineFilter) -> anyhow::Result<bool> {
    let mut after = None;
    loop {
        let page = session.postgres.list_held(filter, after, PAGE, &session.action).await?;
        for held in &page.rows {
            let shown = Shown::of(held);
            session.print(&shown.line(), &shown)?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(true);
        }
    }
}

async fn show(session: &Session, id: i64, as_bytes: bool) -> anyhow::Result<bool> {
    let purpose = if as_bytes { "read_quarantined_bytes" } else { "show_quarantined" };
    let Some((held, bytes)) = session.postgres.open_held(id, purpose, &session.action).await? else {
        tell(session, id, "notFound", "there is no such message")?;
        return Ok(false);
    };
    let (raw, remark) = match bytes {
        KeptBytes::Whole(raw) => (Some(raw), ""),
        KeptBytes::Cut(raw) => (Some(raw), "only the first mebibyte was kept: it cannot be replayed"),
        KeptBytes::Gone => (None, "the bytes are kept no longer: it cannot be replayed"),
    };
    if as_bytes {
        std::io::stdout().lock().write_all(raw.as_deref().unwrap_or_default())?;
        return Ok(raw.is_some());
    }
    let mut shown = Shown::of(&held);
    shown.content = raw.map(|raw| redacted(&raw));
    let line = shown.line();
    let parts = [line.as_str(), shown.content.as_deref().unwrap_or_default(), remark];
    let text: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    session.print(&text.join("\n"), &shown)?;
    Ok(true)
}

async fn replay(
    session: &Session,
    ids: &[i64],
    reason: Option<QuarantineReason>,
    terms: ReplayTerms,
) -> anyhow::Result<bool> {
    let mut replayer = Replayer::new(&session.postgres, decode_stored).await?;
    let mut all = true;
    let (mut after, mut batch) = (None, ids.to_vec());
    loop {
        if let Some(reason) = reason {
            let state = Some(HeldState::Open);
            let filter = QuarantineFilter { reason: Some(reason), state, ..QuarantineFilter::default() };
            let page = session.postgres.list_held(&filter, after, PAGE, &session.action).await?;
            after = page.next;
            batch = page.rows.iter().map(|held| held.id).collect();
        }
        for id in &batch {
            let outcome = replayer.replay(*id, terms, &session.action).await?;
            all &= matches!(outcome, ReplayOutcome::Became(_));
            let (result, line) = match outcome {
                ReplayOutcome::Became(became) => (became.name(), said(became).to_owned()),
                ReplayOutcome::Stays(reason, detail) => {
                    ("quarantined", format!("still quarantined, {reason}: {detail}"))
                }
                ReplayOutcome::Refused(error) => ("refused", format!("not tried: {error}")),
            };
            tell(session, *id, result, &line)?;
        }
        if after.is_none() {
            return Ok(all);
        }
    }
}

fn said(became: ReplayedAs) -> &'static str {
    match became {
        ReplayedAs::Recorded => "recorded",
        ReplayedAs::Duplicate => "duplicate of a message that stands",
        ReplayedAs::Unrated => "recorded as unrated: it waits for a price or its account",
    }
}

async fn discard(session: &Session, ids: &[i64], note: &str) -> anyhow::Result<bool> {
    let mut all = true;
    for id in ids {
        let outcome = session.postgres.discard_held(*id, note, &session.action).await?;
        all &= matches!(outcome, ChangeOutcome::Done(_));
        let (result, line) = match outcome {
            ChangeOutcome::Done(_) => ("discarded", "discarded; it stays counted as quarantined"),
            ChangeOutcome::Refused(Refusal::NotFound) => ("notFound", "there is no such message"),
            ChangeOutcome::Refused(_) => ("resolved", "it was replayed or discarded before"),
        };
        tell(session, *id, result, line)?;
    }
    Ok(all)
}

fn tell(session: &Session, id: i64, result: &str, line: &str) -> anyhow::Result<()> {
    session.print(&format!("{id}  {line}"), &json!({"id": id, "result": result, "detail": line}))
}
