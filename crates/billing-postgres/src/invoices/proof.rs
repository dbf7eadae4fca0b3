//! The proof of one invoice, read in one snapshot: on the replica when that is fresh and has the invoice already.
//!
//! It costs as many index look-ups as the account has buckets in the month, and one visit to each of their events.

use std::time::Duration;

use std::collections::{BTreeMap, BTreeSet};

use billing_domain::invoicing::{
    EventTally, Invoice, InvoiceLine, InvoiceProof, LineKey, LineProof, Receipts, SealedBucket, prices_named,
};
use billing_domain::ports::PortError;
use billing_domain::pricing::PriceTerms;
use billing_domain::usage::BucketKey;
use billing_domain::{InvoiceId, Month, PriceId, TenantId};
use diesel::QueryableByName;
use diesel::data_types::PgDate;
use diesel::sql_types::{Array, BigInt, Bool, Date, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use crate::Postgres;
use crate::columns::{self, Table};
use crate::prices;
use crate::transaction::{Failure, Reach, Transaction};

use super::basis::Bound;
use super::sealed::{BUCKET_COLUMNS, BucketRow, EVENTS_OF_BUCKETS, MISPLACED, TallyColumns, sealed};
use super::{contents, rows};

const TABLE: Table = Table("billing_events");
/// Longer than other answers may take; few are asked for at once.
const TIME_MAX: &str = "SET LOCAL statement_timeout = '30s'";

/// The proof, if the invoice is there for the tenant.
pub(super) async fn prove(
    postgres: &Postgres,
    id: InvoiceId,
    tenant: Option<TenantId>,
) -> Result<Option<InvoiceProof>, PortError> {
    let work = ProveInvoice { id, tenant };
    Ok(match postgres.read_dated(&work).await? {
        // Issued a moment ago, perhaps: the replica may not have it yet.
        (None, _) => postgres.write(&work).await?,
        (Some(proof), complete) => {
            let as_of = complete.map_or(proof.as_of, |complete| complete.min(proof.as_of));
            Some(InvoiceProof { as_of, ..proof })
        }
    })
}

struct ProveInvoice {
    id: InvoiceId,
    tenant: Option<TenantId>,
}

impl Transaction for ProveInvoice {
    const NAME: &'static str = "prove_invoice";
    const READ_ONLY: bool = true;
    const SILENCE_TIME_MAX: Duration = Duration::from_secs(100);
    type Output = Option<InvoiceProof>;

    fn reach(&self) -> Option<Reach> {
        Some(self.tenant.into())
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Self::Output, Failure> {
        #[derive(QueryableByName)]
        struct Server {
            #[diesel(sql_type = Timestamptz)]
            now: columns::Instant,
        }
        connection.batch_execute(TIME_MAX).await?;
        let Some(invoice) = rows::find_of(connection, self.id, self.tenant).await? else { return Ok(None) };
        let contents = contents::read_as_stored(connection, &invoice).await?;
        let sealed = sealed(connection, invoice.id).await?;
        let parts = parts(connection, &invoice).await?;
        let counted = count(connection, &invoice, &parts).await?;
        let prices = prices::by_id(connection, &prices_named(&contents, &sealed)).await?;
        let archived = archived_months(connection, &contents.lines).await?;
        let lines = prove_lines(&contents.lines, &sealed, &counted, &prices)?;
        let lines = lines.into_iter().map(|line| without_archived(line, &archived)).collect();
        let receipts = receipts(connection, &invoice, &counted).await?;
        let server: Server = diesel::sql_query("SELECT now() AS now").get_result(connection).await?;
        Ok(Some(InvoiceProof { lines, receipts, as_of: columns::timestamp(server.now) }))
    }
}

/// What events say.
struct Counted {
    /// Of the invoice's own buckets, and of those merged into them; by line.
    own: BTreeMap<LineKey, EventTally>,
    /// Of the account and month.
    recorded: u64,
    /// Distinct places on the stream, other receipts included.
    received: u64,
}

#[derive(QueryableByName)]
struct CountRow {
    /// Of the bucket; `None`: the row that holds only `received`.
    #[diesel(sql_type = Nullable<BigInt>)]
    id: Option<i64>,
    #[diesel(embed)]
    tally: TallyColumns,
    #[diesel(sql_type = BigInt)]
    in_month: i64,
    #[diesel(sql_type = BigInt)]
    received: i64,
}

/// Other receipts of an account, `$2`, in the month from `$3` to `$4`; `$5` and `$6` enclose the keys of its waiting usage.
/// A message that cannot be usage has no time of a charge that could be believed: it counts when it was published.
const OTHERS: [&str; 3] = [
    "FROM billing.duplicate_messages WHERE account_id = $2 AND charged_at >= $3 AND charged_at < $4",
    "FROM billing.quarantined_messages
        WHERE account_id = $2 AND published_at >= $3 AND published_at < $4 AND replayed_at IS NULL",
    "FROM billing.unrated_events
        WHERE key >= $5 AND key < $6 AND account_id = $2 AND charged_at >= $3 AND charged_at < $4",
];

/// Visits each event once: those of the invoice's buckets, and those of the account's buckets of the month.
async fn count(
    connection: &mut AsyncPgConnection,
    invoice: &Invoice,
    parts: &BTreeMap<i64, Option<LineKey>>,
) -> Result<Counted, Failure> {
    let [duplicates, quarantined, unrated] = OTHERS;
    let query = format!(
        "WITH events AS MATERIALIZED (
            SELECT k.id, e.stream_sequence AS place, e.segments, e.amount_micros,
                e.dlr_status = 'DELIVERED' AS is_delivered, {MISPLACED} AS is_misplaced,
                e.charged_at >= $3 AND e.charged_at < $4 AS is_in_month
            FROM {EVENTS_OF_BUCKETS}
        )
        SELECT id, count(*) AS messages, sum(segments) AS segments,
            count(*) FILTER (WHERE is_delivered) AS delivered_messages,
            COALESCE(sum(segments) FILTER (WHERE is_delivered), 0) AS delivered_segments,
            sum(amount_micros)::text AS amount, count(*) FILTER (WHERE is_misplaced) AS misplaced,
            min(place) AS first_place, max(place) AS last_place, count(*) FILTER (WHERE is_in_month) AS in_month,
            0::bigint AS received
        FROM events GROUP BY id
        UNION ALL
        SELECT NULL, 0, 0, 0, 0, '0', 0, 0, 0, 0, count(DISTINCT place)
        FROM (SELECT place FROM events WHERE is_in_month
            UNION ALL SELECT stream_sequence {duplicates}
            UNION ALL SELECT stream_sequence {quarantined}
            UNION ALL SELECT stream_sequence {unrated}) AS receipts"
    );
    let ids = parts.keys().copied().collect();
    let found: Vec<CountRow> = bind(query, invoice, ids).load(connection).await?;
    let mut counted = Counted { own: BTreeMap::new(), recorded: 0, received: 0 };
    for row in found {
        counted.recorded += TABLE.count("messages", row.in_month)?;
        counted.received += TABLE.count("stream_sequence", row.received)?;
        if let Some(key) = row.id.and_then(|id| parts.get(&id)).and_then(Option::as_ref) {
            counted.own.entry(key.clone()).or_default().merge(&row.tally.tally()?)?;
        }
    }
    Ok(counted)
}

/// The buckets of the invoice, with their lines, and those of the account and month; with each those that were merged into
/// it, which have its key.
async fn parts(
    connection: &mut AsyncPgConnection,
    invoice: &Invoice,
) -> Result<BTreeMap<i64, Option<LineKey>>, Failure> {
    #[derive(QueryableByName)]
    struct Part {
        #[diesel(sql_type = Bool)]
        is_own: bool,
        #[diesel(embed)]
        bucket: BucketRow,
    }
    let query = format!(
        "WITH RECURSIVE parts AS (
            (SELECT id, true AS is_own FROM billing.usage_buckets WHERE sealed_by = $1
            UNION
            SELECT id, COALESCE(sealed_by = $1, false) FROM billing.usage_buckets
            WHERE account_id = $2 AND day >= $3 AND day < $4 AND merged_into IS NULL)
            UNION
            SELECT b.id, parts.is_own OR b.sealed_by = $1
            FROM parts JOIN billing.usage_buckets b ON b.merged_into = parts.id
        )
        SELECT parts.is_own, {BUCKET_COLUMNS} FROM parts JOIN billing.usage_buckets b ON b.id = parts.id"
    );
    let rows: Vec<Part> = diesel::sql_query(query)
        .bind::<SqlUuid, _>(invoice.id.0)
        .bind::<SqlUuid, _>(invoice.account.0)
        .bind::<Date, _>(rows::month(invoice.period))
        .bind::<Date, _>(rows::month(invoice.period.next()))
        .load(connection)
        .await?;
    let part = |row: &Part| {
        let bucket = row.bucket.bucket()?;
        Ok((bucket.id, row.is_own.then(|| line_key(&bucket.key))))
    };
    rows.iter().map(part).collect()
}

