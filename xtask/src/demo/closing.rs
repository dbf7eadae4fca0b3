//! The closing table: that nothing was lost, nothing was made, and nothing was rounded on the way.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::database::{Line, Received};
use super::model;
use super::screen::{amount, count, seconds};
use super::stage::Stage;

const CURRENCIES: [&str; 2] = ["USD", "AFN"];
/// How long the announcement of an invoice may take.
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(20);

/// Prints the table and remembers every cross of it.
pub(crate) async fn show(stage: &mut Stage) -> Result<()> {
    stage.screen.step("Does it all add up?");
    messages(stage).await?;
    money(stage).await?;
    invoices(stage).await?;
    times(stage);
    Ok(())
}

async fn messages(stage: &mut Stage) -> Result<()> {
    let published = stage.model.published + stage.open.published;
    let received = stage.stream.received().await?;
    let found = stage.database.received().await?;
    let Received { recorded, duplicates, quarantined, unrated, distinct } = found;
    let expected = Received {
        recorded: stage.model.recorded() + stage.open.recorded(),
        duplicates: stage.model.duplicates,
        quarantined: stage.model.set_aside(),
        unrated: 0,
        distinct: published,
    };
    head(stage, "messages", &["found", "expected"]);
    for (what, found, expected) in [
        ("received by the stream", received, published),
        ("  recorded", recorded, expected.recorded),
        ("+ duplicates", duplicates, expected.duplicates),
        ("+ quarantined", quarantined, expected.quarantined),
        ("+ unrated", unrated, expected.unrated),
        ("= received", recorded + duplicates + quarantined + unrated, received),
        ("different places on the stream", distinct, expected.distinct),
    ] {
        row(stage, what, &[count(found), count(expected)], found == expected);
    }
    Ok(())
}

async fn money(stage: &mut Stage) -> Result<()> {
    let database = &stage.database;
    let events = database.micros("SELECT currency, amount_micros AS micros FROM billing.billing_events").await?;
    let bucket = "SELECT currency, amount_micros AS micros FROM billing.usage_buckets WHERE merged_into IS NULL";
    let buckets = database.micros(bucket).await?;
    let open = database.micros(&format!("{bucket} AND sealed_by IS NULL")).await?;
    let waived = database.micros(&format!("{bucket} AND waived_at IS NOT NULL")).await?;
    let lines = "SELECT i.currency, l.exact_micros AS micros FROM billing.invoice_lines l
        JOIN billing.invoices i ON i.id = l.invoice_id WHERE i.status <> 'VOID'";
    let lines = database.micros(lines).await?;
    let model = sum(&[&totals(&stage.model), &totals(&stage.open)]);
    let expected_open = totals(&stage.open);
    let all = sum(&[&lines, &open, &waived]);
    let of = |sums: &BTreeMap<String, i128>, currency| sums.get(currency).copied().unwrap_or_default();
    let columns = |sums| CURRENCIES.map(|currency| amount(of(sums, currency), 6));
    head(stage, "money, exact to the millionth", &CURRENCIES);
    stage.screen.say(&line("expected by the model", &columns(&model)));
    for (what, found, expected) in [
        ("Σ recorded events", &events, &model),
        ("Σ usage buckets", &buckets, &events),
        ("  Σ lines of valid invoices", &lines, &totals(&stage.model)),
        ("+ open: waits for the next month", &open, &expected_open),
        ("+ waived", &waived, &BTreeMap::new()),
        ("= Σ recorded events", &all, &events),
    ] {
        let holds = CURRENCIES.iter().all(|currency| of(found, *currency) == of(expected, *currency));
        row(stage, what, &columns(found), holds);
    }
    Ok(())
}

