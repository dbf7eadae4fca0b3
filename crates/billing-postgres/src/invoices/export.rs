//! The rated events behind an invoice as CSV, straight from the server's COPY: no row is read here.
//!
//! An export has a connection of its own, to the replica when that is fresh and has the invoice, and few may be under way.
//! What is sealed never changes, so no snapshot need last: each day is a statement, and its own short transaction.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use billing_domain::ports::{PortError, UsageExport, UsageRows};
use billing_domain::{InvoiceId, TenantId};
use futures::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::{Client, CopyOutStream};

use crate::Postgres;
use crate::door::{Door, Driver, OpenError, Opened};
use crate::metrics::ERRORS;

/// An export that takes longer is broken off: somebody else may be waiting for its place.
const EXPORT_TIME_MAX: Duration = Duration::from_secs(3600);
/// A server that says nothing for so long is not waited for: to sort the largest day takes a part of it.
const SILENCE_TIME_MAX: Duration = Duration::from_secs(120);
/// A day's statement lasts as long as its client takes; a client that takes nothing is cut before. The memory is for
/// sorting a day.
const SESSION_LIMITS: &str = "-c statement_timeout=20min -c lock_timeout=20s -c timezone=UTC \
    -c default_transaction_read_only=on -c work_mem=64MB -c jit=off";
/// So many bytes are handed on at a time.
const CHUNK: usize = 64 * 1024;

/// The invoice, if it is there for the tenant, `$2`; its buckets and those merged into them, by day.
const FIND: &str = "WITH RECURSIVE parts AS (
        SELECT id, day FROM billing.usage_buckets WHERE sealed_by = $1
        UNION ALL
        SELECT b.id, b.day FROM parts JOIN billing.usage_buckets b ON b.merged_into = parts.id
    )
    SELECT days.buckets FROM billing.invoices i
    LEFT JOIN (SELECT day, array_agg(id ORDER BY id) AS buckets FROM parts GROUP BY day) AS days ON true
    WHERE i.id = $1 AND ($2::uuid IS NULL OR i.tenant_id = $2)
    ORDER BY days.day";

/// Where exports connect to, and how many may be under way.
pub(crate) struct Exports {
    pub(crate) primary: Door,
    replica: Option<Door>,
    places: Arc<Semaphore>,
}

impl Exports {
    pub(crate) fn new(primary: Door, replica: Option<Door>, at_once: u32) -> Self {
        let at_once = usize::try_from(at_once).unwrap_or_default();
        Self { primary, replica, places: Arc::new(Semaphore::new(at_once)) }
    }
}

/// A connection that is of no use to anybody else.
struct Session {
    client: Client,
    _driver: Driver,
}

/// An export under way.
pub struct ExportedRows {
    /// The buckets of each day that is still to come.
    days: VecDeque<Vec<i64>>,
    current: Option<Pin<Box<CopyOutStream>>>,
    tenant: Option<TenantId>,
    began: Instant,
    session: Session,
    _place: OwnedSemaphorePermit,
}

impl ExportedRows {
    const NAME: &'static str = "export_usage";

    async fn chunk(&mut self) -> Result<Option<Vec<u8>>, PortError> {
        let mut chunk = Vec::with_capacity(CHUNK + 1024);
        while chunk.len() < CHUNK {
            let Some(rows) = &mut self.current else {
                let Some(buckets) = self.days.pop_front() else { break };
                let query = copy(&buckets, self.tenant);
                let rows: CopyOutStream = self.session.client.copy_out(&query).await.map_err(failed)?;
                self.current = Some(Box::pin(rows));
                continue;
            };
            match rows.next().await {
                Some(row) => chunk.extend_from_slice(&row.map_err(failed)?),
                None => self.current = None,
            }
        }
        Ok(if chunk.is_empty() { None } else { Some(chunk) })
    }
}

impl UsageRows for ExportedRows {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, PortError> {
        let result = match self.began.elapsed() {
            elapsed if elapsed > EXPORT_TIME_MAX => Err(PortError::transient(Self::NAME, "it took more than an hour")),
            _ => match timeout(SILENCE_TIME_MAX, self.chunk()).await {
                Ok(chunk) => chunk,
                Err(silent) => Err(PortError::transient(Self::NAME, silent)),
            },
        };
        if result.is_err() {
            metrics::counter!(ERRORS, "op" => Self::NAME).increment(1);
        }
        result
    }
}