fn line_key(key: &BucketKey) -> LineKey {
    (key.day.month(), key.operator.clone(), key.direction, key.price)
}

async fn receipts(
    connection: &mut AsyncPgConnection,
    invoice: &Invoice,
    counted: &Counted,
) -> Result<Receipts, Failure> {
    #[derive(QueryableByName)]
    struct Others {
        #[diesel(sql_type = BigInt)]
        duplicates: i64,
        #[diesel(sql_type = BigInt)]
        quarantined: i64,
        #[diesel(sql_type = BigInt)]
        unrated: i64,
    }
    let [duplicates, quarantined, unrated] = OTHERS;
    let query = format!(
        "SELECT (SELECT count(*) {duplicates}) AS duplicates, (SELECT count(*) {quarantined}) AS quarantined,
            (SELECT count(*) {unrated}) AS unrated
        -- The other question's buckets.
        WHERE $1::bigint[] IS NOT NULL"
    );
    let others: Others = bind(query, invoice, Vec::new()).get_result(connection).await?;
    Ok(Receipts {
        received: counted.received,
        recorded: counted.recorded,
        duplicates: TABLE.count("duplicates", others.duplicates)?,
        quarantined: TABLE.count("quarantined", others.quarantined)?,
        unrated: TABLE.count("unrated", others.unrated)?,
    })
}

