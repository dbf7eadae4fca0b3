//! What the programs are made of, as CycloneDX: every crate that one of them is linked with, by the lock and cargo's own graph.
//! The same tree gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::BINARY;

/// What the image is for.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    /// `None` for a member of the workspace.
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// `None` for what is linked; `build` and `dev` are not in the programs.
    kind: Option<String>,
}

/// The bill of materials of the workspace at `root`.
pub(super) fn of(root: &Path) -> Result<Value> {
    let output = Command::new("cargo")
        .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", PLATFORM])
        .current_dir(root)
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    let metadata = serde_json::from_slice(&output.stdout).context("cannot read the answer of cargo metadata")?;
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    Ok(bill(&metadata, &lock))
}

fn bill(metadata: &Metadata, lock: &str) -> Value {
    let packages: BTreeMap<&str, &Package> = metadata.packages.iter().map(|it| (it.id.as_str(), it)).collect();
    let linked: BTreeMap<&str, BTreeSet<&str>> = metadata.resolve.nodes.iter().map(linked).collect();
    let is_program = |package: &&&Package| package.source.is_none() && package.name == BINARY;
    let mut open: Vec<&str> = packages.values().filter(is_program).map(|package| package.id.as_str()).collect();
    let mut reached = BTreeSet::new();
    while let Some(id) = open.pop() {
        if reached.insert(id) {
            open.extend(linked.get(id).into_iter().flatten());
        }
    }
    let checksums = checksums(lock);
    let mut all: Vec<&Package> = reached.iter().filter_map(|id| packages.get(id).copied()).collect();
    all.sort_by_key(|package| (&package.name, &package.version));
    let reference = |id: &str| packages.get(id).map(|package| purl(package));
    let dependencies = all.iter().map(|package| {
        let on: Vec<_> = linked.get(package.id.as_str()).into_iter().flatten().filter_map(|id| reference(id)).collect();
        json!({"ref": purl(package), "dependsOn": on})
    });
    let version = all.iter().find(|package| package.source.is_none()).map_or("", |package| &package.version);
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": format!("urn:uuid:{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, lock.as_bytes())),
        "version": 1,
        "metadata": {"component": {"type": "container", "bom-ref": "billing-service", "name": "billing-service", "version": version}},
        "components": all.iter().map(|package| component(package, &checksums)).collect::<Vec<_>>(),
        "dependencies": dependencies.collect::<Vec<_>>(),
    })
}

fn linked(node: &Node) -> (&str, BTreeSet<&str>) {
    let is_linked = |edge: &&Edge| edge.dep_kinds.iter().any(|kind| kind.kind.is_none());
    (node.id.as_str(), node.deps.iter().filter(is_linked).map(|edge| edge.pkg.as_str()).collect())
}

fn component(package: &Package, checksums: &BTreeMap<(&str, &str), &str>) -> Value {
    let Package { name, version, license, source, .. } = package;
    let kind = if name == BINARY && source.is_none() { "application" } else { "library" };
    let mut component = json!({"type": kind, "bom-ref": purl(package), "name": name, "version": version});
    if source.is_some() {
        component["purl"] = json!(purl(package));
    }
    if let Some(license) = license {
        // Old manifests write a slash for OR.
        component["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
    }
    if let Some(sha256) = checksums.get(&(name.as_str(), version.as_str())) {
        component["hashes"] = json!([{"alg": "SHA-256", "content": sha256}]);
    }
    component
}

fn purl(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

/// By name and version.
fn checksums(lock: &str) -> BTreeMap<(&str, &str), &str> {
    let entries = lock.split("[[package]]").skip(1);
    entries
        .filter_map(|entry| {
            let field = |name: &str| {
                entry.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \"")?.strip_suffix('"'))
            };
            Some(((field("name")?, field("version")?), field("checksum")?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    #[test]
    fn what_is_linked_is_named_and_nothing_else() {
        let bill = of(&tree::root()).unwrap();
        let components = bill["components"].as_array().unwrap();
        let has = |name: &str| components.iter().any(|component| component["name"] == name);
        for (name, expected) in [
            ("api", true),
            ("ingest", true),
            ("invoice-cron", true),
            ("billing-domain", true),
            ("diesel", true),
            ("typst", true),
            ("aws-lc-sys", true),
            // Of tests, of the developer, and of the build alone.
            ("billing-testing", false),
            ("proptest", false),
            ("s3s-fs", false),
            ("xtask", false),
            ("cc", false),
        ] {
            assert_eq!(has(name), expected, "{name}");
        }
        let refs: BTreeSet<_> = components.iter().map(|it| it["bom-ref"].as_str().unwrap()).collect();
        assert_eq!(refs.len(), components.len());
        for component in components {
            let is_ours = component.get("purl").is_none();
            let (licenses, hashes) = (&component["licenses"][0]["expression"], &component["hashes"][0]["content"]);
            assert!(licenses.is_string(), "{component}");
            assert!(is_ours || hashes.as_str().is_some_and(|sha256| sha256.len() == 64), "{component}");
        }
        for dependency in bill["dependencies"].as_array().unwrap() {
            let all = dependency["dependsOn"].as_array().unwrap().iter().chain([&dependency["ref"]]);
            all.for_each(|it| assert!(refs.contains(it.as_str().unwrap()), "{it}"));
        }
        assert_eq!(bill, of(&tree::root()).unwrap());
    }
}
