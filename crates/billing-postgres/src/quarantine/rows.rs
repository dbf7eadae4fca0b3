//! Rows of quarantined messages, read back.

use billing_domain::AccountId;
use billing_domain::ports::{
    HeldDetails, HeldMessage, KEPT_BYTES_MAX, KeptBytes, ReplayRequest, ReplayedAs, Resolution,
};
use billing_domain::usage::{QuarantineReason, Receipt};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use crate::columns::{self, Inconsistent, Table};
use crate::transaction::Failure;

const TABLE: Table = Table("quarantined_messages");

/// What is read of a row, but for its bytes.
pub(super) const COLUMNS: &str = "id, stream_sequence, published_at, reason, detail, account_id, raw_bytes, \
    created_at, replayed_at, replayed_as, discarded_at, resolved_by, note";

#[derive(QueryableByName)]
pub(super) struct HeldRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    stream_sequence: i64,
    #[diesel(sql_type = Timestamptz)]
    published_at: columns::Instant,
    #[diesel(sql_type = Text)]
    reason: String,
    #[diesel(sql_type = Text)]
    detail: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    account_id: Option<Uuid>,
    #[diesel(sql_type = BigInt)]
    raw_bytes: i64,
    #[diesel(sql_type = Timestamptz)]
    created_at: columns::Instant,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    replayed_at: Option<columns::Instant>,
    #[diesel(sql_type = Nullable<Text>)]
    replayed_as: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    discarded_at: Option<columns::Instant>,
    #[diesel(sql_type = Nullable<Text>)]
    resolved_by: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    note: Option<String>,
}

#[derive(QueryableByName)]
pub(super) struct DetailRow {
    #[diesel(embed)]
    message: HeldRow,
    #[diesel(sql_type = Nullable<Text>)]
    redacted: Option<String>,
}

#[derive(QueryableByName)]
pub(super) struct RawRow {
    #[diesel(embed)]
    message: HeldRow,
    #[diesel(sql_type = Nullable<Binary>)]
    raw: Option<Vec<u8>>,
}

impl HeldRow {
    pub(super) fn held(&self) -> Result<HeldMessage, Inconsistent> {
        let sequence = TABLE.count("stream_sequence", self.stream_sequence)?;
        let reason = QuarantineReason::ALL.into_iter().find(|reason| reason.name() == self.reason);
        Ok(HeldMessage {
            id: self.id,
            receipt: Receipt { sequence, published_at: columns::timestamp(self.published_at) },
            reason: reason.ok_or_else(|| TABLE.bad("reason"))?,
            detail: self.detail.clone(),
            account: self.account_id.map(AccountId),
            arrived_at: columns::timestamp(self.created_at),
            bytes: TABLE.count("raw_bytes", self.raw_bytes)?,
            resolved: self.resolution()?,
        })
    }

    fn resolution(&self) -> Result<Option<(Resolution, String, jiff::Timestamp)>, Inconsistent> {
        let (resolution, at) = match (&self.replayed_as, self.replayed_at, &self.note, self.discarded_at) {
            (Some(name), Some(at), ..) => {
                let became = ReplayedAs::ALL.into_iter().find(|became| became.name() == name);
                (Resolution::Replayed(became.ok_or_else(|| TABLE.bad("replayed_as"))?), at)
            }
            (_, _, Some(note), Some(at)) => (Resolution::Discarded(note.clone()), at),
            _ => return Ok(None),
        };
        let who = self.resolved_by.clone().ok_or_else(|| TABLE.bad("resolved_by"))?;
        Ok(Some((resolution, who, columns::timestamp(at))))
    }
}

impl DetailRow {
    pub(super) fn details(self, replay: Option<ReplayRequest>) -> Result<HeldDetails, Inconsistent> {
        Ok(HeldDetails { message: self.message.held()?, shown: self.redacted, replay })
    }
}

impl RawRow {
    pub(super) fn open(self) -> Result<(HeldMessage, KeptBytes), Failure> {
        let held = self.message.held()?;
        let kept = match self.raw {
            None => KeptBytes::Gone,
            Some(raw) if raw.len() < KEPT_BYTES_MAX => KeptBytes::Whole(raw),
            Some(raw) => KeptBytes::Cut(raw),
        };
        Ok((held, kept))
    }
}
