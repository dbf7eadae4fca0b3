//! The `Idempotency-Key` header, and what a key stands for. Remembering keys is the store's.

use actix_web::http::header::HeaderMap;
use sha2::{Digest as _, Sha256};

use super::problem::{FieldError, Kind, Place, Problem};

/// The header's name.
pub(crate) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The key, if one was given.
///
/// # Errors
/// 400 unless it is one header of 1 to 255 visible ASCII characters.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else { return Ok(None) };
    let readable = |bytes: &[u8]| (1..=255).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(text) if readable(text.as_bytes()) && values.next().is_none() => Ok(Some(text.to_owned())),
        _ => {
            let detail = "is given once, as 1 to 255 visible ASCII characters".into();
            let error = FieldError { place: Place::Header, pointer: format!("/{IDEMPOTENCY_KEY}"), detail };
            Err(Problem::refused(Kind::Malformed, vec![error]))
        }
    }
}

/// What a key stands for: SHA-256 of method, path and canonical body.
pub(crate) fn fingerprint(method: &str, path: &str, canonical_body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [method.as_bytes(), path.as_bytes(), canonical_body] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
