//! The figures, as a table for people and as JSON for programs.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::Args;
use super::accounts::ACCOUNTS;
use super::drain::{Drained, per_second};
use super::latency::A_SECOND;
use super::stored::Checkpoints;
use super::taken::Taken;
use crate::bench::figures::{self, Line, figure, median, ratio, thousandths};

/// Everything that was measured.
pub(crate) struct Report {
    setting: String,
    pub(crate) drained: Vec<Drained>,
    pub(crate) copied: Vec<(u64, Duration)>,
    pub(crate) taken: Option<Taken>,
    pub(crate) by_accounts: [Vec<Drained>; 2],
    pub(crate) on_stored: Vec<Drained>,
    pub(crate) after_checkpoint: Option<Drained>,
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) with_standby: Vec<Drained>,
    /// The bound of the histogram that holds the 95th percentile, and thousandths within 250 ms.
    pub(crate) latency: Option<(String, u64)>,
}

impl Report {
    pub(crate) fn new(args: &Args) -> Self {
        let of = |what: Option<u32>| what.map_or("default".to_owned(), |number| number.to_string());
        let setting = format!(
            "{} messages of {} accounts, 5 operators, 1 % duplicates; {} rounds; PostgreSQL with fsync; {} NATS node(s), \
             written behind; workers {}, batch size {}",
            args.events,
            args.accounts,
            args.rounds,
            args.nats_nodes,
            of(args.workers),
            of(args.batch_size)
        );
        Self {
            setting,
            drained: Vec::new(),
            copied: Vec::new(),
            taken: None,
            by_accounts: [Vec::new(), Vec::new()],
            on_stored: Vec::new(),
            after_checkpoint: None,
            checkpoints: None,
            with_standby: Vec::new(),
            latency: None,
        }
    }

    /// The table.
    pub(crate) fn print(&self) {
        figures::print(&self.setting, &self.lines());
        if let Some((bound, _)) = &self.latency {
            println!("{:<52}{bound:>14} s", format!("P95 from published to committed at {A_SECOND}/s, at most"));
        }
    }

    /// Writes the JSON.
    pub(crate) fn save(&self, file: &Path) -> Result<()> {
        let lines: Vec<Value> = self.lines().iter().map(Line::json).collect();
        let rounds = |all: &[Drained]| all.iter().map(Drained::rate).collect::<Vec<_>>();
        let copied: Vec<u64> = self.copied.iter().map(|(rows, took)| per_second(*rows, *took)).collect();
        let value = json!({
            "setting": self.setting,
            "figures": lines,
            "rounds": {
                "events_per_second": rounds(&self.drained),
                "copy_rows_per_second": copied,
                "one_account": rounds(&self.by_accounts[0]),
                "many_accounts": rounds(&self.by_accounts[1]),
                "on_stored": rounds(&self.on_stored),
                "with_standby": rounds(&self.with_standby),
            },
            "p95_at_most_seconds": self.latency.as_ref().map(|(bound, _)| bound),
        });
        figures::save(&value, file)
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let rate = median(self.drained.iter().map(Drained::rate));
        lines.push(figure("end to end", rate, "events/s", Some(("≥ 80,000", rate >= 80_000))));
        let copy = median(self.copied.iter().map(|(rows, took)| per_second(*rows, *took)));
        lines.push(figure("COPY BINARY of the same rows", copy, "rows/s", None));
        let ratios = self.drained.iter().zip(&self.copied);
        let ratio = median(ratios.map(|(drained, (rows, took))| ratio(drained.rate(), per_second(*rows, *took))));
        lines.push(thousandths("ratio to COPY, in the same round", ratio, "", Some(("≥ 0.350", ratio >= 350))));
        costs(&mut lines, &self.drained);
        self.sizes(&mut lines);
        if let Some(taken) = &self.taken {
            lines.push(figure("taken and acknowledged, nothing else done", taken.rate(), "events/s", None));
            for (name, ms) in [("the client", taken.used.program_ms), ("NATS", taken.used.nats_ms)] {
                lines.push(seconds(&format!("of that, {name}"), ms * 1_000 / (taken.messages / 1_000).max(1)));
            }
        }
        if !self.by_accounts[0].is_empty() {
            for (accounts, all) in ACCOUNTS.into_iter().zip(&self.by_accounts) {
                let rate = median(all.iter().map(Drained::rate));
                lines.push(figure(&format!("{accounts} account(s)"), rate, "events/s", None));
                costs(&mut lines, all);
            }
            // Of the same round: a machine with neighbours is not as fast in the next.
            let pairs = || self.by_accounts[0].iter().zip(&self.by_accounts[1]);
            let cost = median(pairs().map(|(one, many)| figures::ratio(many.cost(), one.cost())));
            lines.push(thousandths("many accounts to one: cost", cost, "", Some(("≤ 1.200", cost <= 1_200))));
            let rate = median(pairs().map(|(one, many)| figures::ratio(many.rate(), one.rate())));
            lines.push(thousandths("many accounts to one: rate", rate, "", None));
        }
        if let Some((_, within)) = &self.latency {
            let name = format!("committed within 250 ms at {A_SECOND}/s");
            lines.push(thousandths(&name, *within, "", Some(("≥ 0.950", *within >= 950))));
        }
        self.on_stored(&mut lines, rate);
        if !self.with_standby.is_empty() {
            let there = median(self.with_standby.iter().map(Drained::rate));
            lines.push(figure("with a synchronous standby", there, "events/s", None));
            let ratio = figures::ratio(there, rate);
            lines.push(thousandths("  to without", ratio, "", Some(("≥ 0.600", ratio >= 600))));
            costs(&mut lines, &self.with_standby);
        }
        lines
    }