/// Begins an export.
pub(super) async fn begin(
    postgres: &Postgres,
    invoice: InvoiceId,
    tenant: Option<TenantId>,
) -> Result<UsageExport<ExportedRows>, PortError> {
    let exports = &postgres.exports;
    let Ok(place) = Arc::clone(&exports.places).try_acquire_owned() else { return Ok(UsageExport::Busy) };
    let replica = exports.replica.as_ref().filter(|_| postgres.freshness.complete_until(postgres.seen).is_some());
    let mut found = None;
    if let Some(replica) = replica {
        // A replica that has the invoice has all that it sealed. One that fails is one that is not there.
        found = find(replica, invoice, tenant).await.unwrap_or_default();
    }
    if found.is_none() {
        found = find(&exports.primary, invoice, tenant).await.map_err(failed)?;
    }
    let Some((session, days)) = found else { return Ok(UsageExport::NotFound) };
    let began = Instant::now();
    Ok(UsageExport::Rows(ExportedRows { days, current: None, tenant, began, session, _place: place }))
}

async fn find(
    door: &Door,
    invoice: InvoiceId,
    tenant: Option<TenantId>,
) -> Result<Option<(Session, VecDeque<Vec<i64>>)>, OpenError> {
    // Row-level security is told who asks for as long as the connection lasts.
    let reach = tenant.map_or("app.reach=platform".to_owned(), |tenant| format!("app.tenant_id={tenant}"));
    let door = door.with_options(&format!("{SESSION_LIMITS} -c {reach}"));
    let Opened { client, driver, .. } = door.open().await?;
    let session = Session { client, _driver: driver };
    let rows = session.client.query(FIND, &[&invoice.0, &tenant.map(|tenant| tenant.0)]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let days = rows.iter().map(|row| row.try_get::<_, Option<Vec<i64>>>(0));
    let days = days.filter_map(Result::transpose).collect::<Result<VecDeque<_>, _>>()?;
    Ok(Some((session, days)))
}

/// The statement of one day. COPY takes no parameters: what stands in it are numbers and an id that were read as such. The
/// innermost query sorts what the table holds, the outer one writes it out, in that order.
fn copy(buckets: &[i64], tenant: Option<TenantId>) -> String {
    let buckets: Vec<String> = buckets.iter().map(i64::to_string).collect();
    let own = tenant.map_or(String::new(), |tenant| format!("AND e.tenant_id = '{tenant}'"));
    format!(
        "COPY (SELECT message_id, to_char(charged_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
            CASE WHEN left(operator_id, 1) IN ('=', '+', '-', '@') THEN '''' || operator_id ELSE operator_id END,
            direction, segments, dlr_status, price_id, unit_price_micros * 0.000001, amount_micros * 0.000001, currency
        FROM (SELECT e.message_id, e.charged_at, e.operator_id, e.direction, e.segments, e.dlr_status, e.price_id,
                p.unit_price_micros, e.amount_micros, e.currency
            FROM billing.billing_events e JOIN billing.prices p ON p.id = e.price_id
            WHERE e.bucket_id = ANY('{{{}}}'::bigint[]) {own}
            ORDER BY e.stream_sequence, e.message_id OFFSET 0) AS day) TO STDOUT (FORMAT csv)",
        buckets.join(",")
    )
}

fn failed(error: impl Into<OpenError>) -> PortError {
    PortError::transient(ExportedRows::NAME, error.into())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_statement_names_its_buckets_and_its_tenant() {
        let tenant = TenantId(Uuid::from_u128(7));
        for (tenant, expected) in [(None, 0), (Some(tenant), 1)] {
            let query = copy(&[3, 14], tenant);
            assert!(query.contains("ANY('{3,14}'::bigint[])"), "{query}");
            assert_eq!(query.matches("e.tenant_id = '00000000-0000-0000-0000-000000000007'").count(), expected);
        }
    }
}
