//! A deck as a CSV file (RFC 4180, UTF-8): its header, its lines, and what is wrong with which field of which line. What
//! the fields mean is `lines`' to say.

use std::fmt::Display;

use billing_domain::pricing::deck::{DeckEntry, DeckLine};
use csv::{ReaderBuilder, StringRecord};

use crate::http::csv::unmarked;
use crate::http::problem::{FieldError, Kind, Place, Problem};

/// Lines of a deck, without its header.
const LINES_MAX: usize = 100_000;
/// Of a line: twenty times what its columns can fill.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// So many refused fields are listed; all are counted.
const REFUSED_LISTED_MAX: usize = 1_000;

/// A column of a deck.
pub(super) struct Column {
    pub(super) name: &'static str,
    /// Whether the header must have it. Its fields may be empty all the same, if the line says so.
    pub(super) is_required: bool,
}

/// What a line holds, and how it is read and written.
pub(super) trait SheetEntry: DeckEntry + 'static {
    /// In the order in which they are written.
    const COLUMNS: &'static [Column];

    /// Reads a line; `None` when a field was refused.
    fn read(row: &mut Row<'_>) -> Option<Self>;

    /// The fields of terms, by column.
    fn fields(terms: &Self::Terms) -> Vec<String>;

    /// What JSON shows of terms.
    fn show(terms: &Self::Terms) -> super::view::Shown;
}

/// A file as far as it could be read.
#[derive(Debug)]
pub(super) struct Sheet<E> {
    /// All lines, refused ones too.
    pub(super) count: usize,
    pub(super) lines: Vec<DeckLine<E>>,
    pub(super) refused: Refusals,
}

/// A field that cannot be.
#[derive(Debug)]
pub(super) struct RefusedField {
    pub(super) line: u32,
    /// Empty: the line as a whole.
    pub(super) field: &'static str,
    pub(super) reason: String,
}

/// The fields that cannot be.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    pub(super) count: usize,
    pub(super) listed: Vec<RefusedField>,
}

impl Refusals {
    pub(super) fn add(&mut self, line: u32, field: &'static str, reason: String) {
        self.count += 1;
        if self.listed.len() < REFUSED_LISTED_MAX {
            self.listed.push(RefusedField { line, field, reason });
        }
    }

    pub(super) fn sort(&mut self) {
        self.listed.sort_by_key(|refused| refused.line);
    }

    /// What an import answers that may do all or nothing.
    pub(super) fn into_problem(self, lines: usize) -> Problem {
        let (count, listed) = (self.count, self.listed.len());
        let detail = format!("nothing was changed: {count} fields of {lines} lines are refused, errors lists {listed}");
        let error = |refused: RefusedField| {
            let RefusedField { line, field, reason } = refused;
            let (slash, of) = if field.is_empty() { ("", "") } else { ("/", ", ") };
            FieldError {
                place: Place::Body,
                pointer: format!("/{line}{slash}{field}"),
                detail: format!("line {line}{of}{field}: {reason}"),
            }
        };
        Problem::listing(Kind::Invalid, detail, self.listed.into_iter().map(error).collect())
    }
}

/// One line's fields.
pub(super) struct Row<'a> {
    line: u32,
    columns: &'a [&'static str],
    record: &'a StringRecord,
    refused: &'a mut Refusals,
}

impl Row<'_> {
    /// A field that must not be empty.
    pub(super) fn required<T, E: Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if self.text(name).is_empty() {
            self.refuse(name, "is required");
            return None;
        }
        self.optional(name, read).flatten()
    }

    /// A field that may be empty: `Some(None)`; `None` when it is refused.
    pub(super) fn optional<T, E: Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        let text = self.text(name);
        if text.is_empty() {
            return Some(None);
        }
        match read(unmarked(text)) {
            Ok(value) => Some(Some(value)),
            Err(error) => {
                let reason = error.to_string();
                self.refuse(name, reason);
                None
            }
        }
    }

    /// Notes what is wrong with a field.
    pub(super) fn refuse(&mut self, name: &'static str, reason: impl Into<String>) {
        self.refused.add(self.line, name, reason.into());
    }

    fn text(&self, name: &str) -> &str {
        let at = self.columns.iter().position(|known| *known == name);
        at.and_then(|at| self.record.get(at)).unwrap_or_default()
    }
}

