//! Makes text from outside safe to set: what is taken out, what is replaced, where it may be broken, which way it runs.
//!
//! Text reaches the template as data and is never read as markup, so nothing has to be escaped. What is left to fear is
//! what text does to a page: control and direction characters that make it read differently than it is, towers of
//! combining marks, characters without a glyph (PDF/A refuses them), words wider than their place. Which text stands
//! where is decided by the view.

use serde::Serialize;

use crate::fonts::{Face, Fonts, Script};

/// Printed for a character that no embedded font has.
const NO_GLYPH: char = '□';
/// Marks on one letter: enough for Vietnamese and vowelled Arabic, too few to reach the line above.
const MAX_MARKS: u32 = 2;
/// Widest single character in thousandths of the font size; a few ligatures are as wide as a whole phrase.
const MAX_CHAR_WIDTH: u32 = 2_000;
const ZERO_WIDTH_SPACE: char = '\u{200b}';
const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';
/// Letters that Pashto has and Dari has not.
const PASHTO_LETTERS: &str = "ټډړږښګڼېۍځڅ";

/// A text that can be set, and how.
///
/// In the template's data it is a string if it is all European, otherwise a dictionary; with its language if it runs from
/// right to left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Text {
    /// Of one script and one direction.
    Plain(String),
    /// Begins from left to right and has Arabic letters.
    Mixed { text: String },
    RightToLeft {
        text: String,
        /// For the shaping, and for screen readers.
        lang: &'static str,
    },
}

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Mixed { text } | Self::RightToLeft { text, .. } => text,
        }
    }

    /// Whether the text surely needs one line only, in a place that is as wide as its longest word may be. Not known
    /// for Arabic letters, whose width changes with their neighbours, nor where marks have to be set on letters.
    pub(crate) fn fits_line(&self, fonts: &Fonts, place: Place) -> bool {
        let Self::Plain(text) = self else { return false };
        let width = |c| fonts.face_in(Script::European, c).filter(|_| !is_mark(c)).map(|face| face.width);
        let total = text.chars().try_fold(0, |sum, c| Some(sum + width(c)?));
        total.is_some_and(|total| total <= place.max_word)
    }
}

/// The place that a text is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// More characters than this are cut off, and `…` put in their place.
    pub(crate) max_chars: usize,
    /// Longer words than this, in thousandths of the font size, may be broken anywhere.
    pub(crate) max_word: u32,
}

/// Cleans one text for one place.
pub(crate) fn clean(fonts: &Fonts, input: &str, place: Place) -> Text {
    let mut cleaner = Cleaner { fonts, place, out: String::new(), chars: 0, word: 0, letter: None, marks: 0 };
    for c in input.chars() {
        if cleaner.chars >= place.max_chars {
            cleaner.trim();
            cleaner.out.push('…');
            break;
        }
        cleaner.push(c);
    }
    cleaner.trim();
    let text = cleaner.out;
    match right_to_left(fonts, &text) {
        Some(lang) => Text::RightToLeft { text, lang },
        None if text.chars().any(|c| is_arabic(fonts, c)) => Text::Mixed { text },
        None => Text::Plain(text),
    }
}

struct Cleaner<'a> {
    fonts: &'a Fonts,
    place: Place,
    out: String,
    chars: usize,
    /// Width of the word so far.
    word: u32,
    /// The family of the letter before, which marks and joiners belong to.
    letter: Option<Script>,
    marks: u32,
}

impl Cleaner<'_> {
    fn push(&mut self, c: char) {
        if c.is_whitespace() {
            self.push_space();
        } else if is_mark(c) {
            self.push_mark(c);
        } else if matches!(c, ZERO_WIDTH_NON_JOINER | ZERO_WIDTH_JOINER) {
            if self.letter == Some(Script::Arabic) && !self.out.ends_with([ZERO_WIDTH_NON_JOINER, ZERO_WIDTH_JOINER]) {
                self.out.push(c);
            }
        } else if !is_invisible(c) {
            self.push_letter(c);
        }
    }

    fn push_space(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with(' ') {
            self.out.push(' ');
            self.chars += 1;
        }
        self.word = 0;
        self.letter = None;
    }

    fn push_mark(&mut self, c: char) {
        // A mark that another font would have to draw, or that has nothing to stand on, would come out as an empty box.
        let fits = self.letter.is_some_and(|script| self.fonts.face_in(script, c).is_some());
        if fits && self.marks < MAX_MARKS {
            self.out.push(c);
            self.marks += 1;
        }
    }

    fn push_letter(&mut self, c: char) {
        let face = self.fonts.face(c).filter(|face| face.width <= MAX_CHAR_WIDTH && !is_private(c));
        let (c, face) = face.map_or_else(|| (NO_GLYPH, self.fonts.face(NO_GLYPH)), |face| (c, Some(face)));
        let width = face.map_or(0, |f: Face| f.width);
        if self.word + width > self.place.max_word && self.word > 0 {
            self.out.push(ZERO_WIDTH_SPACE);
            self.word = 0;
        }
        self.out.push(c);
        self.chars += 1;
        self.word += width;
        self.letter = face.map(|f| f.script);
        self.marks = 0;
    }

    fn trim(&mut self) {
        let end = self.out.trim_end_matches([' ', ZERO_WIDTH_NON_JOINER, ZERO_WIDTH_JOINER, ZERO_WIDTH_SPACE]).len();
        self.out.truncate(end);
    }
}

