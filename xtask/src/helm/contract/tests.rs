//! The chart as it is meets every value, and a chart with any other value does not.

use serde_json::{Value, json};

use super::super::render::{Chart, Object, name};
use super::facts::{ALERTS, KINDS, SAME, facts};
use super::{alert_names, differences};
use crate::tree;

const VERSION: &str = "1.33";

fn production(chart: &Chart, changes: &[&str]) -> Vec<Object> {
    let arguments: Vec<&str> = changes.iter().flat_map(|change| [flag(change), change]).collect();
    chart.render("prod", VERSION, &arguments).unwrap()
}

/// Helm reads what looks like a number as one, but no fractions.
fn flag(change: &str) -> &'static str {
    match change.split('.').next() {
        Some("env") => "--set-string",
        Some("canary") => "--set-json",
        _ => "--set",
    }
}

#[test]
fn the_chart_is_as_asked_for() {
    assert_eq!(differences(&production(&Chart::new(&tree::root()).unwrap(), &[])), Vec::<String>::new());
}

#[test]
fn each_value_that_is_another_is_found() {
    let good = production(&Chart::new(&tree::root()).unwrap(), &[]);
    for fact in facts() {
        let mut objects = good.clone();
        let object = objects.iter_mut().find(|object| name(object) == fact.object).unwrap();
        put(object, &fact.pointer, other(&fact.value));
        let found = differences(&objects);
        let told = found.iter().filter(|line| line.contains(&fact.pointer) || fact.pointer == "/kind").count();
        assert!(told > 0, "{} {}: {found:?}", fact.object, fact.pointer);
    }
    for (_, _, places) in SAME {
        for (object, pointer) in places {
            let mut objects = good.clone();
            let object = objects.iter_mut().find(|it| name(it) == *object).unwrap();
            put(object, pointer, json!("another:1"));
            assert_eq!(differences(&objects).len(), 1, "{pointer}");
        }
    }
    for (row, kind, _) in KINDS {
        let mut objects = good.clone();
        let mut more = objects.iter().find(|object| name(object).starts_with(kind)).unwrap().clone();
        put(&mut more, "/metadata/name", json!("billing-service-x"));
        objects.push(more);
        assert!(differences(&objects).iter().any(|line| line.starts_with(row)), "{row}");
    }
    for alert in ALERTS {
        let mut objects = good.clone();
        let rule = objects.iter_mut().find(|object| name(object).starts_with("PrometheusRule/")).unwrap();
        assert!(alert_names(rule).contains(&alert));
        *rule = serde_json::from_str(&rule.to_string().replace(&format!("{alert}\""), "Other\"")).unwrap();
        assert_eq!(differences(&objects), [format!("alerts: there is no {alert}")]);
    }
}

#[test]
fn a_changed_value_of_the_chart_is_found() {
    let chart = Chart::new(&tree::root()).unwrap();
    for (change, row) in [
        ("api.autoscaling.minReplicas=1", "workload kind"),
        ("api.autoscaling.maxReplicas=7", "workload kind"),
        ("api.autoscaling.cpu=80", "workload kind"),
        ("ingest.autoscaling.minReplicas=3", "workload kind"),
        ("ingest.autoscaling.lag=4999", "workload kind"),
        ("ingest.autoscaling.lag=0", "workload kind"),
        ("api.minAvailable=0", "rolling update"),
        ("ingest.resources.requests.cpu=200m", "resources"),
        ("api.resources.limits.memory=2Gi", "resources"),
        ("serviceAccount.name=other", "ServiceAccount"),
        ("vault.enabled=false", "Vault"),
        ("vault.role=other", "Vault"),
        ("env.BILLING_DATABASE_POOL_REPLICA=4", "PostgreSQL"),
        ("env.BILLING_NATS_URLS=nats://one:4222", "NATS"),
        ("env.BILLING_S3_BUCKET=other", "object store"),
        ("invoiceCron.schedule=6 0 1 * *", "cron"),
        ("invoiceCron.timeZone=Asia/Kabul", "cron"),
        ("invoiceCron.backoffLimit=3", "cron"),
        ("invoiceCron.tag=0.0.9", "cron"),
        ("invoiceCron.suspend=true", "cron"),
        ("canary.enabled=false", "canary"),
        ("canary.weight=20", "canary"),
        ("canary.duration=\"10m\"", "canary"),
        ("canary.ingestionErrorRate=0.01", "promote if"),
        ("canary.restP95Seconds=0.5", "promote if"),
        ("kong.extraRoutes={invoice}", "routes"),
        ("runAsUser=1000", "non-root"),
        ("monitoring.rules.enabled=false", "alerts"),
        ("networkPolicy.enabled=false", "network"),
        ("networkPolicy.egress.redis.ports={6380}", "network"),
        ("kong.requestsPerMinute.read=6000", "routes"),
        ("kong.bodyKilobytes=128", "routes"),
        ("invoiceCron.resources.limits.memory=2Gi", "resources"),
        ("api.preStopSeconds=0", "grace"),
    ] {
        let found = differences(&production(&chart, &[change]));
        assert!(found.iter().any(|line| line.starts_with(row)), "{change}: {found:?}");
    }
}

