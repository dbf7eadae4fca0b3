//! The judge: what was sent and taken, against what the database holds. It takes nothing from the service but its tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tokio_postgres::{Client, Row};
use uuid::Uuid;

use crate::journal::{Expected, Ledger};

/// Everything that is not as it must be.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Taken by the stream, and nowhere.
    pub(crate) lost: BTreeSet<Uuid>,
    /// Recorded, and never sent.
    pub(crate) unexpected: BTreeSet<Uuid>,
    /// Recorded more than once.
    pub(crate) doubled: BTreeSet<Uuid>,
    /// Recorded with another amount, as another's, as something else, or in another way.
    pub(crate) wrong: BTreeSet<Uuid>,
    /// Messages of the stream that are in no table.
    pub(crate) not_received: BTreeSet<u64>,
    /// Messages that are in two tables, or that the stream never had.
    pub(crate) received_twice: BTreeSet<u64>,
    /// Buckets that are not the sum of their events, or have events of another.
    pub(crate) sums: Vec<String>,
}

/// The first of each kind: a fault that goes wrong goes wrong a thousand times.
impl fmt::Debug for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn some<T: fmt::Debug>(all: impl IntoIterator<Item = T>) -> Vec<T> {
            all.into_iter().take(4).collect()
        }
        let Self { lost, unexpected, doubled, wrong, not_received, received_twice, sums } = self;
        for (name, ids) in [("lost", lost), ("unexpected", unexpected), ("doubled", doubled), ("wrong", wrong)] {
            writeln!(f, "{} {name}: {:?}", ids.len(), some(ids))?;
        }
        for (name, numbers) in [("not received", not_received), ("received twice", received_twice)] {
            writeln!(f, "{} {name}: {:?}", numbers.len(), some(numbers))?;
        }
        writeln!(f, "{} sums: {:?}", sums.len(), some(sums))
    }
}

impl Findings {
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        assert!(*self == Self::default(), "\n{self:?}");
    }
}

#[derive(Default, PartialEq, Eq, Debug)]
struct Sums {
    messages: i128,
    segments: i128,
    units: i128,
    amount: i128,
    cost: i128,
    uncosted: i128,
}

/// Of an event, or of what waits. A report does not say its currency, nor its tier.
const FACTS: &str =
    "concat_ws('/', account_id, tenant_id, operator_id, direction, segments, COALESCE(currency, 'USD'), dlr_status,
    (extract(epoch FROM charged_at) * 1000000)::bigint, tier)";

/// Judges; `last` is the stream's last sequence number.
pub(crate) async fn check(database: &Client, ledger: &Ledger, last: u64) -> Findings {
    let mut findings = Findings::default();
    let recorded = events(database, ledger, &mut findings).await;
    let unrated = unrated(database, ledger, &mut findings).await;
    for id in ledger.acknowledged.iter().filter(|id| !recorded.contains(*id) && !unrated.contains(*id)) {
        findings.lost.insert(*id);
    }
    receipts(database, ledger, last, &mut findings).await;
    findings
}

