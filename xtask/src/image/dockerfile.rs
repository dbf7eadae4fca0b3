//! Whether the Dockerfile still fits the workspace: every manifest in the layer of dependencies, every program built, stripped
//! and copied, the toolchain that is pinned, the user that the chart runs as.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{BINARY, PROGRAMS};
use crate::tree;

/// The user of the image, and of the chart.
const USER: &str = "65532";

/// One instruction, its lines joined.
#[derive(Debug, PartialEq, Eq)]
struct Instruction<'a> {
    name: &'a str,
    rest: String,
}

/// What does not fit, a line each.
pub(super) fn findings(root: &Path) -> Result<Vec<String>> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"));
    let (dockerfile, ignored) = (read("Dockerfile")?, read(".dockerignore")?);
    let mut found = of_text(&dockerfile, &ignored, &manifests(root)?, &toolchain(&read("rust-toolchain.toml")?));
    if !read("helm/billing-service/values.yaml")?.lines().any(|line| line == format!("runAsUser: {USER}")) {
        found.push(format!("the chart does not run as the image's user {USER}"));
    }
    found.extend(layer_of_dependencies(root, &dockerfile)?);
    Ok(found)
}

fn manifests(root: &Path) -> Result<Vec<String>> {
    let packages = tree::metadata(root)?.packages;
    let relative = packages.iter().filter_map(|package| package.manifest_path.strip_prefix(root).ok());
    Ok(relative.map(|path| path.display().to_string()).collect())
}

fn toolchain(text: &str) -> String {
    let channel = text.lines().find_map(|line| line.strip_prefix("channel = "));
    channel.unwrap_or_default().trim_matches('"').to_owned()
}

fn of_text(dockerfile: &str, ignored: &str, manifests: &[String], toolchain: &str) -> Vec<String> {
    let all = instructions(dockerfile);
    let mut found = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            found.push(what);
        }
    };
    let default = |name: &str| {
        let prefix = format!("{name}=");
        all.iter().filter(|it| it.name == "ARG").find_map(|it| it.rest.strip_prefix(&prefix)).unwrap_or_default()
    };
    let has = |name: &str, rest: &str| all.iter().any(|it| it.name == name && it.rest == rest);
    let rust = default("RUST");
    expect(rust.starts_with(&format!("rust:{toolchain}-")), format!("RUST is {rust}, the toolchain is {toolchain}"));
    for (name, image) in [("RUST", rust), ("BASE", default("BASE"))] {
        let host = image.split_once('/').map_or("", |(first, _)| first);
        expect(!host.contains(['.', ':']), format!("{name} names a registry: {host}"));
    }
    let builds: Vec<usize> = (0..all.len()).filter(|at| all[*at].rest.contains("cargo build ")).collect();
    expect(builds.len() == 2, format!("{} instructions build, two should: dependencies, programs", builds.len()));
    let before = &all[..builds.first().copied().unwrap_or(0)];
    for manifest in manifests {
        let folder = manifest.trim_end_matches("Cargo.toml");
        let line = format!("{manifest} {folder}");
        let is_there = before.iter().any(|it| it.name == "COPY" && it.rest == line);
        expect(is_there, format!("the layer of dependencies lacks: COPY {line}"));
    }
    let is_built = builds.iter().all(|at| all[*at].rest.contains(&format!("--bin {BINARY}")));
    let is_stripped = all.iter().any(|it| it.rest.contains("strip ") && it.rest.contains(BINARY));
    expect(is_built && is_stripped, format!("{BINARY} is not built and stripped"));
    let linked = all.iter().find_map(|it| it.rest.split_once("for program in ")?.1.split_once("; do ln -s "));
    let names: Vec<&str> = linked.map(|(names, _)| names.split_whitespace().collect()).unwrap_or_default();
    expect(names == PROGRAMS, format!("the image links {names:?}, the programs are {PROGRAMS:?}"));
    let last = all.iter().rposition(|it| it.name == "FROM").unwrap_or(0);
    expect(all.get(last).is_some_and(|it| it.rest == "${BASE}"), "the last stage is not FROM ${BASE}".to_owned());
    for (name, rest) in [
        ("COPY", "--from=build /programs/ /usr/local/bin/"),
        ("COPY", "--from=build /libraries/ /usr/lib/"),
        ("USER", &format!("{USER}:{USER}")),
        ("EXPOSE", "3020 9464"),
        ("CMD", "[\"api\"]"),
    ] {
        expect(has(name, rest), format!("there is no {name} {rest}"));
    }
    // The chart names the program to run.
    expect(
        all[last..].iter().all(|it| !["ENTRYPOINT", "RUN"].contains(&it.name)),
        "the last stage runs something".into(),
    );
    let allowed = |source: &str| {
        ignored
            .lines()
            .filter_map(|line| line.strip_prefix('!'))
            .any(|it| source == it || source.starts_with(&format!("{it}/")))
    };
    for copy in all.iter().filter(|it| it.name == "COPY" && !it.rest.starts_with("--from")) {
        let mut sources: Vec<&str> = copy.rest.split_whitespace().collect();
        sources.pop();
        for source in sources {
            expect(allowed(source), format!(".dockerignore leaves {source} out, which is copied"));
        }
    }
    found
}

