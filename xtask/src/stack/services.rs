//! The service's own processes: built, migrated, started with exactly the variables of the env file.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tokio::process::Command;

use super::site::{Site, image};
use super::{http, info, keys};
use crate::{exec, tree};

/// Builds the binaries, with cargo's progress on the terminal; the folder they are in.
pub(crate) async fn build(root: &Path) -> Result<PathBuf> {
    let mut command = exec::cargo(root);
    // By binary and not by package: so cargo takes the features of the whole workspace, as the tests do, and builds what
    // all of them need once.
    command.args(["build", "--bin", "api", "--bin", "ingest", "--bin", "invoice-cron"]);
    if !exec::on_terminal("cargo build", &mut command).await?.success() {
        bail!("the binaries do not build; a stack that was up before is as it was");
    }
    tree::binaries(root)
}

/// Writes the key pair and the env file and migrates the database.
pub(crate) async fn migrate(site: &Site, binaries: &Path) -> Result<()> {
    keys::ensure_in(&site.dir)?;
    let variables = info::variables(site);
    super::state::write_private(&site.dir.join("env"), info::env_file(&variables)?.as_bytes())?;
    let mut command = Command::new(binaries.join("api"));
    command.arg("migrate").env_clear().envs(variables).current_dir(&site.dir);
    exec::output("api migrate", &mut command).await?;
    Ok(())
}

/// Starts `name` (api or ingest) unless the same build runs already. True if it had to be started.
pub(crate) async fn start(site: &Site, binaries: &Path, name: &str) -> Result<bool> {
    let program = binaries.join(name);
    let variables = info::variables(site);
    let image = format!("{} {}", image(&program)?, info::env_file(&variables)?);
    let command = || {
        let mut command = Command::new(&program);
        command.env_clear().envs(variables).current_dir(&site.dir);
        Ok(command)
    };
    let health = format!("http://{}/health/ready", site.address(name));
    site.ensure(name, &image, command, async || http::is_ok(&health).await).await
}
