//! What the audience sees: numbered steps, bars with rates, ticks and crosses. It decides nothing about what is true.
//!
//! Where no one watches (a pipe, a build server) the same story is told in plain lines.

use std::io::{IsTerminal, stderr, stdout};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// Steps of the whole story.
const STEPS: usize = 11;
/// How often a bar becomes a line where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How often the rate beside a bar is written anew.
const RATE_EVERY: Duration = Duration::from_millis(250);
const WIDTH: usize = 100;

/// Where the story is told, what has been found true so far, and how long each step took.
pub(crate) struct Screen {
    terminal: bool,
    colour: bool,
    begun: Instant,
    steps: Vec<(String, Instant)>,
    crosses: Vec<String>,
    ticks: usize,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let terminal = stdout().is_terminal() && stderr().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none();
        Self { terminal, colour, begun: Instant::now(), steps: Vec::new(), crosses: Vec::new(), ticks: 0 }
    }

    /// Begins the next step.
    pub(crate) fn step(&mut self, title: &str) {
        self.steps.push((title.to_owned(), Instant::now()));
        let head = format!("{}/{STEPS}  {title} ", self.steps.len());
        let rule = "─".repeat(WIDTH.saturating_sub(head.chars().count()));
        println!("\n{}{}", self.paint("1", &head), self.paint("2", &rule));
    }

    /// Says something.
    pub(crate) fn say(&self, text: &str) {
        println!("{text}");
    }

    /// Says whether something that must hold does, and remembers it.
    pub(crate) fn check(&mut self, holds: bool, what: &str) {
        println!("{} {what}", self.mark(holds));
        self.note(holds, what);
    }

    /// Remembers what was said elsewhere.
    pub(crate) fn note(&mut self, holds: bool, what: &str) {
        if holds {
            self.ticks += 1;
        } else {
            self.crosses.push(what.to_owned());
        }
    }

    /// A tick or a cross.
    pub(crate) fn mark(&self, holds: bool) -> String {
        if holds { self.paint("32", "✓") } else { self.paint("1;31", "✗") }
    }

    /// In bold, where that is possible.
    pub(crate) fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    /// How many things were found true, and all that were not.
    pub(crate) fn verdict(&self) -> (usize, &[String]) {
        (self.ticks, &self.crosses)
    }

    /// What has passed since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Each step with the time it took; the last one until now.
    pub(crate) fn times(&self) -> Vec<(String, Duration)> {
        let ends = self.steps.iter().skip(1).map(|(_, begun)| *begun).chain([Instant::now()]);
        self.steps.iter().zip(ends).map(|((title, begun), end)| (title.clone(), end.duration_since(*begun))).collect()
    }

    /// A bar that runs from `base` to about `length`.
    pub(crate) fn bar(&self, what: &'static str, base: u64, length: u64) -> Bar {
        let shown = self.terminal.then(|| {
            let bar = ProgressBar::new(length).with_message(what).with_finish(ProgressFinish::AndClear);
            let style = ProgressStyle::with_template("{msg:<11} [{bar:44}] {human_pos} of {human_len}  {prefix}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏ "));
            bar.set_position(base);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let now = Instant::now();
        Bar { what, base, length, shown, begun: now, told: now, position: base }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Progress of one thing.
pub(crate) struct Bar {
    what: &'static str,
    base: u64,
    length: u64,
    shown: Option<ProgressBar>,
    begun: Instant,
    told: Instant,
    position: u64,
}

impl Bar {
    /// How far it is.
    pub(crate) fn set(&mut self, position: u64) {
        self.position = position;
        let rate_every = if self.shown.is_some() { RATE_EVERY } else { LINE_EVERY };
        let is_due = self.told.elapsed() >= rate_every;
        if is_due {
            self.told = Instant::now();
        }
        match &self.shown {
            Some(bar) => {
                bar.set_position(position);
                if is_due {
                    bar.set_prefix(format!("{}/s", count(self.rate())));
                }
            }
            None if is_due => self.print(&format!("{} of {}", count(position), count(self.length))),
            None => {}
        }
    }

    /// Since it began, a second.
    fn rate(&self) -> u64 {
        rate(self.position.saturating_sub(self.base), self.begun.elapsed())
    }

    /// Ends it, and leaves one line of it; the time it took.
    pub(crate) fn done(self) -> Duration {
        let took = self.begun.elapsed();
        if let Some(bar) = &self.shown {
            bar.finish_and_clear();
        }
        self.print(&count(self.position));
        took
    }

    fn print(&self, done: &str) {
        println!("{:<11} {done} in {}, {}/s", self.what, seconds(self.begun.elapsed()), count(self.rate()));
    }
}

/// How many a second.
pub(crate) fn rate(number: u64, took: Duration) -> u64 {
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    number.saturating_mul(1_000) / millis
}

/// Such as `3.2 s`.
pub(crate) fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

/// Such as `1,234,567`.
pub(crate) fn count<N: Copy + ToString>(number: N) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// An amount of `decimals` decimals with groups: `12,345.678900`.
pub(crate) fn amount(units: i128, decimals: usize) -> String {
    let (sign, digits) = (if units < 0 { "-" } else { "" }, format!("{:0>1$}", units.unsigned_abs(), decimals + 1));
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    format!("{sign}{}.{fraction}", count(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_read_them() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (-123_456, "-123,456"), (1_234_567, "1,234,567")]
        {
            assert_eq!(count(number), expected);
        }
        for (units, decimals, expected) in
            [(0, 6, "0.000000"), (5, 2, "0.05"), (-5, 2, "-0.05"), (12_345_678_900, 6, "12,345.678900")]
        {
            assert_eq!(amount(units, decimals), expected);
        }
        assert_eq!(rate(5_000, Duration::from_millis(2_000)), 2_500);
    }
}
