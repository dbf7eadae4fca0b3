//! What operators read is true of the code and of the chart: variables, metrics, alerts.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::render::{CHART, Chart};
use crate::tree;

/// Fixed in the chart: ports are the platform's, and secrets come as files.
const NOT_IN_THE_CHART: [&str; 6] = [
    "BILLING_API_HTTP_ADDR",
    "BILLING_API_METRICS_ADDR",
    "BILLING_CREDENTIALS",
    "BILLING_CREDENTIALS_DIR",
    "BILLING_INGEST_HTTP_ADDR",
    "BILLING_INGEST_METRICS_ADDR",
];

fn read(path: &str) -> String {
    fs::read_to_string(tree::root().join(path)).unwrap()
}

fn operations() -> String {
    read("docs/OPERATIONS.md")
}

/// Every word in `text` that begins with `prefix`.
fn words(text: &str, prefix: &str, part: impl Fn(char) -> bool) -> BTreeSet<String> {
    let starts = text.match_indices(prefix).map(|(at, _)| &text[at..]);
    starts.map(|rest| rest[..rest.find(|c| !part(c)).unwrap_or(rest.len())].to_owned()).collect()
}

fn variables(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let all = ["BILLING_", "OTEL_"].into_iter().flat_map(|prefix| words(text, prefix, is_part));
    let is_one = |name: &String| {
        !name.ends_with('_') && !name.starts_with("BILLING_TEST_") && !name.starts_with("BILLING_SECRET")
    };
    all.into_iter().filter(is_one).collect()
}

/// The part of a Rust file before its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned()
}

#[test]
fn every_variable_that_is_read_is_described_and_may_be_given_to_the_chart() {
    let files = [
        "bin/api/src/config.rs",
        "bin/ingest/src/config.rs",
        "bin/invoice-cron/src/config.rs",
        "crates/billing-runtime/src/traces/mod.rs",
    ];
    let read: BTreeSet<_> = files.iter().flat_map(|file| variables(&code(&tree::root().join(file)))).collect();
    let documented = variables(&operations());
    assert_eq!(read.difference(&documented).collect::<Vec<_>>(), Vec::<&String>::new(), "not in OPERATIONS.md");

    let schema: Value = serde_json::from_str(&self::read(&format!("{CHART}/values.schema.json"))).unwrap();
    let env = schema.pointer("/properties/env/properties").and_then(Value::as_object).unwrap();
    let given: BTreeSet<_> = env.keys().cloned().collect();
    let wanted: BTreeSet<_> = read.into_iter().filter(|name| !NOT_IN_THE_CHART.contains(&name.as_str())).collect();
    assert_eq!(wanted.difference(&given).collect::<Vec<_>>(), Vec::<&String>::new(), "not in values.schema.json, env");
}

#[test]
fn every_metric_is_described() {
    let documented = operations();
    let mut registered = BTreeSet::new();
    for folder in ["crates", "bin"] {
        metrics_below(&tree::root().join(folder), &mut registered);
    }
    assert!(registered.len() > 20, "{registered:?}");
    for name in registered {
        assert!(documented.contains(&format!("`{name}")), "{name} is not in OPERATIONS.md");
    }
}

fn metrics_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            metrics_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.components().any(|it| it.as_os_str() == "src")
        {
            let names = words(&code(&path), "\"billing_", |c| {
                c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '"'
            });
            let is_metric = |name: &&str| {
                ["_total", "_seconds", "_lag", "_events", "_rows", "_standby", "_fresh", "_reachable", "_protected"]
                    .iter()
                    .any(|end| name.ends_with(end))
            };
            found.extend(names.iter().map(|name| name.trim_matches('"')).filter(is_metric).map(str::to_owned));
        }
    }
}

#[test]
fn every_alert_has_a_section_and_every_section_an_alert() {
    let rules: Value = serde_yaml::from_str(&read(&format!("{CHART}/files/alerts.yaml"))).unwrap();
    let rules = serde_json::json!({"spec": rules});
    let mut alerts = super::contract::alert_names(&rules);
    let documented = operations();
    let mut sections: Vec<_> = documented.lines().filter_map(|line| line.strip_prefix("### Billing")).collect();
    alerts.sort_unstable();
    sections.sort_unstable();
    let sections: Vec<_> = sections.iter().map(|rest| format!("Billing{rest}")).collect();
    assert_eq!(alerts, sections);
}