async fn invoices(stage: &mut Stage) -> Result<()> {
    let (lines, expected) = (stage.database.lines().await?, expected_lines(stage));
    let different = expected.iter().filter(|line| lines.binary_search(line).is_err()).count()
        + lines.len().abs_diff(expected.len());
    let numbered = stage.database.numbered().await?;
    let all = stage.database.count("SELECT count(*) FROM billing.invoices").await?;
    let issued = u64::try_from(numbered.len()).unwrap_or_default();
    let void = numbered.iter().filter(|one| one.status == "VOID").count();
    let announced = issued + u64::try_from(void).unwrap_or_default();
    let is_told = |seen: &u64| *seen == announced;
    let told = stage.look(ANNOUNCED_WITHIN, async |stage| stage.stream.announced().await, is_told).await?;
    let wrong_totals = stage.database.wrong_totals().await?;
    head(stage, "invoices", &["found", "expected"]);
    for (what, found, expected) in [
        ("lines of valid invoices", count(lines.len()), count(expected.len())),
        ("  that differ from the model", count(different), count(0)),
        ("invoices without a number", count(all - issued), count(0)),
        ("totals that do not add up", count(wrong_totals), count(0)),
        ("holes in the numbers", count(holes(&numbered)), count(0)),
        ("announced on BILLING_INVOICES", count(told), count(announced)),
    ] {
        let holds = found == expected;
        row(stage, what, &[found, expected], holds);
    }
    if let (Some(first), Some(last)) = (numbered.first(), numbered.last()) {
        stage.screen.say(&format!("  {} to {}, {void} of them void", first.number, last.number));
    }
    Ok(())
}

fn times(stage: &Stage) {
    head(stage, "times and rates", &[]);
    for (what, took) in stage.screen.times() {
        stage.screen.say(&format!("  {what:<62} {:>18}", seconds(took)));
    }
    for (what, rate) in &stage.rates {
        stage.screen.say(&format!("  {what:<62} {rate:>18}"));
    }
    stage.screen.say(&format!("  {:<62} {:>18}", "all of it", seconds(stage.screen.elapsed())));
}

/// Every line that the valid invoices should have, in order.
fn expected_lines(stage: &Stage) -> Vec<Line> {
    let line = |(key, sums): (&model::LineKey, &model::Sums)| Line {
        account: stage.world.accounts[key.account].id,
        currency: key.currency.to_owned(),
        month: stage.world.period.to_string(),
        operator: key.operator.to_owned(),
        direction: key.direction.to_owned(),
        price: stage.price_ids[key.price],
        messages: sums.messages,
        segments: sums.segments,
        micros: sums.micros,
        minor: model::minor(sums.micros),
    };
    let mut lines: Vec<Line> = stage.model.lines.iter().map(line).collect();
    lines.sort();
    lines
}

/// Numbers that are missing: in each year they run from 1 without a gap.
fn holes(numbered: &[super::database::Numbered]) -> u64 {
    let mut years: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (year, number) in numbered.iter().filter_map(|one| one.number.rsplit_once('-')) {
        let (highest, found) = years.entry(year).or_default();
        *highest = (*highest).max(number.parse().unwrap_or(u64::MAX));
        *found += 1;
    }
    years.values().map(|(highest, found)| highest - found).sum()
}

fn totals(model: &model::Model) -> BTreeMap<String, i128> {
    model.totals().into_iter().map(|(currency, sums)| (currency.to_owned(), sums.micros)).collect()
}

fn sum(parts: &[&BTreeMap<String, i128>]) -> BTreeMap<String, i128> {
    let mut sums = BTreeMap::new();
    for (currency, micros) in parts.iter().copied().flatten() {
        *sums.entry(currency.clone()).or_default() += micros;
    }
    sums
}

fn head(stage: &Stage, title: &str, columns: &[&str]) {
    let columns: String = columns.iter().map(|column| format!("{column:>20}")).collect();
    let line = format!("{title:<44}{columns}");
    stage.screen.say(&format!("\n{}", stage.screen.bold(line.trim_end())));
}

fn row(stage: &mut Stage, what: &str, columns: &[String], holds: bool) {
    stage.screen.say(&format!("{}  {}", line(what, columns), stage.screen.mark(holds)));
    stage.screen.note(holds, &format!("{}: {}", what.trim_start(), columns.join(", ")));
}

fn line(what: &str, columns: &[String]) -> String {
    let cells: String = columns.iter().map(|column| format!("{column:>20}")).collect();
    format!("  {what:<42}{cells}")
}
