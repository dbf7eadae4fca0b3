//! Messages that are worked on together, each with a trace of its own.
//!
//! Each message that its publisher traces has a span in its publisher's trace, from receipt to the end of the work. The
//! work itself is done once for all: its span is in the trace of the first such message, and the others are linked to it.

use std::time::{Duration, SystemTime};

use billing_domain::ports::Clock as _;
use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::TraceParent;
use super::export::count;
use crate::SystemClock;

/// Messages of one batch with a span each: the queue takes no more at once anyway.
const TRACED_MAX: usize = 512;
/// As many as a span of the library keeps.
const LINKS_MAX: usize = 128;

/// Makes spans of messages.
#[derive(Clone, Debug)]
pub struct MessageTracer {
    tracer: SdkTracer,
    /// Where they come from.
    source: &'static str,
}

/// How a batch came.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// Its messages, traced or not.
    pub messages: usize,
    /// How long ago the first of them came.
    pub first_ago: Duration,
    /// How long ago it was complete.
    pub complete_ago: Duration,
}

/// The spans of a batch, until it is done.
#[derive(Debug, Default)]
pub struct BatchTrace {
    messages: Vec<Context>,
}

impl MessageTracer {
    pub(crate) fn new(tracer: SdkTracer, source: &'static str) -> Self {
        Self { tracer, source }
    }

    /// Begins the spans of the messages with these callers, and makes `work` the work on all of them; it must not have
    /// been entered.
    pub fn begin<'a>(&self, work: &Span, taken: Taken, callers: impl Iterator<Item = &'a str>) -> BatchTrace {
        let now = SystemTime::from(SystemClock.now());
        let [first_at, complete_at] =
            [taken.first_ago, taken.complete_ago].map(|ago| now.checked_sub(ago).unwrap_or(now));
        let mut callers = callers.filter_map(TraceParent::parse).filter(TraceParent::is_sampled);
        let messages: Vec<_> =
            callers.by_ref().take(TRACED_MAX).map(|caller| self.message(&caller, first_at)).collect();
        count("batch_full", callers.count());
        if let Some(first) = messages.first() {
            let _off = work.set_parent(first.clone());
        }
        for other in messages.iter().skip(1).take(LINKS_MAX) {
            work.add_link(other.span().span_context().clone());
        }
        let work = work.context();
        let size = KeyValue::new("messaging.batch.message_count", i64::try_from(taken.messages).unwrap_or(i64::MAX));
        work.span().set_attribute(size);
        self.pull(&work, first_at, complete_at);
        let work = work.span().span_context().clone();
        for other in messages.iter().skip(1).filter(|_| work.is_sampled()) {
            other.span().add_link(work.clone(), Vec::new());
        }
        BatchTrace { messages }
    }

    fn message(&self, caller: &TraceParent, first_at: SystemTime) -> Context {
        let span = SpanBuilder::from_name(format!("process {}", self.source))
            .with_kind(SpanKind::Consumer)
            .with_start_time(first_at)
            .with_attributes([
                KeyValue::new("messaging.system", "nats"),
                KeyValue::new("messaging.operation.type", "process"),
                KeyValue::new("messaging.destination.name", self.source),
            ]);
        let caller = caller.context();
        let span = self.tracer.build_with_context(span, &caller);
        caller.with_span(span)
    }

    /// What came before the work.
    fn pull(&self, work: &Context, first_at: SystemTime, complete_at: SystemTime) {
        let span = SpanBuilder::from_name("pull").with_kind(SpanKind::Client).with_start_time(first_at);
        let pull = work.with_span(self.tracer.build_with_context(span, work));
        pull.span().end_with_timestamp(complete_at);
    }
}

impl BatchTrace {
    /// The work on the messages is over: they are done, or come again.
    pub fn end(self, are_done: bool) {
        for message in self.messages {
            if !are_done {
                message.span().set_status(Status::error("given back"));
            }
            message.span().end();
        }
    }
}
