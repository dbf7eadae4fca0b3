//! Closing a quarantined message, or noting why it stays open.

use billing_domain::ports::{AdminAction, DiscardOutcome, ReplayedAs};
use billing_domain::usage::QuarantineReason;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::audit::audit;
use crate::columns;
use crate::transaction::{Failure, Transaction};

use super::subject;

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

#[derive(diesel::QueryableByName)]
struct Found {
    #[diesel(sql_type = Bool)]
    is_open: bool,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    discarded_at: Option<columns::Instant>,
    #[diesel(sql_type = Nullable<Text>)]
    resolved_by: Option<String>,
}

impl Transaction for Discard<'_> {
    const NAME: &'static str = "discard_quarantined";
    type Output = DiscardOutcome;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<DiscardOutcome, Failure> {
        let at = columns::instant(self.action.at);
        let found: Vec<Found> = diesel::sql_query(
            "SELECT replayed_at IS NULL AND discarded_at IS NULL AS is_open, discarded_at, resolved_by
            FROM billing.quarantined_messages WHERE id = $1 FOR UPDATE",
        )
        .bind::<BigInt, _>(self.id)
        .load(connection)
        .await?;
        let [found] = found.as_slice() else { return Ok(DiscardOutcome::NotFound) };
        if !found.is_open {
            // This very call may have landed before, and its answer been lost.
            let is_mine = found.discarded_at == Some(at) && found.resolved_by.as_ref() == Some(&self.action.actor);
            return Ok(if is_mine { DiscardOutcome::Discarded } else { DiscardOutcome::Resolved });
        }
        diesel::sql_query(
            "UPDATE billing.quarantined_messages SET discarded_at = $2, note = $3, resolved_by = $4 WHERE id = $1",
        )
        .bind::<BigInt, _>(self.id)
        .bind::<Timestamptz, _>(at)
        .bind::<Text, _>(self.note)
        .bind::<Text, _>(&self.action.actor)
        .execute(connection)
        .await?;
        audit(connection, self.action, Self::NAME, &subject(self.id), Some(self.note)).await?;
        Ok(DiscardOutcome::Discarded)
    }
}
