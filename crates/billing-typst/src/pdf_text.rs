//! Reads the text out of a PDF file as a program would: by the pages' own drawing instructions and the fonts' own tables.
//! Only for files that this crate has written; Arabic letters come in the order in which they are drawn.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::ZlibDecoder;

/// The runs of text of all pages, one a line.
pub(crate) fn text(pdf: &[u8]) -> String {
    let file = File::open(pdf);
    let mut out = String::new();
    for page in file.objects.values().filter(|object| object.contains("/Type/Page/")) {
        let resources = file.object(reference(page, "/Resources "));
        let fonts = resources.split_once("/Font<<").map_or("", |(_, rest)| rest.split_once(">>").unwrap().0);
        let mut fonts_by_name = BTreeMap::new();
        for font in fonts.split('/').filter(|font| !font.is_empty()) {
            let (name, number) = font.split_once(' ').unwrap();
            let font = file.object(number.split_once(' ').unwrap().0.parse().unwrap());
            fonts_by_name.insert(name, file.letters(reference(font, "/ToUnicode ")));
        }
        out += &drawn(&file.stream(reference(page, "/Contents ")), &fonts_by_name);
    }
    out
}

/// Letters by the number that a font gives them.
type Letters = BTreeMap<u16, String>;

fn drawn(instructions: &[u8], fonts: &BTreeMap<&str, Letters>) -> String {
    let mut out = String::new();
    let mut letters = None;
    // Text is shown by `TJ` from arrays and by `Tj`; other strings describe it.
    let mut is_array = false;
    let mut i = 0;
    while i < instructions.len() {
        match instructions[i] {
            b'/' => {
                let name = instructions[i + 1..].split(|byte| b" /<[(".contains(byte)).next().unwrap();
                letters = fonts.get(std::str::from_utf8(name).unwrap()).or(letters);
                i += name.len();
            }
            b'[' => is_array = true,
            b']' => is_array = false,
            b'<' if instructions[i + 1] == b'<' => i += 1,
            b'<' => {
                let hex = instructions[i + 1..].split(|byte| *byte == b'>').next().unwrap();
                let digits = std::str::from_utf8(hex).unwrap();
                let bytes: Vec<u8> = (0..digits.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
                    .collect();
                i += hex.len() + 1;
                if is_array || instructions[i + 1..].starts_with(b"Tj") {
                    push(&mut out, &bytes, letters);
                }
            }
            b'(' => {
                let (bytes, length) = literal(&instructions[i + 1..]);
                i += length;
                if is_array || instructions[i + 1..].starts_with(b"Tj") {
                    push(&mut out, &bytes, letters);
                }
            }
            b'E' if instructions[i..].starts_with(b"ET") => out.push('\n'),
            _ => {}
        }
        i += 1;
    }
    out
}

fn push(out: &mut String, bytes: &[u8], letters: Option<&Letters>) {
    for pair in bytes.chunks(2) {
        let number = u16::from_be_bytes([pair[0], pair[1]]);
        let letter = letters.and_then(|letters| letters.get(&number));
        *out += letter.unwrap_or_else(|| panic!("no letter for {number} after {out:?} among {letters:?}"));
    }
}

/// A string in parentheses, and its length with the closing one.
fn literal(from: &[u8]) -> (Vec<u8>, usize) {
    let (mut bytes, mut depth, mut i) = (Vec::new(), 0, 0);
    loop {
        match from[i] {
            b')' if depth == 0 => return (bytes, i + 1),
            b'\\' => {
                i += 1;
                bytes.push(match from[i] {
                    b'0'..=b'7' => {
                        i += 2;
                        u8::from_str_radix(std::str::from_utf8(&from[i - 2..=i]).unwrap(), 8).unwrap()
                    }
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'f' => 12,
                    other => other,
                });
            }
            other => {
                depth += i32::from(other == b'(') - i32::from(other == b')');
                bytes.push(other);
            }
        }
        i += 1;
    }
}

struct File<'a> {
    pdf: &'a [u8],
    /// The text of those objects that are packed together; no other one is looked at.
    objects: BTreeMap<usize, String>,
    /// Where the others begin.
    places: BTreeMap<usize, usize>,
}

impl<'a> File<'a> {
    fn open(pdf: &'a [u8]) -> Self {
        let tail = String::from_utf8_lossy(&pdf[pdf.len() - 40..]).into_owned();
        let start: usize = tail.split_once("startxref\n").unwrap().1.lines().next().unwrap().parse().unwrap();
        let mut file = Self { pdf, objects: BTreeMap::new(), places: BTreeMap::new() };
        // Seven bytes each: kind, place in four, index in two; see `pack`.
        for (number, entry) in unpack(&pdf[start..]).chunks(7).enumerate() {
            if entry[0] == 1 {
                let place = u32::from_be_bytes(entry[1..5].try_into().unwrap());
                file.places.insert(number, usize::try_from(place).unwrap());
            }
        }
        for place in file.places.values() {
            let head = String::from_utf8_lossy(&pdf[*place..pdf.len().min(place + 80)]).into_owned();
            let Some((_, first)) = head.split_once("/Type/ObjStm").and_then(|(_, rest)| rest.split_once("/First "))
            else {
                continue;
            };
            let first: usize = first.split_once('/').unwrap().0.parse().unwrap();
            let content = String::from_utf8_lossy(&unpack(&pdf[*place..])).into_owned();
            let index: Vec<usize> = content[..first].split_whitespace().map(|n| n.parse().unwrap()).collect();
            for (i, pair) in index.chunks(2).enumerate() {
                let end = index.get(2 * i + 3).map_or(content.len(), |next| first + next);
                file.objects.insert(pair[0], content[first + pair[1]..end].to_owned());
            }
        }
        file
    }

    fn object(&self, number: usize) -> &str {
        &self.objects[&number]
    }

    fn stream(&self, number: usize) -> Vec<u8> {
        unpack(&self.pdf[self.places[&number]..])
    }

    /// The table of a font from its numbers to letters.
    fn letters(&self, number: usize) -> Letters {
        let table = String::from_utf8(self.stream(number)).unwrap();
        let mut letters = Letters::new();
        for block in table.split("beginbfchar").skip(1) {
            let mut words = block.split("endbfchar").next().unwrap().split(['<', '>']).filter(|w| !w.trim().is_empty());
            while let (Some(number), Some(letter)) = (words.next(), words.next()) {
                let units: Vec<u16> = (0..letter.len())
                    .step_by(4)
                    .map(|at| u16::from_str_radix(&letter[at..at + 4], 16).unwrap())
                    .collect();
                letters.insert(u16::from_str_radix(number, 16).unwrap(), String::from_utf16(&units).unwrap());
            }
        }
        letters
    }
}

/// The content of the stream that begins here.
fn unpack(object: &[u8]) -> Vec<u8> {
    let begin = object.windows(7).position(|window| window == b"stream\n").unwrap() + 7;
    let mut content = Vec::new();
    ZlibDecoder::new(&object[begin..]).read_to_end(&mut content).unwrap();
    content
}

/// The number of the object that a dictionary refers to.
fn reference(dictionary: &str, key: &str) -> usize {
    let (_, rest) = dictionary.split_once(key).unwrap_or_else(|| panic!("no {key} in {dictionary}"));
    rest.split_once(' ').unwrap().0.parse().unwrap()
}
