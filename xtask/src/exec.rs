//! Commands that run to their end: captured or on the terminal. When the future is dropped, the command and all its
//! children are stopped.

use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// Runs `command` silently; its standard output, or an error with the last line that it complained with.
pub(crate) async fn output(what: &str, command: &mut Command) -> Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (child, group) = start(what, command)?;
    let output = child.wait_with_output().await.with_context(|| format!("cannot wait for {what}"))?;
    group.finished();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let said = stderr.lines().chain(stdout.lines()).rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        bail!("{what} failed with {}: {}", output.status, said.trim());
    }
    Ok(stdout)
}

/// Runs `command` with its output on the terminal.
pub(crate) async fn on_terminal(what: &str, command: &mut Command) -> Result<ExitStatus> {
    command.stdin(Stdio::null());
    let (mut child, group) = start(what, command)?;
    let status = child.wait().await.with_context(|| format!("cannot wait for {what}"))?;
    group.finished();
    Ok(status)
}

/// Cargo as the developer would have started it, without what `cargo run` sets for this very program: some build scripts
/// look at these variables and would run again.
pub(crate) fn cargo(root: &std::path::Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

fn start(what: &str, command: &mut Command) -> Result<(Child, Group)> {
    let child = command.process_group(0).spawn().with_context(|| format!("cannot run {what}"))?;
    let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    Ok((child, Group(leader)))
}

/// A running process group, stopped on drop.
struct Group(Option<Pid>);

impl Group {
    fn finished(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            let _already_gone = kill_process_group(leader, Signal::TERM);
        }
    }
}
