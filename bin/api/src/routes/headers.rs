//! What the document says of every operation of a sort: the headers that it takes and answers, and what they make of it.

use serde_json::json;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{HttpMethod, RefOr, ResponseBuilder};

use crate::http::access_reason::{self, ACCESS_REASON};
use crate::http::consistency::{CONSISTENCY_NAME, PATTERN};

const TAG_EXAMPLE: &str = "\"Jl5mG2Yb0xGNzAcQyD8JKg\"";
const REASON_EXAMPLE: &str = "ticket 4711: the customer asks what it was charged";
const POSITION_EXAMPLE: &str = "AAAAABazdIg";

/// `If-Match` of an operation that changes what can be read.
pub(super) fn if_match() -> Parameter {
    parameter("If-Match", None, TAG_EXAMPLE, "The `ETag` of what is to be changed: 412 if it is not that any more.")
}

/// Adds what an operation has by its method, and by whether it needs a token.
pub(super) fn complete(operation: &mut Operation, method: &HttpMethod, path: &str, is_guarded: bool) {
    let is_read = *method == HttpMethod::Get;
    if is_read && is_guarded {
        let says = "Of the answer to a write: what is read shows that write.";
        take(operation, parameter(CONSISTENCY_NAME, Some(PATTERN), POSITION_EXAMPLE, says));
    }
    if is_guarded && (is_read || may_only_look(operation)) {
        let says = "Of staff: why. It is kept in the audit log with every read that is noted there.";
        take(operation, parameter(ACCESS_REASON, Some(access_reason::PATTERN), REASON_EXAMPLE, says));
    }
    if !is_read && is_guarded {
        let says = "How far the log is written. Sent back with a read, that read shows this write.";
        for (_, response) in operation.responses.responses.iter_mut().filter(|(status, _)| status.starts_with('2')) {
            add_header(response, CONSISTENCY_NAME, says);
        }
    }
    let is_kept = is_read && !path.starts_with("/health/");
    let media = ["application/json", "text/html"];
    let Some(RefOr::T(answer)) = operation.responses.responses.get_mut("200") else { return };
    let has_tag = media.iter().any(|media| answer.content.contains_key(*media));
    if is_kept && has_tag {
        answer.headers.entry("ETag".into()).or_insert_with(|| RefOr::T(header("What this answer is known by.")));
        let says = "The `ETag` of an answer that the caller has: 304 if it still holds.";
        take(operation, parameter("If-None-Match", None, TAG_EXAMPLE, says));
        let same = ResponseBuilder::new()
            .description("What the caller has still holds.")
            .header("ETag", header("What it is known by."))
            .build();
        operation.responses.responses.insert("304".into(), RefOr::T(same));
    }
}

/// Whether it can be asked what it would do.
fn may_only_look(operation: &Operation) -> bool {
    let named = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(parameter) if parameter.name == "dryRun");
    operation.parameters.iter().flatten().any(named)
}

fn take(operation: &mut Operation, parameter: Parameter) {
    operation.parameters.get_or_insert_default().push(RefOr::T(parameter));
}

fn parameter(name: &str, pattern: Option<&str>, example: &str, says: &str) -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).pattern(pattern).examples([json!(example)]).build();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .schema(Some(schema))
        .description(Some(says))
        .build()
}

fn header(says: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(says)).build()
}

fn add_header(response: &mut RefOr<utoipa::openapi::Response>, name: &str, says: &str) {
    if let RefOr::T(response) = response {
        response.headers.insert(name.into(), RefOr::T(header(says)));
    }
}