/// What OPERATIONS.md tells the platform to set up in Vault is what the chart asks of it; and where nobody renews, it lasts.
#[test]
fn vault_is_set_up_with_what_the_chart_asks_for() {
    const LASTS: &str = "6h";
    let text = operations();
    let production: Value = serde_yaml::from_str(&read(&format!("{CHART}/values-prod.yaml"))).unwrap();
    let leases: Vec<[&str; 3]> = text
        .lines()
        .filter_map(|line| line.strip_prefix("database_role "))
        .map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().try_into().unwrap())
        .collect();
    for (secret, postgres_role, lease) in [
        ("database-api", "api", "1h"),
        ("database-worker", "worker", "1h"),
        ("database-cron", "worker", LASTS),
        ("database-owner", "owner", LASTS),
    ] {
        let path = production["vault"]["secrets"][secret]["path"].as_str().unwrap();
        let name = path.strip_prefix("database/creds/billing-").unwrap();
        assert!(leases.contains(&[name, postgres_role, lease]), "{secret}: {leases:?}");
        assert!(text.contains(&format!("`{path}`")), "no policy reads {path}");
        let allowed = text.lines().find(|line| line.contains("allowed_roles=")).unwrap();
        assert!(allowed.contains(&format!("billing-{name}")), "{allowed}");
    }
    let values: Value = serde_yaml::from_str(&read(&format!("{CHART}/values.yaml"))).unwrap();
    for (role, token) in [("role", "1h"), ("cronRole", LASTS), ("migrateRole", LASTS)] {
        let name = values["vault"][role].as_str().unwrap();
        let line = format!("auth/kubernetes/role/{name} ");
        let command: String = text.split(&line).nth(1).unwrap().lines().take(2).collect();
        assert!(command.contains(&format!("token_ttl={token}")), "{name}: {command}");
    }
}

/// The sum in OPERATIONS.md is that of the chart's values, while the most pods are up.
#[test]
fn connections_are_added_up_right() {
    let values: Value = serde_yaml::from_str(&read(&format!("{CHART}/values.yaml"))).unwrap();
    let pods = |program: &str| values[program]["autoscaling"]["maxReplicas"].as_u64().unwrap();
    let pool = |which: &str| values["env"][format!("BILLING_DATABASE_POOL_{which}")].as_str().unwrap().parse::<u64>();
    let (primary, replica) = (pool("PRIMARY").unwrap(), pool("REPLICA").unwrap());
    // Of the api two versions at once, of ingest one pod more; the cron; the migration; people and what is reserved.
    let on_primary = (2 * pods("api") + pods("ingest") + 1 + 1) * primary + 1 + 16 + 3;
    let on_replica = 2 * pods("api") * replica + 10 + 3;
    let said = format!("| **in all** | | | | **{on_primary}** | **{on_replica}** |");
    assert!(operations().contains(&said), "{said}");
    let without_replica = on_primary + 2 * pods("api") * replica;
    let told = operations();
    let limit = told.split("| `max_connections` | ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert!(limit.parse::<u64>().unwrap() >= without_replica, "{limit} < {without_replica}");
}

#[test]
fn every_alert_leads_to_its_section() {
    let objects = Chart::new(&tree::root()).unwrap().render("prod", "1.33", &[]).unwrap();
    let rule = objects.iter().find(|object| object["kind"] == "PrometheusRule").unwrap();
    let text = operations();
    let anchors: BTreeSet<_> = text.lines().filter(|line| line.starts_with('#')).map(slug).collect();
    let groups = rule.pointer("/spec/groups").and_then(Value::as_array).unwrap();
    let rules: Vec<_> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() > 20);
    for rule in rules {
        let url = rule["annotations"]["runbook_url"].as_str().unwrap();
        let anchor = url.strip_prefix("https://git.example.org/billing-service/docs/OPERATIONS.md#").unwrap();
        assert!(anchors.contains(anchor), "{url}");
        assert_eq!(anchor, slug(rule["alert"].as_str().unwrap()));
    }
}

/// A comment above a value or on its line, or above what it is a part of.
#[test]
fn every_value_of_the_chart_is_described() {
    let text = read(&format!("{CHART}/values.yaml"));
    let lines: Vec<&str> = text.lines().collect();
    // The keys that the line is below, with their depths: whether a comment is at each.
    let mut above: Vec<(usize, bool)> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let words = line.trim_start();
        if words.is_empty() || words.starts_with(['#', '-']) || !words.contains(':') {
            continue;
        }
        let depth = line.len() - words.len();
        above.retain(|(other, _)| *other < depth);
        let is_told = words.contains(" #") || (at > 0 && lines[at - 1].trim_start().starts_with('#'));
        let is_told_above = above.last().is_some_and(|(_, told)| *told);
        let has_parts = words.ends_with(':');
        assert!(has_parts || is_told || is_told_above, "values.yaml, line {}: {words} has no comment", at + 1);
        above.push((depth, is_told));
    }
}

#[test]
fn links_of_what_operators_read_lead_somewhere() {
    let root = tree::root();
    let mut files =
        ["docs/OPERATIONS.md", "docs/SCALING.md", "helm/billing-service/README.md"].map(|it| root.join(it)).to_vec();
    files.extend(fs::read_dir(root.join("docs/runbooks")).unwrap().map(|entry| entry.unwrap().path()));
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap();
            if target.contains("://") || target.contains(char::is_whitespace) {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = if path.is_empty() { file.clone() } else { file.with_file_name("").join(path) };
            assert!(to.exists(), "{}: {target}", file.display());
            if !anchor.is_empty() && to.is_file() {
                let there = fs::read_to_string(&to).unwrap();
                let known = there.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor);
                assert!(known, "{}: {target}", file.display());
            }
        }
    }
}

/// The anchor of a heading.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
