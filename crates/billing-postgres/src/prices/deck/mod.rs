//! Price decks: shown, or made all or none under the exclusive lock of the book, by a handful of statements however many
//! lines there are. What a line does is decided by `billing_domain::pricing::deck`.

mod costs;
mod prices;

use std::collections::HashMap;

use billing_domain::DayRange;
use billing_domain::Micros;
use billing_domain::ports::{AdminAction, ChangeOutcome, DeckStore, PortError};
use billing_domain::pricing::deck::{
    Deck, DeckEntry, DeckPlan, DeckReport, Margins, NewVersion, StandingVersion, Superseded, plan, retell,
};
use diesel::data_types::PgDate;
use diesel::sql_types::{Array, BigInt, Bool, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use uuid::Uuid;

use crate::Postgres;
use crate::audit::audit;
use crate::columns::{self, Table};
use crate::idempotency::claim_key;
use crate::ledger::{Book, bump, hold_exclusive};
use crate::transaction::{Failure, Reach, Transaction};

use super::outcome;

/// How many lines there are decides how they are joined: a plan made for any number is one for few, and a table of lines
/// that does not fit is read once for each line.
const MANY_LINES: &str = "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL work_mem = '64MB'";

/// How versions of one sort are kept.
pub(super) trait DeckTable: DeckEntry {
    /// In the schema `billing`.
    const TABLE: &'static str;
    /// The column of the price or cost.
    const AMOUNT: &'static str;
    /// What the audit log calls one.
    const NOUN: &'static str;
    /// What the audit log calls its making.
    const DEED: &'static str;

    /// The versions of the keys of the deck, ended ones too, and of others that its margins depend on.
    fn standing(
        connection: &mut AsyncPgConnection,
        deck: &Deck<Self>,
    ) -> impl Future<Output = Result<Vec<StandingVersion<Self::Terms>>, Failure>> + Send;

    /// The lines, ascending, that would change what usage has been rated at.
    fn rated(
        connection: &mut AsyncPgConnection,
        made: &[NewVersion<Self::Terms>],
    ) -> impl Future<Output = Result<Vec<u32>, Failure>> + Send;

    /// What is earned after it.
    fn margins(
        connection: &mut AsyncPgConnection,
        plan: &DeckPlan<Self>,
    ) -> impl Future<Output = Result<Margins, Failure>> + Send;

    /// Writes new versions; those that they supersede are closed already.
    fn insert(
        connection: &mut AsyncPgConnection,
        made: &[NewVersion<Self::Terms>],
        action: &AdminAction,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

impl<E: DeckTable> DeckStore<E> for Postgres {
    async fn preview(&self, deck: &Deck<E>) -> Result<DeckReport<E>, PortError> {
        Ok(self.write(&PreviewDeck(deck)).await?)
    }

    async fn apply(&self, deck: &Deck<E>, action: &AdminAction) -> Result<ChangeOutcome<DeckReport<E>>, PortError> {
        outcome(self.write(&ApplyDeck { deck, action }).await)
    }
}

struct PreviewDeck<'a, E: DeckEntry>(&'a Deck<E>);

impl<E: DeckTable> Transaction for PreviewDeck<'_, E> {
    const NAME: &'static str = "preview_deck";
    const READ_ONLY: bool = true;
    type Output = DeckReport<E>;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<DeckReport<E>, Failure> {
        let plan = make_plan(connection, self.0).await?;
        let margins = E::margins(connection, &plan).await?;
        Ok(DeckReport { plan, margins })
    }
}

struct ApplyDeck<'a, E: DeckEntry> {
    deck: &'a Deck<E>,
    action: &'a AdminAction,
}

impl<E: DeckTable> Transaction for ApplyDeck<'_, E> {
    const NAME: &'static str = "apply_deck";
    type Output = DeckReport<E>;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<DeckReport<E>, Failure> {
        let earlier = claim_key(connection, self.action, self.deck.id).await?;
        hold_exclusive(connection, Book::Prices).await?;
        let first = Deck { id: earlier.unwrap_or(self.deck.id), ..self.deck.clone() };
        let found = found(connection, &first).await?;
        // The answer to an earlier commit may have been lost.
        if earlier.is_some() || !found.is_empty() {
            let plan = retell(&first, E::standing(connection, &first).await?, found);
            let margins = E::margins(connection, &plan).await?;
            return Ok(DeckReport { plan, margins });
        }
        let plan = make_plan(connection, self.deck).await?;
        if plan.refused.is_empty() {
            self.write(connection, &plan).await?;
        } else {
            forget_key(connection, self.deck.id).await?;
        }
        let margins = E::margins(connection, &plan).await?;
        Ok(DeckReport { plan, margins })
    }
}

