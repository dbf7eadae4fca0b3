//! The QR code of the invoice id, as rows of dark runs that the template draws. Decides size and error correction.

use qrcodegen::{QrCode, QrCodeEcc};
use serde::Serialize;

/// The code as a square grid of modules.
#[derive(Debug, Serialize)]
pub(crate) struct Code {
    /// Modules on each side, without the quiet zone.
    size: i32,
    /// Dark runs: column, row, length.
    runs: Vec<(i32, i32, i32)>,
}

/// Encodes `id`, so that a scanner reads exactly that text; `None` if it is longer than a QR code can hold.
pub(crate) fn encode(id: &str) -> Option<Code> {
    let code = QrCode::encode_text(id, QrCodeEcc::Medium).ok()?;
    let size = code.size();
    let mut runs = Vec::new();
    for y in 0..size {
        let mut start = None;
        for x in 0..=size {
            // Outside of the code every module is light, so a run always ends.
            match (code.get_module(x, y), start) {
                (true, None) => start = Some(x),
                (false, Some(from)) => {
                    runs.push((from, y, x - from));
                    start = None;
                }
                _ => {}
            }
        }
    }
    Some(Code { size, runs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoice_id_is_a_small_code() {
        let code = encode("0193b2a8-7d1c-7c4e-9a52-0c1f7f9f2b11").unwrap();
        assert_eq!(code.size, 29);
        // The first row begins with the seven dark modules of the top left finder pattern.
        assert_eq!(code.runs.first(), Some(&(0, 0, 7)));
        assert!(code.runs.iter().all(|&(x, y, n)| x >= 0 && n > 0 && x + n <= 29 && (0..29).contains(&y)));
    }

    #[test]
    fn too_much_text_is_no_code() {
        assert!(encode(&"x".repeat(5_000)).is_none());
    }
}
