//! A client whose types are made from the document that the API serves, compiled strictly, performing every operation.

use std::path::Path;

use anyhow::{Context, Result};
use tokio::process::Command;

use super::folder;
use super::world::Seed;
use crate::setup::ConformanceTools;
use crate::{exec, tree};

/// What is compiled; the rest of the client is made.
const SOURCES: [&str; 3] = ["package.json", "tsconfig.json", "perform.ts"];

/// Whether the client compiles and every operation succeeds.
pub(super) async fn perform(tools: &ConformanceTools, seed: &Seed) -> Result<bool> {
    let place = folder().join("client");
    std::fs::create_dir_all(&place).with_context(|| format!("cannot create {}", place.display()))?;
    for name in SOURCES {
        let source = tree::root().join("xtask/conformance").join(name);
        std::fs::copy(&source, place.join(name)).with_context(|| format!("cannot copy {}", source.display()))?;
    }
    let modules = place.join("node_modules");
    if !modules.exists() {
        let link = std::os::unix::fs::symlink(tools.client.join("node_modules"), &modules);
        link.with_context(|| format!("cannot link {}", modules.display()))?;
    }
    let asked = place.join("seed.json");
    std::fs::write(&asked, serde_json::to_vec_pretty(seed)?).context("cannot write what the client is told")?;
    let document = format!("{}/openapi.json", seed.url);
    let generator = modules.join("openapi-typescript/bin/cli.js");
    exec::output("openapi-typescript", node(tools, &place, &generator).args([&document, "-o", "schema.d.ts"])).await?;
    println!("client      its types are made from {document}");
    let compiler = modules.join("typescript/lib/tsc.js");
    let compiled = exec::on_terminal("tsc", node(tools, &place, &compiler).args(["--project", "."])).await?;
    if !compiled.success() {
        return Ok(false);
    }
    let program = place.join("out/perform.js");
    Ok(exec::on_terminal("the client", node(tools, &place, &program).arg(&asked)).await?.success())
}

fn node(tools: &ConformanceTools, place: &Path, program: &Path) -> Command {
    let mut command = Command::new(&tools.node);
    command.arg(program).current_dir(place);
    command
}
