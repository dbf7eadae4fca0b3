//! Who may depend on whom: the domain on values only, adapters on the domain, binaries on everything; test doubles only
//! in tests.

use super::Finding;
use crate::tree::Package;

const DOMAIN: &str = "billing-domain";
const RUNTIME: &str = "billing-runtime";
const TESTING: &str = "billing-testing";
/// The three programs in one file.
const IMAGE: &str = "billing-service";
const PROGRAMS: [&str; 3] = ["api", "ingest", "invoice-cron"];

/// Types for values: errors, a calendar, identifiers, currencies; and the hash of the price book.
const OUTSIDE_OF_DOMAIN: [&str; 5] = ["iso_currency", "jiff", "rustc-hash", "thiserror", "uuid"];

/// Checks one package; `path` and `manifest` are those of its `Cargo.toml`.
pub(super) fn check(package: &Package, path: &str, manifest: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let in_tests = dependency.kind.as_deref() == Some("dev");
        let ours = dependency.path.is_some();
        if let Some(why) = refusal(&package.name, &dependency.name, ours, in_tests) {
            let line = manifest.lines().position(|line| names(line, &dependency.name));
            let what = format!("{} may not depend on {}: {why}", package.name, dependency.name);
            findings.push(Finding::new(path, line.map_or(1, |line| line + 1), what));
        }
    }
    findings
}

fn names(line: &str, dependency: &str) -> bool {
    let rest = line.trim_start().strip_prefix(dependency);
    rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
}

fn refusal(package: &str, dependency: &str, ours: bool, in_tests: bool) -> Option<&'static str> {
    let adapter = package.starts_with("billing-") && ![DOMAIN, RUNTIME, TESTING, IMAGE].contains(&package);
    if package == IMAGE && !PROGRAMS.contains(&dependency) {
        return Some("it chooses a program; what it does belongs to the program");
    }
    if !in_tests && dependency == TESTING {
        return Some("put it under [dev-dependencies]");
    }
    if package == DOMAIN && !in_tests && ours {
        return Some("it knows nothing of ours; put what needs it into an adapter or a binary");
    }
    if package == DOMAIN && !in_tests && !OUTSIDE_OF_DOMAIN.contains(&dependency) {
        return Some("it knows value types only; put what needs it into an adapter");
    }
    let allowed = |list: &[&str]| !ours || list.contains(&dependency) || (in_tests && dependency == TESTING);
    if adapter && !allowed(&[DOMAIN]) {
        return Some("an adapter knows the domain only; let a binary bring the two together");
    }
    if package == RUNTIME && !allowed(&[DOMAIN, "billing-vault"]) {
        return Some("it knows the domain's ports and the source of credentials only; wire the rest in a binary");
    }
    if package == TESTING && !allowed(&[DOMAIN]) {
        return Some("test doubles stand for ports of the domain only");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Dependency;

    #[test]
    fn who_may_depend_on_whom() {
        let check = |package: &str, dependency: &str, kind: Option<&str>, allowed: bool| {
            let ours = dependency.starts_with("billing-");
            let found = refusal(package, dependency, ours, kind == Some("dev"));
            assert_eq!(found.is_none(), allowed, "{package} on {dependency} ({kind:?}): {found:?}");
        };
        let dev = Some("dev");
        check("billing-domain", "jiff", None, true);
        check("billing-domain", "serde", None, false);
        check("billing-domain", "serde", Some("build"), false);
        check("billing-domain", "proptest", dev, true);
        check("billing-domain", "billing-runtime", None, false);
        check("billing-domain", "billing-testing", dev, true);
        check("billing-redis", "fred", None, true);
        check("billing-redis", "billing-domain", None, true);
        check("billing-redis", "billing-postgres", None, false);
        check("billing-redis", "billing-postgres", dev, false);
        check("billing-redis", "billing-runtime", None, false);
        check("billing-redis", "billing-testing", dev, true);
        check("billing-redis", "billing-testing", None, false);
        check("billing-runtime", "billing-vault", None, true);
        check("billing-runtime", "billing-postgres", None, false);
        check("billing-testing", "billing-domain", None, true);
        check("billing-testing", "billing-postgres", None, false);
        check("billing-service", "api", None, true);
        check("billing-service", "billing-postgres", None, false);
        check("api", "billing-postgres", None, true);
        check("api", "billing-testing", None, false);
        check("api", "billing-testing", dev, true);
    }

    #[test]
    fn a_finding_names_the_line_of_the_manifest() {
        let dependency = Dependency { name: "serde".into(), kind: None, path: None };
        let package =
            Package { name: "billing-domain".into(), manifest_path: "x".into(), dependencies: vec![dependency] };
        let manifest = "[dependencies]\nserde_json.workspace = true\nserde.workspace = true\n";
        let found = check(&package, "x/Cargo.toml", manifest);
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("x/Cargo.toml:3: billing-domain may not depend on serde: "));
    }
}
