//! Node's pdfkit, if Node is there: it draws the rows of the table by hand, in a font that every reader has. No tags, no
//! shaping, no embedded font, no chart: what others do for the least that looks like an invoice.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;
use tokio::process::Command;

use crate::bench::figures::median;
use crate::{exec, tree};

const VERSION: &str = "pdfkit@0.20.2";
const SCRIPT: &str = include_str!("pdfkit.js");

/// pdfkit in a folder of its own.
pub(crate) struct Pdfkit {
    folder: PathBuf,
}

#[derive(Deserialize)]
struct Drawn {
    us: Vec<u64>,
}

impl Pdfkit {
    /// Gets it from npm unless it is there already.
    ///
    /// # Errors
    /// Without Node, npm or their registry.
    pub(crate) async fn install() -> Result<Self> {
        let folder = tree::root().join("target/bench/pdfkit");
        exec::output("node", Command::new("node").arg("--version")).await?;
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let script = folder.join("draw.js");
        std::fs::write(&script, SCRIPT).with_context(|| format!("cannot write {}", script.display()))?;
        if !folder.join("node_modules/pdfkit").exists() {
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).arg(VERSION);
            exec::output("npm", &mut npm).await?;
        }
        Ok(Self { folder })
    }

    /// Microseconds a document for each number of rows.
    pub(crate) async fn measure(&self, documents: u32, sizes: &[u64]) -> Result<Vec<u64>> {
        let mut node = Command::new("node");
        node.arg(self.folder.join("draw.js")).arg(documents.to_string()).args(sizes.iter().map(u64::to_string));
        let said = exec::output("pdfkit", &mut node).await?;
        let drawn = said.lines().map(serde_json::from_str).collect::<Result<Vec<Drawn>, _>>();
        let drawn = drawn.context("cannot read the figures of pdfkit")?;
        Ok(drawn.into_iter().map(|drawn| median(drawn.us.into_iter())).collect())
    }
}