/// Reads a file as it comes: what is wrong with the file as a whole is a problem, what is wrong with a line is noted. Every line is
/// one record: no quoted field goes on in the next one. So no more than a line of the text is held.
pub(super) struct SheetReader<E> {
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
    /// Lines that were read.
    lines: u32,
    columns: Option<Vec<&'static str>>,
    sheet: Sheet<E>,
}

impl<E> Default for SheetReader<E> {
    fn default() -> Self {
        let sheet = Sheet { count: 0, lines: Vec::new(), refused: Refusals::default() };
        Self { begun: Vec::new(), lines: 0, columns: None, sheet }
    }
}

impl<E: SheetEntry> SheetReader<E> {
    /// Reads the next piece.
    ///
    /// # Errors
    /// 400 for what is not such a file, 413 for too many lines, 422 for a header.
    pub(super) fn read(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        let ended = chunk.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (lines, begun) = chunk.split_at(ended);
        if !lines.is_empty() {
            let mut whole = std::mem::take(&mut self.begun);
            whole.extend_from_slice(lines);
            self.read_lines(&whole)?;
        }
        self.begun.extend_from_slice(begun);
        // And the carriage return of its end.
        let is_too_long = self.begun.len() > LINE_BYTES_MAX + 1;
        if is_too_long { Err(malformed(self.lines + 1, "is too long")) } else { Ok(()) }
    }

    /// The file, which has ended.
    ///
    /// # Errors
    /// As [`SheetReader::read`], and 422 for a file without lines.
    pub(super) fn finish(mut self) -> Result<Sheet<E>, Problem> {
        let last = std::mem::take(&mut self.begun);
        self.read_lines(&last)?;
        if self.columns.is_none() {
            return Err(header_problem("", "the first line names the columns".into()));
        }
        if self.sheet.count == 0 {
            return Err(header_problem("", "there is no line after the header".into()));
        }
        Ok(self.sheet)
    }

    fn read_lines(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let first = self.lines + 1;
        let text = text_of(bytes, first)?;
        self.lines += u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
        let filled = (first..).zip(text.lines()).filter(|(_, line)| !line.is_empty());
        let numbers: Vec<u32> = filled.map(|(number, _)| number).collect();
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        for (line, record) in numbers.into_iter().zip(reader.records()) {
            let record = record.map_err(|_| malformed(line, "cannot be read"))?;
            match &self.columns {
                None => self.columns = Some(columns::<E>(line, &record)?),
                Some(columns) => self.sheet.add(line, columns, &record)?,
            }
        }
        Ok(())
    }
}

impl<E: SheetEntry> Sheet<E> {
    fn add(&mut self, line: u32, columns: &[&'static str], record: &StringRecord) -> Result<(), Problem> {
        self.count += 1;
        if self.count > LINES_MAX {
            return Err(Problem::with(Kind::TooLarge, format!("a deck has at most {LINES_MAX} lines")));
        }
        if record.len() != columns.len() {
            let reason = format!("has {} fields, the header has {}", record.len(), columns.len());
            self.refused.add(line, "", reason);
            return Ok(());
        }
        let mut row = Row { line, columns, record, refused: &mut self.refused };
        if let Some(entry) = E::read(&mut row) {
            self.lines.push(DeckLine { number: line, entry });
        }
        Ok(())
    }
}

/// Whole lines in UTF-8, the file's first without its byte order mark, in which every line is one record.
fn text_of(bytes: &[u8], first: u32) -> Result<&str, Problem> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let before = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        malformed(first.saturating_add(u32::try_from(before).unwrap_or(u32::MAX)), "is not UTF-8")
    })?;
    let text = if first == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
    for (number, line) in (first..).zip(text.lines()) {
        if line.len() > LINE_BYTES_MAX {
            return Err(malformed(number, "is too long"));
        }
        if line.contains('\r') {
            return Err(malformed(number, "has a carriage return that ends no line"));
        }
        if !is_well_quoted(line) {
            return Err(malformed(number, "has a quotation mark that is not closed or stands within a field"));
        }
    }
    Ok(text)
}

