//! What work costs: processor time and memory from `/proc`, log and table bytes from PostgreSQL.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use tokio_postgres::Client;

/// Clock ticks of `/proc` in a second: 100 on every Linux, see proc(5) and `getconf CLK_TCK`.
const TICK_MILLIS: u64 = 10;

/// Processor time in milliseconds, and bytes of PostgreSQL, at one moment or between two.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Reading {
    pub(crate) program_ms: u64,
    pub(crate) postgres_ms: u64,
    pub(crate) nats_ms: u64,
    pub(crate) wal_bytes: u64,
}

impl Reading {
    /// What has been used since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            program_ms: self.program_ms.saturating_sub(before.program_ms),
            postgres_ms: self.postgres_ms.saturating_sub(before.postgres_ms),
            nats_ms: self.nats_ms.saturating_sub(before.nats_ms),
            wal_bytes: self.wal_bytes.saturating_sub(before.wal_bytes),
        }
    }
}

/// Reads everything now. `servers` are the processes of the stack by name.
pub(crate) async fn read(servers: &BTreeMap<String, u32>, ingest: Option<u32>, database: &Client) -> Result<Reading> {
    let mut reading = Reading { wal_bytes: wal_bytes(database).await?, ..Reading::default() };
    for (name, pid) in servers {
        match name.as_str() {
            "postgres" | "replica" => reading.postgres_ms += family_ms(*pid)?,
            name if name.starts_with("nats") => reading.nats_ms += own_ms(*pid)?,
            _ => {}
        }
    }
    if let Some(ingest) = ingest {
        reading.program_ms = own_ms(ingest)?;
    }
    Ok(reading)
}

/// The most memory that a process ever had resident.
pub(crate) fn peak_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("cannot read the process's status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().strip_suffix("kB")?.trim().parse().ok()).context("no peak of memory is told")
}

async fn wal_bytes(database: &Client) -> Result<u64> {
    let row = database.query_one("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint", &[]).await;
    let bytes: i64 = row.context("cannot ask how long the log is")?.get(0);
    u64::try_from(bytes).context("a log of negative length")
}

/// Processor time of a process.
pub(crate) fn own_ms(pid: u32) -> Result<u64> {
    let times = times(pid).with_context(|| format!("process {pid} is gone"))?;
    Ok((times.user + times.system) * TICK_MILLIS)
}

/// Processor time of a process, its living children, and those that it has collected.
pub(crate) fn family_ms(pid: u32) -> Result<u64> {
    let parent = times(pid).with_context(|| format!("process {pid} is gone"))?;
    let mut ticks = parent.user + parent.system + parent.collected;
    for entry in fs::read_dir("/proc").context("cannot read /proc")?.flatten() {
        let Some(other) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        ticks += times(other).filter(|times| times.parent == pid).map_or(0, |times| times.user + times.system);
    }
    Ok(ticks * TICK_MILLIS)
}

struct Times {
    parent: u32,
    user: u64,
    system: u64,
    collected: u64,
}

fn times(pid: u32) -> Option<Times> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the parent follows the state, the times are fields 14 to 17.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let collected = number(13)? + number(14)?;
    Some(Times { parent: u32::try_from(number(1)?).ok()?, user: number(11)?, system: number(12)?, collected })
}
