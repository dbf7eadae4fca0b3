//! HTTP as every route has it: problems, strict bodies and parameters, cursors, idempotency keys, entity tags, CSV files,
//! traces. It knows no route and no business rule.

pub(crate) mod access_reason;
pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod consistency;
pub(crate) mod csv;
pub(crate) mod cursor;
pub(crate) mod entity_tag;
pub(crate) mod fields;
pub(crate) mod idempotency;
pub(crate) mod problem;
pub(crate) mod represent;
pub(crate) mod stream;
pub(crate) mod trace;
