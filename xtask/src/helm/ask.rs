//! Every question that the chart puts to Prometheus: by its dashboards, its alerts and its canary.

use serde_json::Value;

use super::render::{Object, name};

/// One question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Who asks.
    pub(super) place: String,
    pub(super) query: String,
    /// Whether no answer is a mistake. An alert's whole expression has none as long as all is well; what it looks at has.
    pub(super) must_answer: bool,
}

/// What stands for the variables of dashboards and of the canary's templates.
const VARIABLES: [(&str, &str); 3] = [("$namespace", ".*"), ("$__rate_interval", "1m"), ("{{args.canary}}", "canary")];
/// That all is well is no mistake: nothing has this label's value then.
const ONLY_IN_TROUBLE: &str = ",status=~\"5..\"";

/// All questions of the rendered objects.
pub(super) fn questions(objects: &[Object]) -> Vec<Question> {
    let mut all = Vec::new();
    for object in objects {
        let place = name(object);
        match place.split_once('/') {
            Some(("ConfigMap", _)) if place.contains("-dashboard-") => all.extend(of_dashboards(&place, object)),
            Some(("PrometheusRule", _)) => all.extend(of_rules(object)),
            Some(("AnalysisTemplate", _)) => {
                let metrics = object.pointer("/spec/metrics").and_then(Value::as_array).into_iter().flatten();
                let queries = metrics.filter_map(|metric| metric.pointer("/provider/prometheus/query")?.as_str());
                all.extend(queries.map(|query| question(&place, query, true)));
            }
            _ => {}
        }
    }
    all
}

fn question(place: &str, query: &str, must_answer: bool) -> Question {
    let query = VARIABLES.iter().fold(query.trim().to_owned(), |query, (variable, text)| query.replace(variable, text));
    Question { place: place.to_owned(), query, must_answer }
}

fn of_dashboards(place: &str, object: &Object) -> Vec<Question> {
    let files = object["data"].as_object().into_iter().flatten();
    let dashboards = files.filter_map(|(_, text)| serde_json::from_str::<Value>(text.as_str()?).ok());
    let mut all = Vec::new();
    for panel in dashboards.flat_map(|dashboard| dashboard["panels"].as_array().cloned().unwrap_or_default()) {
        let place = format!("{place}, {}", panel["title"].as_str().unwrap_or_default());
        let targets = panel["targets"].as_array().into_iter().flatten();
        all.extend(targets.filter_map(|target| Some(question(&place, target["expr"].as_str()?, true))));
    }
    all
}

fn of_rules(object: &Object) -> Vec<Question> {
    let groups = object.pointer("/spec/groups").and_then(Value::as_array).into_iter().flatten();
    let mut all = Vec::new();
    for rule in groups.filter_map(|group| group["rules"].as_array()).flatten() {
        let (Some(alert), Some(expression)) = (rule["alert"].as_str(), rule["expr"].as_str()) else { continue };
        all.push(question(alert, expression, false));
        all.extend(selectors(expression).into_iter().map(|selector| question(alert, &selector, true)));
    }
    all
}

/// The series that an expression looks at.
fn selectors(expression: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find(is_name) {
        rest = &rest[at..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        if !["billing_", "http_"].iter().any(|prefix| word.starts_with(prefix)) {
            continue;
        }
        let labels = after.strip_prefix('{').and_then(|inner| inner.find('}')).map_or("", |close| &after[..close + 2]);
        rest = &after[labels.len()..];
        found.push(format!("{word}{}", labels.replace(ONLY_IN_TROUBLE, "")));
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_expression_s_series() {
        for (expression, expected) in [
            ("max by (namespace) (billing_nats_consumer_lag) > 5000", vec!["billing_nats_consumer_lag"]),
            ("sum(rate(billing_pg_errors_total{op=\"x\"}[5m])) > 0.05", vec!["billing_pg_errors_total{op=\"x\"}"]),
            ("a{x=\"billing\"} / http_x{route=\"/v1\",status=~\"5..\"}", vec!["http_x{route=\"/v1\"}"]),
            ("billing_a - billing_b offset 1h", vec!["billing_a", "billing_b"]),
            ("day_of_month() == 1", vec![]),
        ] {
            assert_eq!(selectors(expression), expected, "{expression}");
        }
    }

    #[test]
    fn questions_are_found_and_their_variables_filled_in() {
        let dashboard =
            json!({"panels": [{"title": "Lag", "targets": [{"expr": "max(a{namespace=~\"$namespace\"})"}]}]});
        let objects = [
            json!({"kind": "ConfigMap", "metadata": {"name": "x-dashboard-y"}, "data": {"y.json": dashboard.to_string()}}),
            json!({"kind": "AnalysisTemplate", "metadata": {"name": "x"}, "spec": {"metrics": [
                {"provider": {"prometheus": {"query": "b{hash=\"{{args.canary}}\"}\n"}}}]}}),
            json!({"kind": "PrometheusRule", "metadata": {"name": "x"}, "spec": {"groups": [
                {"rules": [{"alert": "A", "expr": "billing_c > 0"}]}]}}),
        ];
        let found = questions(&objects);
        let told: Vec<_> = found.iter().map(|it| (it.place.as_str(), it.query.as_str(), it.must_answer)).collect();
        let expected = [
            ("ConfigMap/x-dashboard-y, Lag", "max(a{namespace=~\".*\"})", true),
            ("AnalysisTemplate/x", "b{hash=\"canary\"}", true),
            ("A", "billing_c > 0", false),
            ("A", "billing_c", true),
        ];
        assert_eq!(told, expected);
    }
}
