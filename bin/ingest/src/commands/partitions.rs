//! `ingest partitions list | detach | move`.

use billing_domain::Month;
use billing_domain::ports::{DetachOutcome, EventPartitions as _};
use serde_json::json;

use super::Session;
use crate::arguments::Partitions;

pub(super) async fn run(session: &Session, command: &Partitions) -> anyhow::Result<bool> {
    match command {
        Partitions::List => list(session).await,
        Partitions::Detach { before } => detach(session, *before).await,
        Partitions::Move { month } => move_month(session, *month).await,
    }
}

async fn list(session: &Session) -> anyhow::Result<bool> {
    for partition in session.postgres.partitions().await? {
        let (table, bytes, rows) = (&partition.table, partition.bytes, partition.rows_estimate);
        let state = if partition.is_attached { "attached" } else { "detached" };
        session.print(
            &format!("{table}: {state}, about {rows} events, {bytes} bytes"),
            &json!({"table": table, "month": partition.month.map(|month| month.to_string()),
                "attached": partition.is_attached, "rowsEstimate": rows, "bytes": bytes}),
        )?;
    }
    for (month, events) in session.postgres.in_default().await? {
        session.print(
            &format!("in the DEFAULT partition: {events} events of {month}"),
            &json!({"inDefault": month.to_string(), "events": events}),
        )?;
    }
    Ok(true)
}

async fn detach(session: &Session, before: Month) -> anyhow::Result<bool> {
    let (mut all, mut any) = (true, false);
    for partition in session.postgres.partitions().await? {
        let Some(month) = partition.month.filter(|month| partition.is_attached && *month < before) else { continue };
        any = true;
        let (name, line) = match session.postgres.detach(month, &session.action).await? {
            DetachOutcome::Detached(table) => {
                let rows = partition.rows_estimate;
                (
                    "detached",
                    format!("{month}: detached, now {table}, about {rows} events; archive and drop it by hand"),
                )
            }
            DetachOutcome::NotFound => ("notFound", format!("{month}: has no partition any more")),
            DetachOutcome::TooYoung => ("tooYoung", format!("{month}: stays, it is not 13 months past")),
            DetachOutcome::Open(buckets) => {
                ("open", format!("{month}: stays, {buckets} of its buckets wait for an invoice"))
            }
        };
        all &= name == "detached";
        session.print(&line, &json!({"month": month.to_string(), "result": name, "detail": line}))?;
    }
    if !any {
        session.print(&format!("no partition is of a month before {before}"), &json!({"result": "none"}))?;
    }
    Ok(all)
}

async fn move_month(session: &Session, month: Month) -> anyhow::Result<bool> {
    let moved = session.postgres.move_from_default(month, u64::MAX).await?.unwrap_or_default();
    session.print(
        &format!("{month}: {moved} events moved from the DEFAULT partition"),
        &json!({"month": month.to_string(), "moved": moved}),
    )?;
    Ok(true)
}
