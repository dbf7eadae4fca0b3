//! The QR code of the invoice id, as a drawing. Decides size and error correction; its place is the template's.

use std::fmt::Write;

use qrcodegen::{QrCode, QrCodeEcc};

/// Light modules around the code that scanners ask for.
const QUIET_ZONE: i32 = 4;

/// An SVG of the code that a scanner reads as exactly `id`; `None` if it is longer than a QR code can hold.
///
/// One path with a rectangle for each run of dark modules: vectors stay sharp at any size, and for the typesetter this is
/// several times cheaper than the same rectangles as elements of the template.
pub(crate) fn svg(id: &str) -> Option<String> {
    let code = QrCode::encode_text(id, QrCodeEcc::Medium).ok()?;
    let size = code.size();
    let side = size + 2 * QUIET_ZONE;
    let mut path = String::new();
    for y in 0..size {
        let mut start = None;
        for x in 0..=size {
            // Outside of the code every module is light, so a run always ends.
            match (code.get_module(x, y), start) {
                (true, None) => start = Some(x),
                (false, Some(from)) => {
                    let run = x - from;
                    // Writing to a string cannot fail.
                    let _ = write!(path, "M{} {}h{run}v1h-{run}z", from + QUIET_ZONE, y + QUIET_ZONE);
                    start = None;
                }
                _ => {}
            }
        }
    }
    Some(format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}"><path fill="#fff" d="M0 0h{side}v{side}H0z"/><path d="{path}"/></svg>"##
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoice_id_is_a_small_code() {
        let svg = svg("0193b2a8-7d1c-7c4e-9a52-0c1f7f9f2b11").unwrap();
        assert!(svg.contains(r#"viewBox="0 0 37 37""#), "29 modules and twice the quiet zone: {svg}");
        assert!(svg.contains(r#"d="M4 4h7v1h-7z"#), "the first row begins with the edge of a finder pattern: {svg}");
    }

    #[test]
    fn too_much_text_is_no_code() {
        assert!(svg(&"x".repeat(5_000)).is_none());
    }
}
