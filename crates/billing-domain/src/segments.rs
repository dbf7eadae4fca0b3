//! How many segments a text has when it is sent as SMS. Billing itself counts what the gateway reports; this is for
//! teams that must tell the number beforehand.
//!
//! The tables are those of GSM 03.38 (3GPP TS 23.038), default alphabet and its extension. National language shift
//! tables are left out: a text that needs one is counted as UCS-2.

/// The alphabet that a text is sent in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Alphabet {
    /// 160 septets in one segment, 153 in each of several; characters of the extension table take two.
    Gsm7,
    /// 70 UTF-16 code units in one segment, 67 in each of several; characters beyond the basic plane take two.
    Ucs2,
}

impl Alphabet {
    /// Units of a segment that is alone, and of one that shares the message with others.
    const fn capacity(self) -> (usize, usize) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }

    fn width(self, character: char) -> usize {
        match self {
            Self::Gsm7 => 1 + usize::from(EXTENSION.contains(character)),
            Self::Ucs2 => character.len_utf16(),
        }
    }
}

/// The default alphabet, in the order of its codes; 0x1B, the escape to the extension, is no character.
const DEFAULT: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The extension table: an escape and a character each.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// The alphabet of a text: one character outside GSM 03.38 turns the whole text to UCS-2.
#[must_use]
pub fn alphabet(text: &str) -> Alphabet {
    let is_gsm = |character| DEFAULT.contains(character) || EXTENSION.contains(character);
    if text.chars().all(is_gsm) { Alphabet::Gsm7 } else { Alphabet::Ucs2 }
}

/// The number of segments of a text, at least 1. No character is split over two of them.
///
/// ```
/// use billing_domain::segments::count_segments;
///
/// assert_eq!(count_segments(&"a".repeat(160)), 1);
/// assert_eq!(count_segments(&"a".repeat(161)), 2);
/// assert_eq!(count_segments(&"س".repeat(70)), 1);
/// ```
#[must_use]
pub fn count_segments(text: &str) -> usize {
    let alphabet = alphabet(text);
    let (alone, shared) = alphabet.capacity();
    let units: usize = text.chars().map(|character| alphabet.width(character)).sum();
    if units <= alone {
        return 1;
    }
    let mut segments = 1;
    let mut used = 0;
    for width in text.chars().map(|character| alphabet.width(character)) {
        if used + width > shared {
            segments += 1;
            used = 0;
        }
        used += width;
    }
    segments
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_alphabet_has_127_characters_and_the_extension_10() {
        let distinct = |table: &str| table.chars().collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!((distinct(DEFAULT), DEFAULT.chars().count()), (127, 127));
        assert_eq!((distinct(EXTENSION), EXTENSION.chars().count()), (10, 10));
        assert!(!EXTENSION.chars().any(|character| DEFAULT.contains(character)));
    }

    #[test]
    fn segments_are_counted_by_alphabet() {
        for (text, expected) in [
            (String::new(), 1),
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("€".repeat(80), 1),
            (format!("{}a", "€".repeat(80)), 2),
            // 152 septets, then two that do not fit the 153rd place: they go whole into the next segment.
            (format!("{}€{}", "a".repeat(152), "a".repeat(151)), 2),
            (format!("{}€{}", "a".repeat(152), "a".repeat(152)), 3),
            ("س".repeat(70), 1),
            ("س".repeat(71), 2),
            ("س".repeat(134), 2),
            ("س".repeat(135), 3),
            (format!("{}س", "a".repeat(69)), 1),
            (format!("{}س", "a".repeat(70)), 2),
            ("😀".repeat(35), 1),
            ("😀".repeat(36), 2),
            // 66 units, then a pair that does not fit the 67th.
            (format!("{}😀{}", "س".repeat(66), "س".repeat(65)), 2),
            (format!("{}😀{}", "س".repeat(66), "س".repeat(66)), 3),
            ("`".repeat(71), 2),
        ] {
            assert_eq!(count_segments(&text), expected, "{} characters", text.chars().count());
        }
    }

    proptest! {
        #[test]
        fn a_longer_text_never_has_fewer_segments(text in ".{0,400}", more in ".{0,40}") {
            let longer = format!("{text}{more}");
            prop_assert!(count_segments(&longer) >= count_segments(&text));
        }
    }
}
