//! What stands in the database, read as its superuser: the auditor's view, past every route and policy.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use tokio_postgres::{Client, NoTls, Row};
use uuid::Uuid;

/// A connection.
pub(crate) struct Database {
    client: Client,
}

/// One line of an invoice that is not void.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Line {
    pub(crate) account: Uuid,
    pub(crate) currency: String,
    pub(crate) month: String,
    pub(crate) operator: String,
    pub(crate) direction: String,
    pub(crate) price: Uuid,
    pub(crate) messages: u64,
    pub(crate) segments: u64,
    pub(crate) micros: i128,
    pub(crate) minor: i128,
}

/// An invoice that has a number.
pub(crate) struct Numbered {
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    pub(crate) number: String,
    pub(crate) status: String,
    /// Lower-case hexadecimal.
    pub(crate) sha256: String,
}

/// What became of everything that was received.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) recorded: u64,
    pub(crate) duplicates: u64,
    pub(crate) quarantined: u64,
    pub(crate) unrated: u64,
    /// Distinct places on the stream that any of them came from.
    pub(crate) distinct: u64,
}

impl Database {
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let (client, connection) =
            tokio_postgres::connect(url, NoTls).await.context("cannot connect to the database")?;
        tokio::spawn(connection);
        Ok(Self { client })
    }

    /// How much waits for a price or for its account.
    pub(crate) async fn unrated(&self) -> Result<u64> {
        self.count("SELECT count(*) FROM billing.unrated_events").await
    }

    pub(crate) async fn received(&self) -> Result<Received> {
        Ok(Received {
            recorded: self.count("SELECT count(*) FROM billing.billing_events").await?,
            duplicates: self.count("SELECT count(*) FROM billing.duplicate_messages").await?,
            quarantined: self.count("SELECT count(*) FROM billing.quarantined_messages").await?,
            unrated: self.unrated().await?,
            distinct: self
                .count(
                    "SELECT count(DISTINCT stream_sequence) FROM (
                        SELECT stream_sequence FROM billing.billing_events
                        UNION ALL SELECT stream_sequence FROM billing.duplicate_messages
                        UNION ALL SELECT stream_sequence FROM billing.quarantined_messages
                        UNION ALL SELECT stream_sequence FROM billing.unrated_events) AS received",
                )
                .await?,
        })
    }

    /// Quarantined messages by reason.
    pub(crate) async fn quarantined(&self) -> Result<BTreeMap<String, u64>> {
        let sql = "SELECT reason, count(*) FROM billing.quarantined_messages GROUP BY reason";
        self.rows(sql).await?.iter().map(|row| Ok((row.try_get(0)?, unsigned(row.try_get(1)?)?))).collect()
    }

    /// Exact amounts by currency of `from`, a table or a join of them, whose columns are `currency` and `micros`.
    pub(crate) async fn micros(&self, from: &str) -> Result<BTreeMap<String, i128>> {
        let sql = format!("SELECT currency, sum(micros)::text FROM ({from}) AS amounts GROUP BY currency");
        self.rows(&sql).await?.iter().map(|row| Ok((row.try_get(0)?, integer(row, 1)?))).collect()
    }

    /// The lines of every invoice that is not void, in order.
    pub(crate) async fn lines(&self) -> Result<Vec<Line>> {
        let sql =
            "SELECT i.account_id::text, i.currency, to_char(l.usage_month, 'YYYY-MM'), l.operator_id, l.direction,
                l.price_id::text, l.messages, l.segments, l.exact_micros::text, l.amount_minor::text
            FROM billing.invoice_lines l JOIN billing.invoices i ON i.id = l.invoice_id WHERE i.status <> 'VOID'";
        let line = |row: &Row| -> Result<Line> {
            Ok(Line {
                account: uuid(row, 0)?,
                currency: row.try_get(1)?,
                month: row.try_get(2)?,
                operator: row.try_get(3)?,
                direction: row.try_get(4)?,
                price: uuid(row, 5)?,
                messages: unsigned(row.try_get(6)?)?,
                segments: unsigned(row.try_get(7)?)?,
                micros: integer(row, 8)?,
                minor: integer(row, 9)?,
            })
        };
        let mut lines = self.rows(sql).await?.iter().map(line).collect::<Result<Vec<_>>>()?;
        lines.sort();
        Ok(lines)
    }

    /// Invoices that do not add up: of any status.
    pub(crate) async fn wrong_totals(&self) -> Result<u64> {
        self.count(
            "SELECT count(*) FROM billing.invoices i
            CROSS JOIN LATERAL (SELECT coalesce(sum(amount_minor), 0) AS amount, coalesce(sum(messages), 0) AS messages,
                coalesce(sum(segments), 0) AS segments FROM billing.invoice_lines WHERE invoice_id = i.id) l
            CROSS JOIN LATERAL (SELECT coalesce(sum(amount_minor), 0) AS amount
                FROM billing.invoice_adjustments WHERE invoice_id = i.id) a
            CROSS JOIN LATERAL (SELECT coalesce(sum(amount_minor), 0) AS amount
                FROM billing.invoice_taxes WHERE invoice_id = i.id) t
            WHERE (l.amount + a.amount, l.amount + a.amount + t.amount, l.messages, l.segments) IS DISTINCT FROM
                (i.subtotal_minor::numeric, i.total_minor::numeric, i.total_messages::numeric, i.total_segments::numeric)",
        )
        .await
    }

    /// Every invoice that has a number, by number.
    pub(crate) async fn numbered(&self) -> Result<Vec<Numbered>> {
        let sql = "SELECT id::text, account_id::text, number, status, coalesce(encode(pdf_sha256, 'hex'), '')
            FROM billing.invoices WHERE number IS NOT NULL ORDER BY number";
        let numbered = |row: &Row| -> Result<Numbered> {
            Ok(Numbered {
                id: uuid(row, 0)?,
                account: uuid(row, 1)?,
                number: row.try_get(2)?,
                status: row.try_get(3)?,
                sha256: row.try_get(4)?,
            })
        };
        self.rows(sql).await?.iter().map(numbered).collect()
    }

    /// A single number.
    pub(crate) async fn count(&self, sql: &str) -> Result<u64> {
        let row = self.client.query_one(sql, &[]).await.context("a query failed")?;
        unsigned(row.try_get(0)?)
    }

    async fn rows(&self, sql: &str) -> Result<Vec<Row>> {
        self.client.query(sql, &[]).await.context("a query failed")
    }
}

fn unsigned(number: i64) -> Result<u64> {
    u64::try_from(number).context("a count is negative")
}

fn integer(row: &Row, at: usize) -> Result<i128> {
    row.try_get::<_, &str>(at)?.parse().context("a sum is no integer")
}

fn uuid(row: &Row, at: usize) -> Result<Uuid> {
    row.try_get::<_, &str>(at)?.parse().context("an id is no UUID")
}
