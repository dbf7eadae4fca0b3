//! `X-Access-Reason`: why staff look at what is not theirs, in their words. It goes into the audit log beside who looked.

use actix_web::http::header::HeaderMap;

use super::problem::{FieldError, Kind, Place, Problem};

/// The header's name.
pub(crate) const ACCESS_REASON: &str = "X-Access-Reason";
/// What it looks like.
pub(crate) const PATTERN: &str = "^[!-~]([ -~]{0,198}[!-~])?$";

/// Characters.
const LENGTH_MAX: usize = 200;

/// The reason, if one is given.
///
/// # Errors
/// 400 unless it is one header of 1 to 200 visible ASCII characters, with blanks between them.
pub(crate) fn read(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(ACCESS_REASON);
    let Some(value) = values.next() else { return Ok(None) };
    let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    match value.to_str().map(str::trim) {
        Ok(text) if (1..=LENGTH_MAX).contains(&text.len()) && is_visible(text) && values.next().is_none() => {
            Ok(Some(text.to_owned()))
        }
        _ => {
            let detail = "is given once, as 1 to 200 visible ASCII characters, with blanks between them".into();
            let error = FieldError { place: Place::Header, pointer: format!("/{ACCESS_REASON}"), detail };
            Err(Problem::refused(Kind::Malformed, vec![error]))
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_reason_is_one_line_that_can_be_read() {
        let long = "x".repeat(LENGTH_MAX);
        for (values, expected) in [
            (vec![], Ok(None)),
            (vec!["ticket 4711"], Ok(Some("ticket 4711"))),
            (vec![" x "], Ok(Some("x"))),
            (vec![long.as_str()], Ok(Some(long.as_str()))),
            (vec![&format!("{long}x")], Err(Kind::Malformed)),
            (vec![""], Err(Kind::Malformed)),
            (vec!["  "], Err(Kind::Malformed)),
            (vec!["a\tb"], Err(Kind::Malformed)),
            (vec!["ä"], Err(Kind::Malformed)),
            (vec!["a", "b"], Err(Kind::Malformed)),
        ] {
            let mut headers = HeaderMap::new();
            for value in &values {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                headers.append(HeaderName::from_static("x-access-reason"), value);
            }
            let found = read(&headers).map_err(|problem| problem.kind);
            assert_eq!(found.as_ref().map(Option::as_deref).map_err(|kind| *kind), expected, "{values:?}");
        }
    }
}
