//! Every way in which a request can fail, as RFC 9457 problems. One catalogue: type, status, title and meaning.
//!
//! A problem never shows SQL, hosts, paths or the id asked for; two requests that fail alike differ in `instance` only.

use std::borrow::Cow;
use std::error::Error;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use billing_domain::ports::PortError;
use billing_domain::use_cases::BillingError;
use serde::Serialize;
use utoipa::ToSchema;

use super::trace::Trace;

/// Its media type.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// A failure as callers may rely on it: the last part of `type`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    /// No believable token.
    Unauthenticated,
    /// A token that does not carry what the route needs.
    Forbidden,
    /// Nothing there for who asks.
    NotFound,
    /// The path exists, not with this method.
    MethodNotAllowed,
    /// A body that is not the JSON it claims to be, or a header that cannot be read.
    Malformed,
    /// Fields or parameters with values that cannot be.
    Invalid,
    /// The resource is not as `If-Match` says.
    PreconditionFailed,
    /// More body than is taken.
    TooLarge,
    /// A longer path and query than is taken.
    TargetTooLong,
    /// Another media type than JSON.
    MediaType,
    /// The body did not come in time.
    Timeout,
    /// Another price of the same key on one of the days.
    PriceOverlap,
    /// Another operator cost of the same key on one of the days.
    CostOverlap,
    /// The change would rate usage otherwise that has been rated.
    RatedUsage,
    /// The row cannot be changed any more.
    Ended,
    /// The account has another tenant.
    OtherTenant,
    /// The invoice cannot be declared void any more, or not yet.
    NotVoidable,
    /// The invoice has no document yet.
    DocumentNotReady,
    /// The quarantined message was replayed or discarded.
    Resolved,
    /// The quarantined message cannot be replayed, or not now.
    NotReplayable,
    /// More headers than are taken.
    HeadTooLarge,
    /// The idempotency key stands for something else.
    KeyReused,
    /// The same request is under way.
    KeyInUse,
    /// The account's usage is being exported already.
    Exporting,
    /// More requests at once than can be served.
    Overloaded,
    /// The store, or the keys that tokens are verified by, cannot be reached.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Kind {
    /// The whole catalogue.
    pub(crate) const ALL: [Self; 27] = [
        Self::Malformed,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Timeout,
        Self::PriceOverlap,
        Self::CostOverlap,
        Self::RatedUsage,
        Self::Ended,
        Self::OtherTenant,
        Self::NotVoidable,
        Self::DocumentNotReady,
        Self::Resolved,
        Self::NotReplayable,
        Self::KeyInUse,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::TargetTooLong,
        Self::MediaType,
        Self::Invalid,
        Self::KeyReused,
        Self::Exporting,
        Self::HeadTooLarge,
        Self::Internal,
        Self::Overloaded,
        Self::Unavailable,
    ];

    /// Status, name and title.
    fn entry(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Malformed => (400, "malformed", "The request cannot be read"),
            Self::Unauthenticated => (401, "unauthenticated", "Authentication required"),
            Self::Forbidden => (403, "forbidden", "Not allowed"),
            Self::NotFound => (404, "not-found", "Not found"),
            Self::MethodNotAllowed => (405, "method-not-allowed", "Method not allowed"),
            Self::Timeout => (408, "timeout", "The body did not arrive in time"),
            Self::PriceOverlap => (409, "price-overlap", "Another price is in force"),
            Self::CostOverlap => (409, "cost-overlap", "Another operator cost is in force"),
            Self::RatedUsage => (409, "rated-usage", "Usage has already been rated"),
            Self::Ended => (409, "ended", "No longer in force"),
            Self::OtherTenant => (409, "other-tenant", "The account has another tenant"),
            Self::NotVoidable => (409, "not-voidable", "The invoice cannot be declared void"),
            Self::DocumentNotReady => (409, "document-not-ready", "The document is not ready"),
            Self::Resolved => (409, "resolved", "The message is not open any more"),
            Self::NotReplayable => (409, "not-replayable", "The message cannot be replayed"),
            Self::KeyInUse => (409, "idempotency-key-in-use", "A request with this idempotency key is under way"),
            Self::PreconditionFailed => (412, "precondition-failed", "It has been changed"),
            Self::TooLarge => (413, "too-large", "The body is too large"),
            Self::TargetTooLong => (414, "target-too-long", "The path and query are too long"),
            Self::MediaType => (415, "media-type", "The media type is not supported"),
            Self::Invalid => (422, "invalid", "Some values cannot be accepted"),
            Self::KeyReused => (422, "idempotency-key-reused", "The idempotency key was used for something else"),
            Self::Exporting => (429, "export-under-way", "An export of this account is under way"),
            Self::HeadTooLarge => (431, "head-too-large", "The headers are too large"),
            Self::Internal => (500, "internal", "Something went wrong on our side"),
            Self::Overloaded => (503, "overloaded", "Too many requests at once"),
            Self::Unavailable => (503, "unavailable", "Temporarily unavailable"),
        }
    }

    /// The HTTP status.
    pub(crate) fn status(self) -> StatusCode {
        StatusCode::from_u16(self.entry().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The name that `type` ends with.
    pub(crate) fn name(self) -> &'static str {
        self.entry().1
    }

    /// One phrase for a person.
    pub(crate) fn title(self) -> &'static str {
        self.entry().2
    }

    /// What it means and what to do, when the occurrence itself says nothing better.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Malformed => "send well-formed JSON and headers",
            Self::Unauthenticated => "authentication required",
            Self::Forbidden => "the token does not carry the scope, role or account that this needs",
            Self::NotFound => "there is nothing here that the token may see",
            Self::MethodNotAllowed => "the Allow header lists what this path understands",
            Self::Timeout => "send the whole body within 10 seconds, a deck within 60",
            Self::PriceOverlap => {
                "another price for the same tier or account, operator, direction and currency is in force on one of these \
                 days; change or end that one, or choose other days"
            }
            Self::CostOverlap => {
                "another cost for the same operator, direction and currency is in force on one of these days; change or \
                 end that one, or choose other days"
            }
            Self::RatedUsage => {
                "usage of these days has been rated and rated usage never changes; make a correction, or choose a first \
                 day after the rated usage"
            }
            Self::Ended => {
                "this version has ended, was cancelled or has been replaced; change the version in force, or create \
                 another one"
            }
            Self::OtherTenant => "an account has one tenant for ever; leave tenantId out, or check the account's id",
            Self::NotVoidable => {
                "an invoice is declared void once, when it is issued, or when it has its number and cannot be finished"
            }
            Self::DocumentNotReady => "the invoice is not issued yet; try again after the time that Retry-After names",
            Self::Resolved => "a message is replayed or discarded once; resolvedBy and resolvedAt say by whom and when",
            Self::NotReplayable => {
                "only its beginning was kept, or its bytes are kept no longer, or its replay is under way"
            }
            Self::PreconditionFailed => "read it again and decide again: it is not as the ETag in If-Match was of",
            Self::TooLarge => "a body has at most 65536 bytes",
            Self::TargetTooLong => "a path and its query have at most 8192 bytes together",
            Self::MediaType => "send the body as application/json",
            Self::Invalid => "errors lists each value and what it may be",
            Self::KeyReused => "choose another Idempotency-Key, or repeat exactly the request it was first used for",
            Self::KeyInUse => "wait as long as Retry-After says and repeat the request: the first one is answered then",
            Self::Exporting => "an account has one export at a time: take that one to its end, or try again later",
            Self::HeadTooLarge => "all headers but Authorization have at most 16384 bytes together",
            Self::Internal => "try again; if it stays, tell the operators the instance",
            Self::Overloaded | Self::Unavailable => "try again after the time that Retry-After names",
        }
    }

    /// After how many seconds it may be worth to try again.
    pub(crate) fn retry_after(self) -> Option<&'static str> {
        match self {
            Self::Overloaded | Self::KeyInUse => Some("1"),
            Self::Unavailable | Self::Exporting => Some("5"),
            Self::DocumentNotReady => Some("60"),
            _ => None,
        }
    }

    /// The whole `type`.
    pub(crate) fn uri(self) -> String {
        format!("/problems/{}", self.name())
    }
}

