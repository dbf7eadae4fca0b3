//! Single values of a message: what each field may hold.

use billing_domain::usage::{DlrStatus, SegmentCount};
use jiff::Timestamp;
use uuid::Uuid;

use super::fields::{Field, Fields};
use super::{Read, malformed};

/// Turns "it is not one" into a fault that names the field and what it should be.
pub(super) trait Is<T> {
    fn is(self, field: Field, what: &str) -> Read<T>;
}

impl<T> Is<T> for Option<T> {
    fn is(self, field: Field, what: &str) -> Read<T> {
        self.ok_or_else(|| malformed(format!("{} is not {what}", field.name())))
    }
}

impl<T, E> Is<T> for Result<T, E> {
    fn is(self, field: Field, what: &str) -> Read<T> {
        self.ok().is(field, what)
    }
}

/// A UUID with hyphens, in any case; no braces, no URN.
pub(super) fn parse_uuid(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

/// An integer from 1 to 10, written as one: not `1.0`, not `1e0`, not `"1"`.
pub(super) fn segments(fields: &Fields<'_>) -> Read<SegmentCount> {
    let field = Field::SegmentCount;
    let raw = fields.raw(field).ok_or_else(|| malformed(format!("{} is missing", field.name())))?;
    let is_integer = raw.len() <= 2 && raw.bytes().all(|byte| byte.is_ascii_digit());
    let count = if is_integer { raw.parse().ok() } else { None };
    count.and_then(|count| SegmentCount::new(count).ok()).is(field, "an integer from 1 to 10")
}

/// A terminal delivery status.
pub(super) fn status(fields: &Fields<'_>) -> Read<DlrStatus> {
    let name = fields.required(Field::DlrStatus)?;
    DlrStatus::from_name(&name).is(Field::DlrStatus, "a terminal delivery status")
}

/// An instant of RFC 3339, with an offset; what is finer than a microsecond is cut off.
pub(super) fn instant(fields: &Fields<'_>, field: Field) -> Read<Timestamp> {
    let text = fields.required(field)?;
    let instant: Option<Timestamp> = if has_rfc3339_form(text.as_bytes()) { text.parse().ok() } else { None };
    instant
        .and_then(|instant| Timestamp::from_microsecond(instant.as_microsecond()).ok())
        .is(field, "an instant of RFC 3339 with an offset")
}

/// `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm)`. The parser alone would also take other forms of ISO 8601.
fn has_rfc3339_form(text: &[u8]) -> bool {
    let digits = |at: &[usize]| at.iter().all(|&at| text[at].is_ascii_digit());
    let begins_right = text.len() >= 20
        && digits(&[0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18])
        && [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')].iter().all(|&(at, mark)| text[at] == mark);
    if !begins_right {
        return false;
    }
    let mut rest = &text[19..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return false;
        }
        rest = &fraction[digits..];
    }
    match rest {
        [b'Z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].into_iter().all(u8::is_ascii_digit),
        _ => false,
    }
}
