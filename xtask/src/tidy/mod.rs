//! The rules of this tree that the compiler does not know: who may depend on whom, where the clock is read, how long a
//! file may be. A rule of one line stands in the module that checks it.

mod dependencies;
mod manifest;
mod source;
mod text;

use std::fmt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::tree;

/// A breach of a rule, with how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// From 1.
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// What was found in a tree.
#[derive(Default)]
struct Report {
    /// What has to be mended.
    findings: Vec<Finding>,
    /// What is worth a look.
    hints: Vec<Finding>,
    /// How many files were looked at.
    files: usize,
}

/// Checks the tree and prints what was found.
pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let report = check(root)?;
    for hint in &report.hints {
        println!("hint: {hint}");
    }
    for finding in &report.findings {
        println!("{finding}");
    }
    Ok(match report.findings.len() {
        0 => {
            println!("{} files are tidy", report.files);
            ExitCode::SUCCESS
        }
        count => {
            println!("{count} to mend");
            ExitCode::FAILURE
        }
    })
}

fn check(root: &Path) -> Result<Report> {
    let mut report = Report::default();
    for package in tree::metadata(root)?.packages {
        let path = package.manifest_path.strip_prefix(root).unwrap_or(&package.manifest_path).display().to_string();
        let text = read(&package.manifest_path)?.unwrap_or_default();
        report.findings.extend(dependencies::check(&package, &path, &text));
        report.findings.extend(manifest::check(&path, &text));
    }
    for path in files(root)? {
        let Some(text) = read(&root.join(&path))? else { continue };
        report.files += 1;
        report.findings.extend(text::check(&path, &text));
        if Path::new(&path).extension().is_some_and(|extension| extension == "rs") {
            report.findings.extend(source::check(&path, &text));
            report.hints.extend(source::hint(&path, &text));
        }
    }
    report.findings.sort();
    Ok(report)
}

/// Files that are tracked or could be, relative to `root`.
fn files(root: &Path) -> Result<Vec<String>> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let output = Command::new("git").args(list).current_dir(root).output().context("cannot run git")?;
    ensure!(output.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// The text of a file; nothing for one that was deleted or is no text.
fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let findings = check(&tree::root()).unwrap().findings;
        let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert!(lines.is_empty(), "\n{}", lines.join("\n"));
    }

    #[test]
    fn a_finding_says_where() {
        assert_eq!(Finding::new("a/b.rs", 7, "too long").to_string(), "a/b.rs:7: too long");
    }
}
