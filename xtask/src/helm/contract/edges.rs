//! The values that were asked for between the pods and everybody else: who may reach whom, and what Kong does with requests.

use serde_json::{Value, json};

use super::facts::{Fact, of};

/// Every value.
pub(super) fn facts() -> Vec<Fact> {
    [network_facts(), egress_facts(), plugin_facts(), route_facts()].into_iter().flatten().collect()
}

/// Only Kong to 3020, only Prometheus to 9464; nobody to what serves nobody.
fn network_facts() -> Vec<Fact> {
    let from = |namespace: &str, port: u16| json!({"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}], "ports": [{"port": port}]});
    let rules = [
        ("NetworkPolicy/billing-service", json!([from("kong", 3020), from("monitoring", 9464)])),
        ("NetworkPolicy/billing-service-ingest", json!([from("monitoring", 9464)])),
        ("NetworkPolicy/billing-service-invoice-cron", Value::Null),
        ("NetworkPolicy/billing-service-migrate", Value::Null),
    ];
    let facts = rules.into_iter().flat_map(|(object, ingress)| {
        let network = of("network", object);
        [network("/spec/ingress", ingress), network("/spec/policyTypes", json!(["Ingress", "Egress"]))]
    });
    facts.collect()
}

/// Each program reaches what it needs and nothing else.
fn egress_facts() -> Vec<Fact> {
    let names = json!({
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]});
    let to = |namespace: &str, port: u16| json!({"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}], "ports": [{"port": port}]});
    let (postgres, vault, nats, s3) = (to("postgresql", 5432), to("vault", 8200), to("nats", 4222), to("s3", 443));
    let rules = [
        ("NetworkPolicy/billing-service", json!([&names, &postgres, &s3, to("auth", 443), &vault])),
        ("NetworkPolicy/billing-service-ingest", json!([&names, &postgres, to("redis", 6379), &nats, &vault])),
        ("NetworkPolicy/billing-service-invoice-cron", json!([&names, &postgres, &nats, &s3, &vault])),
        ("NetworkPolicy/billing-service-migrate", json!([&names, &postgres, &vault])),
    ];
    rules.into_iter().map(|(object, rules)| of("network", object)("/spec/egress", rules)).collect()
}

/// Whose requests Kong lets in, how many, and how large; the scopes are tried by a real Lua beside.
fn plugin_facts() -> Vec<Fact> {
    let size = |size: u32, unit: &str| json!({"allowed_payload_size": size, "size_unit": unit, "require_content_length": false});
    let rate = |minute: u32| json!({"minute": minute, "limit_by": "header", "header_name": "Authorization", "policy": "local", "fault_tolerant": true});
    let plugins = [
        (
            "jwt",
            "jwt",
            json!({"key_claim_name": "iss", "claims_to_verify": ["exp"], "uri_param_names": [], "cookie_names": [],
                "run_on_preflight": false}),
        ),
        (
            "correlation-id",
            "correlation-id",
            json!({"header_name": "X-Request-Id", "generator": "uuid", "echo_downstream": true}),
        ),
        ("size", "request-size-limiting", size(64, "kilobytes")),
        ("deck-size", "request-size-limiting", size(20, "megabytes")),
        ("rate-read", "rate-limiting", rate(600)),
        ("rate-admin", "rate-limiting", rate(120)),
    ];
    let facts = plugins.into_iter().flat_map(|(name, plugin, config)| {
        let object = format!("KongPlugin/billing-service-{name}");
        let at = of("routes", &object);
        [at("/plugin", json!(plugin)), at("/config", config)]
    });
    facts.collect()
}

fn route_facts() -> Vec<Fact> {
    const ID: &str = "[0-9a-fA-F-]{36}$";
    let (invoices, pricing, costs) = ("/v1/billing/invoices", "/v1/admin/pricing", "/v1/admin/operator-costs");
    let routes = [
        ("usage", "GET", "/v1/billing/usage".to_owned(), "billing-read"),
        ("invoices", "GET", invoices.to_owned(), "billing-read"),
        ("invoice-download", "GET", format!("{invoices}/[0-9a-fA-F-]{{36}}/download$"), "billing-read"),
        ("invoice-void", "POST", "/v1/admin/invoices/[0-9a-fA-F-]{36}/void$".to_owned(), "platform-finance"),
        ("prices", "GET", pricing.to_owned(), "billing-admin"),
        ("price-create", "POST", pricing.to_owned(), "billing-admin"),
        ("price", "GET", format!("{pricing}/{ID}"), "billing-admin"),
        ("price-change", "PATCH", format!("{pricing}/{ID}"), "billing-admin"),
        ("price-end", "DELETE", format!("{pricing}/{ID}"), "billing-admin"),
        ("costs", "GET", costs.to_owned(), "billing-admin"),
        ("cost-create", "POST", costs.to_owned(), "billing-admin"),
        ("cost", "GET", format!("{costs}/{ID}"), "billing-admin"),
        ("cost-change", "PATCH", format!("{costs}/{ID}"), "billing-admin"),
        ("cost-end", "DELETE", format!("{costs}/{ID}"), "billing-admin"),
    ];
    let facts = routes.into_iter().flat_map(|(name, method, path, scope)| {
        let object = format!("HTTPRoute/billing-service-{name}");
        let route = of("routes", &object);
        let rate = if path.starts_with("/v1/admin/") { "admin" } else { "read" };
        let plugins = ["correlation-id", "jwt", &format!("rate-{rate}"), "size", &format!("scope-{scope}")];
        [
            route("/spec/rules/0/matches/0/method", json!(method)),
            route("/spec/rules/0/matches/0/path/value", json!(path)),
            route("/spec/rules/0/filters/0/requestHeaderModifier/remove", json!(["X-Tenant-Id", "X-Account-Id"])),
            route("/spec/rules/0/backendRefs/0", json!({"name": "billing-service", "port": 3020, "weight": 100})),
            route("/spec/rules/1", Value::Null),
            route(
                "/metadata/annotations/konghq.com~1plugins",
                json!(plugins.map(|plugin| format!("billing-service-{plugin}")).join(",")),
            ),
        ]
    });
    facts.collect()
}
