//! The values that were asked for. A row is called as in the platform's table.

use serde_json::{Value, json};

use super::edges;

/// A value at a place. `null` where nothing may stand.
pub(super) struct Fact {
    pub(super) row: &'static str,
    /// `Kind/name`.
    pub(super) object: String,
    pub(super) pointer: String,
    pub(super) value: Value,
}

const API: &str = "Deployment/billing-service";
const INGEST: &str = "Deployment/billing-service-ingest";
const CRON: &str = "CronJob/billing-service-invoice-cron";
const MIGRATE: &str = "Job/billing-service-migrate";
const POD: &str = "/spec/template/spec";
const CRON_POD: &str = "/spec/jobTemplate/spec/template/spec";

/// Objects and the places in them.
type Places = &'static [(&'static str, &'static str)];

/// Values that must be one and the same, whatever they are.
pub(super) const SAME: [(&str, &str, Places); 1] = [(
    "cron: same image",
    "image",
    &[
        (API, "/spec/template/spec/containers/0/image"),
        (INGEST, "/spec/template/spec/containers/0/image"),
        (CRON, "/spec/jobTemplate/spec/template/spec/containers/0/image"),
        (MIGRATE, "/spec/template/spec/containers/0/image"),
    ],
)];

/// All there may be of a kind, sorted.
pub(super) const KINDS: [(&str, &str, &[&str]); 5] = [
    ("workload kind", "Deployment/", &["billing-service", "billing-service-ingest"]),
    ("canary: REST path only", "Rollout/", &["billing-service"]),
    ("scaling", "HorizontalPodAutoscaler/", &["billing-service", "billing-service-ingest"]),
    ("rolling update", "PodDisruptionBudget/", &["billing-service", "billing-service-ingest"]),
    (
        "routes",
        "HTTPRoute/billing-service-",
        &[
            "cost",
            "cost-change",
            "cost-create",
            "cost-end",
            "costs",
            "invoice-download",
            "invoice-void",
            "invoices",
            "price",
            "price-change",
            "price-create",
            "price-end",
            "prices",
            "usage",
        ],
    ),
];

/// Alerts that must be there.
pub(super) const ALERTS: [&str; 9] = [
    "BillingPgErrors",
    "BillingRedisErrors",
    "BillingPricingNotFound",
    "BillingCostNotFound",
    "BillingConsumerLag",
    "BillingInvoiceCronError",
    "BillingInvoiceRenderError",
    "BillingNegativeMargin",
    "BillingQuarantine",
];

/// Every value.
pub(super) fn facts() -> Vec<Fact> {
    let mut all = Vec::new();
    for (deployment, name) in [(API, "billing-service"), (INGEST, "billing-service-ingest")] {
        all.extend(deployment_facts(deployment, name));
    }
    for (workload, pod) in [(API, POD), (INGEST, POD), (CRON, CRON_POD), (MIGRATE, POD)] {
        all.extend(pod_facts(workload, pod));
    }
    for part in [service_facts(), variable_facts(), cron_facts(), canary_facts(), edges::facts()] {
        all.extend(part);
    }
    all
}

pub(super) fn of(row: &'static str, object: &str) -> impl Fn(&str, Value) -> Fact {
    move |pointer, value| Fact { row, object: object.to_owned(), pointer: pointer.to_owned(), value }
}

