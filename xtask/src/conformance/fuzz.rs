//! schemathesis: whatever the document allows and what it does not, as staff and as a customer, and all that it can judge.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::folder;
use super::world::{Ids, Seed};
use crate::setup::ConformanceTools;
use crate::{exec, stack, tree};

const CONFIG: &str = "schemathesis.toml";
/// Of what the log says at its end, so much is shown when there is a fault. Lines.
const SHOWN: usize = 400;

/// Who asks.
struct Asker<'a> {
    name: &'static str,
    token: &'a str,
    /// Only the paths that this expression finds.
    paths: &'static str,
    /// Share of the time, in percent.
    share: u32,
}

/// Whether everything that was asked is answered as the document says.
pub(super) async fn run(tools: &ConformanceTools, seed: &Seed, seconds: u32, number: u32) -> Result<bool> {
    let place = folder().join("schemathesis");
    std::fs::create_dir_all(&place).with_context(|| format!("cannot create {}", place.display()))?;
    let config = tree::root().join("xtask/conformance").join(CONFIG);
    let config = std::fs::read_to_string(&config).with_context(|| format!("cannot read {}", config.display()))?;
    // Numbers have no place in a file of words.
    let numbers = seed.ids.quarantined.join(", ");
    let config = format!("{config}\n[dictionaries.quarantined]\nvalues = [{numbers}]\n");
    std::fs::write(place.join(CONFIG), config).context("cannot write the settings")?;
    write_ids(&place, &seed.ids)?;
    let mut conforms = true;
    for asker in [
        Asker { name: "staff", token: &seed.staff, paths: ".*", share: 75 },
        // Elsewhere a customer is told 403 and nothing else, which the truth table of the routes shows.
        Asker { name: "customer", token: &seed.customer, paths: "^/v1/billing/", share: 25 },
    ] {
        conforms &= ask(tools, seed, &place, &asker, seconds * asker.share / 100, number).await?;
    }
    Ok(conforms)
}

async fn ask(
    tools: &ConformanceTools,
    seed: &Seed,
    place: &Path,
    asker: &Asker<'_>,
    seconds: u32,
    number: u32,
) -> Result<bool> {
    let began = Instant::now();
    let log: PathBuf = place.join(format!("{}.log", asker.name));
    let file = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(tools.python);
    command
        .args(["-m", "schemathesis.cli", "--config-file", CONFIG, "run", "--checks", "all"])
        .args(["--max-time", &seconds.to_string(), "--seed", &number.to_string()])
        .args(["--include-path-regex", asker.paths, "--generation-database", "none", "--no-color"])
        .arg(format!("{}/openapi.json", seed.url))
        .current_dir(place)
        .env("PYTHONPATH", &tools.schemathesis)
        .env("PYTHONWARNINGS", "ignore")
        .env("BILLING_TOKEN", asker.token)
        .env("COLUMNS", "140")
        .stdout(Stdio::from(file.try_clone().context("cannot share the log")?))
        .stderr(Stdio::from(file));
    println!("schemathesis as {}: {seconds} s, --seed {number}", asker.name);
    let status = exec::on_terminal("schemathesis", &mut command).await?;
    let said = std::fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))?;
    let lines: Vec<&str> = said.lines().collect();
    let shown = if status.success() { 4 } else { SHOWN };
    for line in &lines[lines.len().saturating_sub(shown)..] {
        println!("  {line}");
    }
    println!("schemathesis as {}: {}, all of it in {}", asker.name, stack::seconds(began), log.display());
    let asked_long_enough = began.elapsed() >= Duration::from_secs(seconds.into()) * 9 / 10;
    if !asked_long_enough {
        println!("schemathesis as {} has ended before its time", asker.name);
    }
    Ok(status.success() && asked_long_enough)
}

/// A file for each kind, an id a line.
fn write_ids(place: &Path, ids: &Ids) -> Result<()> {
    for (name, ids) in [
        ("invoices", &ids.invoices),
        ("prices", &ids.prices),
        ("costs", &ids.costs),
        ("accounts", &ids.accounts),
        ("messages", &ids.messages),
    ] {
        ensure!(!ids.is_empty(), "there are no {name} to ask for");
        let file = place.join(format!("{name}.txt"));
        let quoted: String = ids.iter().map(|id| format!("\"{id}\"\n")).collect();
        std::fs::write(&file, quoted).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
