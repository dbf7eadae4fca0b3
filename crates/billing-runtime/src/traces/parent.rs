//! The header `traceparent` of W3C Trace Context: read strictly, written by nobody here.

use std::fmt;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};

/// The span of the caller, who may be another service.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: TraceId,
    span: SpanId,
    flags: TraceFlags,
}

impl TraceParent {
    /// From `00-<32 hex>-<16 hex>-<2 hex>`; later versions may have more fields. `None` when it is not well-formed, or
    /// an id is zero.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut fields = traceparent.split('-');
        let (version, trace, parent, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let is_whole = version != "00" || fields.next().is_none();
        if !(is_whole && is_hex(version, 2) && version != "ff") {
            return None;
        }
        if !(is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2)) {
            return None;
        }
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(parent).ok()?);
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
        (trace != TraceId::INVALID && span != SpanId::INVALID).then_some(Self { trace, span, flags })
    }

    /// 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.trace.to_string()
    }

    /// Whether the caller records its part of the trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags.is_sampled()
    }

    pub(super) fn context(&self) -> opentelemetry::Context {
        // Of the flags only the one that says whether it is recorded is handed on.
        let flags = TraceFlags::default().with_sampled(self.is_sampled());
        let span = SpanContext::new(self.trace, self.span, flags, true, TraceState::NONE);
        opentelemetry::Context::new().with_remote_span_context(span)
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{:02x}", self.trace, self.span, self.flags.to_u8())
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_well_formed_is_continued() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (header, expected) in [
            (format!("00-{id}-00f067aa0ba902b7-01"), Some(true)),
            (format!("00-{id}-00f067aa0ba902b7-00"), Some(false)),
            (format!("01-{id}-00f067aa0ba902b7-03-more"), Some(true)),
            (format!("00-{id}-00f067aa0ba902b7-01-more"), None),
            (format!("ff-{id}-00f067aa0ba902b7-01"), None),
            (format!("00-{id}-0000000000000000-01"), None),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None),
            (format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()), None),
            (format!("00-{id}-00f067aa0ba902b7"), None),
            ("garbage".to_owned(), None),
        ] {
            let parsed = TraceParent::parse(&header);
            assert_eq!(parsed.map(|parent| parent.is_sampled()), expected, "{header}");
            assert!(parsed.is_none_or(|parent| parent.trace_id() == id), "{header}");
        }
    }
}