fn instructions(text: &str) -> Vec<Instruction<'_>> {
    let mut all: Vec<Instruction<'_>> = Vec::new();
    let mut is_open = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let continues = line.ends_with('\\');
        let part = line.trim_end_matches('\\').trim();
        match all.last_mut().filter(|_| is_open) {
            Some(open) => open.rest = format!("{} {part}", open.rest),
            None => {
                let (name, rest) = part.split_once(' ').unwrap_or((part, ""));
                all.push(Instruction { name, rest: rest.to_owned() });
            }
        }
        is_open = continues;
    }
    all
}

/// Lays out what the first build is given, and asks cargo whether that is a workspace.
fn layer_of_dependencies(root: &Path, dockerfile: &str) -> Result<Vec<String>> {
    let folder = root.join("target/image/layer");
    let _not_there = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for instruction in instructions(dockerfile) {
        let is_build = instruction.rest.contains("cargo build ");
        let script = match instruction.name {
            "COPY" => {
                let mut words: Vec<&str> = instruction.rest.split_whitespace().collect();
                let to = words.pop().unwrap_or_default().trim_end_matches('/').to_owned();
                format!("mkdir -p {to} && cd {} && cp {} {}/{to}", root.display(), words.join(" "), folder.display())
            }
            "RUN" => instruction.rest.split("&& cargo build").next().unwrap_or_default().to_owned(),
            _ => continue,
        };
        let output =
            Command::new("sh").arg("-ec").arg(&script).current_dir(&folder).output().context("cannot run sh")?;
        if !output.status.success() {
            return Ok(vec![format!("{script}: {}", String::from_utf8_lossy(&output.stderr).trim())]);
        }
        if is_build {
            break;
        }
    }
    let mut command = Command::new("cargo");
    command.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(&folder);
    let output = command.output().context("cannot run cargo")?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(if output.status.success() { Vec::new() } else { vec![format!("the layer of dependencies: {}", said.trim())] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dockerfile_fits_the_workspace() {
        assert_eq!(findings(&tree::root()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_does_not_fit_is_found() {
        let root = tree::root();
        let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
        let (good, ignored) = (read("Dockerfile"), read(".dockerignore"));
        let (manifests, toolchain) = (manifests(&root).unwrap(), toolchain(&read("rust-toolchain.toml")));
        for (from, to, expected) in [
            ("COPY xtask/Cargo.toml xtask/\n", "", "the layer of dependencies lacks: COPY xtask/Cargo.toml xtask/"),
            ("rust:1.95.0-", "rust:1.94.0-", "RUST is rust:1.94.0-bookworm, the toolchain is 1.95.0"),
            ("BASE=distroless/", "BASE=host.example/distroless/", "BASE names a registry: host.example"),
            (" --bin billing-service", "", "billing-service is not built and stripped"),
            (
                "api ingest invoice-cron",
                "api ingest",
                r#"the image links ["api", "ingest"], the programs are ["api", "ingest", "invoice-cron"]"#,
            ),
            ("USER 65532:65532", "USER root", "there is no USER 65532:65532"),
            ("CMD [\"api\"]", "CMD [\"ingest\"]", "there is no CMD [\"api\"]"),
            ("CMD [\"api\"]", "CMD [\"api\"]\nENTRYPOINT [\"sh\"]", "the last stage runs something"),
            ("COPY migrations migrations", "COPY docs docs", ".dockerignore leaves docs out, which is copied"),
            ("FROM ${BASE}", "FROM scratch", "the last stage is not FROM ${BASE}"),
        ] {
            let changed = good.replace(from, to);
            assert_ne!(changed, good, "{from}");
            let found = of_text(&changed, &ignored, &manifests, &toolchain);
            assert!(found.iter().any(|line| line == expected), "{expected}: {found:?}");
        }
    }

    #[test]
    fn lines_are_joined() {
        let text = "# c\nRUN a \\\n    && b\n\nCMD [\"x\"]\n";
        let expected = [("RUN", "a && b"), ("CMD", "[\"x\"]")];
        let expected = expected.map(|(name, rest)| Instruction { name, rest: rest.to_owned() });
        assert_eq!(instructions(text), expected);
    }
}
