//! Spans on their way out: a bounded queue that nobody waits for, and one task that sends what is in it by OTLP.
//!
//! What finds the queue full, or meets a collector that does not take it, is dropped and counted: a trace is worth less
//! than what it tells about.

use std::fmt;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use prost::Message as _;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, redirect};
use rustls::ClientConfig;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::chain;

/// What became of spans, by `result`, one of [`RESULTS`].
const SPANS: &str = "billing_trace_spans_total";
const RESULTS: [&str; 4] = ["exported", "queue_full", "failed", "batch_full"];
/// The path that OTLP over HTTP adds to the address.
const PATH: &str = "/v1/traces";
/// Spans that wait; about 1 KiB each.
const QUEUE_MAX: usize = 4_096;
/// Spans of one request.
const BATCH_MAX: usize = 512;
/// How long the first span of a request waits for more.
const LINGER: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// At the end of the process, for everything that still waits.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Begins every series at 0.
pub(crate) fn register_metrics() {
    metrics::describe_counter!(SPANS, metrics::Unit::Count, "Spans of traces, by what became of them");
    for result in RESULTS {
        count(result, 0);
    }
}

pub(super) fn count(result: &'static str, spans: usize) {
    metrics::counter!(SPANS, "result" => result).increment(u64::try_from(spans).unwrap_or(u64::MAX));
}

/// The end of the queue where spans come in. Never blocks.
pub(super) struct Queue(mpsc::Sender<SpanData>);

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queue").field(&self.0.capacity()).finish()
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.0.try_send(span).is_err() {
            count("queue_full", 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The task that sends.
#[derive(Debug)]
pub(crate) struct Exporter {
    close: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Sends what waits, for a while at most.
    pub(crate) async fn stop(self) {
        // It has ended by itself only if it broke down.
        let _broken = self.close.send(());
        if tokio::time::timeout(STOP_TIMEOUT, self.task).await.is_err() {
            tracing::warn!("spans of traces are lost: the collector does not take them in time");
        }
    }
}

pub(super) fn start(
    endpoint: &str,
    tls: ClientConfig,
    resource: &Resource,
) -> Result<(Queue, Exporter), reqwest::Error> {
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .redirect(redirect::Policy::none())
        .build()?;
    let (queue, spans) = mpsc::channel(QUEUE_MAX);
    let (close, closing) = oneshot::channel();
    let url = format!("{}{PATH}", endpoint.trim_end_matches('/'));
    let sender = Sender { client, url, resource: resource.into(), is_failing: false };
    let task = tokio::spawn(sender.run(spans, closing));
    Ok((Queue(queue), Exporter { close, task }))
}

struct Sender {
    client: Client,
    url: String,
    resource: ResourceAttributesWithSchema,
    is_failing: bool,
}

impl Sender {
    /// Sends until it is told to close and nothing waits any more.
    async fn run(mut self, mut spans: mpsc::Receiver<SpanData>, mut closing: oneshot::Receiver<()>) {
        loop {
            let mut batch = Vec::with_capacity(BATCH_MAX);
            let linger = tokio::time::sleep(LINGER);
            tokio::pin!(linger);
            while batch.len() < BATCH_MAX {
                let room = BATCH_MAX - batch.len();
                let is_closed = spans.is_closed();
                tokio::select! {
                    biased;
                    _ = &mut closing, if !is_closed => spans.close(),
                    taken = spans.recv_many(&mut batch, room) => if taken == 0 { break },
                    () = &mut linger, if !batch.is_empty() => break,
                }
            }
            if batch.is_empty() {
                return;
            }
            self.send(batch).await;
        }
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        let spans = batch.len();
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let sent = self.client.post(&self.url).header(CONTENT_TYPE, "application/x-protobuf").body(body).send().await;
        match sent.and_then(reqwest::Response::error_for_status) {
            Ok(_) => {
                count("exported", spans);
                self.is_failing = false;
            }
            Err(error) => {
                count("failed", spans);
                if !self.is_failing {
                    // Once, until it is well again: there would be one every few seconds.
                    let error = chain(&error.without_url());
                    tracing::warn!(error, "the collector of traces does not take them; they are dropped");
                }
                self.is_failing = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use billing_testing::certificates::{Authority, serve, trusting_nobody};
    use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;

    /// A span on its way to this collector, until it was sent or dropped.
    async fn send(endpoint: &str, tls: ClientConfig) {
        let (queue, exporter) = start(endpoint, tls, &Resource::builder_empty().build()).unwrap();
        let provider = SdkTracerProvider::builder().with_span_processor(queue).build();
        provider.tracer("test").start("work").end();
        exporter.stop().await;
    }

    #[tokio::test]
    async fn a_collector_of_the_platforms_own_authority_is_trusted_and_no_other() {
        let authority = Authority::new();
        let (endpoint, answered) = serve(&authority.sign(&["localhost"]), "");
        send(&endpoint, trusting_nobody()).await;
        assert!(answered.try_recv().is_err(), "spans went to somebody who is not trusted");
        send(&endpoint, authority.client()).await;
        assert_eq!(answered.recv_timeout(REQUEST_TIMEOUT).unwrap(), "post /v1/traces http/1.1");
    }
}
