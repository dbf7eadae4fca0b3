//! The platform's table of topology, value by value, and where each value stands in the rendered objects. What is written here is
//! what was asked for; the chart is what is judged.

mod edges;
mod facts;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::render::{Object, name};
use facts::{ALERTS, Fact, KINDS, SAME, facts};

/// What differs, a line for each: row of the table, place, value asked for, value found.
pub(super) fn differences(objects: &[Object]) -> Vec<String> {
    let mut found = Vec::new();
    for Fact { row, object, pointer, value } in facts() {
        let place = find(objects, &object).and_then(|it| it.pointer(&pointer)).unwrap_or(&Value::Null);
        if *place != value {
            found.push(format!("{row}: {object} {pointer} is {place}, asked for is {value}"));
        }
    }
    for (row, pointer, of) in SAME {
        let values: Vec<_> = of.iter().map(|(name, at)| find(objects, name).and_then(|it| it.pointer(at))).collect();
        if values.iter().any(|value| value.is_none() || *value != values[0]) {
            found.push(format!("{row}: {pointer} differs: {values:?}"));
        }
    }
    for (row, kind, asked_for) in KINDS {
        let mut there: Vec<_> =
            objects.iter().map(name).filter_map(|it| Some(it.strip_prefix(kind)?.to_owned())).collect();
        there.sort();
        if there.iter().map(String::as_str).ne(asked_for.iter().copied()) {
            found.push(format!("{row}: {kind} are {there:?}, asked for are {asked_for:?}"));
        }
    }
    let alerts: Vec<_> = find(objects, "PrometheusRule/billing-service").map(alert_names).unwrap_or_default();
    for alert in ALERTS.iter().filter(|alert| !alerts.contains(alert)) {
        found.push(format!("alerts: there is no {alert}"));
    }
    found
}

/// The names of all alerts of a `PrometheusRule`.
pub(super) fn alert_names(rule: &Object) -> Vec<&str> {
    let groups = rule.pointer("/spec/groups").and_then(Value::as_array).into_iter().flatten();
    let rules = groups.filter_map(|group| group.get("rules")?.as_array()).flatten();
    rules.filter_map(|rule| rule.get("alert")?.as_str()).collect()
}

fn find<'a>(objects: &'a [Object], asked_for: &str) -> Option<&'a Object> {
    objects.iter().find(|object| name(object) == asked_for)
}
