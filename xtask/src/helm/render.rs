//! What real helm makes of the chart.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize as _;
use serde_json::Value;

use crate::setup;

/// Where the chart is, below the root.
pub(crate) const CHART: &str = "helm/billing-service";
/// The values that come with it: those of the chart alone, and those of a file.
pub(crate) const SETS: [&str; 3] = ["default", "dev", "prod"];

/// One object of Kubernetes.
pub(crate) type Object = Value;

/// The chart, and helm.
pub(crate) struct Chart {
    helm: PathBuf,
    folder: PathBuf,
}

impl Chart {
    /// Finds helm, or installs it.
    pub(crate) fn new(root: &Path) -> Result<Self> {
        Ok(Self { helm: setup::helm(root)?, folder: root.join(CHART) })
    }

    /// Every object, with the values of `set` and what `more` arguments say.
    pub(crate) fn render(&self, set: &str, version: &str, more: &[&str]) -> Result<Vec<Object>> {
        let mut command = self.command("template");
        command.args(["billing-service", ".", "--namespace", "billing", "--kube-version", version]);
        let output = run(command.args(values(set)).args(more))?;
        ensure!(
            output.status.success(),
            "helm cannot render {set}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let text = String::from_utf8(output.stdout).context("helm's output is not UTF-8")?;
        let documents = serde_yaml::Deserializer::from_str(&text).map(Value::deserialize);
        let objects = documents.collect::<Result<Vec<_>, _>>().context("helm's output is not YAML")?;
        Ok(objects.into_iter().filter(|object| !object.is_null()).collect())
    }

    /// What `helm lint` has against it.
    pub(crate) fn lint(&self, set: &str) -> Result<Vec<String>> {
        let output = run(self.command("lint").args([".", "--strict", "--quiet"]).args(values(set)))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let lines = said.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("{set}: helm lint: {line}"));
        Ok(if output.status.success() { Vec::new() } else { lines.collect() })
    }

    fn command(&self, what: &str) -> Command {
        let mut command = Command::new(&self.helm);
        command.arg(what).current_dir(&self.folder);
        command
    }
}

/// The name that an object is called by here: `Kind/name`.
pub(crate) fn name(object: &Object) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!("{}/{}", text("/kind"), text("/metadata/name"))
}

fn values(set: &str) -> Vec<String> {
    if set == "default" { Vec::new() } else { vec!["--values".to_owned(), format!("values-{set}.yaml")] }
}

fn run(command: &mut Command) -> Result<Output> {
    command.output().context("cannot run helm")
}
