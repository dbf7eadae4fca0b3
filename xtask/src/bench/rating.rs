//! How fast a large price book rates, what it costs to build and to keep, beside a map by key texts and a search through
//! every price. What is measured stands in the benchmark of `billing-domain`; here it is run, read and shown.
#![allow(clippy::float_arithmetic, reason = "times and ratios, not money")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;
use tokio::process::Command;

use crate::{exec, tree};

#[derive(clap::Args)]
pub(crate) struct Args {}

/// What stands in `target/bench/rating.json`.
#[derive(Serialize)]
struct Report {
    prices: u64,
    events: u64,
    /// Of the events, those that a price was found for.
    rated: u64,
    book: Way,
    map: Way,
    scan: Way,
    build_ms: f64,
    /// Everything that the book keeps, names included.
    bytes_per_price: f64,
    /// Of rating all events.
    allocations: u64,
}

/// One way to rate.
#[derive(Serialize)]
struct Way {
    ns_per_event: f64,
    events_per_second: f64,
    /// Absent without valgrind.
    instructions_per_event: Option<u64>,
}

pub(crate) async fn run(_args: &Args) -> Result<ExitCode> {
    let root = tree::root();
    let folder = root.join("target/bench");
    eprintln!("building the benchmark in release");
    let benchmark = build(&root).await?;
    eprintln!("comparing the three ways on every event");
    let facts = exec::output("the benchmark", Command::new(&benchmark).arg("--facts")).await?;
    eprintln!("measuring times");
    let criterion = folder.join("criterion");
    let mut times = Command::new(&benchmark);
    exec::output("the benchmark", times.arg("--bench").env("CRITERION_HOME", &criterion)).await?;
    let can_count = exec::output("valgrind", Command::new("valgrind").arg("--version")).await.is_ok();
    match can_count {
        true => eprintln!("counting instructions"),
        false => eprintln!("instructions are not counted: install valgrind, for example by `apt-get install valgrind`"),
    }
    let events = fact(&facts, "events")?;
    let mut ways = Vec::new();
    for (name, events_per_iteration) in [("book", events), ("map", events), ("scan", 1)] {
        let ns_per_event = median_ns(&criterion, name)? / count(events_per_iteration)?;
        let instructions_per_event = if can_count { Some(instructions(&benchmark, name).await?) } else { None };
        ways.push(Way { ns_per_event, events_per_second: 1e9 / ns_per_event, instructions_per_event });
    }
    let Ok([book, map, scan]) = <[Way; 3]>::try_from(ways) else { bail!("three ways were measured") };
    let prices = fact(&facts, "prices")?;
    let report = Report {
        prices,
        events,
        rated: fact(&facts, "rated")?,
        book,
        map,
        scan,
        build_ms: median_ns(&criterion, "build")? / 1e6,
        bytes_per_price: count(fact(&facts, "bytes")?)? / count(prices)?,
        allocations: fact(&facts, "allocations")?,
    };
    print(&report);
    let file = folder.join("rating.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&report)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("as JSON: {}", file.display());
    Ok(ExitCode::SUCCESS)
}

fn print(report: &Report) {
    let Report { prices, events, rated, book, map, scan, build_ms, bytes_per_price, allocations } = report;
    println!("{prices} prices, {events} events, of which {rated} have a price; all three ways agree on each\n");
    println!("{:<26}{:>12}{:>14}{:>20}{:>16}", "", "ns/event", "events/s", "instructions/event", "time, book = 1");
    for (name, way) in [("price book", book), ("HashMap<String, …>", map), ("search through all", scan)] {
        let Way { ns_per_event, events_per_second, instructions_per_event } = way;
        let instructions = instructions_per_event.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let ratio = ns_per_event / book.ns_per_event;
        println!("{name:<26}{ns_per_event:>12.1}{events_per_second:>14.0}{instructions:>20}{ratio:>16.1}");
    }
    println!("\nthe book is built in {build_ms:.1} ms and takes {bytes_per_price:.1} bytes a price, names and all");
    println!("rating all events allocates {allocations} times");
    println!("wanted: 5000000 events/s, 100 ms, 64 bytes, 0 times\n");
}

/// The benchmark's program, as `cargo bench` builds it.
async fn build(root: &Path) -> Result<PathBuf> {
    let mut cargo = exec::cargo(root);
    cargo.args(["bench", "-p", "billing-domain", "--bench", "rating", "--no-run", "--message-format=json"]);
    let messages = exec::output("cargo bench", &mut cargo).await?;
    let built = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs = built.filter(|message| message["target"]["kind"][0] == "bench");
    let program = programs.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    program.context("cargo bench built no program")
}

fn fact(facts: &str, name: &str) -> Result<u64> {
    let value = facts.lines().filter_map(|line| line.split_once('=')).find(|(known, _)| *known == name);
    let (_, value) = value.with_context(|| format!("the benchmark says nothing of {name}"))?;
    value.parse().with_context(|| format!("{name} is no number"))
}

/// Of one iteration, as criterion estimates it.
fn median_ns(criterion: &Path, name: &str) -> Result<f64> {
    let file = criterion.join("rating").join(name).join("new/estimates.json");
    let text = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let estimates: Value = serde_json::from_slice(&text).with_context(|| format!("cannot read {}", file.display()))?;
    let median = estimates["median"]["point_estimate"].as_f64();
    median.with_context(|| format!("no median in {}", file.display()))
}

/// Instructions for one event, counted by valgrind in the benchmark's function `counted`.
async fn instructions(benchmark: &Path, name: &str) -> Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--toggle-collect=*counted*", "--callgrind-out-file=/dev/null", "--log-fd=1"]);
    let said = exec::output("valgrind", valgrind.arg(benchmark).args(["--instructions", name])).await?;
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    let (_, collected) = collected.context("valgrind counted nothing")?;
    let collected: u64 = collected.trim().parse().context("valgrind's count is no number")?;
    Ok(collected / fact(&said, "events")?)
}

fn count(number: u64) -> Result<f64> {
    Ok(f64::from(u32::try_from(number).context("too many to divide by")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found_by_their_whole_name() {
        let facts = "prices=100000\n==7== Collected : 9\nevents=20\n";
        assert_eq!(fact(facts, "events").unwrap(), 20);
        for name in ["event", "price", "bytes", ""] {
            assert!(fact(facts, name).is_err(), "{name}");
        }
    }
}
