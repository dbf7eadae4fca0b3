//! Quarantined messages as people look at them, and what becomes of them. They are put there by the ledger.

mod resolve;
mod rows;

use billing_domain::ports::{
    AdminAction, DiscardOutcome, HeldMessage, HeldPage, KeptBytes, PortError, Quarantine, QuarantineFilter, ReplayedAs,
};
use billing_domain::usage::QuarantineReason;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::Postgres;
use crate::audit::audit;
use crate::columns;
use crate::transaction::{Failure, Transaction};

use resolve::{Discard, Keep, Settle};
use rows::{COLUMNS, HeldRow, RawRow};

impl Quarantine for Postgres {
    async fn list_held(
        &self,
        filter: &QuarantineFilter,
        after: Option<i64>,
        limit: u32,
        action: &AdminAction,
    ) -> Result<HeldPage, PortError> {
        Ok(self.write(&ListHeld { filter, after, limit, action }).await?)
    }

    async fn open_held(
        &self,
        id: i64,
        purpose: &'static str,
        action: &AdminAction,
    ) -> Result<Option<(HeldMessage, KeptBytes)>, PortError> {
        Ok(self.write(&OpenHeld { id, purpose, action }).await?)
    }

    async fn settle_replay(&self, id: i64, became: ReplayedAs, action: &AdminAction) -> Result<(), PortError> {
        Ok(self.write(&Settle { id, became, action }).await?)
    }

    async fn keep_held(&self, id: i64, reason: QuarantineReason, detail: &str) -> Result<(), PortError> {
        Ok(self.write(&Keep { id, reason, detail }).await?)
    }

    async fn discard_held(&self, id: i64, note: &str, action: &AdminAction) -> Result<DiscardOutcome, PortError> {
        Ok(self.write(&Discard { id, note, action }).await?)
    }
}

/// The subject of an audit row.
fn subject(id: i64) -> String {
    format!("quarantined message {id}")
}

struct ListHeld<'a> {
    filter: &'a QuarantineFilter,
    after: Option<i64>,
    limit: u32,
    action: &'a AdminAction,
}

impl Transaction for ListHeld<'_> {
    const NAME: &'static str = "list_quarantined";
    type Output = HeldPage;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<HeldPage, Failure> {
        let filter = self.filter;
        if self.after.is_none() {
            audit(connection, self.action, Self::NAME, "quarantined messages", None).await?;
        }
        // Spelt like the index of what is open, which then answers.
        let open = if filter.with_resolved { "" } else { "AND replayed_at IS NULL AND discarded_at IS NULL" };
        let mut rows: Vec<HeldRow> = diesel::sql_query(format!(
            "SELECT {COLUMNS} FROM billing.quarantined_messages
            WHERE ($1 IS NULL OR reason = $1) AND ($2 IS NULL OR account_id = $2)
                AND ($3 IS NULL OR created_at >= $3) AND ($4 OR id > $5) {open}
            ORDER BY id LIMIT $6"
        ))
        .bind::<Nullable<Text>, _>(filter.reason.map(QuarantineReason::name))
        .bind::<Nullable<SqlUuid>, _>(filter.account.map(|account| account.0))
        .bind::<Nullable<Timestamptz>, _>(filter.since.map(columns::instant))
        .bind::<Bool, _>(self.after.is_none())
        .bind::<BigInt, _>(self.after.unwrap_or_default())
        .bind::<BigInt, _>(i64::from(self.limit) + 1)
        .load(connection)
        .await?;
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let is_more = rows.len() > limit;
        rows.truncate(limit);
        let rows = rows.iter().map(HeldRow::held).collect::<Result<Vec<_>, _>>()?;
        let next = rows.last().filter(|_| is_more).map(|last| last.id);
        Ok(HeldPage { rows, next })
    }
}

struct OpenHeld<'a> {
    id: i64,
    purpose: &'static str,
    action: &'a AdminAction,
}

impl Transaction for OpenHeld<'_> {
    const NAME: &'static str = "open_quarantined";
    type Output = Option<(HeldMessage, KeptBytes)>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        audit(connection, self.action, self.purpose, &subject(self.id), None).await?;
        let rows: Vec<RawRow> =
            diesel::sql_query(format!("SELECT {COLUMNS}, raw FROM billing.quarantined_messages WHERE id = $1"))
                .bind::<BigInt, _>(self.id)
                .load(connection)
                .await?;
        rows.into_iter().next().map(RawRow::open).transpose()
    }
}
