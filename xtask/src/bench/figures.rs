//! Figures of a measurement: a table for people, JSON for programs. What is measured is decided elsewhere.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// One line of the table: what, how much, of what unit, what is wanted, and whether it holds.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) value: u64,
    /// Decimals of `value`.
    pub(crate) decimals: u32,
    pub(crate) unit: &'static str,
    pub(crate) wanted: Option<(&'static str, bool)>,
}

impl Line {
    /// The line as JSON has it.
    pub(crate) fn json(&self) -> Value {
        json!({ "name": self.name, "value": decimal(self.value, self.decimals), "unit": self.unit,
            "wanted": self.wanted.map(|(text, _)| text), "holds": self.wanted.map(|(_, holds)| holds) })
    }
}

/// A whole number.
pub(crate) fn figure(name: &str, value: u64, unit: &'static str, wanted: Option<(&'static str, bool)>) -> Line {
    Line { name: name.to_owned(), value, decimals: 0, unit, wanted }
}

/// A number in thousandths.
pub(crate) fn thousandths(name: &str, value: u64, unit: &'static str, wanted: Option<(&'static str, bool)>) -> Line {
    Line { name: name.to_owned(), value, decimals: 3, unit, wanted }
}

/// Prints the table.
pub(crate) fn print(setting: &str, lines: &[Line]) {
    println!("\n{setting}\n");
    for line in lines {
        let wanted = line.wanted.map(|(text, holds)| format!("{} {text}", if holds { "✓" } else { "✗" }));
        let value = decimal(line.value, line.decimals);
        println!("{:<52}{value:>14} {:<22}{}", line.name, line.unit, wanted.unwrap_or_default());
    }
}

/// Prints the table and writes it as JSON.
pub(crate) fn tell(setting: &str, lines: &[Line], file: &Path) -> Result<()> {
    print(setting, lines);
    let lines: Vec<Value> = lines.iter().map(Line::json).collect();
    save(&json!({ "setting": setting, "figures": lines }), file)
}

/// Writes the JSON.
pub(crate) fn save(value: &Value, file: &Path) -> Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let text = serde_json::to_string_pretty(value).context("cannot encode the figures")? + "\n";
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    println!("\n{}", file.display());
    Ok(())
}

/// In thousandths.
pub(crate) fn ratio(of: u64, to: u64) -> u64 {
    of.saturating_mul(1_000) / to.max(1)
}

/// The upper one of two in the middle; 0 of none.
pub(crate) fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// `value` with so many decimals.
pub(crate) fn decimal(value: u64, decimals: u32) -> String {
    let scale = 10_u64.pow(decimals);
    match decimals {
        0 => value.to_string(),
        _ => format!("{}.{:0>width$}", value / scale, value % scale, width = usize::try_from(decimals).unwrap_or(3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_without_floats() {
        for (value, decimals, expected) in [(80_123, 0, "80123"), (412, 3, "0.412"), (12_034, 3, "12.034")] {
            assert_eq!(decimal(value, decimals), expected);
        }
        assert_eq!(median([3, 1, 2].into_iter()), 2);
        assert_eq!(ratio(7, 20), 350);
    }
}