impl<E: DeckTable> ApplyDeck<'_, E> {
    async fn write(&self, connection: &mut AsyncPgConnection, plan: &DeckPlan<E>) -> Result<(), Failure> {
        let superseded: Vec<Superseded> = plan.made.iter().filter_map(|made| made.old).collect();
        close_all(connection, E::TABLE, &superseded, self.action).await?;
        E::insert(connection, &plan.made, self.action).await?;
        audit_lines::<E>(connection, self.deck.id, &plan.made, self.action).await?;
        let changed = superseded.len();
        let detail = format!(
            "sha-256 {}, lines {}, added {}, changed {changed}, unchanged {}",
            hex(self.deck.sha256),
            self.deck.lines.len(),
            plan.made.len() - changed,
            plan.unchanged.len()
        );
        let deed = format!("{}.import", E::DEED);
        audit(connection, self.action, &deed, &format!("deck {}", self.deck.id), Some(&detail)).await?;
        if !plan.made.is_empty() {
            bump(connection, Book::Prices).await?;
        }
        Ok(())
    }
}

/// What the deck does to what stands, and to what has been rated.
async fn make_plan<E: DeckTable>(connection: &mut AsyncPgConnection, deck: &Deck<E>) -> Result<DeckPlan<E>, Failure> {
    connection.batch_execute(MANY_LINES).await?;
    let standing = E::standing(connection, deck).await?;
    let mut plan = plan(deck, standing);
    if !plan.made.is_empty() {
        let rated = E::rated(connection, &plan.made).await?;
        plan.refuse_rated(&rated);
    }
    Ok(plan)
}

#[derive(diesel::QueryableByName)]
struct FoundRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    old_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<BigInt>)]
    old_amount: Option<i64>,
    #[diesel(sql_type = Nullable<Date>)]
    old_first_day: Option<PgDate>,
    #[diesel(sql_type = Nullable<Date>)]
    old_until: Option<PgDate>,
    #[diesel(sql_type = Bool)]
    old_is_cancelled: bool,
}

/// The versions that a deck made before, with their numbers and what they superseded.
async fn found<E: DeckTable>(
    connection: &mut AsyncPgConnection,
    deck: &Deck<E>,
) -> Result<HashMap<Uuid, (u32, Option<Superseded>)>, Failure> {
    let ids: Vec<Uuid> = deck.lines.iter().map(|line| deck.version_id(line.number)).collect();
    let (table, amount) = (E::TABLE, E::AMOUNT);
    let rows: Vec<FoundRow> = diesel::sql_query(format!(
        "SELECT made.id, made.version, old.id AS old_id, old.{amount} AS old_amount,
            lower(old.days) AS old_first_day, upper(old.days) AS old_until,
            old.cancelled_at IS NOT NULL AS old_is_cancelled
        FROM billing.{table} made LEFT JOIN billing.{table} old ON old.id = made.supersedes
        WHERE made.id = ANY($1)"
    ))
    .bind::<Array<SqlUuid>, _>(ids)
    .load(connection)
    .await?;
    let table = Table(E::TABLE);
    rows.into_iter()
        .map(|row| {
            let days = |row: &FoundRow| match row.old_first_day {
                Some(first) if !row.old_is_cancelled => table.days("days", first, row.old_until).map(Some),
                _ => Ok(None),
            };
            let old = match (row.old_id, row.old_amount) {
                (Some(id), Some(amount)) => Some(Superseded { id, unit_amount: Micros(amount), days: days(&row)? }),
                _ => None,
            };
            Ok((row.id, (u32::try_from(row.version).map_err(|_| table.bad("version"))?, old)))
        })
        .collect()
}

