//! Adding to the open buckets.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use billing_domain::usage::{BucketKey, BucketSums};
use rustc_hash::FxBuildHasher;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use crate::buckets::ADD_TO_OPEN;
use crate::session::Session;
use crate::transaction::Failure;

/// Buckets that a session remembers: about 10 MiB.
const REMEMBERED_MAX: usize = 50_000;
/// Known buckets and new ones are written by turns, in key order, each row of the one or the other by a statement. With more
/// such rows than this, or than one for so many buckets, all of it is written as if it were new: that takes a bucket twice
/// the time.
const RUNS_MAX: usize = 16;
const BUCKETS_A_RUN_MIN: usize = 32;

/// Held by who adds to many known buckets until its transaction ends, which is soon. Large batches share so many buckets
/// that they wait for each other in any case; who waits before the statement begins sees the sums as they are then, and need
/// not find and check each row a second time.
const LOCK_KEY: i64 = 0x6269_6c6c_0003;
/// Batches of fewer buckets share few and do not wait, least of all for a standby that is slow to confirm.
const LOCK_FROM: usize = 1_000;
const LOCK: &str = "SELECT pg_advisory_xact_lock($1)";

/// Sums go to buckets that are known by their id. A bucket that an invoice has sealed is not found. The condition is
/// written so that no partial index answers it: the one of open buckets would be read from end to end. The arrays are
/// taken apart in the list of columns: as functions in `FROM`, each would be written to a store of its own first.
const ADD_BY_ID: &str = "UPDATE billing.usage_buckets b SET messages = b.messages + f.messages,
        segments = b.segments + f.segments, units = b.units + f.units, amount_micros = b.amount_micros + f.amount,
        cost_micros = b.cost_micros + f.cost, uncosted = b.uncosted + f.uncosted,
        foreign_cost = b.foreign_cost + f.foreign_cost
    FROM (SELECT unnest($1::bigint[]) AS id, unnest($2::bigint[]) AS messages, unnest($3::bigint[]) AS segments,
        unnest($4::bigint[]) AS units, unnest($5::bigint[]) AS amount, unnest($6::bigint[]) AS cost,
        unnest($7::bigint[]) AS uncosted, unnest($8::bigint[]) AS foreign_cost) AS f
    WHERE b.id = f.id AND (b.sealed_by IS NULL) IS TRUE";

/// The open buckets of these keys, by their place among them. Read, not locked: like what is remembered, only a hint. Written
/// so that each key is looked up by itself: as a join, planned on an empty table, each bucket was compared with each key.
const FIND_OPEN: &str = "SELECT f.place, found.id
    FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::uuid[]) WITH ORDINALITY
        AS f (account, day, operator, direction, currency, price, place)
    CROSS JOIN LATERAL (SELECT b.id FROM billing.usage_buckets b
        WHERE b.account_id = f.account AND b.day = date '1970-01-01' + f.day AND b.operator_id = f.operator
            AND b.direction = f.direction AND b.currency = f.currency AND b.price_id = f.price
            AND b.sealed_by IS NULL LIMIT 1) AS found";

/// The open buckets that a session has seen: by key, their id. Kept from one transaction to the next, so never believed
/// without a look at whether the bucket is still open.
#[derive(Default)]
pub(crate) struct BucketIds(Mutex<HashMap<BucketKey, i64, FxBuildHasher>>);

impl BucketIds {
    fn of(&self, folded: &[(BucketKey, BucketSums)]) -> Vec<Option<i64>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        folded.iter().map(|(key, _)| known.get(key).copied()).collect()
    }

    fn remember(&self, key: &BucketKey, id: i64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(key.clone(), id);
    }

    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What a batch adds: its buckets in key order, and the ids of those that are known.
pub(super) struct Additions<'a> {
    folded: &'a [(BucketKey, BucketSums)],
    ids: Vec<Option<i64>>,
}