/// `$1` buckets, `$2` account, `$3` and `$4` the month's instants, `$5` and `$6` the account's waiting usage.
fn bind(query: String, invoice: &Invoice, buckets: Vec<i64>) -> Bound<'static> {
    let instant = |month: Month| columns::instant(month.first_day().start());
    diesel::sql_query(query)
        .into_boxed()
        .bind::<Array<BigInt>, _>(buckets)
        .bind::<SqlUuid, _>(invoice.account.0)
        .bind::<Timestamptz, _>(instant(invoice.period))
        .bind::<Timestamptz, _>(instant(invoice.period.next()))
        // A key begins with the account and a blank; "!" follows the blank.
        .bind::<Text, _>(format!("{} ", invoice.account))
        .bind::<Text, _>(format!("{}!", invoice.account))
}

/// A proof of each line, and of whatever was sealed without a line.
fn prove_lines(
    lines: &[InvoiceLine],
    sealed: &[SealedBucket],
    counted: &Counted,
    prices: &BTreeMap<PriceId, PriceTerms>,
) -> Result<Vec<LineProof>, Failure> {
    let empty = |key: LineKey| LineProof { key, line: None, buckets: 0, sealed: Default::default(), events: None };
    let mut proofs: Vec<LineProof> = Vec::new();
    let mut places: BTreeMap<LineKey, usize> = BTreeMap::new();
    let mut place = |proofs: &mut Vec<LineProof>, key: LineKey| {
        *places.entry(key.clone()).or_insert_with(|| {
            proofs.push(empty(key));
            proofs.len() - 1
        })
    };
    for line in lines {
        let at = place(&mut proofs, (line.usage_month, line.operator.clone(), line.direction, line.price));
        proofs[at].line = Some(line.clone());
    }
    for SealedBucket { key, sums, .. } in sealed {
        let at = place(&mut proofs, line_key(key));
        proofs[at].buckets += 1;
        proofs[at].sealed.merge(sums)?;
    }
    for proof in &mut proofs {
        let events = counted.own.get(&proof.key).copied().unwrap_or_default();
        let units = prices.get(&proof.key.3).map_or(0, |price| events.units(price));
        proof.events = Some((events, units));
    }
    Ok(proofs)
}

/// Months whose partition of events is not there.
async fn archived_months(
    connection: &mut AsyncPgConnection,
    lines: &[InvoiceLine],
) -> Result<BTreeSet<Month>, Failure> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Date)]
        month: PgDate,
    }
    let months: BTreeSet<Month> = lines.iter().map(|line| line.usage_month).collect();
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT month FROM unnest($1) AS month
        WHERE to_regclass('billing.billing_events_' || to_char(month, 'YYYYMM')) IS NULL",
    )
    .bind::<Array<Date>, _>(months.into_iter().map(rows::month).collect::<Vec<_>>())
    .load(connection)
    .await?;
    rows.iter().map(|row| Ok(TABLE.day("charged_at", row.month)?.month())).collect()
}

/// Of a month that is archived nothing is left to count; it may also never have had a partition of its own.
fn without_archived(proof: LineProof, archived: &BTreeSet<Month>) -> LineProof {
    let is_empty = proof.events.is_none_or(|(events, _)| events.messages == 0);
    let is_archived = is_empty && archived.contains(&proof.key.0);
    LineProof { events: proof.events.filter(|_| !is_archived), ..proof }
}
