//! `xtask sample-invoice`: the sample invoices of `billing-typst` as PDF files, and each page as a picture, to be looked at.
//! Decides nothing about how they look.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::{exec, tree};

/// Dots an inch of a page's picture.
const SHARPNESS: &str = "90";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the files go.
    #[arg(default_value = "target/samples")]
    folder: PathBuf,
}

/// Renders them.
pub(crate) async fn run(args: &Args) -> Result<()> {
    let root = tree::root();
    let folder = root.join(&args.folder);
    let mut command = exec::cargo(&root);
    command.args(["run", "--quiet", "-p", "billing-typst", "--example", "sample_invoice", "--"]).arg(&folder);
    ensure!(exec::on_terminal("the samples", &mut command).await?.success(), "the samples cannot be rendered");
    if exec::output("pdftoppm", Command::new("pdftoppm").arg("-v")).await.is_err() {
        println!("no pictures of the pages: install pdftoppm, for example by `apt-get install poppler-utils`");
    } else {
        for document in documents(&folder)? {
            let mut picture = Command::new("pdftoppm");
            picture.args(["-png", "-r", SHARPNESS]).arg(&document).arg(document.with_extension(""));
            exec::output("pdftoppm", &mut picture).await?;
        }
    }
    println!("{}", folder.display());
    Ok(())
}

fn documents(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let files = entries.flatten().map(|entry| entry.path());
    Ok(files.filter(|path| path.extension().is_some_and(|extension| extension == "pdf")).collect())
}
