//! Quarantined messages as people look at them, and what becomes of them. They are put there by the ledger. What staff do
//! here needs no right to a message's bytes.

mod request;
mod resolve;
mod rows;

use billing_domain::ports::{
    AdminAction, ChangeOutcome, HeldDetails, HeldMessage, HeldPage, HeldState, KeptBytes, PortError, Quarantine,
    QuarantineAdmin, QuarantineFilter, ReplayEnd, ReplayRequest, ReplayTerms, ReplayedAs,
};
use billing_domain::usage::QuarantineReason;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::Timestamp;
use uuid::Uuid;

use crate::Postgres;
use crate::audit::audit;
use crate::columns;
use crate::prices::outcome;
use crate::transaction::{Failure, Reach, Transaction};

use request::{EndReplay, RequestReplay, WaitingReplays};
use resolve::{Discard, Keep, Settle};
use rows::{COLUMNS, DetailRow, HeldRow, RawRow};

impl QuarantineAdmin for Postgres {
    async fn list_held(
        &self,
        filter: &QuarantineFilter,
        after: Option<i64>,
        limit: u32,
        action: &AdminAction,
    ) -> Result<HeldPage, PortError> {
        Ok(self.write(&ListHeld { filter, after, limit, action }).await?)
    }

    async fn knows_held(&self, id: i64) -> Result<bool, PortError> {
        Ok(self.write(&FindHeld(id)).await?)
    }

    async fn show_held(&self, id: i64, action: &AdminAction) -> Result<Option<HeldDetails>, PortError> {
        Ok(self.write(&ShowHeld { id, action }).await?)
    }

    async fn request_replay(
        &self,
        message: i64,
        terms: ReplayTerms,
        id: Uuid,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<HeldDetails>, PortError> {
        outcome(self.write(&RequestReplay { message, terms, id, action }).await)
    }

    async fn discard_held(
        &self,
        id: i64,
        note: &str,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<HeldDetails>, PortError> {
        outcome(self.write(&Discard { id, note, action }).await)
    }
}

impl Quarantine for Postgres {
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

    async fn waiting_replays(&self, limit: u32) -> Result<Vec<ReplayRequest>, PortError> {
        Ok(self.write(&WaitingReplays(limit)).await?)
    }

    async fn end_replay(&self, id: Uuid, end: &ReplayEnd, at: Timestamp) -> Result<(), PortError> {
        Ok(self.write(&EndReplay { id, end, at }).await?)
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
        let of = filter.account.map_or("quarantined messages".to_owned(), |account| format!("account {account}"));
        audit(connection, self.action, Self::NAME, &of, self.action.reason.as_deref()).await?;
        let of_state = match filter.state {
            None => "",
            // Spelt like the index of what is open, which then answers.
            Some(HeldState::Open) => "AND replayed_at IS NULL AND discarded_at IS NULL",
            Some(HeldState::Replayed) => "AND replayed_at IS NOT NULL",
            Some(HeldState::Discarded) => "AND discarded_at IS NOT NULL",
        };
        let mut rows: Vec<HeldRow> = diesel::sql_query(format!(
            "SELECT {COLUMNS} FROM billing.quarantined_messages
            WHERE ($1 IS NULL OR reason = $1) AND ($2 IS NULL OR account_id = $2)
                AND ($3 IS NULL OR created_at >= $3) AND ($4 IS NULL OR created_at < $4) AND ($5 OR id > $6) {of_state}
            ORDER BY id LIMIT $7"
        ))
        .bind::<Nullable<Text>, _>(filter.reason.map(QuarantineReason::name))
        .bind::<Nullable<SqlUuid>, _>(filter.account.map(|account| account.0))
        .bind::<Nullable<Timestamptz>, _>(filter.since.map(columns::instant))
        .bind::<Nullable<Timestamptz>, _>(filter.until.map(columns::instant))
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

struct FindHeld(i64);

impl Transaction for FindHeld {
    const NAME: &'static str = "find_quarantined";
    const READ_ONLY: bool = true;
    type Output = bool;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<bool, Failure> {
        let found = diesel::sql_query("SELECT FROM billing.quarantined_messages WHERE id = $1")
            .bind::<BigInt, _>(self.0)
            .execute(connection)
            .await?;
        Ok(found > 0)
    }
}

struct ShowHeld<'a> {
    id: i64,
    action: &'a AdminAction,
}

impl Transaction for ShowHeld<'_> {
    const NAME: &'static str = "show_quarantined";
    type Output = Option<HeldDetails>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        let found = details(connection, self.id).await?;
        // Nothing was shown of what is not there.
        if found.is_some() {
            audit(connection, self.action, Self::NAME, &subject(self.id), self.action.reason.as_deref()).await?;
        }
        Ok(found)
    }
}

/// A message with the replay that was last asked for.
async fn details(connection: &mut AsyncPgConnection, id: i64) -> Result<Option<HeldDetails>, Failure> {
    let rows: Vec<DetailRow> =
        diesel::sql_query(format!("SELECT {COLUMNS}, redacted FROM billing.quarantined_messages WHERE id = $1"))
            .bind::<BigInt, _>(id)
            .load(connection)
            .await?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let replay = request::latest(connection, id).await?;
    Ok(Some(row.details(replay)?))
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
