//! Making a correction: whom it concerns, and by how much.

use std::collections::{BTreeMap, BTreeSet};

use billing_domain::invoicing::{PriceGroup, month_total};
use billing_domain::ports::{
    AdminAction, ChangeOutcome, CorrectionDelta, CorrectionEffect, Page, PortError, PriceCorrections, Refusal,
};
use billing_domain::pricing::{Correction, check_correction};
use billing_domain::{AccountId, CorrectionId, Day, MicrosSum, MinorAmount, MoneyError, Month, PriceId};
use diesel::data_types::PgDate;
use diesel::sql_types::{Array, BigInt, Date, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::TryStreamExt as _;
use uuid::Uuid;

use crate::Postgres;
use crate::audit::audit;
use crate::columns::{self, Table};
use crate::idempotency::claim_key;
use crate::ledger::{Book, hold_exclusive};
use crate::transaction::{Failure, Reach, Transaction};

use super::corrections::{self, ListCorrections};
use super::list::price_row;
use super::outcome;

const TABLE: Table = Table("usage_buckets");

impl PriceCorrections for Postgres {
    async fn preview_correction(&self, correction: &Correction) -> Result<ChangeOutcome<CorrectionEffect>, PortError> {
        outcome(self.write(&PreviewCorrection(correction)).await)
    }

    async fn correct_price(
        &self,
        correction: &Correction,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<CorrectionEffect>, PortError> {
        outcome(self.write(&CorrectPrice { correction, action }).await)
    }

    async fn corrections(
        &self,
        price: Option<PriceId>,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Page<Correction>, PortError> {
        Ok(self.write(&ListCorrections { price, after, limit }).await?)
    }
}

struct PreviewCorrection<'a>(&'a Correction);

impl Transaction for PreviewCorrection<'_> {
    const NAME: &'static str = "preview_correction";
    const READ_ONLY: bool = true;
    type Output = CorrectionEffect;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<CorrectionEffect, Failure> {
        effect(connection, self.0).await
    }
}

struct CorrectPrice<'a> {
    correction: &'a Correction,
    action: &'a AdminAction,
}

impl Transaction for CorrectPrice<'_> {
    const NAME: &'static str = "correct_price";
    type Output = CorrectionEffect;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<CorrectionEffect, Failure> {
        let earlier = claim_key(connection, self.action, self.correction.id.0).await?;
        // Drafts hold it shared: what they ask for is before the correction or after it, never half.
        hold_exclusive(connection, Book::Prices).await?;
        let made = earlier.map_or(self.correction.id, CorrectionId);
        if let Some(correction) = corrections::find(connection, made).await? {
            return effect(connection, &correction).await;
        }
        let effect = effect(connection, self.correction).await?;
        corrections::insert(connection, self.correction).await?;
        insert_deltas(connection, &effect).await?;
        let subject = format!("price {}", self.correction.price);
        let detail = format!("correction {}: {}", self.correction.id, self.correction.reason);
        audit(connection, self.action, "price.correct", &subject, Some(&detail)).await?;
        Ok(effect)
    }
}

/// What a correction changes, beside those that were made before it.
async fn effect(connection: &mut AsyncPgConnection, correction: &Correction) -> Result<CorrectionEffect, Failure> {
    let row = price_row(connection, correction.price).await?.ok_or(Failure::Refused(Refusal::NotFound))?;
    let terms = row.price()?.terms;
    check_correction(correction, &terms, Day::of(correction.created_at))
        .map_err(|error| Failure::Refused(Refusal::Correction(error)))?;
    let mut made = corrections::corrections_of(connection, &BTreeSet::from([correction.price])).await?;
    let mut others = made.remove(&correction.price).unwrap_or_default();
    others.retain(|other| other.id != correction.id);
    let before = PriceGroup { terms, corrections: others };
    let mut after = before.clone();
    after.corrections.push(correction.clone());
    let deltas = deltas(connection, correction, &before, &after).await?;
    Ok(CorrectionEffect { correction: correction.clone(), deltas })
}

#[derive(diesel::QueryableByName)]
struct UsedRow {
    #[diesel(sql_type = SqlUuid)]
    account_id: Uuid,
    #[diesel(sql_type = Text)]
    operator_id: String,
    #[diesel(sql_type = Date)]
    day: PgDate,
    #[diesel(sql_type = BigInt)]
    units: i64,
    #[diesel(sql_type = Text)]
    amount: String,
}

