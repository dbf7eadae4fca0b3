//! Changes of prices: make, supersede, end. Each holds the book exclusively, is audited, and gives the next version.

use billing_domain::ports::{AdminAction, NewPrice, Refusal};
use billing_domain::pricing::{OperatorMatch, PriceTerms};
use billing_domain::{Day, DayRange, Price, PriceId};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::{Array, BigInt, Bool, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::audit::audit;
use crate::columns;
use crate::idempotency::claim_key;
use crate::landed::Landed;
use crate::ledger::{Book, bump, hold_exclusive};
use crate::transaction::{Failure, Reach, Transaction};

use super::list::price_row;
use super::model::ModelColumns;

pub(super) struct CreatePrice<'a> {
    pub(super) new: &'a NewPrice,
    pub(super) action: &'a AdminAction,
}

impl Transaction for CreatePrice<'_> {
    const NAME: &'static str = "create_price";
    type Output = Price;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Price, Failure> {
        if let Some(earlier) = claim_key(connection, self.action, self.new.id.0).await? {
            return stored(connection, PriceId(earlier)).await;
        }
        hold_exclusive(connection, Book::Prices).await?;
        // The answer to an earlier commit may have been lost.
        if let Some(row) = price_row(connection, self.new.id).await? {
            return row.price();
        }
        refuse_over_rated_usage(connection, &self.new.terms, None).await?;
        insert(connection, self.new, 1, None, self.action).await?;
        audit(connection, self.action, "price.create", &format!("price {}", self.new.id), None).await?;
        bump(connection, Book::Prices).await?;
        stored(connection, self.new.id).await
    }
}

pub(super) struct SupersedePrice<'a> {
    pub(super) based_on: &'a Price,
    pub(super) new: &'a NewPrice,
    pub(super) action: &'a AdminAction,
}

impl Transaction for SupersedePrice<'_> {
    const NAME: &'static str = "supersede_price";
    type Output = Price;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Price, Failure> {
        hold_exclusive(connection, Book::Prices).await?;
        if let Some(row) = price_row(connection, self.new.id).await? {
            return row.price();
        }
        let id = self.based_on.id;
        let old = price_row(connection, id).await?.ok_or(Failure::Refused(Refusal::NotFound))?;
        let begins = self.new.terms.days.from();
        let price = old.price()?;
        refuse_changed(Some(self.based_on), &price)?;
        if price.cancelled_at.is_some()
            || old.is_superseded
            || price.terms.days.until().is_some_and(|until| until < begins)
        {
            return Err(Failure::Refused(Refusal::Ended));
        }
        refuse_over_rated_usage(connection, &self.new.terms, Some(id)).await?;
        // A version that would begin no later than the old one replaces it whole: it never was in force.
        match DayRange::new(price.terms.days.from(), Some(begins)) {
            Ok(shortened) => close(connection, "prices", id.0, shortened).await?,
            Err(_) => cancel(connection, "prices", id.0, self.action).await?,
        }
        insert(connection, self.new, price.version + 1, Some(id), self.action).await?;
        let detail = format!("price {id} is superseded");
        audit(connection, self.action, "price.change", &format!("price {}", self.new.id), Some(&detail)).await?;
        bump(connection, Book::Prices).await?;
        stored(connection, self.new.id).await
    }
}

pub(super) struct EndPrice<'a> {
    pub(super) id: PriceId,
    pub(super) seen: Option<&'a Price>,
    pub(super) today: Day,
    pub(super) action: &'a AdminAction,
    /// Ending one leaves no mark of who did it.
    pub(super) landed: Landed,
}

impl Transaction for EndPrice<'_> {
    const NAME: &'static str = "end_price";
    type Output = Price;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Price, Failure> {
        hold_exclusive(connection, Book::Prices).await?;
        if self.landed.is_done(connection).await? {
            return stored(connection, self.id).await;
        }
        self.landed.note(connection).await?;
        let row = price_row(connection, self.id).await?.ok_or(Failure::Refused(Refusal::NotFound))?;
        let price = row.price()?;
        refuse_changed(self.seen, &price)?;
        let days = price.terms.days;
        let is_over = days.until().is_some_and(|until| until <= self.today.next());
        match DayRange::inclusive(days.from(), Some(self.today)) {
            _ if price.cancelled_at.is_some() || is_over => return Err(Failure::Refused(Refusal::Ended)),
            Ok(shortened) => close(connection, "prices", self.id.0, shortened).await?,
            Err(_) => cancel(connection, "prices", self.id.0, self.action).await?,
        }
        audit(connection, self.action, "price.end", &format!("price {}", self.id), None).await?;
        bump(connection, Book::Prices).await?;
        stored(connection, self.id).await
    }
}

/// Refuses to change what the caller has seen otherwise. The book is held: what is read here stays until the commit.
pub(super) fn refuse_changed<T: PartialEq>(seen: Option<&T>, stored: &T) -> Result<(), Failure> {
    if seen.is_some_and(|seen| seen != stored) { Err(Failure::Refused(Refusal::Changed)) } else { Ok(()) }
}

async fn stored(connection: &mut AsyncPgConnection, id: PriceId) -> Result<Price, Failure> {
    let row = price_row(connection, id).await?;
    row.ok_or(Failure::Broken("a price that was just written is not there"))?.price()
}

