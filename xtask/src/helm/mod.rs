//! The chart, checked as far as it can be without a cluster: rendered by real helm, validated strictly, compared with what the
//! platform asked for, its alert rules parsed; and, if asked, its questions to Prometheus put to a real one.

mod ask;
mod contract;
#[cfg(test)]
mod documents;
mod live;
mod render;
#[cfg(test)]
mod scope;
mod traffic;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};

use crate::setup::{self, Schemas};
use crate::tree;
use render::{Chart, Object, SETS};

/// The versions of Kubernetes that it must suit: the oldest that the chart admits, one in use, the newest known.
const VERSIONS: [&str; 3] = ["1.30", "1.33", "1.37"];

/// How far to look.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Also start a stack and a Prometheus, and put every question of dashboards, alerts and canary to it.
    #[arg(long)]
    live: bool,
}

/// Checks the chart and prints what was found.
pub(crate) async fn run(args: &Args) -> Result<ExitCode> {
    let root = tree::root();
    let chart = Chart::new(&root)?;
    let schemas = setup::schemas(&root)?;
    let mut findings = Vec::new();
    for set in SETS {
        findings.extend(chart.lint(set)?);
        for version in VERSIONS {
            let objects = chart.render(set, version, &[])?;
            println!("{set}, Kubernetes {version}: {} objects", objects.len());
            if version == VERSIONS[VERSIONS.len() - 1] {
                findings.extend(validate(&schemas, &objects)?.into_iter().map(|line| format!("{set}: {line}")));
            }
        }
    }
    let production = chart.render("prod", VERSIONS[1], &[])?;
    findings.extend(contract::differences(&production));
    match setup::prometheus(&root) {
        Ok(prometheus) => findings.extend(check_rules(&prometheus.with_file_name("promtool"), &root)?),
        Err(error) => findings.push(format!("the alert rules are not parsed: {error:#}")),
    }
    if args.live {
        findings.extend(live::run(&root, &production).await?);
    }
    for finding in &findings {
        println!("{finding}");
    }
    println!(
        "{}",
        if findings.is_empty() {
            "the chart is as it should be".to_owned()
        } else {
            format!("{} to mend", findings.len())
        }
    );
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// By the schemas of all versions and of custom kinds; a line for each finding.
fn validate(schemas: &Schemas, objects: &[Object]) -> Result<Vec<String>> {
    let mut command = Command::new(schemas.python);
    command.args(["-c", include_str!("validate.py")]).arg(&schemas.kubernetes).arg(VERSIONS.join(","));
    command.args(&schemas.models).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot run python3")?;
    let input = child.stdin.take().context("python3 has no standard input")?;
    serde_json::to_writer(input, objects).context("python3 does not read the objects")?;
    let output = child.wait_with_output().context("cannot wait for python3")?;
    let lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    anyhow::ensure!(
        output.status.success() || !lines.is_empty(),
        "the schemas could not be read: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(lines)
}

/// Whether the alert rules can be read, and rise when they should.
fn check_rules(promtool: &Path, root: &Path) -> Result<Vec<String>> {
    let chart = root.join(render::CHART);
    let mut findings = Vec::new();
    for arguments in [
        ["check", "rules", "files/alerts.yaml"],
        ["test", "rules", "tests/alerts.yaml"],
        ["test", "rules", "tests/missed-run.yaml"],
    ] {
        let output =
            Command::new(promtool).args(arguments).current_dir(&chart).output().context("cannot run promtool")?;
        if !output.status.success() {
            let said =
                [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
            findings
                .extend(said.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("promtool: {line}")));
        }
    }
    Ok(findings)
}
