//! Changes of operator costs. Unlike a price, a cost may begin in the past: events that have none are costed by it.

use billing_domain::ports::{AdminAction, CostDraft, NewCost, Refusal};
use billing_domain::pricing::CostKey;
use billing_domain::{CostId, Day, DayRange, Micros, OperatorCost};
use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::audit::audit;
use crate::columns;
use crate::idempotency::claim_key;
use crate::landed::Landed;
use crate::ledger::{Book, bump, hold_exclusive};
use crate::transaction::{Failure, Reach, Transaction};

use super::change::{cancel, close, overlap, refuse_changed};
use super::list::cost_row;

pub(super) struct CreateCost<'a> {
    pub(super) new: &'a NewCost,
    pub(super) action: &'a AdminAction,
}

impl Transaction for CreateCost<'_> {
    const NAME: &'static str = "create_cost";
    type Output = OperatorCost;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<OperatorCost, Failure> {
        let new = self.new;
        if let Some(earlier) = claim_key(connection, self.action, new.id.0).await? {
            return stored(connection, CostId(earlier)).await;
        }
        hold_exclusive(connection, Book::Prices).await?;
        if let Some(row) = cost_row(connection, new.id).await? {
            return row.cost();
        }
        let row = CostInsert { id: new.id, key: &new.key, cost: new.cost_per_segment, days: new.days, version: 1 };
        row.insert(connection, None, self.action).await?;
        audit(connection, self.action, "operator_cost.create", &format!("operator cost {}", new.id), None).await?;
        bump(connection, Book::Prices).await?;
        stored(connection, new.id).await
    }
}

pub(super) struct SupersedeCost<'a> {
    pub(super) based_on: &'a OperatorCost,
    pub(super) new: &'a CostDraft,
    pub(super) action: &'a AdminAction,
}

impl Transaction for SupersedeCost<'_> {
    const NAME: &'static str = "supersede_cost";
    type Output = OperatorCost;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<OperatorCost, Failure> {
        hold_exclusive(connection, Book::Prices).await?;
        let new = self.new;
        if let Some(row) = cost_row(connection, new.id).await? {
            return row.cost();
        }
        let id = self.based_on.id;
        let old = cost_row(connection, id).await?.ok_or(Failure::Refused(Refusal::NotFound))?;
        let begins = new.days.from();
        let cost = old.cost()?;
        refuse_changed(Some(self.based_on), &cost)?;
        if cost.cancelled_at.is_some() || old.is_superseded || cost.days.until().is_some_and(|until| until < begins) {
            return Err(Failure::Refused(Refusal::Ended));
        }
        refuse_over_costed_usage(connection, &cost.key, begins).await?;
        match DayRange::new(cost.days.from(), Some(begins)) {
            Ok(shortened) => close(connection, "operator_costs", id.0, shortened).await?,
            Err(_) => cancel(connection, "operator_costs", id.0, self.action).await?,
        }
        let version = cost.version + 1;
        let row = CostInsert { id: new.id, key: &cost.key, cost: new.cost_per_segment, days: new.days, version };
        row.insert(connection, Some(id), self.action).await?;
        let detail = format!("operator cost {id} is superseded");
        let subject = format!("operator cost {}", new.id);
        audit(connection, self.action, "operator_cost.change", &subject, Some(&detail)).await?;
        bump(connection, Book::Prices).await?;
        stored(connection, new.id).await
    }
}

pub(super) struct EndCost<'a> {
    pub(super) id: CostId,
    pub(super) seen: Option<&'a OperatorCost>,
    pub(super) today: Day,
    pub(super) action: &'a AdminAction,
    /// Ending one leaves no mark of who did it.
    pub(super) landed: Landed,
}

impl Transaction for EndCost<'_> {
    const NAME: &'static str = "end_cost";
    type Output = OperatorCost;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<OperatorCost, Failure> {
        hold_exclusive(connection, Book::Prices).await?;
        if self.landed.is_done(connection).await? {
            return stored(connection, self.id).await;
        }
        self.landed.note(connection).await?;
        let row = cost_row(connection, self.id).await?.ok_or(Failure::Refused(Refusal::NotFound))?;
        let cost = row.cost()?;
        refuse_changed(self.seen, &cost)?;
        let days = cost.days;
        let is_over = days.until().is_some_and(|until| until <= self.today.next());
        match DayRange::inclusive(days.from(), Some(self.today)) {
            _ if cost.cancelled_at.is_some() || is_over => return Err(Failure::Refused(Refusal::Ended)),
            Ok(shortened) => close(connection, "operator_costs", self.id.0, shortened).await?,
            Err(_) => cancel(connection, "operator_costs", self.id.0, self.action).await?,
        }
        audit(connection, self.action, "operator_cost.end", &format!("operator cost {}", self.id), None).await?;
        bump(connection, Book::Prices).await?;
        stored(connection, self.id).await
    }
}

async fn stored(connection: &mut AsyncPgConnection, id: CostId) -> Result<OperatorCost, Failure> {
    let row = cost_row(connection, id).await?;
    row.ok_or(Failure::Broken("an operator cost that was just written is not there"))?.cost()
}

struct CostInsert<'a> {
    id: CostId,
    key: &'a CostKey,
    cost: Micros,
    days: DayRange,
    version: u32,
}

impl CostInsert<'_> {
    async fn insert(
        &self,
        connection: &mut AsyncPgConnection,
        supersedes: Option<CostId>,
        action: &AdminAction,
    ) -> Result<(), Failure> {
        diesel::sql_query(
            "INSERT INTO billing.operator_costs (id, operator_id, direction, cost_per_segment_micros, currency, days,
                version, supersedes, created_by, created_at)
            VALUES ($1, $2, $3, $4, $5, daterange($6, $7), $8, $9, $10, $11)",
        )
        .bind::<SqlUuid, _>(self.id.0)
        .bind::<Text, _>(self.key.operator.as_str())
        .bind::<Text, _>(self.key.direction.name())
        .bind::<BigInt, _>(self.cost.0)
        .bind::<Text, _>(self.key.currency.code())
        .bind::<Date, _>(columns::date(self.days.from()))
        .bind::<Nullable<Date>, _>(self.days.until().map(columns::date))
        .bind::<Integer, _>(i32::try_from(self.version).map_err(|_| Failure::Broken("a version beyond 2^31"))?)
        .bind::<Nullable<SqlUuid>, _>(supersedes.map(|old| old.0))
        .bind::<Text, _>(&action.actor)
        .bind::<Timestamptz, _>(columns::instant(action.at))
        .execute(connection)
        .await
        .map_err(overlap)?;
        Ok(())
    }
}

/// A cost that has been pinned on events of those days is not taken back. Asked of the buckets, which are few: the
/// book is locked meanwhile.
async fn refuse_over_costed_usage(connection: &mut AsyncPgConnection, key: &CostKey, from: Day) -> Result<(), Failure> {
    #[derive(diesel::QueryableByName)]
    struct Found {
        #[diesel(sql_type = Bool)]
        found: bool,
    }
    let row: Found = diesel::sql_query(
        "SELECT EXISTS (SELECT FROM billing.usage_buckets
            WHERE merged_into IS NULL AND day >= $1 AND operator_id = $2 AND direction = $3
                AND uncosted < messages) AS found",
    )
    .bind::<Date, _>(columns::date(from))
    .bind::<Text, _>(key.operator.as_str())
    .bind::<Text, _>(key.direction.name())
    .get_result(connection)
    .await?;
    if row.found { Err(Failure::Refused(Refusal::RatedUsage)) } else { Ok(()) }
}