/// Where a refused value stood.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[schema(as = FieldPlace)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// The JSON body.
    Body,
    /// The query string.
    Query,
    /// A header.
    Header,
}

/// One refused value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Where it stood.
    #[serde(rename = "in")]
    pub(crate) place: Place,
    /// RFC 6901 pointer to it.
    #[schema(example = "/unitPrice")]
    pub(crate) pointer: String,
    /// What is wrong with it.
    pub(crate) detail: String,
}

/// A request that failed, and why.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    allow: Option<String>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        Self::with(kind, kind.meaning())
    }
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        let kind = if error.retryable { Kind::Unavailable } else { Kind::Internal };
        Self::caused(kind, error)
    }
}

impl From<BillingError> for Problem {
    fn from(error: BillingError) -> Self {
        match error {
            BillingError::Port(error) => error.into(),
            error => Self::caused(Kind::Internal, error),
        }
    }
}

impl Problem {
    /// With a sentence of its own.
    pub(crate) fn with(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), allow: None, cause: None }
    }

    /// Values that were refused.
    pub(crate) fn refused(kind: Kind, errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::from(kind) }
    }

    /// Values that were refused, with a sentence of its own.
    pub(crate) fn listing(kind: Kind, detail: String, errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::with(kind, detail) }
    }

    /// A failure of ours, with what is to be logged.
    pub(crate) fn caused(kind: Kind, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..Self::from(kind) }
    }

    /// The path has these methods only.
    pub(crate) fn method_not_allowed(allow: String) -> Self {
        Self { allow: Some(allow), ..Self::from(Kind::MethodNotAllowed) }
    }

    /// What went wrong, for the log when nobody is left to be answered.
    pub(crate) fn cause(&self) -> String {
        self.cause.as_ref().map_or_else(|| self.detail.to_string(), |cause| billing_runtime::chain(cause.as_ref()))
    }

    /// The answer. What caused it is logged here and nowhere else.
    pub(crate) fn into_response(self, trace: &Trace) -> HttpResponse {
        if let Some(cause) = &self.cause {
            let cause = billing_runtime::chain(cause.as_ref());
            tracing::error!(trace_id = trace.trace_id, problem = self.kind.name(), cause, "the request failed");
        }
        let mut response = HttpResponse::build(self.kind.status());
        response.insert_header((CACHE_CONTROL, "no-store")).content_type(PROBLEM_JSON);
        if self.kind == Kind::Unauthenticated {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(seconds) = self.kind.retry_after() {
            response.insert_header((RETRY_AFTER, seconds));
        }
        if let Some(allow) = self.allow {
            response.insert_header((ALLOW, allow));
        }
        let document = ProblemDocument {
            kind: self.kind.uri(),
            title: self.kind.title().into(),
            status: self.kind.status().as_u16(),
            detail: self.detail.into_owned(),
            instance: trace.instance(),
            errors: self.errors,
        };
        response.body(serde_json::to_vec(&document).unwrap_or_default())
    }
}

/// RFC 9457 problem details.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument {
    /// Stable: what to branch on.
    #[serde(rename = "type")]
    #[schema(example = "/problems/invalid")]
    pub(crate) kind: String,
    /// One phrase for a person.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What happened and what to do.
    pub(crate) detail: String,
    /// `urn:trace:` and the trace id: what to tell the operators.
    #[schema(example = "urn:trace:4bf92f3577b34da6a3ce929d0e0e4736")]
    pub(crate) instance: String,
    /// The refused values, when values were refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) errors: Vec<FieldError>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_an_error_status() {
        let mut names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Kind::ALL.len());
        assert!(Kind::ALL.iter().all(|kind| kind.status().is_client_error() || kind.status().is_server_error()));
    }
}
