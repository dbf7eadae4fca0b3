//! What ties an answer, its log lines and its audit rows together: the trace id and the request id.
//!
//! A well-formed `traceparent` is continued and a sane `X-Request-Id` is kept; anything else is replaced, never refused.

use actix_web::http::header::{HeaderMap, HeaderName};
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
    /// From what the request carries.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let fresh = || Uuid::new_v4().simple().to_string();
        let trace_id = text(TRACEPARENT).and_then(trace_id_of).map_or_else(fresh, str::to_owned);
        let request_id = text(REQUEST_ID.as_str()).filter(|id| is_sane(id)).map_or_else(fresh, str::to_owned);
        Self { trace_id, request_id }
    }

    /// The trace id as a problem's `instance`.
    pub(crate) fn instance(&self) -> String {
        format!("urn:trace:{}", self.trace_id)
    }
}

/// The trace id of a W3C `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`, later versions with more fields.
fn trace_id_of(traceparent: &str) -> Option<&str> {
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let mut fields = traceparent.split('-');
    let (version, trace, parent, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let whole = version != "00" || fields.next().is_none();
    let well_formed = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2) && whole;
    let meaningful = trace.bytes().any(|b| b != b'0') && parent.bytes().any(|b| b != b'0');
    (well_formed && meaningful).then_some(trace)
}

fn is_sane(id: &str) -> bool {
    (1..=REQUEST_ID_MAX).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_trace_ids_are_continued() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (header, expected) in [
            (format!("00-{id}-00f067aa0ba902b7-01"), Some(id)),
            (format!("01-{id}-00f067aa0ba902b7-01-more"), Some(id)),
            (format!("00-{id}-00f067aa0ba902b7-01-more"), None),
            (format!("ff-{id}-00f067aa0ba902b7-01"), None),
            (format!("00-{id}-0000000000000000-01"), None),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None),
            (format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()), None),
            (format!("00-{id}-00f067aa0ba902b7"), None),
            ("garbage".to_owned(), None),
        ] {
            assert_eq!(trace_id_of(&header), expected, "{header}");
        }
    }

    #[test]
    fn request_ids_are_kept_when_they_are_sane() {
        for (id, kept) in
            [("abc-1.2_3:4", true), ("", false), ("a b", false), ("a\"b", false), (&"x".repeat(129), false)]
        {
            assert_eq!(is_sane(id), kept, "{id}");
        }
    }
}