/// What one account used of the price in one month.
#[derive(Default)]
struct Used {
    units: BTreeMap<Day, u64>,
    by_operator: BTreeMap<String, MicrosSum>,
}

/// Reads account by account: what a tier's price has rated in a year does not fit into memory.
async fn deltas(
    connection: &mut AsyncPgConnection,
    correction: &Correction,
    before: &PriceGroup,
    after: &PriceGroup,
) -> Result<Vec<CorrectionDelta>, Failure> {
    let (first, last) = (correction.days.from(), correction.days.last().unwrap_or(correction.days.from()));
    let mut rows = diesel::sql_query(
        "SELECT account_id, operator_id, day, sum(units)::bigint AS units, sum(amount_micros)::text AS amount
        FROM billing.usage_buckets
        WHERE price_id = $1 AND day >= $2 AND day < $3 AND merged_into IS NULL AND waived_at IS NULL
        GROUP BY account_id, operator_id, day ORDER BY account_id, day",
    )
    .bind::<SqlUuid, _>(correction.price.0)
    .bind::<Date, _>(columns::date(first.month().first_day()))
    .bind::<Date, _>(columns::date(last.month().next().first_day()))
    .load_stream::<UsedRow>(connection)
    .await?;
    let mut deltas = Vec::new();
    let mut current: Option<((AccountId, Month), Used)> = None;
    while let Some(row) = rows.try_next().await? {
        let day = TABLE.day("day", row.day)?;
        let key = (AccountId(row.account_id), day.month());
        if current.as_ref().is_some_and(|(open, _)| *open != key)
            && let Some((key, used)) = current.take()
        {
            deltas.extend(delta(key, &used, before, after)?);
        }
        let (_, used) = current.get_or_insert_with(|| (key, Used::default()));
        let units = used.units.entry(day).or_default();
        *units = units.checked_add(TABLE.count("units", row.units)?).ok_or(MoneyError::Overflow)?;
        let amount = used.by_operator.entry(row.operator_id).or_default();
        *amount = amount.plus(TABLE.sum("amount_micros", &row.amount)?)?;
    }
    if let Some((key, used)) = current {
        deltas.extend(delta(key, &used, before, after)?);
    }
    Ok(deltas)
}

/// What changes for one account and month, if anything does.
fn delta(
    (account, month): (AccountId, Month),
    used: &Used,
    before: &PriceGroup,
    after: &PriceGroup,
) -> Result<Option<CorrectionDelta>, MoneyError> {
    let currency = before.terms.currency;
    let mut list = MinorAmount::zero(currency);
    for exact in used.by_operator.values() {
        list = list.plus(exact.round_to_minor(currency)?)?;
    }
    let units =
        used.units.values().try_fold(0_u64, |sum, units| sum.checked_add(*units)).ok_or(MoneyError::Overflow)?;
    let before = month_total(before, month, &used.units, list)?;
    let after = month_total(after, month, &used.units, list)?;
    Ok((before != after).then_some(CorrectionDelta { account, month, units, before, after }))
}

async fn insert_deltas(connection: &mut AsyncPgConnection, effect: &CorrectionEffect) -> Result<(), Failure> {
    let (correction, deltas) = (&effect.correction, &effect.deltas);
    let differences = deltas.iter().map(|delta| Ok(delta.after.minus(delta.before)?.minor));
    diesel::sql_query(
        "INSERT INTO billing.correction_deltas (correction_id, account_id, tenant_id, currency, usage_month, price_id,
            delta_minor)
        SELECT $1, account_id, a.tenant_id, $2, usage_month, $3, delta
        FROM unnest($4, $5, $6) AS d (account_id, usage_month, delta) JOIN billing.accounts a USING (account_id)",
    )
    .bind::<SqlUuid, _>(correction.id.0)
    .bind::<Text, _>(deltas.as_slice().first().map_or("", |delta| delta.before.currency.code()))
    .bind::<SqlUuid, _>(correction.price.0)
    .bind::<Array<SqlUuid>, _>(deltas.iter().map(|delta| delta.account.0).collect::<Vec<_>>())
    .bind::<Array<Date>, _>(deltas.iter().map(|delta| columns::date(delta.month.first_day())).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(differences.collect::<Result<Vec<_>, MoneyError>>()?)
    .execute(connection)
    .await?;
    Ok(())
}
