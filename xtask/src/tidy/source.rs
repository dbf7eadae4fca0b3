//! Rules of a Rust file: what it begins with, how long it is, what it is called, and what may stand in one file only.

use std::ops::Range;
use std::path::Path;

use super::Finding;

const LINES_SOFT: usize = 300;
const LINES_HARD: usize = 500;

/// Names that say nothing.
const NAMES: [&str; 9] =
    ["utils", "util", "common", "helpers", "helper", "misc", "manager", "managers", "miscellaneous"];

/// What may stand in one file only. Tests and these commands are free.
const ONCE: [Once; 2] = [
    Once {
        words: &["Timestamp::now(", "SystemTime::now(", "Utc::now(", "Local::now(", "Zoned::now(", "::now_utc("],
        file: "crates/billing-runtime/src/clock.rs",
        instead: "take the time from the clock port",
    },
    Once {
        words: &[".transaction(", "build_transaction(", "begin_transaction", "\"BEGIN"],
        file: "crates/billing-postgres/src/transaction.rs",
        instead: "run it as a named transaction",
    },
];

struct Once {
    words: &'static [&'static str],
    file: &'static str,
    instead: &'static str,
}

/// What may stand nowhere; in two halves, so that this list does not find itself.
const NEVER: [(&str, &str, &str); 2] = [
    ("#[ign", "ore", "a test that does not run is none: mend or remove it"),
    ("tod", "o!(", "finish it, or leave it out"),
];

/// Checks one Rust file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        findings.push(Finding::new(path, 1, "begin with `//!`: what the module decides and what it does not"));
    }
    for name in Path::new(path).components().filter_map(|part| Path::new(part.as_os_str()).file_stem()?.to_str()) {
        if NAMES.contains(&name) {
            findings.push(Finding::new(path, 1, nameless(name)));
        }
    }
    let length = production_lines(path, text);
    if length > LINES_HARD {
        let what = format!("{length} lines without tests, at most {LINES_HARD}: split it by what it decides");
        findings.push(Finding::new(path, 1, what));
    }
    let tests = test_lines(text);
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        if let Some(name) = module_name(code).filter(|name| NAMES.contains(name)) {
            findings.push(Finding::new(path, number, nameless(name)));
        }
        for (one, two, instead) in NEVER {
            if code.contains(&format!("{one}{two}")) {
                findings.push(Finding::new(path, number, format!("`{one}{two}`: {instead}")));
            }
        }
        if !is_free(path) && !tests.contains(&number) {
            findings.extend(once(path, number, code));
        }
    }
    findings
}

/// A word about a file that grows long.
pub(super) fn hint(path: &str, text: &str) -> Option<Finding> {
    let length = production_lines(path, text);
    let long = (LINES_SOFT + 1..=LINES_HARD).contains(&length);
    long.then(|| Finding::new(path, 1, format!("{length} lines without tests; {LINES_SOFT} are enough for most")))
}

fn nameless(name: &str) -> String {
    format!("`{name}` says nothing: name the module by what it decides")
}

fn once(path: &str, number: usize, code: &str) -> Option<Finding> {
    let rule = ONCE.iter().find(|rule| rule.file != path && rule.words.iter().any(|word| code.contains(word)))?;
    Some(Finding::new(path, number, format!("this stands only in {}: {}", rule.file, rule.instead)))
}

/// Tests and the developer's commands.
fn is_free(path: &str) -> bool {
    path.starts_with("xtask/") || is_test_file(path)
}

fn is_test_file(path: &str) -> bool {
    let parts = Path::new(path).components();
    parts.filter_map(|part| Path::new(part.as_os_str()).file_stem()?.to_str()).any(|part| part == "tests")
}

fn production_lines(path: &str, text: &str) -> usize {
    if is_test_file(path) { 0 } else { text.lines().count() - test_lines(text).len() }
}

