//! What ties an answer, its log lines and its audit rows together: the trace id and the request id.
//!
//! A well-formed `traceparent` is continued and a sane `X-Request-Id` is kept; anything else is replaced, never refused.

use actix_web::http::header::{HeaderMap, HeaderName};
use billing_runtime::{TraceParent, continue_trace};
use tracing::Span;
use uuid::Uuid;

/// The caller's name for the request, given back with the answer.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// W3C trace context.
pub(crate) const TRACEPARENT: &str = "traceparent";

const REQUEST_ID_MAX: usize = 128;

/// The two ids of one request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trace {
    /// 32 lower-case hexadecimal digits, not all zero.
    pub(crate) trace_id: String,
    /// 1 to 128 characters of `[A-Za-z0-9._:-]`.
    pub(crate) request_id: String,
}

impl Trace {
    /// From what the request carries. The span becomes part of the caller's trace; without one, its trace is the
    /// request's.
    pub(crate) fn of(headers: &HeaderMap, span: &Span) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let fresh = || Uuid::new_v4().simple().to_string();
        let trace_id = match text(TRACEPARENT).and_then(TraceParent::parse) {
            Some(caller) => {
                continue_trace(span, &caller);
                caller.trace_id()
            }
            None => billing_runtime::trace_id(span).unwrap_or_else(fresh),
        };
        let request_id = text(REQUEST_ID.as_str()).filter(|id| is_sane(id)).map_or_else(fresh, str::to_owned);
        Self { trace_id, request_id }
    }

    /// The trace id as a problem's `instance`.
    pub(crate) fn instance(&self) -> String {
        format!("urn:trace:{}", self.trace_id)
    }
}

fn is_sane(id: &str) -> bool {
    (1..=REQUEST_ID_MAX).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_kept_when_they_are_sane() {
        for (id, kept) in
            [("abc-1.2_3:4", true), ("", false), ("a b", false), ("a\"b", false), (&"x".repeat(129), false)]
        {
            assert_eq!(is_sane(id), kept, "{id}");
        }
    }
}
