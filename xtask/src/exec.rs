//! Commands that run to their end: captured or on the terminal. When the future is dropped, the command and all its
//! children are stopped.

use std::io::Write;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
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

/// Likewise, and keeps what is printed in `file`, as it comes. What is printed cannot see that there is a terminal.
pub(crate) async fn on_terminal_and_in(what: &str, command: &mut Command, file: &Path) -> Result<ExitStatus> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (mut child, group) = start(what, command)?;
    let kept = std::fs::File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let (printed, complained) = (child.stdout.take(), child.stderr.take());
    let printed = hand_on(printed, std::io::stdout(), &kept);
    let complained = hand_on(complained, std::io::stderr(), &kept);
    let (printed, complained, status) = tokio::join!(printed, complained, child.wait());
    printed.and(complained).with_context(|| format!("cannot print what {what} prints"))?;
    let status = status.with_context(|| format!("cannot wait for {what}"))?;
    group.finished();
    Ok(status)
}

async fn hand_on(
    from: Option<impl AsyncRead + Unpin>,
    mut to: impl Write,
    mut kept: &std::fs::File,
) -> std::io::Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        kept.write_all(&bytes[..count])?;
        to.write_all(&bytes[..count])?;
        to.flush()?;
    }
}

/// Cargo as the developer would have started it, without what `cargo run` sets for this very program: some build scripts
/// look at these variables and would run again.
pub(crate) fn cargo(root: &Path) -> Command {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_printed_is_kept() {
        let file = std::env::temp_dir().join(format!("billing-exec-{}", uuid::Uuid::new_v4().simple()));
        let mut command = Command::new("sh");
        command.args(["-c", "echo planted; echo complained >&2; exit 3"]);
        let status = on_terminal_and_in("sh", &mut command, &file).await.unwrap();
        let kept = std::fs::read_to_string(&file).unwrap();
        assert!(status.code() == Some(3) && kept.contains("planted\n") && kept.contains("complained\n"), "{kept}");
        std::fs::remove_file(file).unwrap();
    }
}