#[test]
fn with_an_address_of_vault_the_programs_log_in_themselves() {
    let objects = production(&Chart::new(&tree::root()).unwrap(), &["vault.address=https://vault.vault:8200"]);
    let find = |of: &str| objects.iter().find(|object| name(object) == of).unwrap();
    let variables = &find("ConfigMap/billing-service")["data"];
    for (variable, expected) in [
        ("BILLING_CREDENTIALS", json!("vault")),
        ("BILLING_CREDENTIALS_DIR", Value::Null),
        ("BILLING_VAULT_AUTH", json!("kubernetes")),
        ("BILLING_VAULT_ROLE", json!("billing-service")),
        ("VAULT_ADDR", json!("https://vault.vault:8200")),
        ("BILLING_VAULT_PATH_DATABASE_WORKER", json!("database/creds/billing-worker")),
        ("BILLING_VAULT_PATH_S3", json!("secret/data/billing/s3")),
    ] {
        assert_eq!(variables[variable], expected, "{variable}");
    }
    let migration = find("Job/billing-service-migrate").pointer("/spec/template/spec/containers/0/env").unwrap();
    let role = json!({"name": "BILLING_VAULT_ROLE", "value": "billing-service-migrate"});
    assert!(migration.as_array().unwrap().contains(&role), "{migration}");
    let told = json!(objects).to_string();
    assert!(!told.contains("vault.hashicorp.com/"), "an agent comes all the same");
    assert!(!told.contains("\"automountServiceAccountToken\":false"), "a pod cannot log in");
}

/// The autoscaler asks for the metric by the name that the adapter gives it.
#[test]
fn the_adapter_names_what_the_autoscaler_asks_for() {
    let objects = production(&Chart::new(&tree::root()).unwrap(), &[]);
    let at = |of: &str, pointer: &str| {
        let object = objects.iter().find(|object| name(object) == of).unwrap();
        object.pointer(pointer).and_then(Value::as_str).unwrap().to_owned()
    };
    let rules = at("ConfigMap/billing-service-prometheus-adapter", "/data/externalRules.yaml");
    let rules: Value = serde_yaml::from_str(&rules).unwrap();
    let scaler = "HorizontalPodAutoscaler/billing-service-ingest";
    assert_eq!(rules.pointer("/externalRules/0/name/as").unwrap(), &at(scaler, "/spec/metrics/1/external/metric/name"));
}

#[test]
fn what_cannot_be_right_is_refused() {
    let chart = Chart::new(&tree::root()).unwrap();
    for (change, said) in [
        ("api.replicas=3", "replicas"),
        ("env.BILLING_DATABSE_URL=x", "BILLING_DATABSE_URL"),
        ("env.BILLING_SECRET_S3_ACCESS_KEY=x", "BILLING_SECRET_S3_ACCESS_KEY"),
        ("env.BILLING_DATABASE_URL=postgres://user:password@host/billing", "BILLING_DATABASE_URL"),
        ("env.BILLING_NATS_URLS=host:4222", "BILLING_NATS_URLS"),
        ("api.terminationGracePeriodSeconds=20", "terminationGracePeriodSeconds"),
        ("invoiceCron.schedule=monthly", "schedule"),
        ("canary.weight=100", "weight"),
        ("kong.extraRoutes={invoise}", "is no route"),
        ("kong.enabled=false", "canary.enabled needs kong.enabled"),
        ("image.repository=", "repository"),
        ("networkPolicy.kong=null", "networkPolicy"),
    ] {
        let told = chart.render("prod", VERSION, &[flag(change), change]).map(|objects| objects.len());
        let told = told.map_err(|error| format!("{error:#}"));
        assert!(told.as_ref().is_err_and(|line| line.contains(said)), "{change}: {told:?}");
    }
}

#[test]
fn the_chart_has_the_version_of_the_programs() {
    let chart = std::fs::read_to_string(tree::root().join("helm/billing-service/Chart.yaml")).unwrap();
    assert!(chart.contains(&format!("appVersion: {:?}", env!("CARGO_PKG_VERSION"))));
}

/// Another value of the same kind.
fn other(value: &Value) -> Value {
    match value {
        Value::Null => json!({"x": 1}),
        Value::Bool(it) => json!(!it),
        Value::Number(it) => json!(it.as_u64().unwrap() + 1),
        Value::String(it) => json!(format!("{it}x")),
        Value::Array(it) => json!(it.iter().skip(1).collect::<Vec<_>>()),
        Value::Object(_) => json!({"x": 1}),
    }
}

/// Puts a value in its place, which may be new.
fn put(object: &mut Value, pointer: &str, value: Value) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/");
    match object.pointer_mut(parent) {
        Some(Value::Array(list)) => {
            let at: usize = last.parse().unwrap();
            if at < list.len() { list[at] = value } else { list.push(value) }
        }
        Some(Value::Object(map)) => drop(map.insert(last, value)),
        _ => panic!("{pointer} has no place"),
    }
}