/// Ends the versions that are superseded, or cancels those that were never in force.
async fn close_all(
    connection: &mut AsyncPgConnection,
    table: &'static str,
    superseded: &[Superseded],
    action: &AdminAction,
) -> Result<(), Failure> {
    let ends = |old: &Superseded| Some((old.id, columns::date(old.days.and_then(DayRange::until)?)));
    let (closed, untils): (Vec<Uuid>, Vec<PgDate>) = superseded.iter().filter_map(ends).unzip();
    let cancelled: Vec<Uuid> = superseded.iter().filter(|old| old.days.is_none()).map(|old| old.id).collect();
    diesel::sql_query(format!(
        "UPDATE billing.{table} SET days = daterange(lower(days), closed.until)
        FROM unnest($1, $2) AS closed (id, until) WHERE {table}.id = closed.id"
    ))
    .bind::<Array<SqlUuid>, _>(closed)
    .bind::<Array<Date>, _>(untils)
    .execute(connection)
    .await?;
    diesel::sql_query(format!("UPDATE billing.{table} SET cancelled_at = $2 WHERE id = ANY($1)"))
        .bind::<Array<SqlUuid>, _>(cancelled)
        .bind::<Timestamptz, _>(columns::instant(action.at))
        .execute(connection)
        .await?;
    Ok(())
}

/// A row of the audit log for each version, as single changes have it, that leads to its deck and line.
async fn audit_lines<E: DeckTable>(
    connection: &mut AsyncPgConnection,
    deck: Uuid,
    made: &[NewVersion<E::Terms>],
    action: &AdminAction,
) -> Result<(), Failure> {
    let noun = E::NOUN;
    let mut deeds = Vec::new();
    let mut subjects = Vec::new();
    let mut details = Vec::new();
    for made in made {
        let origin = format!("line {} of deck {deck}", made.line);
        subjects.push(format!("{noun} {}", made.id));
        deeds.push(format!("{}.{}", E::DEED, if made.old.is_some() { "change" } else { "create" }));
        details.push(match made.old {
            Some(old) => format!("{noun} {} is superseded; {origin}", old.id),
            None => origin,
        });
    }
    diesel::sql_query(
        "INSERT INTO billing.audit_log (at, actor, tenant_id, action, subject, trace_id, detail)
        SELECT $1, $2, $3, line.action, line.subject, $4, line.detail
        FROM unnest($5, $6, $7) AS line (action, subject, detail)",
    )
    .bind::<Timestamptz, _>(columns::instant(action.at))
    .bind::<Text, _>(&action.actor)
    .bind::<Nullable<SqlUuid>, _>(action.tenant.map(|tenant| tenant.0))
    .bind::<Text, _>(&action.trace_id)
    .bind::<Array<Text>, _>(deeds)
    .bind::<Array<Text>, _>(subjects)
    .bind::<Array<Text>, _>(details)
    .execute(connection)
    .await?;
    Ok(())
}

/// A deck that was refused did nothing: its key is free.
async fn forget_key(connection: &mut AsyncPgConnection, deck: Uuid) -> Result<(), Failure> {
    diesel::sql_query("DELETE FROM billing.idempotency_keys WHERE result_id = $1")
        .bind::<SqlUuid, _>(deck)
        .execute(connection)
        .await?;
    Ok(())
}

/// `version` as the column holds it.
fn versions<T>(made: &[NewVersion<T>]) -> Result<Vec<i32>, Failure> {
    made.iter().map(|made| i32::try_from(made.version).map_err(|_| Failure::Broken("a version beyond 2^31"))).collect()
}

/// `line` as a statement takes it.
fn line_numbers<T>(made: &[NewVersion<T>]) -> Vec<i64> {
    made.iter().map(|made| i64::from(made.line)).collect()
}

#[derive(diesel::QueryableByName)]
struct LineRow {
    #[diesel(sql_type = BigInt)]
    line: i64,
}

/// The lines that a statement found.
fn sorted(rows: Vec<LineRow>) -> Result<Vec<u32>, Failure> {
    let number = |row: LineRow| u32::try_from(row.line).map_err(|_| Failure::Broken("a line beyond 2^32"));
    let mut lines = rows.into_iter().map(number).collect::<Result<Vec<_>, _>>()?;
    lines.sort_unstable();
    Ok(lines)
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
