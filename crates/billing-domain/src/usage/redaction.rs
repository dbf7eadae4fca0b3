//! A message's bytes as a person may see them: without what could be a phone number, and without what a terminal or
//! browser would act on.

use std::fmt::Write as _;

/// Shown at most, in bytes of the text shown.
const SHOWN_BYTES_MAX: usize = 4 * 1024;
/// More of the bytes is not looked at: a character of at most four bytes shows at least one.
const READ_BYTES_MAX: usize = 5 * SHOWN_BYTES_MAX;
/// A row of so many digits may be a phone number.
const DIGITS_MIN: usize = 7;

/// The bytes as text of at most 4 KiB: rows of seven or more digits, of any script, are masked by `*`; control and
/// invisible characters, backslashes and bytes that are no UTF-8 are written as escapes.
#[must_use]
pub fn redacted(raw: &[u8]) -> String {
    let mut shown = String::new();
    let mut digits = String::new();
    for chunk in raw[..raw.len().min(READ_BYTES_MAX)].utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_numeric() {
                digits.push(character);
                continue;
            }
            flush(&mut digits, &mut shown);
            match character {
                '"' | '\'' => shown.push(character),
                _ => shown.extend(character.escape_debug()),
            }
        }
        if !chunk.invalid().is_empty() {
            flush(&mut digits, &mut shown);
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _written = write!(shown, "\\x{byte:02x}");
        }
        if shown.len() > SHOWN_BYTES_MAX {
            break;
        }
    }
    flush(&mut digits, &mut shown);
    if shown.len() > SHOWN_BYTES_MAX {
        shown.truncate(shown.floor_char_boundary(SHOWN_BYTES_MAX));
        shown.push('…');
    }
    shown
}

fn flush(digits: &mut String, shown: &mut String) {
    let count = digits.chars().count();
    if count >= DIGITS_MIN {
        shown.extend(std::iter::repeat_n('*', count));
    } else {
        shown.push_str(digits);
    }
    digits.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_personal_and_nothing_active_is_shown() {
        for (raw, expected) in [
            (&br#"{"segmentCount":10,"to":"+93701234567"}"#[..], r#"{"segmentCount":10,"to":"+***********"}"#),
            (b"123456 1234567", "123456 *******"),
            ("۰۷۰۱۲۳۴۵۶۷".as_bytes(), "**********"),
            (b"a\x1b[2J\r\n\x00b", "a\\u{1b}[2J\\r\\n\\0b"),
            ("x\u{202e}y".as_bytes(), "x\\u{202e}y"),
            (b"\\n", "\\\\n"),
            (b"ok\xff\xfe1234\xff567", "ok\\xff\\xfe1234\\xff567"),
            ("سلام".as_bytes(), "سلام"),
            (b"", ""),
        ] {
            assert_eq!(redacted(raw), expected);
        }
    }

    #[test]
    fn no_more_than_four_kibibytes_are_shown_and_no_row_of_digits_is_cut_into_sight() {
        for (raw, expected_bytes) in [
            ("a".repeat(4096), 4096),
            ("a".repeat(4097), 4096 + '…'.len_utf8()),
            (format!("{}{}", "a".repeat(4093), "9".repeat(100)), 4096 + '…'.len_utf8()),
            ("é".repeat(600_000), 4096 + '…'.len_utf8()),
            // Four bytes each: the widest that show but one.
            ("𝟗".repeat(600_000), 4096 + '…'.len_utf8()),
            ("𝟗".repeat(4096), 4096),
        ] {
            let shown = redacted(raw.as_bytes());
            assert_eq!(shown.len(), expected_bytes);
            assert!(!shown.contains('9'));
        }
    }
}
