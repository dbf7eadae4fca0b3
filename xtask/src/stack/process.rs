//! Which process is ours, whether it lives, and how it is stopped. A process is known by its number *and* its start, so
//! that a stranger who got the number later is never taken for it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};

/// One process of one boot of this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Clock ticks from the machine's boot to the process's start.
    started: u64,
    boot: String,
}

impl Process {
    /// The process that has the number `pid` now.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let stat =
            fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("cannot read /proc/{pid}/stat"))?;
        let Some((_, started)) = parse_stat(&stat) else { bail!("cannot understand /proc/{pid}/stat") };
        Ok(Self { pid, started, boot: boot()? })
    }

    /// Whether it still runs; one that ended and was not yet collected by its parent does not.
    pub(crate) fn is_alive(&self) -> bool {
        let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", self.pid)) else { return false };
        let running = parse_stat(&stat).is_some_and(|(state, started)| state != 'Z' && started == self.started);
        running && boot().is_ok_and(|boot| boot == self.boot)
    }

    /// Sends `polite`, waits up to `patience`, and ends its whole group by force if that did not do.
    pub(crate) async fn stop(&self, polite: Signal, patience: Duration) -> Result<()> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
        if !self.is_alive() {
            return Ok(());
        }
        if let Err(error) = kill_process(pid, polite)
            && self.is_alive()
        {
            return Err(error).with_context(|| format!("cannot stop process {}", self.pid));
        }
        // One that was suspended hears nothing before it is woken.
        let _already_gone = kill_process(pid, Signal::CONT);
        if self.gone_within(patience).await {
            return Ok(());
        }
        let _already_gone = kill_process_group(pid, Signal::KILL);
        if !self.gone_within(Duration::from_secs(5)).await {
            bail!("process {} does not end even by SIGKILL", self.pid);
        }
        Ok(())
    }

    async fn gone_within(&self, patience: Duration) -> bool {
        becomes_true(patience, || !self.is_alive()).await
    }
}

/// Whether `condition` holds at once or within `patience`.
pub(crate) async fn becomes_true(patience: Duration, condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}

/// Whether any living process works in the folder `dir`.
pub(crate) fn any_in(dir: &Path) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    // A process that has ended has no folder any more, even if its parent did not collect it yet.
    processes.into_iter().any(|process| fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == dir))
}

/// State and start from a line of `/proc/<pid>/stat`, see proc(5). The name in parentheses may hold anything.
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

fn boot() -> Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines() {
        let tail = "1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 2 3";
        for (stat, expected) in [
            (format!("7 (api) S {tail}"), Some(('S', 4711))),
            (format!("7 (a) Z 9 ) b) R {tail}"), Some(('R', 4711))),
            ("7 (api) S 1 2".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(parse_stat(&stat), expected, "{stat}");
        }
    }

    #[test]
    fn a_process_is_not_its_number_alone() {
        let own = Process::of(std::process::id()).unwrap();
        assert!(own.is_alive());
        assert!(!Process { started: own.started + 1, ..own.clone() }.is_alive());
        assert!(!Process { boot: "another".into(), ..own }.is_alive());
    }

    #[test]
    fn processes_of_a_folder() {
        assert!(any_in(&std::env::current_dir().unwrap()));
        assert!(!any_in(Path::new("/no/such/folder")));
    }

    #[tokio::test]
    async fn a_stranger_with_the_number_is_left_alone() {
        let mut child = tokio::process::Command::new("sleep").arg("60").kill_on_drop(true).spawn().unwrap();
        let real = Process::of(child.id().unwrap()).unwrap();
        let earlier = Process { started: real.started - 1, ..real.clone() };
        earlier.stop(Signal::KILL, Duration::from_secs(5)).await.unwrap();
        assert!(real.is_alive());
        real.stop(Signal::TERM, Duration::from_secs(5)).await.unwrap();
        assert!(!child.wait().await.unwrap().success());
    }
}
