//! A collector of traces: takes OTLP over HTTP, keeps every span that it is sent, and may play dead.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const WAIT_MAX: Duration = Duration::from_secs(30);

/// What a span says, ids in hexadecimal digits.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for the first of a trace.
    pub(crate) parent: String,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Of the traces that it is linked to.
    pub(crate) links: Vec<String>,
    pub(crate) is_error: bool,
}

/// A running collector. It ends with this value.
pub(crate) struct Collector {
    pub(crate) endpoint: String,
    spans: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Collector {
    /// One that takes everything.
    pub(crate) async fn start() -> Self {
        Self::listen(false).await
    }

    /// One that takes connections and never answers.
    pub(crate) async fn dead() -> Self {
        Self::listen(true).await
    }

    async fn listen(is_dead: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (spans, connections) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<usize>>::default());
        let (kept, counted) = (Arc::clone(&spans), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                *counted.lock().unwrap() += 1;
                if is_dead {
                    held.push(stream);
                } else {
                    tokio::spawn(serve(stream, Arc::clone(&kept)));
                }
            }
        });
        Self { endpoint, spans, connections, task }
    }

    /// How often somebody has connected.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// What came so far.
    pub(crate) fn spans(&self) -> Vec<Seen> {
        self.spans.lock().unwrap().clone()
    }

    /// Waits until something is found among the spans.
    pub(crate) async fn until<T>(&self, what: &str, find: impl Fn(&[Seen]) -> Option<T>) -> T {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            let spans = self.spans();
            if let Some(found) = find(&spans) {
                return found;
            }
            assert!(Instant::now() < deadline, "no {what} among {spans:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the trace has a span of that name.
    pub(crate) async fn span(&self, trace: &str, name: &str) -> Seen {
        self.until(name, |spans| spans.iter().find(|span| span.trace == trace && span.name == name).cloned()).await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seen {
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// Whether it lies in the other, in time.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        other.start <= self.start && self.start <= self.end && self.end <= other.end
    }
}

/// Answers every request of one connection; anything unexpected ends it.
async fn serve(mut stream: TcpStream, spans: Arc<Mutex<Vec<Seen>>>) {
    let mut read = Vec::new();
    loop {
        let head_end = loop {
            if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
                return;
            }
        };
        let head = String::from_utf8_lossy(&read[..head_end]).to_lowercase();
        assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf\r\n"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let body_end = head_end + length.parse::<usize>().unwrap();
        while read.len() < body_end {
            if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
                return;
            }
        }
        let request = ExportTraceServiceRequest::decode(&read[head_end..body_end]).unwrap();
        spans.lock().unwrap().extend(seen(&request));
        read.drain(..body_end);
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.is_err() {
            return;
        }
    }
}

fn seen(request: &ExportTraceServiceRequest) -> Vec<Seen> {
    let mut all = Vec::new();
    for resource in &request.resource_spans {
        let attributes = texts(&resource.resource.as_ref().unwrap().attributes);
        for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
            all.push(of(span, &attributes["service.name"]));
        }
    }
    all
}

fn of(span: &Span, service: &str) -> Seen {
    Seen {
        service: service.to_owned(),
        name: span.name.clone(),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        attributes: texts(&span.attributes),
        links: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
        is_error: span.status.as_ref().is_some_and(|status| status.code == 2),
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(&attribute.value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
