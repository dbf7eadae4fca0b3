//! The table of the README, "Which test says which rule", names tests that exist.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// The names of all functions of the Rust files below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_rule_names_its_tests() {
    let readme = fs::read_to_string(Path::new(CRATE).join("README.md")).unwrap();
    let (_, table) = readme.split_once("|---|---|\n").expect("the README has one table");
    let mut known = BTreeSet::new();
    for folder in ["crates", "bin"] {
        functions(&Path::new(CRATE).join("../..").join(folder), &mut known);
    }
    for row in table.lines() {
        let (_, tests) = row.trim_end_matches('|').rsplit_once('|').expect("a row has two cells");
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test: {row}");
        for test in named {
            assert!(known.contains(test), "{test} is not there: {row}");
        }
    }
}
