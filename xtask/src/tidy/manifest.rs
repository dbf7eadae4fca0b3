//! Every version stands once, in the workspace's `Cargo.toml`, and every member takes the workspace's lints.

use super::Finding;

/// Checks the text of a member's `Cargo.toml`.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut section = "";
    let mut lints = false;
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = header;
            if is_dependencies(header.rsplit_once('.').map_or("", |(before, _)| before)) {
                findings.push(Finding::new(path, number, "write the dependency in one line: `name.workspace = true`"));
            }
        } else if is_dependencies(section) && !takes_workspace(line) {
            let what = "name the version once in [workspace.dependencies] and write `name.workspace = true` here";
            findings.push(Finding::new(path, number, what));
        } else if section == "lints" && line == "workspace = true" {
            lints = true;
        }
    }
    if !lints {
        findings.push(Finding::new(path, 1, "add a section [lints] with `workspace = true`"));
    }
    findings
}

fn is_dependencies(section: &str) -> bool {
    let last = section.rsplit('.').next().unwrap_or_default();
    ["dependencies", "dev-dependencies", "build-dependencies"].contains(&last)
}

fn takes_workspace(line: &str) -> bool {
    let Some((name, value)) = line.split_once('=') else { return false };
    let value: String = value.split_whitespace().collect();
    match name.trim().ends_with(".workspace") {
        true => value == "true",
        false => value.starts_with("{workspace=true") || value.contains(",workspace=true"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests() {
        let lints = "[lints]\nworkspace = true\n";
        let check = |text: &str, lines: &[usize]| {
            let found: Vec<usize> = check("x", &format!("{lints}{text}")).iter().map(|finding| finding.line).collect();
            assert_eq!(found, lines, "{text}");
        };
        check("[dependencies]\nserde.workspace = true\n# c = \"1\"\n\n", &[]);
        check("[dependencies]\nserde = { workspace = true, features = [\"rc\"] }\n", &[]);
        check("[dependencies]\nserde = { features = [\"rc\"], workspace = true }\n", &[]);
        check("[dependencies]\nserde = \"1\"\n", &[4]);
        check("[dependencies]\nserde.workspace = false\n", &[4]);
        check("[dev-dependencies]\nserde = { version = \"1\" }\n", &[4]);
        check("[target.'cfg(unix)'.dependencies]\na.workspace = true\nserde = { path = \"../serde\" }\n", &[5]);
        check("[dependencies.serde]\nversion = \"1\"\n", &[3]);
        check("[package]\nversion.workspace = true\nname = \"x\"\n[features]\na = []\n", &[]);
    }

    #[test]
    fn lints_are_the_workspaces() {
        for text in ["", "[lints]\n", "[lints.rust]\nworkspace = true\n", "[lints]\nworkspace = false\n"] {
            assert_eq!(check("x", text).len(), 1, "{text}");
        }
    }
}