fn deployment_facts(deployment: &str, name: &str) -> Vec<Fact> {
    let (ports, update) = (of("ports", deployment), of("rolling update", deployment));
    let (budget, scaler) = (format!("PodDisruptionBudget/{name}"), format!("HorizontalPodAutoscaler/{name}"));
    let (budget, scaler) = (of("rolling update", &budget), of("workload kind", &scaler));
    let (resources, account) = (of("resources", deployment), of("ServiceAccount", deployment));
    let is_ingest = deployment == INGEST;
    let external = json!({"type": "External", "external": {
        "metric": {"name": "billing_nats_consumer_lag"}, "target": {"type": "AverageValue", "averageValue": "5000"}}});
    vec![
        ports(
            "/spec/template/spec/containers/0/ports",
            json!([
            {"name": "http", "containerPort": 3020}, {"name": "metrics", "containerPort": 9464}]),
        ),
        // The autoscaler owns it.
        scaler("/spec/minReplicas", json!(2)),
        scaler("/spec/maxReplicas", json!(6)),
        scaler("/spec/metrics/0/resource/name", json!("cpu")),
        scaler("/spec/metrics/0/resource/target/type", json!("Utilization")),
        scaler("/spec/metrics/0/resource/target/averageUtilization", json!(70)),
        scaler("/spec/metrics/1", if is_ingest { external } else { Value::Null }),
        // The Rollout runs the api's pods in its Deployment's place.
        scaler("/spec/scaleTargetRef/kind", json!(if is_ingest { "Deployment" } else { "Rollout" })),
        scaler("/spec/scaleTargetRef/name", json!(name)),
        of("workload kind", deployment)("/spec/replicas", Value::Null),
        update("/spec/strategy/type", json!("RollingUpdate")),
        update("/spec/strategy/rollingUpdate/maxSurge", json!(1)),
        update("/spec/strategy/rollingUpdate/maxUnavailable", json!(0)),
        budget("/spec/minAvailable", json!(1)),
        resources("/spec/template/spec/containers/0/resources/requests/cpu", json!("300m")),
        resources("/spec/template/spec/containers/0/resources/requests/memory", json!("512Mi")),
        resources("/spec/template/spec/containers/0/resources/limits/cpu", json!("1")),
        resources("/spec/template/spec/containers/0/resources/limits/memory", json!("1Gi")),
        account("/spec/template/spec/serviceAccountName", json!("billing-service")),
        of("Vault", deployment)(
            "/spec/template/metadata/annotations/vault.hashicorp.com~1role",
            json!("billing-service"),
        ),
        of("Vault", deployment)("/spec/template/metadata/annotations/vault.hashicorp.com~1agent-inject", json!("true")),
        // A Vault that is away ends no pod; a changed key is found as soon as the program itself would find it.
        of("Vault", deployment)(
            "/spec/template/metadata/annotations/vault.hashicorp.com~1template-config-exit-on-retry-failure",
            json!("false"),
        ),
        of("Vault", deployment)(
            "/spec/template/metadata/annotations/vault.hashicorp.com~1template-static-secret-render-interval",
            json!("30s"),
        ),
        // Who routes requests to the api learns first that the pod goes; ingest serves nobody.
        of("grace", deployment)(
            "/spec/template/spec/containers/0/lifecycle",
            if is_ingest { Value::Null } else { json!({"preStop": {"sleep": {"seconds": 5}}}) },
        ),
        of("spread", deployment)("/spec/template/spec/topologySpreadConstraints", spread(is_ingest)),
        // The drain that the programs need, and some to spare.
        of("grace", deployment)(
            "/spec/template/spec/terminationGracePeriodSeconds",
            json!(if is_ingest { 30 } else { 60 }),
        ),
        of("probes", deployment)(
            "/spec/template/spec/containers/0/livenessProbe/httpGet",
            json!({"path": "/health/live", "port": "http"}),
        ),
        of("probes", deployment)(
            "/spec/template/spec/containers/0/readinessProbe/httpGet",
            json!({"path": "/health/ready", "port": "http"}),
        ),
    ]
}

/// Over zones, and over nodes; rather together than not at all.
fn spread(is_ingest: bool) -> Value {
    let labels = json!({"app.kubernetes.io/name": "billing-service", "app.kubernetes.io/instance": "billing-service",
        "app.kubernetes.io/component": if is_ingest { "ingest" } else { "api" }});
    let over = |what: &str| json!({"maxSkew": 1, "topologyKey": what, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": labels}});
    json!([over("topology.kubernetes.io/zone"), over("kubernetes.io/hostname")])
}

/// What Pod Security `restricted` wants, and a root that cannot be written to.
fn pod_facts(workload: &str, pod: &str) -> Vec<Fact> {
    let security = of("non-root, restricted", workload);
    let at = |rest: &str| format!("{pod}/{rest}");
    vec![
        security(&at("securityContext/runAsNonRoot"), json!(true)),
        security(&at("securityContext/seccompProfile/type"), json!("RuntimeDefault")),
        security(
            &at("containers/0/securityContext"),
            json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true, "runAsUser": 65532,
            "capabilities": {"drop": ["ALL"]}}),
        ),
        security(&at("containers/1"), Value::Null),
        // Nothing but whom to trust.
        security(&at("volumes"), json!([{"name": "tls-ca", "configMap": {"name": "platform-ca"}}])),
        security(&at("hostNetwork"), Value::Null),
    ]
}

fn service_facts() -> Vec<Fact> {
    let (api, metrics) = (of("ports", "Service/billing-service"), of("ports", "Service/billing-service-metrics"));
    let port = |name: &str, port: u16| json!({"name": name, "port": port, "targetPort": name});
    vec![
        api("/spec/ports", json!([port("http", 3020), port("metrics", 9464)])),
        metrics("/spec/ports", json!([port("metrics", 9464)])),
        of("ServiceAccount", "ServiceAccount/billing-service")("/kind", json!("ServiceAccount")),
        of("ports", "ServiceMonitor/billing-service")("/spec/endpoints/0/port", json!("metrics")),
        of("ports", "ServiceMonitor/billing-service")("/spec/endpoints/0/path", json!("/metrics")),
    ]
}

