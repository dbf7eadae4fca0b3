//! What is shown while the run goes on: a bar with its rate on a terminal, plain lines elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a plain line is printed, in steps.
const LINES: u64 = 10;

/// One bar, or lines on stderr.
pub(crate) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
}

impl Progress {
    /// Shows nothing when the report is for a machine.
    pub(crate) fn new(is_quiet: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal() && !is_quiet;
        let bar = ProgressBar::with_draw_target(
            None,
            if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() },
        );
        let style = ProgressStyle::with_template("{msg:>12} [{bar:32}] {pos}/{len} · {per_sec} · {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ "));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, is_terminal: is_terminal || is_quiet }
    }

    /// Usage that is still being recorded.
    pub(crate) fn waiting(&self, recorded: u64, total: u64) {
        self.bar.set_message("recording");
        self.bar.set_length(total);
        self.bar.set_position(recorded);
    }

    /// Begins with `total` invoices to issue, or whatever is done with them.
    pub(crate) fn begin(&self, to_do: &str, total: u64) {
        self.bar.reset();
        self.bar.set_message("invoices");
        self.bar.set_length(total);
        self.line(&format!("invoices to {to_do}: {total}"));
    }

    /// One invoice more is done with.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
        let (done, total) = (self.bar.position(), self.bar.length().unwrap_or_default());
        if done == total || done.is_multiple_of((total / LINES).max(1)) {
            let elapsed_ms = u64::try_from(self.bar.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
            self.line(&format!("{done} of {total} invoices, {}/s", done.saturating_mul(1000) / elapsed_ms));
        }
    }

    /// Something that a person should know at once.
    pub(crate) fn say(&self, text: &str) {
        if self.is_terminal { self.bar.println(text) } else { self.line(text) }
    }

    /// Clears the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &str) {
        if !self.is_terminal {
            // A log that cannot be written to is no reason not to bill.
            let _unwritten = writeln!(std::io::stderr(), "{text}");
        }
    }
}
