//! Traces: which spans are recorded, and where they are sent. What is worth a span is decided where the work is done.
//!
//! Off unless an address is given; then a span costs one comparison. A caller's trace is continued, and its decision
//! whether to record is kept; what has no caller is recorded at a chosen ratio.

mod batch;
mod export;
mod parent;

use opentelemetry::KeyValue;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanLimits};
use rustls::ClientConfig;
use tracing::{Metadata, Span};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer};

use crate::{Env, Trust};

pub use batch::{BatchTrace, MessageTracer, Taken};
pub(crate) use export::{Exporter, register_metrics};
pub use parent::TraceParent;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const RATIO: &str = "OTEL_TRACES_SAMPLER_ARG";
/// The adapters' crates begin so. What they do is part of some work, and no trace of its own: they look every second
/// whether there is something to do.
const ADAPTERS: &str = "billing_";
/// The other crates whose spans are ours.
const PROGRAMS: [&str; 3] = ["api", "ingest", "invoice_cron"];

/// Where traces are sent, and how many.
#[derive(Clone, Debug)]
pub struct TraceConfig {
    /// `http(s)://host:port`, without the path of the protocol.
    endpoint: String,
    /// Of traces that nobody else has begun, from 0 to 1.
    ratio: f64,
    service: &'static str,
    tls: ClientConfig,
}

impl TraceConfig {
    /// By the variables that OpenTelemetry names; `None` when traces are off. `service` is the name that traces have, `trust` says
    /// whose collector is trusted.
    pub fn from_env(env: &mut Env, service: &'static str, trust: &Trust) -> Option<Self> {
        let parse = |text: &str| text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        let ratio = env.read(RATIO, Some(1.0), "a number from 0 to 1", parse);
        let endpoint = env.url(ENDPOINT, &["http", "https"])?;
        Some(Self { endpoint, ratio: ratio?, service, tls: trust.client() })
    }
}

/// The recorder of spans, and what sends them.
#[derive(Debug)]
pub(crate) struct Traces {
    pub(crate) tracer: SdkTracer,
    pub(crate) exporter: Exporter,
}

impl Traces {
    /// Begins to send. Must be called within a Tokio runtime.
    pub(crate) fn start(config: &TraceConfig) -> Result<Self, reqwest::Error> {
        let attributes = [
            KeyValue::new("service.namespace", "billing"),
            KeyValue::new("service.name", config.service),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ];
        let resource = Resource::builder_empty().with_attributes(attributes).build();
        let (queue, exporter) = export::start(&config.endpoint, config.tls.clone(), &resource)?;
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.ratio))))
            .with_span_limits(SpanLimits::default())
            .with_resource(resource)
            .with_span_processor(queue)
            .build();
        Ok(Self { tracer: provider.tracer("billing"), exporter })
    }

    /// What makes the program's spans those of a trace. Log lines stay out of it: they may name tenants.
    pub(crate) fn layer(&self) -> impl Layer<Registry> + Send + Sync + 'static {
        OpenTelemetryLayer::new(self.tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_level(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(tracing_subscriber::filter::dynamic_filter_fn(is_recorded))
    }
}

fn is_recorded(metadata: &Metadata<'_>, context: &Context<'_, Registry>) -> bool {
    let krate = metadata.target().split("::").next().unwrap_or_default();
    metadata.is_span()
        && (PROGRAMS.contains(&krate) || (krate.starts_with(ADAPTERS) && context.lookup_current().is_some()))
}

/// Makes the span part of the caller's trace. It must not have been entered, nor have a child.
pub fn continue_trace(span: &Span, parent: &TraceParent) {
    // Fails when traces are off, or the span is not recorded: then there is nothing to continue.
    let _off = span.set_parent(parent.context());
}

/// The trace that the span belongs to, 32 hexadecimal digits; `None` when traces are off.
#[must_use]
pub fn trace_id(span: &Span) -> Option<String> {
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| context.trace_id().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_unless_an_address_is_given() {
        for (endpoint, ratio, is_on, mistake) in [
            ("", "", false, None),
            ("http://collector:4318", "", true, None),
            ("http://collector:4318", "0.25", true, None),
            ("collector:4318", "", true, Some("OTEL_EXPORTER_OTLP_ENDPOINT is")),
            ("http://collector:4318", "1.5", false, Some("OTEL_TRACES_SAMPLER_ARG is \"1.5\"")),
            ("", "half", false, Some("OTEL_TRACES_SAMPLER_ARG is \"half\"")),
            ("http://collector:4318", "NaN", false, Some("OTEL_TRACES_SAMPLER_ARG is \"NaN\"")),
        ] {
            let mut env = Env::of([(ENDPOINT, endpoint), (RATIO, ratio)]);
            let trust = Trust::from_env(&mut Env::of([]));
            assert_eq!(TraceConfig::from_env(&mut env, "x", &trust).is_some(), is_on, "{endpoint} {ratio}");
            let told = env.check().err().map(|error| error.to_string());
            match mistake {
                None => assert_eq!(told, None),
                Some(mistake) => assert!(told.unwrap_or_default().starts_with(mistake), "{mistake}"),
            }
        }
    }
}
