//! The embedded fonts: which there are, which characters they have, how wide those are.
//!
//! Inter for Latin, Greek and Cyrillic, Noto Sans Arabic for the Arabic script with all Pashto and Dari letters. No font
//! of the machine is ever used, so a document looks the same, and has the same bytes, wherever it is made.

use typst::foundations::Bytes;
use typst::layout::Abs;
use typst::text::{Font, FontBook, FontInstance, FontVariant, FontVariations};
use typst::utils::LazyHash;

use crate::error::SetupError;

/// Every font, and of which script it is the one to measure: the bold one, as it is the wider. Both weights of a family
/// have the same characters.
const FILES: [(&str, &[u8], Option<Script>); 4] = [
    ("Inter-Regular.otf", include_bytes!("../fonts/Inter-Regular.otf"), None),
    ("Inter-SemiBold.otf", include_bytes!("../fonts/Inter-SemiBold.otf"), Some(Script::European)),
    ("NotoSansArabic-Regular.ttf", include_bytes!("../fonts/NotoSansArabic-Regular.ttf"), None),
    ("NotoSansArabic-Bold.ttf", include_bytes!("../fonts/NotoSansArabic-Bold.ttf"), Some(Script::Arabic)),
];

/// Which of the two font families has a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    /// Latin, Greek, Cyrillic, digits and signs.
    European,
    /// Arabic script, written from right to left.
    Arabic,
}

/// A character as one of the fonts has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Face {
    pub(crate) script: Script,
    /// Advance width in thousandths of the font size.
    pub(crate) width: u32,
}

/// The fonts, parsed once.
pub(crate) struct Fonts {
    fonts: Vec<Font>,
    book: LazyHash<FontBook>,
    measured: Vec<(Script, FontInstance)>,
}

impl Fonts {
    pub(crate) fn load() -> Result<Self, SetupError> {
        let mut fonts = Vec::new();
        let mut measured = Vec::new();
        for (name, data, script) in FILES {
            let font = Font::new(Bytes::new(data), 0).ok_or(SetupError::Font { name })?;
            if let Some(script) = script {
                // None of the fonts is variable: variant and size do not matter.
                let (variant, variations) = (FontVariant::default(), FontVariations::default());
                measured.push((script, font.clone().instantiate(variant, Abs::zero(), &variations)));
            }
            fonts.push(font);
        }
        let book = LazyHash::new(FontBook::from_fonts(&fonts));
        Ok(Self { fonts, book, measured })
    }

    pub(crate) fn book(&self) -> &LazyHash<FontBook> {
        &self.book
    }

    pub(crate) fn get(&self, index: usize) -> Option<Font> {
        self.fonts.get(index).cloned()
    }

    /// The character in the first font that has it.
    pub(crate) fn face(&self, c: char) -> Option<Face> {
        self.measured.iter().find_map(|(script, _)| self.face_in(*script, c))
    }

    /// The character in one family.
    pub(crate) fn face_in(&self, script: Script, c: char) -> Option<Face> {
        let (_, font) = self.measured.iter().find(|(s, _)| *s == script)?;
        let glyph = font.ttf().glyph_index(c)?;
        let advance = u32::from(font.ttf().glyph_hor_advance(glyph)?);
        let width = advance * 1000 / u32::from(font.ttf().units_per_em()).max(1);
        Some(Face { script, width })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_have_what_the_documents_need() {
        let fonts = Fonts::load().unwrap();
        let families: Vec<&str> = fonts.book.families().map(|(name, _)| name).collect();
        assert_eq!(families, ["Inter", "Noto Sans Arabic"]);
        let check = |letters: &str, script: Script| {
            for c in letters.chars() {
                assert_eq!(fonts.face(c).map(|f| f.script), Some(script), "{c:?}");
            }
        };
        check("ABCabc019.,:;()-–−…□  \u{2007}\u{2008}\u{200b}äöüßéčşğЖИαβ", Script::European);
        check("ټډړږښګڼېۍئگچپژکیآأؤةءه۰۱۹٠١٩،؛؟\u{200c}\u{64b}\u{651}\u{670}", Script::Arabic);
    }

    #[test]
    fn what_no_font_has_is_known() {
        let fonts = Fonts::load().unwrap();
        for c in ['漢', 'ש', '😀', 'क'] {
            assert_eq!(fonts.face(c), None, "{c:?}");
        }
    }
}
