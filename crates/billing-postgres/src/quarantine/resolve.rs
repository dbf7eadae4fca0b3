//! Closing a quarantined message, or noting why it stays open.

use billing_domain::ports::{AdminAction, HeldDetails, Refusal, ReplayedAs, Resolution};
use billing_domain::usage::QuarantineReason;
use diesel::sql_types::{BigInt, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::audit::audit;
use crate::columns;
use crate::idempotency::claim_key;
use crate::transaction::{Failure, Transaction};

use super::request::lock;
use super::{details, subject};

/// Notes what a message became. The ledger has it already, so a discarding that came in between is undone: the audit
/// log tells of both.
pub(super) struct Settle<'a> {
    pub(super) id: i64,
    pub(super) became: ReplayedAs,
    pub(super) action: &'a AdminAction,
}

impl Transaction for Settle<'_> {
    const NAME: &'static str = "settle_replay";
    type Output = ();

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<(), Failure> {
        let settled = diesel::sql_query(
            "UPDATE billing.quarantined_messages SET replayed_at = $2, replayed_as = $3, resolved_by = $4,
                discarded_at = NULL, note = NULL
            WHERE id = $1 AND replayed_at IS NULL",
        )
        .bind::<BigInt, _>(self.id)
        .bind::<Timestamptz, _>(columns::instant(self.action.at))
        .bind::<Text, _>(self.became.name())
        .bind::<Text, _>(&self.action.actor)
        .execute(connection)
        .await?;
        if settled > 0 {
            audit(connection, self.action, Self::NAME, &subject(self.id), Some(self.became.name())).await?;
        }
        Ok(())
    }
}

pub(super) struct Keep<'a> {
    pub(super) id: i64,
    pub(super) reason: QuarantineReason,
    pub(super) detail: &'a str,
}

impl Transaction for Keep<'_> {
    const NAME: &'static str = "keep_quarantined";
    type Output = ();

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<(), Failure> {
        diesel::sql_query(
            "UPDATE billing.quarantined_messages SET reason = $2, detail = $3
            WHERE id = $1 AND replayed_at IS NULL AND discarded_at IS NULL",
        )
        .bind::<BigInt, _>(self.id)
        .bind::<Text, _>(self.reason.name())
        .bind::<Text, _>(self.detail)
        .execute(connection)
        .await?;
        Ok(())
    }
}

pub(super) struct Discard<'a> {
    pub(super) id: i64,
    pub(super) note: &'a str,
    pub(super) action: &'a AdminAction,
}

impl Transaction for Discard<'_> {
    const NAME: &'static str = "discard_quarantined";
    type Output = HeldDetails;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<HeldDetails, Failure> {
        let key = Uuid::from_u128(u128::from(self.id.unsigned_abs()));
        let done_before = claim_key(connection, self.action, key).await?.is_some();
        lock(connection, self.id).await?;
        let found = details(connection, self.id).await?.ok_or(Failure::Refused(Refusal::NotFound))?;
        let (actor, at) = (&self.action.actor, columns::instant(self.action.at));
        if let Some((resolution, by, when)) = &found.message.resolved {
            // This very call may have landed before, and its answer been lost.
            let is_mine =
                by == actor && columns::instant(*when) == at && matches!(resolution, Resolution::Discarded(_));
            return if done_before || is_mine { Ok(found) } else { Err(Failure::Refused(Refusal::Ended)) };
        }
        diesel::sql_query(
            "UPDATE billing.quarantined_messages SET discarded_at = $2, note = $3, resolved_by = $4 WHERE id = $1",
        )
        .bind::<BigInt, _>(self.id)
        .bind::<Timestamptz, _>(at)
        .bind::<Text, _>(self.note)
        .bind::<Text, _>(actor)
        .execute(connection)
        .await?;
        audit(connection, self.action, Self::NAME, &subject(self.id), Some(self.note)).await?;
        details(connection, self.id).await?.ok_or(Failure::Broken("a message is gone while it is discarded"))
    }
}