/// Whether quotation marks enclose whole fields, and are doubled within them.
fn is_well_quoted(line: &str) -> bool {
    let mut rest = line;
    loop {
        let after = match rest.strip_prefix('"') {
            None => &rest[rest.find([',', '"']).unwrap_or(rest.len())..],
            Some(mut quoted) => loop {
                let Some(end) = quoted.find('"') else { return false };
                quoted = &quoted[end + 1..];
                match quoted.strip_prefix('"') {
                    Some(more) => quoted = more,
                    None => break quoted,
                }
            },
        };
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.is_empty(),
        }
    }
}

/// The columns in the order of the file.
fn columns<E: SheetEntry>(line: u32, header: &StringRecord) -> Result<Vec<&'static str>, Problem> {
    let mut columns: Vec<&'static str> = Vec::new();
    for name in header {
        match E::COLUMNS.iter().find(|column| column.name == name) {
            Some(column) if columns.contains(&column.name) => {
                return Err(header_problem(column.name, format!("line {line} names this column twice")));
            }
            Some(column) => columns.push(column.name),
            None => {
                let known: Vec<_> = E::COLUMNS.iter().map(|column| column.name).collect();
                let reason = format!("line {line} names a column that is none of {}", known.join(", "));
                return Err(header_problem("", reason));
            }
        }
    }
    match E::COLUMNS.iter().find(|column| column.is_required && !columns.contains(&column.name)) {
        Some(column) => Err(header_problem(column.name, format!("line {line} does not name this column"))),
        None => Ok(columns),
    }
}

fn header_problem(column: &'static str, detail: String) -> Problem {
    let pointer = if column.is_empty() { "/1".into() } else { format!("/1/{column}") };
    Problem::refused(Kind::Invalid, vec![FieldError { place: Place::Body, pointer, detail }])
}

fn malformed(line: u32, what: &str) -> Problem {
    Problem::with(Kind::Malformed, format!("the body is not a CSV file in UTF-8: line {line} {what}"))
}

#[cfg(test)]
mod tests {
    use billing_domain::pricing::deck::DeckPrice;

    use super::*;

    #[test]
    fn a_file_is_read_alike_in_whatever_pieces_it_comes() {
        let file = "\u{feff}accountTier,operatorId,direction,pricingModel,unitPrice,currency,effectiveFrom\r\n\
            \r\nG\u{e9},*,MT,PER_SEGMENT,0.01,USD,2026-11-01\nG,*,MT,PER_SEGMENT,x,USD,2026-11-01\n\
            G,*\nG,\"*\",MT,PER_SEGMENT,\"0.02\",USD,2026-11-01";
        let whole = shown(&[file.as_bytes()]);
        for size in [1, 2, 3, 7, 64] {
            let pieces: Vec<&[u8]> = file.as_bytes().chunks(size).collect();
            assert_eq!(shown(&pieces), whole, "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_waited_for() {
        let piece = [b'a'; 1_000];
        let mut reader = SheetReader::<DeckPrice>::default();
        let taken = (0..1_000).take_while(|_| reader.read(&piece).is_ok()).count();
        assert_eq!(taken, LINE_BYTES_MAX / 1_000);
    }

    /// What comes of a file in these pieces.
    fn shown(pieces: &[&[u8]]) -> String {
        let mut reader = SheetReader::<DeckPrice>::default();
        let read = pieces.iter().try_for_each(|piece| reader.read(piece));
        format!("{:?}", read.and_then(|()| reader.finish()))
    }

    #[test]
    fn quotation_marks_enclose_whole_fields() {
        for (line, expected) in [
            ("a,b", true),
            ("", true),
            (",", true),
            (r#""a","b""#, true),
            (r#""a,b",c"#, true),
            (r#""a""b",c"#, true),
            ("\"", false),
            ("\"\"", true),
            ("\"\"\"", false),
            ("\"\",\"\"", true),
            (r#""a,b"#, false),
            (r#"a"b,c"d"#, false),
            (r#""a"b,c"#, false),
            (r#"a,"b"#, false),
        ] {
            assert_eq!(is_well_quoted(line), expected, "{line}");
        }
    }
}