/// The lines of the module of tests inside a file, counted from 1.
fn test_lines(text: &str) -> Range<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let begins = |at: &usize| lines[*at] == "#[cfg(test)]" && lines.get(at + 1).is_some_and(|next| next.ends_with('{'));
    let Some(first) = (0..lines.len()).find(begins) else { return 0..0 };
    let end = (first..lines.len()).find(|at| lines[*at] == "}").map_or(lines.len(), |last| last + 1);
    first + 1..end + 1
}

fn module_name(code: &str) -> Option<&str> {
    let mut words = code.split_whitespace();
    words.find(|word| *word == "mod")?;
    words.next().map(|name| name.trim_end_matches([';', '{']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "crates/billing-redis/src/snapshot.rs";

    #[track_caller]
    fn finds(path: &str, text: &str, expected: &[(usize, &str)]) {
        let found = check(path, text);
        let lines: Vec<usize> = found.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, expected.iter().map(|(line, _)| *line).collect::<Vec<_>>(), "{path}\n{text}\n{found:?}");
        for (finding, (_, word)) in found.iter().zip(expected) {
            assert!(finding.what.contains(word), "{finding}");
        }
    }

    #[test]
    fn the_first_line() {
        finds(PATH, "//! Says it.\n", &[]);
        finds(PATH, "use a;\n//! Late.\n", &[(1, "begin with")]);
        finds(PATH, "", &[(1, "begin with")]);
    }

    #[test]
    fn names_that_say_nothing() {
        finds("crates/x/src/utils.rs", "//! x\n", &[(1, "`utils`")]);
        finds("crates/x/tests/common/mod.rs", "//! x\n", &[(1, "`common`")]);
        finds(PATH, "//! x\nmod helpers;\npub(crate) mod misc {}\n", &[(2, "`helpers`"), (3, "`misc`")]);
        finds(PATH, "//! x\nmod common_currency;\n// mod helpers;\n", &[]);
    }

    #[test]
    fn length_without_tests() {
        let code = |lines: usize| format!("//! x\n{}", "x();\n".repeat(lines - 1));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    x();\n".repeat(400));
        finds(PATH, &code(500), &[]);
        finds(PATH, &code(501), &[(1, "501 lines")]);
        finds(PATH, &(code(500) + &tests), &[]);
        finds(PATH, &(code(400) + &tests + &"x();\n".repeat(101)), &[(1, "501 lines")]);
        finds("crates/x/tests/it.rs", &code(501), &[]);
        for (lines, hinted) in [(300, false), (301, true), (500, true), (501, false)] {
            assert_eq!(hint(PATH, &code(lines)).is_some(), hinted, "{lines}");
        }
    }

    #[test]
    fn what_stands_in_one_file_only() {
        for word in ONCE.iter().flat_map(|rule| rule.words) {
            let text = format!("//! x\n    let a = b{word}c);\n");
            finds(PATH, &text, &[(2, "only in")]);
            for free in
                ["xtask/src/token.rs", "crates/x/tests/it.rs", "crates/x/src/tests.rs", "crates/x/src/tests/y.rs"]
            {
                finds(free, &text, &[]);
            }
        }
        for rule in &ONCE {
            finds(rule.file, &format!("//! x\n{}\n", rule.words[0]), &[]);
        }
        finds(ONCE[0].file, &format!("//! x\n{}\n", ONCE[1].words[0]), &[(2, "only in")]);
        finds(PATH, "//! x\n// Timestamp::now() is read elsewhere\nlet a = Instant::now();\n", &[]);
        finds(PATH, "//! x\n#[cfg(test)]\nmod tests {\n    Timestamp::now();\n}\nUtc::now();\n", &[(6, "only in")]);
    }

    #[test]
    fn what_stands_nowhere() {
        for (one, two, _) in NEVER {
            let text = format!("//! x\n#[cfg(test)]\nmod tests {{\n    {one}{two}x)]\n}}\n");
            finds(PATH, &text, &[(4, one)]);
            finds("xtask/src/tests.rs", &text, &[(4, one)]);
        }
    }
}