fn variable_facts() -> Vec<Fact> {
    let of = |row| of(row, "ConfigMap/billing-service");
    let three = |scheme: &str, name: &str, port: u16| {
        json!([0, 1, 2].map(|node| format!("{scheme}://{name}-{node}.{name}:{port}")).join(","))
    };
    vec![
        of("PostgreSQL")("/data/BILLING_DATABASE_URL", json!("postgres://billing-primary.postgresql:5432/billing")),
        of("PostgreSQL")(
            "/data/BILLING_DATABASE_REPLICA_URL",
            json!("postgres://billing-replica.postgresql:5432/billing"),
        ),
        // 15 connections a pod in all.
        of("PostgreSQL")("/data/BILLING_DATABASE_POOL_PRIMARY", json!("10")),
        of("PostgreSQL")("/data/BILLING_DATABASE_POOL_REPLICA", json!("5")),
        of("Redis")("/data/BILLING_REDIS_URLS", three("rediss", "redis", 6379)),
        of("NATS JetStream")("/data/BILLING_NATS_URLS", three("tls", "nats", 4222)),
        of("object store")("/data/BILLING_S3_BUCKET", json!("ghasi-invoices")),
        of("TLS")("/data/BILLING_TLS_CA_FILE", json!("/etc/billing/tls/ca.crt")),
        of("Vault")("/data/BILLING_CREDENTIALS", json!("files")),
        of("Vault")("/data/BILLING_CREDENTIALS_DIR", json!("/vault/secrets")),
    ]
}

fn cron_facts() -> Vec<Fact> {
    let (cron, vault) = (of("cron", CRON), of("Vault", CRON));
    let annotation =
        |name: &str| format!("/spec/jobTemplate/spec/template/metadata/annotations/vault.hashicorp.com~1{name}");
    vec![
        cron("/spec/schedule", json!("5 0 1 * *")),
        cron("/spec/timeZone", json!("Etc/UTC")),
        cron("/spec/concurrencyPolicy", json!("Forbid")),
        cron("/spec/suspend", json!(false)),
        cron("/spec/startingDeadlineSeconds", json!(86400)),
        cron("/spec/successfulJobsHistoryLimit", json!(3)),
        cron("/spec/failedJobsHistoryLimit", json!(3)),
        cron("/spec/jobTemplate/spec/backoffLimit", json!(2)),
        // A single pod.
        cron("/spec/jobTemplate/spec/parallelism", Value::Null),
        cron("/spec/jobTemplate/spec/template/spec/restartPolicy", json!("OnFailure")),
        cron("/spec/jobTemplate/spec/template/spec/containers/0/command", json!(["/usr/local/bin/invoice-cron"])),
        cron("/spec/jobTemplate/spec/template/spec/serviceAccountName", json!("billing-service")),
        cron("/spec/jobTemplate/spec/template/spec/containers/0/args", json!(["--json"])),
        of("resources", CRON)(
            "/spec/jobTemplate/spec/template/spec/containers/0/resources",
            json!({"requests": {"cpu": "300m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}),
        ),
        vault(&annotation("agent-pre-populate-only"), json!("true")),
        // Nobody renews what it gets: a role, and a lease, that outlast a run.
        vault(&annotation("role"), json!("billing-service-cron")),
        vault(&annotation("agent-inject-secret-database-worker.json"), json!("database/creds/billing-cron")),
        vault(&annotation("agent-inject-secret-s3.json"), json!("secret/data/billing/s3")),
        vault(&annotation("agent-inject-secret-nats.json"), json!("secret/data/billing/nats")),
        of("migration", MIGRATE)("/metadata/annotations/helm.sh~1hook", json!("pre-install,pre-upgrade")),
        of("migration", MIGRATE)("/spec/template/spec/containers/0/command", json!(["/usr/local/bin/api", "migrate"])),
        of("migration", MIGRATE)("/spec/template/spec/serviceAccountName", json!("billing-service-migrate")),
    ]
}

fn canary_facts() -> Vec<Fact> {
    let canary = of("canary", "Rollout/billing-service");
    let promote = of("promote if", "AnalysisTemplate/billing-service-promote");
    vec![
        // Back without half an hour of steps.
        canary("/spec/rollbackWindow/revisions", json!(3)),
        canary("/spec/workloadRef/kind", json!("Deployment")),
        canary("/spec/workloadRef/name", json!("billing-service")),
        canary("/spec/strategy/canary/steps/0/setWeight", json!(10)),
        canary("/spec/strategy/canary/steps/1/pause/duration", json!("30m")),
        canary("/spec/strategy/canary/steps/2/analysis/templates/0/templateName", json!("billing-service-promote")),
        canary("/spec/strategy/canary/maxSurge", json!(1)),
        canary("/spec/strategy/canary/maxUnavailable", json!(0)),
        promote("/spec/metrics/0/name", json!("ingestion-error-rate")),
        promote("/spec/metrics/0/successCondition", json!("len(result) > 0 && result[0] < 0.001")),
        promote("/spec/metrics/0/failureLimit", json!(0)),
        promote("/spec/metrics/1/name", json!("rest-p95-seconds")),
        promote("/spec/metrics/1/successCondition", json!("len(result) > 0 && result[0] <= 0.3")),
        promote("/spec/metrics/1/failureLimit", json!(0)),
    ]
}