impl<'a> Additions<'a> {
    /// Looks up what is not remembered. Not after a bucket was found `sealed`: a run may seal one after the other, and what is
    /// upserted is open.
    pub(super) async fn find(
        session: &Session,
        folded: &'a [(BucketKey, BucketSums)],
        sealed: bool,
    ) -> Result<Self, Failure> {
        if sealed {
            return Ok(Self { folded, ids: vec![None; folded.len()] });
        }
        let mut ids = session.buckets.of(folded);
        let unknown: Vec<usize> = ids.iter().enumerate().filter(|(_, id)| id.is_none()).map(|(at, _)| at).collect();
        if !unknown.is_empty() {
            let keys: Vec<&BucketKey> = unknown.iter().map(|&at| &folded[at].0).collect();
            for row in find_open(session, &keys).await? {
                let place: i64 = row.try_get(0)?;
                let at = usize::try_from(place - 1).ok().and_then(|place| unknown.get(place));
                let at = *at.ok_or(Failure::Broken("a bucket was found that was not looked for"))?;
                let id = row.try_get(1)?;
                session.buckets.remember(&folded[at].0, id);
                ids[at] = Some(id);
            }
        }
        Ok(Self { folded, ids })
    }

    /// The id of each bucket, if all are known: then the sums may be added last, and others wait the least for them.
    pub(super) fn ids(&self) -> Option<Vec<i64>> {
        self.ids.iter().copied().collect()
    }

    /// Adds to buckets that are all known. Nothing of a bucket is held yet, so nobody waits in a circle for the lock.
    pub(super) async fn add_known(&self, session: &Session, ids: &[i64]) -> Result<(), Failure> {
        if ids.len() < LOCK_FROM {
            return update(session, self.folded, ids).await;
        }
        let keys: [&(dyn ToSql + Sync); 1] = [&LOCK_KEY];
        // Both are known to the session, so they go out in one flight and in this order.
        let lock = session.statement(LOCK).await?;
        session.statement(ADD_BY_ID).await?;
        let (locked, added) = tokio::join!(
            biased;
            Client::execute(&session.client, &lock, &keys),
            update(session, self.folded, ids),
        );
        locked?;
        added
    }

    /// Adds to buckets of which some are not known, in key order whatever is known of them; the id of each.
    pub(super) async fn add_any(&mut self, session: &Session) -> Result<Vec<i64>, Failure> {
        let runs = self.ids.chunk_by(|a, b| a.is_some() == b.is_some()).count();
        if runs > RUNS_MAX.max(self.ids.len() / BUCKETS_A_RUN_MIN) {
            self.ids.fill(None);
        }
        let (mut ids, mut rest) = (Vec::with_capacity(self.ids.len()), self.folded);
        for run in self.ids.chunk_by(|a, b| a.is_some() == b.is_some()) {
            let (folded, others) = rest.split_at(run.len());
            rest = others;
            match run.iter().copied().collect::<Option<Vec<i64>>>() {
                Some(known) => {
                    update(session, folded, &known).await?;
                    ids.extend(known);
                }
                None => ids.extend(upsert(session, folded).await?),
            }
        }
        // New ids are not remembered: before the commit nobody else finds them, and the next batch looks them up.
        Ok(ids)
    }
}

/// The sums as the columns of a statement.
#[derive(Default)]
struct Columns {
    messages: Vec<i64>,
    segments: Vec<i64>,
    units: Vec<i64>,
    amounts: Vec<i64>,
    costs: Vec<i64>,
    uncosted: Vec<i64>,
    foreign_costs: Vec<i64>,
}

impl Columns {
    fn of(folded: &[(BucketKey, BucketSums)]) -> Result<Self, Failure> {
        let number = |count: u64| i64::try_from(count).map_err(|_| Failure::Broken("a batch's sum beyond 2^63"));
        let micros = |sum: i128| i64::try_from(sum).map_err(|_| Failure::Broken("a batch's amount beyond 2^63"));
        let mut columns = Self::default();
        for (_, sums) in folded {
            columns.messages.push(number(sums.messages)?);
            columns.segments.push(number(sums.segments)?);
            columns.units.push(number(sums.units)?);
            columns.amounts.push(micros(sums.amount.0)?);
            columns.costs.push(micros(sums.cost.0)?);
            columns.uncosted.push(number(sums.uncosted)?);
            columns.foreign_costs.push(number(sums.foreign_cost)?);
        }
        Ok(columns)
    }
}

