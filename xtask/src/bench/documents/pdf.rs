//! Rendering: our renderer as the cron calls it, beside the bare typesetter on the same template in the same process, and
//! Node's pdfkit that draws the same rows; then thousands of documents in one process, and what memory they leave.
//!
//! What is measured stands in the example `bench_invoices` of `billing-typst`; here it is run, read and shown.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::Args;
use super::pdfkit::Pdfkit;
use crate::bench::figures::{self, Line, figure, median, ratio, thousandths};
use crate::{exec, tree};

/// Lines of the two documents, and the most bytes that each may have.
const SIZES: [(u64, u64, &str); 2] = [(15, 60_000, "≤ 60000"), (200, 250_000, "≤ 250000")];

/// Everything that was measured.
pub(crate) struct Report {
    setting: String,
    rounds: Vec<Round>,
    /// Resident memory in KiB after so many documents.
    soaked: Vec<Told>,
}

struct Round {
    ours: Vec<Ours>,
    /// Microseconds a document, by size; `None` without pdfkit.
    pdfkit: Option<Vec<u64>>,
}

/// What the program tells of one size.
#[derive(Deserialize)]
struct Ours {
    lines: u64,
    bytes: u64,
    whole_us: Vec<u64>,
    bare_us: Vec<u64>,
}

#[derive(Deserialize)]
struct Told {
    documents: u64,
    resident_kib: u64,
}

/// Builds, measures in rounds, and soaks.
pub(crate) async fn measure(args: &Args) -> Result<Report> {
    let program = match &args.program {
        Some(program) => program.clone(),
        None => build().await?,
    };
    let pdfkit = Pdfkit::install().await;
    if let Err(reason) = &pdfkit {
        eprintln!("pdfkit is not measured: {reason:#}");
    }
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        eprintln!("round {number} of {}", args.rounds);
        rounds.push(round(args, &program, pdfkit.as_ref().ok()).await?);
    }
    let soaked = if args.soak > 0 { soak(&program, args.soak).await? } else { Vec::new() };
    let setting = format!("{} rounds of {} documents a size, one processor core, warm", args.rounds, args.documents);
    Ok(Report { setting, rounds, soaked })
}

/// As it is released.
async fn build() -> Result<PathBuf> {
    let root = tree::root();
    let mut command = exec::cargo(&root);
    command.args(["build", "--release", "-p", "billing-typst", "--example", "bench_invoices"]);
    ensure!(exec::on_terminal("cargo build", &mut command).await?.success(), "the benchmark does not build");
    Ok(tree::binaries(&root)?.with_file_name("release").join("examples/bench_invoices"))
}

async fn round(args: &Args, program: &Path, pdfkit: Option<&Pdfkit>) -> Result<Round> {
    let mut command = on_one_core(program);
    command.args(["measure", &args.documents.to_string()]);
    let said = exec::output("the renderer", &mut command).await?;
    let ours: Vec<Ours> = said
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .context("cannot read the renderer's figures")?;
    let found: Vec<u64> = ours.iter().map(|ours| ours.lines).collect();
    ensure!(found == SIZES.map(|(lines, ..)| lines), "the renderer measured documents of {found:?} lines");
    let pdfkit = match pdfkit {
        Some(pdfkit) => Some(pdfkit.measure(args.documents, &SIZES.map(|(lines, ..)| lines)).await?),
        None => None,
    };
    Ok(Round { ours, pdfkit })
}

