//! Whether a fast run was also right: every invoice against the model, the series without gaps, documents as recorded.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use uuid::Uuid;

use super::fill::{Bill, Month};
use super::run::Place;

/// Documents that are read back, at most.
const DOCUMENTS_MAX: usize = 500;

const ISSUED: &str = "SELECT account_id, number, total_messages, total_segments, subtotal_minor, total_minor, s3_key,
    pdf_sha256 FROM billing.invoices WHERE status = 'FINALIZED' AND period_start = $1::text::date";
const LEFT: &str = "SELECT (SELECT count(*) FROM billing.usage_buckets WHERE sealed_by IS NULL)
    + (SELECT count(*) FROM billing.invoices WHERE status <> 'FINALIZED')";

/// Documents that were read back.
#[derive(Clone, Copy, Default)]
pub(crate) struct Documents {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
}

/// Fails unless each account has one right invoice.
pub(crate) async fn verify(place: &Place, month: &Month) -> Result<Documents> {
    let issued = place.database.query(ISSUED, &[&month.first.to_string()]).await.context("cannot read the invoices")?;
    let expected = month.bills.len();
    ensure!(issued.len() == expected, "{} invoices are issued, not {expected}", issued.len());
    let (mut accounts, mut numbers, mut sum) = (BTreeSet::new(), BTreeSet::new(), 0_i128);
    for row in &issued {
        let account: Uuid = row.get(0);
        let amount = |at: usize| i128::from(row.get::<_, i64>(at));
        let bill = Bill { messages: amount(2), segments: amount(3), subtotal: amount(4), total: amount(5) };
        let model = month.bills.get(&account).context("an invoice of an account that nobody has filled")?;
        ensure!(bill == *model, "account {account} is asked for {bill:?}, the model says {model:?}");
        let (_, number) = row.get::<_, &str>(1).rsplit_once('-').context("a number without its series")?;
        numbers.insert(number.parse::<usize>().context("a number that is none")?);
        accounts.insert(account);
        sum += bill.total;
    }
    ensure!(accounts.len() == expected, "some accounts have two invoices");
    ensure!(numbers.iter().copied().eq(1..=expected), "the numbers have gaps");
    let model: i128 = month.bills.values().map(|bill| bill.total).sum();
    ensure!(sum == model, "all invoices together ask for {sum}, the model says {model}");
    for (what, query, wanted) in [
        ("left undone", LEFT, 0),
        ("events", "SELECT count(*) FROM billing.outbox WHERE kind = 'generated'", i64::try_from(expected)?),
    ] {
        let count: i64 =
            place.database.query_one(query, &[]).await.with_context(|| format!("cannot count {what}"))?.get(0);
        ensure!(count == wanted, "{what}: {count}, not {wanted}");
    }
    let mut documents = Documents::default();
    for row in issued.iter().step_by(expected.div_ceil(DOCUMENTS_MAX)) {
        let file = place.dir.join("s3").join(&place.info.s3_bucket).join(row.get::<_, &str>(6));
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let is_recorded = digest(&SHA256, &bytes).as_ref() == row.get::<_, &[u8]>(7);
        ensure!(bytes.starts_with(b"%PDF-") && is_recorded, "{} is not the recorded document", file.display());
        documents.number += 1;
        documents.bytes += u64::try_from(bytes.len())?;
    }
    Ok(documents)
}
