//! The repository speaks of itself alone: no paths of one machine, no registry's hosts.

use super::Finding;

/// Written in two halves, so that this list does not find itself.
const FOREIGN: [(&str, &str); 9] = [
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("index.cr", "ates.io"),
    ("static.cr", "ates.io"),
    ("py", "pi.org"),
    ("python", "hosted.org"),
    ("registry.np", "mjs.org"),
    ("deb.deb", "ian.org"),
    ("/artif", "actory/"),
];

/// Checks any text file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let foreign: Vec<String> = FOREIGN.iter().map(|(one, two)| format!("{one}{two}")).collect();
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(word) = foreign.iter().find(|word| line.contains(word.as_str())) {
            let what = format!("`{word}` belongs to one machine or registry: say it without");
            findings.push(Finding::new(path, number, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_words() {
        for (one, two) in FOREIGN {
            let text = format!("first\nsee {one}{two}x\n");
            let found = check("README.md", &text);
            assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2], "{text}");
        }
        for text in ["a framework/x", "https://github.com/rust-lang/crates.io-index", "work/", "", "the root/"] {
            assert_eq!(check("README.md", text), [], "{text}");
        }
    }
}