/// Renders so many documents in one process and follows its memory.
async fn soak(program: &Path, documents: u32) -> Result<Vec<Told>> {
    let style = ProgressStyle::with_template("{prefix:<9} {wide_bar} {pos}/{len} {msg} {eta}").context("a bad bar")?;
    let bar = ProgressBar::new(documents.into()).with_style(style).with_prefix("documents");
    let mut command = on_one_core(program);
    // As it is deployed (docs/OPERATIONS.md).
    command.env("MALLOC_ARENA_MAX", "1");
    command.args(["soak", &documents.to_string()]).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("cannot run the renderer")?;
    let mut lines = BufReader::new(child.stdout.take().context("the renderer has no output")?).lines();
    let mut soaked = Vec::new();
    while let Some(line) = lines.next_line().await.context("the renderer's output broke off")? {
        let told: Told = serde_json::from_str(&line).context("cannot read the renderer's figures")?;
        bar.set_position(told.documents);
        bar.set_message(format!("{} MiB", told.resident_kib / 1_024));
        soaked.push(told);
    }
    bar.finish();
    ensure!(child.wait().await.context("cannot wait for the renderer")?.success(), "the renderer failed");
    Ok(soaked)
}

/// The typesetter would spread over all of them.
fn on_one_core(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("RAYON_NUM_THREADS", "1");
    command
}

impl Report {
    /// The table.
    pub(crate) fn print(&self) {
        figures::print(&self.setting, &self.lines());
    }

    /// Writes the JSON.
    pub(crate) fn save(&self, file: &Path) -> Result<()> {
        let soaked: Vec<_> = self.soaked.iter().map(|told| json!([told.documents, told.resident_kib])).collect();
        let value = json!({ "setting": self.setting, "figures": self.lines().iter().map(Line::json).collect::<Vec<_>>(),
            "resident_kib_after_documents": soaked });
        figures::save(&value, file)
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for (size, (count, bytes_max, wanted)) in SIZES.into_iter().enumerate() {
            self.lines_of_size(size, &mut lines);
            let bytes = median(self.rounds.iter().map(|round| round.ours[size].bytes));
            lines.push(figure(
                &format!("{count} lines, tagged PDF/A"),
                bytes,
                "bytes",
                Some((wanted, bytes <= bytes_max)),
            ));
        }
        if let (Some(flat), Some(last)) = (self.flat_from(), self.soaked.last()) {
            lines.push(figure("resident after all documents", last.resident_kib / 1_024, "MiB", None));
            let thousandth = ratio(last.resident_kib, flat);
            let holds = (900..=1_100).contains(&thousandth);
            lines.push(thousandths("to a tenth of the documents", thousandth, "", Some(("0.900 to 1.100", holds))));
        }
        lines
    }

    fn lines_of_size(&self, size: usize, lines: &mut Vec<Line>) {
        let count = SIZES[size].0;
        let of = |of: fn(&Ours) -> &Vec<u64>| {
            median(self.rounds.iter().map(|round| median(of(&round.ours[size]).iter().copied())))
        };
        let (whole, bare) = (of(|ours| &ours.whole_us), of(|ours| &ours.bare_us));
        lines.push(millis(&format!("{count} lines, our renderer"), whole));
        lines.push(millis(&format!("{count} lines, the bare typesetter"), bare));
        let ratios = self.rounds.iter().map(|round| {
            let ours = &round.ours[size];
            ratio(median(ours.whole_us.iter().copied()), median(ours.bare_us.iter().copied()))
        });
        let to_bare = median(ratios);
        lines.push(thousandths("ratio, in the same round", to_bare, "", Some(("≤ 1.150", to_bare <= 1_150))));
        let drawn: Vec<u64> = self.rounds.iter().filter_map(|round| Some(round.pdfkit.as_ref()?[size])).collect();
        if !drawn.is_empty() {
            let drawn = median(drawn.into_iter());
            lines.push(millis(&format!("{count} lines, pdfkit, plain and untagged"), drawn));
            let to_pdfkit = ratio(whole, drawn);
            lines.push(thousandths("our renderer to pdfkit", to_pdfkit, "", Some(("≤ 2.000", to_pdfkit <= 2_000))));
        }
    }

    /// Memory once caches and allocator have settled.
    fn flat_from(&self) -> Option<u64> {
        Some(self.soaked.get(self.soaked.len() / 10)?.resident_kib)
    }
}

/// Microseconds as milliseconds.
fn millis(name: &str, micros: u64) -> Line {
    thousandths(name, micros, "ms", None)
}