/// Each event against what was expected of it, and each bucket against its events; the events' ids.
async fn events(database: &Client, ledger: &Ledger, findings: &mut Findings) -> BTreeSet<Uuid> {
    let mut recorded = BTreeSet::new();
    let mut sums: BTreeMap<i64, Sums> = BTreeMap::new();
    let query = format!(
        "SELECT message_id::text, amount_micros, cost_micros, bucket_id, segments, {FACTS} FROM billing.billing_events"
    );
    for row in database.query(&query, &[]).await.unwrap() {
        let (id, amount, cost): (Uuid, i64, Option<i64>) = (uuid(&row), row.get(1), row.get(2));
        if !recorded.insert(id) {
            findings.doubled.insert(id);
        }
        let found = Expected::Rated { amount: amount.into(), cost: cost.map(Into::into) };
        match ledger.attempted.get(&id) {
            None => drop(findings.unexpected.insert(id)),
            Some((expected, facts)) if *expected != found || facts != row.get::<_, &str>(5) => {
                findings.wrong.insert(id);
            }
            Some(_) => {}
        }
        let sum = sums.entry(row.get(3)).or_default();
        sum.messages += 1;
        sum.segments += i128::from(row.get::<_, i16>(4));
        // Every price here is for a segment.
        sum.units = sum.segments;
        sum.amount += i128::from(amount);
        sum.cost += cost.map_or(0, i128::from);
        sum.uncosted += i128::from(cost.is_none());
    }
    let elsewhere =
        "SELECT e.message_id::text FROM billing.billing_events e JOIN billing.usage_buckets b ON b.id = e.bucket_id
        WHERE (b.account_id, b.tenant_id, b.operator_id, b.direction, b.currency, b.price_id, b.day)
            <> (e.account_id, e.tenant_id, e.operator_id, e.direction, e.currency, e.price_id,
                (e.charged_at AT TIME ZONE 'UTC')::date)";
    for row in database.query(elsewhere, &[]).await.unwrap() {
        findings.sums.push(format!("message {} is in another's bucket", uuid(&row)));
    }
    let query =
        "SELECT id, messages::text, segments::text, units::text, amount_micros::text, cost_micros::text, uncosted::text
        FROM billing.usage_buckets";
    for row in database.query(query, &[]).await.unwrap() {
        let id: i64 = row.get(0);
        let number = |column: usize| row.get::<_, &str>(column).parse::<i128>().unwrap();
        let (messages, segments, units) = (number(1), number(2), number(3));
        let bucket = Sums { messages, segments, units, amount: number(4), cost: number(5), uncosted: number(6) };
        let events = sums.remove(&id).unwrap_or_default();
        if bucket != events {
            findings.sums.push(format!("bucket {id} says {bucket:?}, its events {events:?}"));
        }
    }
    findings.sums.extend(sums.iter().map(|(id, events)| format!("no bucket {id} for {events:?}")));
    recorded
}

async fn unrated(database: &Client, ledger: &Ledger, findings: &mut Findings) -> BTreeSet<Uuid> {
    let mut waiting = BTreeSet::new();
    let query = format!("SELECT message_id::text, {FACTS} FROM billing.unrated_events");
    for row in database.query(&query, &[]).await.unwrap() {
        let id = uuid(&row);
        if !waiting.insert(id) {
            findings.doubled.insert(id);
        }
        match ledger.attempted.get(&id) {
            None => drop(findings.unexpected.insert(id)),
            // What it does not say is what will be found out.
            Some((Expected::Unrated, facts)) if facts.starts_with(row.get::<_, &str>(1)) => {}
            Some(_) => drop(findings.wrong.insert(id)),
        }
    }
    waiting
}

/// received = recorded + unrated + duplicates + quarantined, by distinct sequence number.
async fn receipts(database: &Client, ledger: &Ledger, last: u64, findings: &mut Findings) {
    let query = "SELECT stream_sequence FROM billing.billing_events
        UNION ALL SELECT stream_sequence FROM billing.unrated_events
        UNION ALL SELECT stream_sequence FROM billing.duplicate_messages
        UNION ALL SELECT stream_sequence FROM billing.quarantined_messages";
    let mut received = BTreeSet::new();
    for row in database.query(query, &[]).await.unwrap() {
        let sequence = u64::try_from(row.get::<_, i64>(0)).unwrap();
        if !received.insert(sequence) || sequence > last {
            findings.received_twice.insert(sequence);
        }
    }
    let had = (1..=last).chain(ledger.sequences.iter().copied());
    findings.not_received = had.filter(|sequence| !received.contains(sequence)).collect();

    let mut set_aside = BTreeMap::new();
    let query = "SELECT stream_sequence, reason FROM billing.quarantined_messages";
    for row in database.query(query, &[]).await.unwrap() {
        set_aside.insert(u64::try_from(row.get::<_, i64>(0)).unwrap(), row.get::<_, String>(1));
    }
    for (sequence, reason) in &ledger.poison {
        if set_aside.remove(sequence).as_ref() != Some(reason) {
            findings.sums.push(format!("message {sequence} of the stream is not quarantined as {reason}"));
        }
    }
    findings.sums.extend(set_aside.iter().map(|(sequence, reason)| format!("{sequence} is quarantined: {reason}")));
}

fn uuid(row: &Row) -> Uuid {
    row.get::<_, &str>(0).parse().unwrap()
}
