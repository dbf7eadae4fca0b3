//! `Billing-Consistency`: how far the store's log had been written when a write was answered. Who sends it back with a read
//! reads what was written. Opaque to callers, and worth nothing to who forges it.

use actix_web::http::header::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use billing_domain::ports::LogPosition;

use super::problem::{FieldError, Kind, Place, Problem};

/// The header, of answers to writes and of requests.
pub(crate) const CONSISTENCY: HeaderName = HeaderName::from_static("billing-consistency");
/// The same as documents write it.
pub(crate) const CONSISTENCY_NAME: &str = "Billing-Consistency";
/// What it looks like.
pub(crate) const PATTERN: &str = "^[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$";

/// What the caller's reads must see, if that is said.
///
/// # Errors
/// 400 unless it is one value that a write was answered with.
pub(crate) fn read(headers: &HeaderMap) -> Result<Option<LogPosition>, Problem> {
    let mut values = headers.get_all(&CONSISTENCY);
    let Some(value) = values.next() else { return Ok(None) };
    let position = URL_SAFE_NO_PAD.decode(value).ok().and_then(|bytes| bytes.try_into().ok());
    match position.filter(|_| values.next().is_none()) {
        Some(bytes) => Ok(Some(LogPosition(u64::from_be_bytes(bytes)))),
        None => {
            let detail = format!("is given once, as the {CONSISTENCY_NAME} of the answer to a write");
            let error = FieldError { place: Place::Header, pointer: format!("/{CONSISTENCY_NAME}"), detail };
            Err(Problem::refused(Kind::Malformed, vec![error]))
        }
    }
}

/// The header's value for a position.
pub(crate) fn write(position: LogPosition) -> String {
    URL_SAFE_NO_PAD.encode(position.0.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn only_what_was_given_out_is_read() {
        for position in [0, 1, 0x16B3_7488, u64::MAX] {
            let mut headers = HeaderMap::new();
            let text = write(LogPosition(position));
            headers.insert(CONSISTENCY, HeaderValue::from_str(&text).unwrap());
            assert_eq!(read(&headers).unwrap(), Some(LogPosition(position)));
            headers.append(CONSISTENCY, HeaderValue::from_str(&text).unwrap());
            assert_eq!(read(&headers).unwrap_err().kind, Kind::Malformed);
        }
        assert_eq!(read(&HeaderMap::new()).unwrap(), None);
        for text in ["", "0/16B3748", "AAAAAAAAAA", "AAAAAAAAAAB", "AAAAAAAAAAA=", "AAAAAAAAAAAA", "not it at all"] {
            let mut headers = HeaderMap::new();
            headers.insert(CONSISTENCY, HeaderValue::from_str(text).unwrap());
            assert_eq!(read(&headers).unwrap_err().kind, Kind::Malformed, "{text}");
        }
    }
}
