//! `ingest gaps`: what was on the stream and never recorded.

use billing_domain::ports::{StreamGap, StreamWatch as _};
use jiff::Timestamp;
use serde::Serialize;

use super::Session;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    stream_created_at: String,
    first_sequence: u64,
    last_sequence: u64,
    messages: u64,
    published_after: Option<String>,
    published_before: Option<String>,
    found_at: String,
}

pub(super) async fn run(session: &Session) -> anyhow::Result<bool> {
    for gap in session.postgres.gaps().await? {
        session.print(&line(&gap), &shown(&gap))?;
    }
    Ok(true)
}

fn line(gap: &StreamGap) -> String {
    let instant = |at: Option<Timestamp>| at.map_or("?".to_owned(), |at| at.to_string());
    format!(
        "{} to {}: {} messages, published between {} and {}, found {}, on the stream made {}",
        gap.first,
        gap.last,
        gap.messages(),
        instant(gap.published_after),
        instant(gap.published_before),
        gap.found_at,
        gap.stream_created_at
    )
}

fn shown(gap: &StreamGap) -> Shown {
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
    Shown {
        stream_created_at: gap.stream_created_at.to_string(),
        first_sequence: gap.first,
        last_sequence: gap.last,
        messages: gap.messages(),
        published_after: text(gap.published_after),
        published_before: text(gap.published_before),
        found_at: gap.found_at.to_string(),
    }
}