async fn insert(
    connection: &mut AsyncPgConnection,
    new: &NewPrice,
    version: u32,
    supersedes: Option<PriceId>,
    action: &AdminAction,
) -> Result<(), Failure> {
    let terms = &new.terms;
    let (model, monthly) = (ModelColumns::of(&terms.model), terms.monthly);
    diesel::sql_query(
        "INSERT INTO billing.prices (id, tier, account_id, operator_id, direction, charge_on, unit_price_micros,
            currency, days, version, supersedes, created_by, created_at, model, steps_above, steps_price_micros,
            package_size, package_price_micros, free_units, discount_basis_points, monthly_minimum_micros,
            monthly_fee_micros)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, daterange($9, $10), $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
            $21, $22, $23)",
    )
    .bind::<SqlUuid, _>(new.id.0)
    .bind::<Text, _>(terms.tier.as_str())
    .bind::<Nullable<SqlUuid>, _>(terms.account.map(|account| account.0))
    .bind::<Text, _>(terms.operator.to_string())
    .bind::<Text, _>(terms.direction.name())
    .bind::<Text, _>(terms.charge_on.name())
    .bind::<BigInt, _>(terms.unit_price.0)
    .bind::<Text, _>(terms.currency.code())
    .bind::<Date, _>(columns::date(terms.days.from()))
    .bind::<Nullable<Date>, _>(terms.days.until().map(columns::date))
    .bind::<Integer, _>(i32::try_from(version).map_err(|_| Failure::Broken("a version beyond 2^31"))?)
    .bind::<Nullable<SqlUuid>, _>(supersedes.map(|old| old.0))
    .bind::<Text, _>(&action.actor)
    .bind::<Timestamptz, _>(columns::instant(action.at))
    .bind::<Text, _>(&model.model)
    .bind::<Array<BigInt>, _>(&model.steps_above)
    .bind::<Array<BigInt>, _>(&model.steps_price_micros)
    .bind::<Nullable<BigInt>, _>(model.package_size)
    .bind::<Nullable<BigInt>, _>(model.package_price_micros)
    .bind::<BigInt, _>(i64::try_from(monthly.free_units).unwrap_or(i64::MAX))
    .bind::<Integer, _>(i32::from(monthly.discount.basis_points()))
    .bind::<BigInt, _>(monthly.minimum.0)
    .bind::<BigInt, _>(monthly.fee.0)
    .execute(connection)
    .await
    .map_err(overlap)?;
    Ok(())
}

/// The exclusion constraint is the last word on overlaps.
pub(super) fn overlap(error: DieselError) -> Failure {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::ExclusionViolation, _) => Failure::Refused(Refusal::Overlap),
        error => error.into(),
    }
}

/// Ends a row's period earlier. `table` is one of ours.
pub(super) async fn close(
    connection: &mut AsyncPgConnection,
    table: &'static str,
    id: Uuid,
    days: DayRange,
) -> Result<(), Failure> {
    diesel::sql_query(format!("UPDATE billing.{table} SET days = daterange($2, $3) WHERE id = $1"))
        .bind::<SqlUuid, _>(id)
        .bind::<Date, _>(columns::date(days.from()))
        .bind::<Nullable<Date>, _>(days.until().map(columns::date))
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes a row that was never in force out of the book and keeps it for the record.
pub(super) async fn cancel(
    connection: &mut AsyncPgConnection,
    table: &'static str,
    id: Uuid,
    action: &AdminAction,
) -> Result<(), Failure> {
    diesel::sql_query(format!("UPDATE billing.{table} SET cancelled_at = $2 WHERE id = $1"))
        .bind::<SqlUuid, _>(id)
        .bind::<Timestamptz, _>(columns::instant(action.at))
        .execute(connection)
        .await?;
    Ok(())
}

/// Refuses a price for days on which usage has been rated that it would have priced otherwise: usage of the price it
/// supersedes, or of one that it would come before in the search order. Such a mistake is mended by a correction.
async fn refuse_over_rated_usage(
    connection: &mut AsyncPgConnection,
    terms: &PriceTerms,
    superseded: Option<PriceId>,
) -> Result<(), Failure> {
    #[derive(diesel::QueryableByName)]
    struct Found {
        #[diesel(sql_type = Bool)]
        found: bool,
    }
    let operator = match &terms.operator {
        OperatorMatch::Any => None,
        OperatorMatch::One(operator) => Some(operator.as_str()),
    };
    let row: Found = diesel::sql_query(
        "SELECT EXISTS (
            SELECT FROM billing.usage_buckets b JOIN billing.prices p ON p.id = b.price_id
            WHERE b.merged_into IS NULL AND b.day >= $1
                AND b.direction = $3 AND b.currency = $4 AND ($5::text IS NULL OR b.operator_id = $5)
                AND (p.id = $6 OR (($2::date IS NULL OR b.day < $2) AND
                    CASE WHEN $7::uuid IS NULL THEN p.account_id IS NULL AND p.tier = $8 ELSE b.account_id = $7 END
                    AND (p.account_id IS NULL, p.operator_id = '*') > ($7::uuid IS NULL, $5::text IS NULL)))
        ) AS found",
    )
    .bind::<Date, _>(columns::date(terms.days.from()))
    .bind::<Nullable<Date>, _>(terms.days.until().map(columns::date))
    .bind::<Text, _>(terms.direction.name())
    .bind::<Text, _>(terms.currency.code())
    .bind::<Nullable<Text>, _>(operator)
    .bind::<Nullable<SqlUuid>, _>(superseded.map(|price| price.0))
    .bind::<Nullable<SqlUuid>, _>(terms.account.map(|account| account.0))
    .bind::<Text, _>(terms.tier.as_str())
    .get_result(connection)
    .await?;
    if row.found { Err(Failure::Refused(Refusal::RatedUsage)) } else { Ok(()) }
}
