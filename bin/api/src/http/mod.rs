//! HTTP as every route has it: problems, strict bodies and parameters, cursors, idempotency keys, CSV files, traces. It knows no
//! route and no business rule.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod csv;
pub(crate) mod cursor;
pub(crate) mod fields;
pub(crate) mod idempotency;
pub(crate) mod problem;
pub(crate) mod stream;
pub(crate) mod trace;
