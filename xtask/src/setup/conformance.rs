//! What the API is compared with its document by: schemathesis, and what makes and compiles a client.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::install::{self, Dependencies};
use super::{Source, Wanted, find_or_install};

const SCHEMATHESIS: (&str, &str) = ("schemathesis", "4.32.5");
const NODE: Wanted = Wanted {
    name: "node",
    program: "node",
    version_flag: "--version",
    beside: &[],
    at_least: "18",
    source: Source::Debian { package: "nodejs" },
};

/// Where they are.
pub(crate) struct ConformanceTools {
    pub(crate) python: &'static str,
    /// The folder of the Python package and all that it needs.
    pub(crate) schemathesis: PathBuf,
    pub(crate) node: PathBuf,
    /// The folder of `node_modules`.
    pub(crate) client: PathBuf,
}

/// Finds them, or installs them.
pub(crate) fn conformance(root: &Path) -> Result<ConformanceTools> {
    let tools = root.join("target/tools");
    let python = install::python_with_pip().context("python3 with pip is needed: install python3-pip")?;
    let (package, version) = SCHEMATHESIS;
    let schemathesis = install::pip(python, package, version, Dependencies::Whole, &tools)?;
    let found = find_or_install(&[NODE], root)?;
    let node = found.into_iter().next().map(|found| found.path).context("node was not found")?;
    let client = install::npm_locked(&root.join("xtask/conformance"), "conformance-client", &tools)?;
    Ok(ConformanceTools { python, schemathesis, node, client })
}
