//! The invoice run, and the documents that it made.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use uuid::Uuid;

use super::database::Numbered;
use super::model::Bill;
use super::rest::{self, Who};
use super::screen::{count, rate, seconds};
use super::stage::Stage;

/// Invoices of a page.
const PAGE: u32 = 50;
/// How far a replica may be behind.
const REPLICA: Duration = Duration::from_secs(10);
/// Begins the name of every document.
const SERIES: &str = "INV-";

/// Runs the month's invoices and compares the list of them with the model.
pub(crate) async fn run(stage: &mut Stage) -> Result<()> {
    stage.screen.step("The invoice run: invoice-cron, as the scheduler starts it");
    let begun = Instant::now();
    let code = stage.bill().await?;
    let took = begun.elapsed();
    stage.screen.check(code == Some(0), &format!("invoice-cron ended with {} after {}", told(code), seconds(took)));
    let expected = expected(stage);
    let listed = stage.look(REPLICA, async |stage| list(stage).await, |seen| *seen == expected).await?;
    let number = u64::try_from(listed.len()).unwrap_or_default();
    stage.rates.push(("invoices drafted, rendered, stored and issued", format!("{}/s", count(rate(number, took)))));
    let number = count(number);
    let what = format!("{number} invoices, one for each account and currency; all of them say what the model says");
    stage.screen.check(listed == expected, &what);
    Ok(())
}

/// What the list of invoices says of one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    account: Uuid,
    currency: String,
    messages: u64,
    segments: u64,
    /// Hundredths.
    subtotal: i128,
}

/// What it should say, in order.
fn expected(stage: &Stage) -> Vec<Listed> {
    let listed = |((account, currency), bill): ((usize, &str), Bill)| Listed {
        account: stage.world.accounts[account].id,
        currency: currency.to_owned(),
        messages: bill.sums.messages,
        segments: bill.sums.segments,
        subtotal: bill.minor,
    };
    let mut all: Vec<_> = stage.model.bills().into_iter().map(listed).collect();
    all.sort();
    all
}

/// An exit code in words.
pub(crate) fn told(code: Option<i32>) -> String {
    code.map_or("a signal".to_owned(), |code| format!("exit code {code}"))
}

/// What it says to staff, page by page; in order.
async fn list(stage: &Stage) -> Result<Vec<Listed>> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/billing/invoices?status=FINALIZED&limit={PAGE}{cursor}");
        let page = stage.rest.get(Who::Finance, &path).await?;
        for invoice in page["data"].as_array().context("the list has no data")? {
            all.push(Listed {
                account: rest::text(invoice, "accountId")?.parse().context("an account's id is no UUID")?,
                currency: rest::text(invoice, "currency")?.to_owned(),
                messages: rest::number(invoice, "totalMessages")?,
                segments: rest::number(invoice, "totalSegments")?,
                subtotal: rest::amount(invoice, "subtotalAmount", 2)?,
            });
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    all.sort();
    Ok(all)
}

/// Downloads every document as its own customer, and one of them through a presigned URL.
pub(crate) async fn download(stage: &mut Stage) -> Result<()> {
    stage.screen.step("The documents, through the download route");
    clear(&stage.documents)?;
    let issued = stage.database.numbered().await?;
    let mut bar = stage.screen.bar("downloaded", 0, u64::try_from(issued.len()).unwrap_or_default());
    let mut wrong = Vec::new();
    for (done, invoice) in (1..).zip(&issued) {
        if !save(stage, invoice).await? {
            wrong.push(invoice.number.clone());
        }
        bar.set(done);
    }
    let took = bar.done();
    stage.rates.push((
        "documents downloaded",
        format!("{}/s", count(rate(u64::try_from(issued.len()).unwrap_or_default(), took))),
    ));
    let what = format!("every document has the SHA-256 that was recorded before it was stored {}", wrong.join(" "));
    stage.screen.check(wrong.is_empty(), what.trim_end());
    let first = issued.first().context("no invoice was issued")?;
    let account =
        stage.world.accounts.iter().find(|account| account.id == first.account).context("a foreign invoice")?;
    let place = stage.rest.get(Who::Customer(account), &format!("/v1/billing/invoices/{}/download", first.id)).await?;
    let bytes = stage.rest.presigned(rest::text(&place, "url")?).await?;
    let holds = sha256(&bytes) == first.sha256;
    let until = rest::text(&place, "expiresAt")?;
    stage.screen.check(holds, &format!("the same from the object store by a presigned URL, good until {until}"));
    stage.screen.say(&format!("look at them: {}/{SERIES}*.pdf", stage.documents.display()));
    Ok(())
}

/// Saves one document under its number; whether it is the one that was recorded.
pub(crate) async fn save(stage: &Stage, invoice: &Numbered) -> Result<bool> {
    let world = Arc::clone(&stage.world);
    let account = world.accounts.iter().find(|account| account.id == invoice.account).context("a foreign invoice")?;
    let path = format!("/v1/billing/invoices/{}/download", invoice.id);
    let bytes = stage.rest.pdf(Who::Customer(account), &path).await?;
    let file = stage.documents.join(format!("{}.pdf", invoice.number));
    std::fs::write(&file, &bytes).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(bytes.starts_with(b"%PDF-") && sha256(&bytes) == invoice.sha256)
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Removes the documents of an earlier demo.
fn clear(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let files = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for path in files.flatten().map(|file| file.path()) {
        let is_ours = path.extension().is_some_and(|extension| extension == "pdf")
            && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(SERIES));
        if is_ours {
            std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}
