//! CSV files (RFC 4180, UTF-8) that a spreadsheet opens without running what is in them, and who prefers them to JSON.

use std::fmt::Display;

use actix_web::HttpRequest;
use actix_web::http::header::{Accept, Header as _};
use csv::{Terminator, WriterBuilder};

use super::problem::{Kind, Problem};

/// Their media type.
pub(crate) const CSV: &str = "text/csv";

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Cell {
    /// A text: one that a spreadsheet would take for a formula begins with an apostrophe.
    Text(String),
    /// A number, written as it is: `-1.50` is no formula.
    Number(String),
}

impl Cell {
    /// A text.
    pub(crate) fn text(text: impl Display) -> Self {
        Self::Text(text.to_string())
    }

    /// A number.
    pub(crate) fn number(number: impl Display) -> Self {
        Self::Number(number.to_string())
    }

    /// A number, or nothing.
    pub(crate) fn number_or_empty(number: Option<impl Display>) -> Self {
        Self::Number(number.map(|number| number.to_string()).unwrap_or_default())
    }

    /// A text, or nothing.
    pub(crate) fn text_or_empty(text: Option<impl Display>) -> Self {
        Self::Text(text.map(|text| text.to_string()).unwrap_or_default())
    }

    fn written(self) -> String {
        match self {
            Self::Text(text) => marked(text),
            Self::Number(number) => number,
        }
    }
}

/// Lines, each ended by CR LF.
///
/// # Errors
/// 500 when they cannot be written.
pub(crate) fn lines(rows: impl IntoIterator<Item = Vec<Cell>>) -> Result<Vec<u8>, Problem> {
    let failed = |error: csv::Error| Problem::caused(Kind::Internal, error);
    // Each piece of a long file is written by itself.
    let mut writer =
        WriterBuilder::new().terminator(Terminator::CRLF).has_headers(false).flexible(true).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row.into_iter().map(Cell::written)).map_err(failed)?;
    }
    writer.into_inner().map_err(|error| Problem::caused(Kind::Internal, error.into_error()))
}

/// With the apostrophe by which a spreadsheet knows text, where it would see a formula.
pub(crate) fn marked(text: String) -> String {
    if text.trim_start_matches('\'').starts_with(FORMULA) { format!("'{text}") } else { text }
}

/// Without that apostrophe.
pub(crate) fn unmarked(text: &str) -> &str {
    let bare = text.trim_start_matches('\'');
    if bare.len() < text.len() && bare.starts_with(FORMULA) { &text[1..] } else { text }
}

/// Whether CSV is what the caller would like best. What cannot be read is no wish.
pub(crate) fn is_preferred(request: &HttpRequest) -> bool {
    Accept::parse(request).is_ok_and(|accept| accept.preference().essence_str() == CSV)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_spreadsheet_sees_no_formula_and_nothing_is_lost() {
        for (text, expected) in [
            ("GROWTH", "GROWTH"),
            ("=1+1", "'=1+1"),
            ("+a", "'+a"),
            ("-5", "'-5"),
            ("@a", "'@a"),
            ("\ta", "'\ta"),
            ("\ra", "'\ra"),
            ("'=a", "''=a"),
            ("''=a", "'''=a"),
            ("'a", "'a"),
            ("'", "'"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            let marked = marked(text.into());
            assert_eq!((marked.as_str(), unmarked(&marked)), (expected, text));
        }
    }

    #[test]
    fn numbers_stay_numbers_and_texts_are_quoted_where_they_must_be() {
        let row = vec![
            Cell::text("-20"),
            Cell::number("-1.500000"),
            Cell::text("a \"b\", c"),
            Cell::text("=1\r\n2"),
            Cell::number_or_empty(None::<u64>),
        ];
        let written = lines([row, vec![Cell::text("next")]]).unwrap();
        let expected = "'-20,-1.500000,\"a \"\"b\"\", c\",\"'=1\r\n2\",\r\nnext\r\n";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn csv_is_for_who_prefers_it() {
        for (accept, expected) in [
            ("text/csv", true),
            ("text/csv; charset=utf-8", true),
            ("application/json;q=0.5, text/csv", true),
            ("text/csv;q=0.5, application/json", false),
            ("*/*", false),
            ("text/*", false),
            ("application/xml", false),
            ("nonsense", false),
        ] {
            let request = TestRequest::get().append_header(("Accept", accept)).to_http_request();
            assert_eq!(is_preferred(&request), expected, "{accept}");
        }
        assert!(!is_preferred(&TestRequest::get().to_http_request()));
    }
}
