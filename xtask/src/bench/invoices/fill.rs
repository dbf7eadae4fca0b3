//! A month of buckets, straight into the tables, and what must come of them, reckoned here in 128 bits.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::pin::pin;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::SinkExt as _;
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use rand::rngs::StdRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use tokio_postgres::{Client, CopyInSink};
use uuid::{Builder, Uuid};

use crate::bench::ingest::traffic::{OPERATORS, TIERS};
use crate::demo::screen::Screen;

/// Days of the month that is billed.
const DAYS: i8 = 31;
/// Every so many accounts pay a tax, of a tenth.
const TAXED_EVERY: usize = 2;
/// Every so many accounts read German.
const GERMAN_EVERY: usize = 4;

/// What the server does by itself with tables that have grown.
const FILLED: &str =
    "VACUUM (ANALYZE) billing.accounts, billing.account_profiles, billing.account_parties, billing.usage_buckets";

/// What was filled in.
pub(crate) struct Month {
    /// Its first day.
    pub(crate) first: Date,
    pub(crate) bills: BTreeMap<Uuid, Bill>,
}

/// What an account's invoice must come to; amounts in hundredths.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Bill {
    pub(crate) messages: i128,
    pub(crate) segments: i128,
    pub(crate) subtotal: i128,
    pub(crate) total: i128,
}

struct Account {
    id: Uuid,
    tenant: Uuid,
    tier: usize,
    /// Messages and segments by operator.
    used: [(i128, i128); OPERATORS.len()],
}

impl Account {
    fn bill(&self, at: usize) -> Bill {
        let mut bill = Bill::default();
        for (messages, segments) in self.used {
            bill.messages += messages;
            bill.segments += segments;
            bill.subtotal += (segments * i128::from(TIERS[self.tier].1) + 5_000) / 10_000;
        }
        let tax = if at.is_multiple_of(TAXED_EVERY) { (bill.subtotal + 5) / 10 } else { 0 };
        bill.total = bill.subtotal + tax;
        bill
    }
}

/// Fills the accounts and a bucket for each account, operator and day; day by day, as usage comes.
pub(crate) async fn fill(database: &Client, accounts: u32, screen: &Screen) -> Result<Month> {
    let first = month()?;
    let mut random = StdRng::seed_from_u64(7);
    let mut all: Vec<Account> = (0..accounts).map(|_| account(&mut random)).collect();
    // Filling need not wait for the disk; the run after it does.
    database.batch_execute("SET synchronous_commit = off").await.context("cannot prepare to fill")?;
    enter(database, &all, first).await?;
    let prices = prices(database).await?;
    let (days, rows_a_day) = (u64::try_from(DAYS)?, u64::from(accounts) * u64::try_from(OPERATORS.len())?);
    let mut bar = screen.bar("buckets", 0, days * rows_a_day);
    let mut filled = 0;
    for ahead in 0..DAYS {
        let day = first.checked_add(jiff::Span::new().days(ahead))?;
        filled += copy_day(database, day, &mut all, &prices, &mut random).await?;
        bar.set(filled);
    }
    bar.done();
    ensure!(filled == days * rows_a_day, "{filled} buckets were filled");
    for statement in ["RESET synchronous_commit", FILLED, "CHECKPOINT"] {
        database.batch_execute(statement).await.context("cannot end filling")?;
    }
    let bills = all.iter().enumerate().map(|(at, account)| (account.id, account.bill(at))).collect();
    Ok(Month { first, bills })
}

/// The latest month that is over and has 31 days.
fn month() -> Result<Date> {
    let mut first = Timestamp::now().to_zoned(TimeZone::UTC).date().first_of_month();
    loop {
        first = first.yesterday().context("before the calendar")?.first_of_month();
        if first.days_in_month() == DAYS {
            return Ok(first);
        }
    }
}

fn account(random: &mut StdRng) -> Account {
    let mut id = || {
        let mut bytes = [0; 16];
        random.fill_bytes(&mut bytes);
        Builder::from_random_bytes(bytes).into_uuid()
    };
    let (id, tenant) = (id(), id());
    Account {
        id,
        tenant,
        tier: random.random_range(0..TIERS.len()),
        used: <[(i128, i128); OPERATORS.len()]>::default(),
    }
}

