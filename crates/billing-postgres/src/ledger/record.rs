//! Recording a batch: the transaction of the hot path.

use billing_domain::ports::{RecordOutcome, Recorded};
use billing_domain::usage::{
    ClaimVerdict, QuarantineReason, QuarantinedMessage, RatedUsage, Receipt, UnratedUsage, UsageBatch,
};
use billing_domain::{AccountId, MessageId};
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::Timestamp;

use crate::columns;
use crate::transaction::{Failure, Transaction};

use super::claims::{Claimant, claim, sequence};
use super::{events, versions, waiting};

/// The most that is kept of a quarantined message.
const RAW_BYTES_MAX: usize = 1 << 20;

pub(super) struct RecordBatch<'a>(pub(super) &'a UsageBatch<'a>);

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
    duplicates: Vec<(Receipt, MessageId, AccountId, Timestamp)>,
    quarantined: Vec<QuarantinedMessage<'a>>,
    redelivered: u64,
    conflicts: u64,
}

impl Transaction for RecordBatch<'_> {
    const NAME: &'static str = "record_usage";
    type Output = RecordOutcome;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<RecordOutcome, Failure> {
        let batch = self.0;
        if !versions::hold_shared(connection, batch.book_version, batch.directory_version).await? {
            return Ok(RecordOutcome::Stale);
        }
        let (claimed, claimants) = claimants(batch);
        let verdicts = if claimants.is_empty() { Vec::new() } else { claim(connection, &claimants).await? };
        let mut sorted = sort(&claimed, &claimants, &verdicts);
        sorted.quarantined.extend(batch.quarantined.iter().cloned());
        events::insert(connection, &sorted.rated).await?;
        waiting::insert(connection, &sorted.unrated).await?;
        note_duplicates(connection, &sorted.duplicates).await?;
        quarantine(connection, &sorted.quarantined).await?;
        Ok(RecordOutcome::Recorded(count(&sorted, batch.quarantined.len())))
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
                sorted.duplicates.push((claimant.receipt, claimant.message, account, claimant.charged_at));
            }
            (ClaimVerdict::Conflict, _) => {
                sorted.conflicts += 1;
                sorted.quarantined.push(QuarantinedMessage {
                    receipt: claimant.receipt,
                    reason: QuarantineReason::Conflict,
                    detail: "the message id stands with other content".to_owned(),
                    account: Some(account),
                    raw,
                });
            }
        }
    }
    sorted
}

fn count(sorted: &Sorted<'_>, quarantined: usize) -> Recorded {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let is_loss = |usage: &&&RatedUsage| usage.rated.margin(usage.event.currency).is_some_and(|margin| margin < 0);
    Recorded {
        rated: number(sorted.rated.len()),
        negative_margin: number(sorted.rated.iter().filter(is_loss).count()),
        uncosted: number(sorted.rated.iter().filter(|usage| usage.rated.cost.is_none()).count()),
        unrated: number(sorted.unrated.len()),
        duplicates: number(sorted.duplicates.len()),
        redelivered: sorted.redelivered,
        conflicts: sorted.conflicts,
        quarantined: number(quarantined),
    }
}

async fn note_duplicates(
    connection: &mut AsyncPgConnection,
    duplicates: &[(Receipt, MessageId, AccountId, Timestamp)],
) -> Result<(), Failure> {
    if duplicates.is_empty() {
        return Ok(());
    }
    let sequences = duplicates.iter().map(|(receipt, ..)| sequence(*receipt)).collect::<Result<Vec<_>, _>>()?;
    diesel::sql_query(
        "INSERT INTO billing.duplicate_messages (stream_sequence, published_at, message_id, account_id, charged_at)
        SELECT * FROM unnest($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind::<Array<BigInt>, _>(sequences)
    .bind::<Array<Timestamptz>, _>(duplicates.iter().map(|d| columns::instant(d.0.published_at)).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(duplicates.iter().map(|d| d.1.0).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(duplicates.iter().map(|d| d.2.0).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(duplicates.iter().map(|d| columns::instant(d.3)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn quarantine(connection: &mut AsyncPgConnection, messages: &[QuarantinedMessage<'_>]) -> Result<(), Failure> {
    if messages.is_empty() {
        return Ok(());
    }
    let sequences = messages.iter().map(|message| sequence(message.receipt)).collect::<Result<Vec<_>, _>>()?;
    let raw = |message: &QuarantinedMessage<'_>| message.raw[..message.raw.len().min(RAW_BYTES_MAX)].to_vec();
    let size = |message: &QuarantinedMessage<'_>| i64::try_from(message.raw.len()).unwrap_or(i64::MAX);
    diesel::sql_query(
        "INSERT INTO billing.quarantined_messages
            (stream_sequence, published_at, reason, detail, account_id, raw, raw_bytes)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind::<Array<BigInt>, _>(sequences)
    .bind::<Array<Timestamptz>, _>(
        messages.iter().map(|m| columns::instant(m.receipt.published_at)).collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(messages.iter().map(|m| m.reason.name()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(messages.iter().map(|m| m.detail.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(messages.iter().map(|m| m.account.map(|a| a.0)).collect::<Vec<_>>())
    .bind::<Array<Binary>, _>(messages.iter().map(raw).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(messages.iter().map(size).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