    /// Between two checkpoints, right after one, and over all that comes between one and the next at this rate.
    fn on_stored(&self, lines: &mut Vec<Line>, empty: u64) {
        let (Some(first), Some(checkpoints)) = (&self.after_checkpoint, &self.checkpoints) else { return };
        let to_empty = |lines: &mut Vec<Line>, rate: u64, wanted: Option<(&'static str, u64)>| {
            let ratio = ratio(rate, empty);
            lines.push(thousandths("  to empty", ratio, "", wanted.map(|(text, least)| (text, ratio >= least))));
        };
        let between = median(self.on_stored.iter().map(Drained::rate));
        let log = median(self.on_stored.iter().map(|one| one.used.wal_bytes / one.messages.max(1)));
        lines.push(figure("with so many stored, between checkpoints", between, "events/s", None));
        to_empty(lines, between, Some(("≥ 0.800", 800)));
        costs(lines, &self.on_stored);
        lines.push(figure("with so many stored, right after a checkpoint", first.rate(), "events/s", None));
        to_empty(lines, first.rate(), None);
        costs(lines, std::slice::from_ref(first));
        let events = (between * checkpoints.every.as_secs()).min(checkpoints.wal_bytes / log.max(1));
        let over = over_interval(events, first, between);
        lines.push(figure("so many come until the next checkpoint", events, "events", None));
        lines.push(figure("with so many stored, over that interval", over, "events/s", None));
        to_empty(lines, over, Some(("≥ 0.800", 800)));
    }

    /// Whatever was measured with ingest's own settings.
    fn all(&self) -> impl Iterator<Item = &Drained> {
        let beside = self.by_accounts.iter().flatten().chain(&self.on_stored).chain(&self.after_checkpoint);
        self.drained.iter().chain(beside).chain(&self.with_standby)
    }

    fn sizes(&self, lines: &mut Vec<Line>) {
        let bytes = |of: fn(&Drained) -> u64| median(self.drained.iter().map(|one| of(one) / one.messages.max(1)));
        for (name, value) in [
            ("events", bytes(|one| one.stored[0])),
            ("indexes of events", bytes(|one| one.stored[1])),
            ("claims", bytes(|one| one.stored[2])),
            ("index of claims", bytes(|one| one.stored[3])),
        ] {
            lines.push(figure(name, value, "bytes per event", None));
        }
        let peak = self.all().map(|one| one.peak_kib / 1_024).max().unwrap_or_default();
        lines.push(figure("most memory of ingest", peak, "MiB", Some(("≤ 128", peak <= 128))));
        let ready = self.drained.iter().map(|one| one.ready_after.as_millis()).max().unwrap_or_default();
        let ready = u64::try_from(ready).unwrap_or(u64::MAX);
        lines.push(figure("ready after", ready, "ms", Some(("≤ 2,000", ready <= 2_000))));
    }
}

/// What a measurement costs, each million or each event.
fn costs(lines: &mut Vec<Line>, all: &[Drained]) {
    let each = |of: fn(&Drained) -> u64| median(all.iter().map(|one| of(one) * 1_000 / (one.messages / 1_000).max(1)));
    for (name, value) in [
        ("ingest", each(|one| one.used.program_ms)),
        ("PostgreSQL", each(|one| one.used.postgres_ms)),
        ("NATS", each(|one| one.used.nats_ms)),
    ] {
        lines.push(seconds(&format!("  processor time, {name}"), value));
    }
    let log = median(all.iter().map(|one| one.used.wal_bytes / one.messages.max(1)));
    lines.push(figure("  write-ahead log", log, "bytes per event", None));
}

/// Events a second when the first of `events` come as slowly as right after a checkpoint, and the rest faster.
fn over_interval(events: u64, first: &Drained, between: u64) -> u64 {
    let rest = events.saturating_sub(first.messages);
    let took = first.took + Duration::from_micros(rest.saturating_mul(1_000_000) / between.max(1));
    if rest == 0 { first.rate() } else { per_second(events, took) }
}

fn seconds(name: &str, value: u64) -> Line {
    thousandths(name, value, "s per million events", None)
}
