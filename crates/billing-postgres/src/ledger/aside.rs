//! What a batch leaves beside the events: second publications, and messages for a person to look at.

use std::collections::BTreeSet;

use billing_domain::AccountId;
use billing_domain::ports::KEPT_BYTES_MAX;
use billing_domain::usage::{QuarantinedMessage, Receipt, redacted};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::claims::{Claimant, sequence};
use crate::columns::Table;
use crate::session::Session;
use crate::stream_gaps::Received;
use crate::transaction::Failure;

const TABLE: Table = Table("quarantined_messages");

/// What is aside of some stretches of the stream.
const FIND: &str = "SELECT aside.stream_sequence, aside.published_at
    FROM (SELECT unnest($1::bigint[]) AS first, unnest($2::bigint[]) AS last) AS stretch
    CROSS JOIN LATERAL (
        SELECT stream_sequence, published_at FROM billing.quarantined_messages
            WHERE stream_sequence BETWEEN stretch.first AND stretch.last
        UNION ALL SELECT stream_sequence, published_at FROM billing.duplicate_messages
            WHERE stream_sequence BETWEEN stretch.first AND stretch.last
    ) AS aside";

/// Makes the question of [`find`] known to the session.
pub(super) async fn prepare(session: &Session) -> Result<(), Failure> {
    session.statement(FIND).await?;
    Ok(())
}

/// What was set aside before of what a batch has; one that replays it does not ask. Mostly a batch is one stretch of the stream.
pub(super) async fn find(
    session: &Session,
    received: &Received,
    is_replay: bool,
) -> Result<BTreeSet<Receipt>, Failure> {
    if is_replay {
        return Ok(BTreeSet::new());
    }
    let rows = session.query(FIND, &[&received.first, &received.last]).await?;
    let receipt = |row: &Row| {
        let sequence = TABLE.count("stream_sequence", row.try_get(0)?)?;
        Ok(Receipt { sequence, published_at: row.try_get(1)? })
    };
    rows.iter().map(receipt).collect()
}

/// A second publication of a message that stands.
pub(super) struct Duplicate {
    pub(super) claimant: Claimant,
    pub(super) account: AccountId,
}

/// Notes second publications, each once.
pub(super) async fn note_duplicates(session: &Session, duplicates: &[Duplicate]) -> Result<(), Failure> {
    if duplicates.is_empty() {
        return Ok(());
    }
    let insert =
        "INSERT INTO billing.duplicate_messages (stream_sequence, published_at, message_id, account_id, charged_at)
            SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::timestamptz[])
            ON CONFLICT DO NOTHING";
    let of = |duplicate: &Duplicate| sequence(duplicate.claimant.receipt);
    let sequences = duplicates.iter().map(of).collect::<Result<Vec<i64>, _>>()?;
    let published: Vec<Timestamp> = duplicates.iter().map(|d| d.claimant.receipt.published_at).collect();
    let messages: Vec<Uuid> = duplicates.iter().map(|d| d.claimant.message.0).collect();
    let accounts: Vec<Uuid> = duplicates.iter().map(|d| d.account.0).collect();
    let charged: Vec<Timestamp> = duplicates.iter().map(|d| d.claimant.charged_at).collect();
    session.execute(insert, &[&sequences, &published, &messages, &accounts, &charged]).await?;
    Ok(())
}

/// Keeps messages aside, each once.
pub(super) async fn quarantine(session: &Session, messages: &[QuarantinedMessage<'_>]) -> Result<(), Failure> {
    if messages.is_empty() {
        return Ok(());
    }
    let insert = "INSERT INTO billing.quarantined_messages
                (stream_sequence, published_at, reason, detail, account_id, raw, raw_bytes, redacted)
            SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::uuid[], $6::bytea[],
                $7::bigint[], $8::text[])
            ON CONFLICT DO NOTHING";
    let sequences = messages.iter().map(|message| sequence(message.receipt)).collect::<Result<Vec<i64>, _>>()?;
    let published: Vec<Timestamp> = messages.iter().map(|m| m.receipt.published_at).collect();
    let reasons: Vec<&str> = messages.iter().map(|m| m.reason.name()).collect();
    let details: Vec<&str> = messages.iter().map(|m| m.detail.as_str()).collect();
    let accounts: Vec<Option<Uuid>> = messages.iter().map(|m| m.account.map(|account| account.0)).collect();
    let raw: Vec<&[u8]> = messages.iter().map(|m| &m.raw[..m.raw.len().min(KEPT_BYTES_MAX)]).collect();
    let sizes: Vec<i64> = messages.iter().map(|m| i64::try_from(m.raw.len()).unwrap_or(i64::MAX)).collect();
    let shown: Vec<String> = messages.iter().map(|m| redacted(m.raw)).collect();
    session.execute(insert, &[&sequences, &published, &reasons, &details, &accounts, &raw, &sizes, &shown]).await?;
    Ok(())
}
