//! Waiting messages that turn out not to be usage: to the quarantine, and their claims given up.

use billing_domain::MessageId;
use billing_domain::usage::QuarantineReason;
use diesel::sql_types::{Array, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::transaction::{Failure, Transaction};

/// Moves messages from the waiting ones to the quarantine.
pub(super) struct RefuseWaiting<'a> {
    pub(super) messages: &'a [MessageId],
    pub(super) reason: QuarantineReason,
    pub(super) detail: &'a str,
}

impl Transaction for RefuseWaiting<'_> {
    const NAME: &'static str = "refuse_waiting";
    type Output = u64;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<u64, Failure> {
        // As when they are rated: whoever takes the row moves it. The bytes were let go when the message was set aside,
        // so its fields are kept in the first shape.
        let moved = diesel::sql_query(
            "WITH taken AS (
                DELETE FROM billing.unrated_events WHERE position IN (
                    SELECT position FROM billing.unrated_events WHERE message_id = ANY($1)
                    ORDER BY position FOR UPDATE SKIP LOCKED)
                RETURNING *
            ), released AS (
                DELETE FROM billing.message_keys WHERE message_id IN (SELECT message_id FROM taken)
            ), kept AS (
                SELECT *, convert_to(json_strip_nulls(json_build_object('schemaVersion', '1', 'messageId', message_id,
                    'tenantId', tenant_id, 'accountId', account_id, 'accountTier', tier, 'operatorId', operator_id,
                    'direction', direction, 'segmentCount', segments, 'currency', currency, 'chargedAt',
                    to_char(charged_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
                    'dlrStatus', dlr_status))::text, 'UTF8') AS raw
                FROM taken
            )
            INSERT INTO billing.quarantined_messages
                (stream_sequence, published_at, reason, detail, account_id, raw, raw_bytes, redacted)
            SELECT stream_sequence, published_at, $2, $3, account_id, raw, octet_length(raw),
                regexp_replace(convert_from(raw, 'UTF8'), '[[:digit:]]{7,}', '*******', 'g') FROM kept
            ON CONFLICT DO NOTHING",
        )
        .bind::<Array<SqlUuid>, _>(self.messages.iter().map(|message| message.0).collect::<Vec<_>>())
        .bind::<Text, _>(self.reason.name())
        .bind::<Text, _>(format!("{}; found while it waited, these are its fields", self.detail))
        .execute(connection)
        .await?;
        Ok(u64::try_from(moved).unwrap_or(u64::MAX))
    }
}