async fn find_open(session: &Session, keys: &[&BucketKey]) -> Result<Vec<Row>, Failure> {
    let ids = |f: fn(&BucketKey) -> Uuid| keys.iter().map(|key| f(key)).collect::<Vec<_>>();
    let text = |f: for<'k> fn(&'k BucketKey) -> &'k str| keys.iter().map(|key| f(key)).collect::<Vec<_>>();
    let days: Vec<i32> = keys.iter().map(|key| key.day.epoch_days()).collect();
    let (operators, directions) = (text(|key| key.operator.as_str()), text(|key| key.direction.name()));
    let values: [&(dyn ToSql + Sync); 6] = [
        &ids(|key| key.account.0),
        &days,
        &operators,
        &directions,
        &text(|key| key.currency.code()),
        &ids(|key| key.price.0),
    ];
    Ok(session.query(FIND_OPEN, &values).await?)
}

async fn update(session: &Session, folded: &[(BucketKey, BucketSums)], ids: &[i64]) -> Result<(), Failure> {
    let c = Columns::of(folded)?;
    let values: [&(dyn ToSql + Sync); 8] =
        [&ids, &c.messages, &c.segments, &c.units, &c.amounts, &c.costs, &c.uncosted, &c.foreign_costs];
    let added = session.execute(ADD_BY_ID, &values).await?;
    if usize::try_from(added) == Ok(ids.len()) {
        return Ok(());
    }
    session.buckets.forget();
    Err(Failure::Contested("a bucket has been sealed meanwhile"))
}

/// The ids come in the order in which the buckets were given; that is looked at and not only hoped.
async fn upsert(session: &Session, folded: &[(BucketKey, BucketSums)]) -> Result<Vec<i64>, Failure> {
    let sql = format!(
        "INSERT INTO billing.usage_buckets AS b (account_id, tenant_id, operator_id, direction, currency, price_id,
                day, messages, segments, units, amount_micros, cost_micros, uncosted, foreign_cost)
            SELECT account, tenant, operator, direction, currency, price, date '1970-01-01' + day, messages, segments,
                units, amount, cost, uncosted, foreign_cost
            FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::integer[],
                $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[])
                AS f (account, tenant, operator, direction, currency, price, day, messages, segments, units, amount,
                    cost, uncosted, foreign_cost) {ADD_TO_OPEN}"
    );
    let column = |f: fn(&BucketKey) -> Uuid| folded.iter().map(|(key, _)| f(key)).collect::<Vec<_>>();
    let text = |f: fn(&BucketKey) -> &str| folded.iter().map(|(key, _)| f(key)).collect::<Vec<_>>();
    let (accounts, tenants, prices) = (column(|k| k.account.0), column(|k| k.tenant.0), column(|k| k.price.0));
    let (operators, directions) = (text(|k| k.operator.as_str()), text(|k| k.direction.name()));
    let currencies = text(|k| k.currency.code());
    let days: Vec<i32> = folded.iter().map(|(key, _)| key.day.epoch_days()).collect();
    let c = Columns::of(folded)?;
    #[rustfmt::skip]
    let values: [&(dyn ToSql + Sync); 14] = [
        &accounts, &tenants, &operators, &directions, &currencies, &prices, &days,
        &c.messages, &c.segments, &c.units, &c.amounts, &c.costs, &c.uncosted, &c.foreign_costs,
    ];
    let rows = session.query(&sql, &values).await?;
    if rows.len() != folded.len() {
        return Err(Failure::Broken("not every bucket was written"));
    }
    let id = |(row, (key, _)): (&Row, &(BucketKey, BucketSums))| {
        let (account, operator, price): (Uuid, &str, Uuid) =
            (row.try_get("account_id")?, row.try_get("operator_id")?, row.try_get("price_id")?);
        if (account, operator, price) != (key.account.0, key.operator.as_str(), key.price.0) {
            return Err(Failure::Broken("buckets came back in another order"));
        }
        Ok(row.try_get("id")?)
    };
    rows.iter().zip(folded).map(id).collect()
}