/// A text runs the way of its first letter; the language if that is from right to left.
fn right_to_left(fonts: &Fonts, text: &str) -> Option<&'static str> {
    let first = text.chars().find(|c| c.is_alphabetic())?;
    if !is_arabic(fonts, first) {
        return None;
    }
    Some(if text.contains(|c| PASHTO_LETTERS.contains(c)) { "ps" } else { "fa" })
}

fn is_arabic(fonts: &Fonts, c: char) -> bool {
    !c.is_ascii() && fonts.face(c).is_some_and(|face| face.script == Script::Arabic)
}

/// The combining marks of the embedded fonts that names are written with.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}' | '\u{6e7}' | '\u{6e8}' | '\u{6ea}'..='\u{6ed}')
}

/// Characters that show nothing by themselves: controls, direction overrides and marks, joiners, tags, variation
/// selectors, and the rarer combining signs and enclosing marks, which no name needs.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{8d3}'..='\u{8ff}'
            | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{20d0}'..='\u{20ff}' | '\u{2de0}'..='\u{2dff}' | '\u{3164}' | '\u{a66f}'..='\u{a672}'
            | '\u{a674}'..='\u{a67d}' | '\u{a69e}' | '\u{a69f}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{e0000}'..='\u{e0fff}')
}

/// Code points without a public meaning: a font may draw them, but PDF/A refuses them.
fn is_private(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide() -> Place {
        Place { max_chars: 200, max_word: 20_000 }
    }

    #[test]
    fn texts_are_cleaned() {
        let fonts = Fonts::load().unwrap();
        let check = |input: &str, want: &str| assert_eq!(clean(&fonts, input, wide()).as_str(), want, "{input:?}");
        check("", "");
        check("  a \t\n b\u{a0} ", "a b");
        check("#eval(\"1\") *bold* $x$ @ref <l> `r` \\ // /*", "#eval(\"1\") *bold* $x$ @ref <l> `r` \\ // /*");
        check("a\u{0}b\u{7}c\u{85}d", "abc d");
        check("\u{202e}evil\u{202c}\u{2066}x\u{2069}\u{200f}", "evilx");
        check("soft\u{ad}hyphen\u{feff}", "softhyphen");
        check("漢字 😀", "□□ □");
        check("\u{e000}\u{f8ff}", "□□");
        check("﷽", "□");
        check("e\u{301}\u{301}\u{301}\u{301}", "e\u{301}\u{301}");
        check("\u{301}x", "x");
        check("ک\u{301}", "ک");
        check("a\u{64e}", "a");
        check("مُحَمَّد", "مُحَمَّد");
        check("می\u{200c}شود\u{200c}", "می\u{200c}شود");
        check("a\u{200c}b", "ab");
    }

    #[test]
    fn long_texts_are_cut_and_long_words_can_break() {
        let fonts = Fonts::load().unwrap();
        let check = |input: &str, max_chars, max_word, want: &str| {
            assert_eq!(clean(&fonts, input, Place { max_chars, max_word }).as_str(), want, "{input:?}");
        };
        check("abcdef", 6, 20_000, "abcdef");
        check("abcdefg", 6, 20_000, "abcdef…");
        check("abcde fg", 6, 20_000, "abcde…");
        check("WWWW", 99, 2_500, "WW\u{200b}WW");
        check("WW WW", 99, 2_500, "WW WW");
        check("We\u{301}W", 99, 1_800, "We\u{301}\u{200b}W");
    }

    #[test]
    fn a_flood_of_marks_is_a_short_text() {
        let fonts = Fonts::load().unwrap();
        let flood = format!("a{}", "\u{30d}".repeat(100_000));
        assert_eq!(clean(&fonts, &flood, wide()).as_str().chars().count(), 3);
    }

    #[test]
    fn the_first_letter_gives_the_direction() {
        let fonts = Fonts::load().unwrap();
        let check = |input: &str, want: Option<&str>| {
            let lang = match clean(&fonts, input, wide()) {
                Text::RightToLeft { lang, .. } => Some(lang),
                Text::Plain(_) | Text::Mixed { .. } => None,
            };
            assert_eq!(lang, want, "{input:?}");
        };
        check("Kabul", None);
        check("12", None);
        check("Kabul کابل", None);
        check("12 کابل Kabul", Some("fa"));
        check("شرکت مخابراتی", Some("fa"));
        check("د افغانستان مخابراتي شرکت، پښتو", Some("ps"));
    }
}