/// Accounts with their tiers and names.
async fn enter(database: &Client, all: &[Account], first: Date) -> Result<()> {
    let (mut accounts, mut profiles, mut parties) = (String::new(), String::new(), String::new());
    for (at, Account { id, tenant, tier, .. }) in all.iter().enumerate() {
        let tier = TIERS[*tier].0;
        let locale = if at.is_multiple_of(GERMAN_EVERY) { "de" } else { "en" };
        let taxes = if at.is_multiple_of(TAXED_EVERY) { "{VAT}\t{100000}" } else { "{}\t{}" };
        writeln!(accounts, "{id}\t{tenant}")?;
        writeln!(profiles, "{id}\t{tenant}\t{first}\t{tier}\tUSD")?;
        let address = "{\"Street 7\",\"Karte Seh\",Kabul}";
        writeln!(parties, "{id}\t{tenant}\t{first}\tTrading house {at}\t{address}\t{at}\t{locale}\t{taxes}")?;
    }
    let party_columns =
        "account_id, tenant_id, effective_from, legal_name, address, tax_id, locale, tax_names, tax_rates";
    for (table, columns, rows) in [
        ("accounts", "account_id, tenant_id", accounts),
        ("account_profiles", "account_id, tenant_id, effective_from, tier, currency", profiles),
        ("account_parties", party_columns, parties),
    ] {
        copy(database, &format!("COPY billing.{table} ({columns}) FROM STDIN"), rows).await?;
    }
    Ok(())
}

/// The price of each tier.
async fn prices(database: &Client) -> Result<Vec<Uuid>> {
    let mut prices = Vec::new();
    for (tier, _) in TIERS {
        let query = "SELECT id FROM billing.prices WHERE tier = $1";
        prices.push(database.query_one(query, &[&tier]).await.context("cannot find a tier's price")?.get(0));
    }
    Ok(prices)
}

/// A day of every account and operator; how many rows.
async fn copy_day(
    database: &Client,
    day: Date,
    all: &mut [Account],
    prices: &[Uuid],
    random: &mut StdRng,
) -> Result<u64> {
    let mut rows = String::new();
    for Account { id, tenant, tier, used } in all {
        for ((operator, cost), used) in OPERATORS.into_iter().zip(used) {
            let messages = random.random_range(1..=900_i64);
            let segments = messages + random.random_range(0..=messages);
            *used = (used.0 + i128::from(messages), used.1 + i128::from(segments));
            let (amount, cost) = (segments * TIERS[*tier].1, segments * cost);
            let price = prices[*tier];
            writeln!(
                rows,
                "{id}\t{tenant}\t{operator}\tMT\tUSD\t{price}\t{day}\t{messages}\t{segments}\t{segments}\t{amount}\t{cost}\t0\t0"
            )?;
        }
    }
    let columns = "account_id, tenant_id, operator_id, direction, currency, price_id, day, messages, segments, units,
        amount_micros, cost_micros, uncosted, foreign_cost";
    copy(database, &format!("COPY billing.usage_buckets ({columns}) FROM STDIN"), rows).await
}

async fn copy(database: &Client, statement: &str, rows: String) -> Result<u64> {
    let sink: CopyInSink<Bytes> = database.copy_in(statement).await.with_context(|| format!("cannot {statement}"))?;
    let mut sink = pin!(sink);
    sink.send(rows.into()).await.with_context(|| format!("cannot {statement}"))?;
    sink.finish().await.with_context(|| format!("cannot {statement}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_rounded_then_taxed() {
        // 3 segments of 12,500 micros are 3.75 cents, rounded to 4.
        for (at, total) in [(0, 9), (1, 8)] {
            let mut used = [(0, 0); OPERATORS.len()];
            (used[0], used[1]) = ((1, 3), (2, 3));
            let bill = Account { id: Uuid::nil(), tenant: Uuid::nil(), tier: 0, used }.bill(at);
            assert_eq!(bill, Bill { messages: 3, segments: 6, subtotal: 8, total });
        }
    }
}
