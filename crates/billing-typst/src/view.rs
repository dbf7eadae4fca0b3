//! The invoice as the template prints it: every text cleaned, every number and date written out, lines in order.
//!
//! Decides what is said and in which words; where it stands and how it looks is the template's.

use std::borrow::Cow;

use serde::Serialize;

use crate::adjustments;
use crate::chart::{self, Chart};
use crate::document::{Credited, DocumentLine, InvoiceDocument, Party, TaxLine};
use crate::error::RenderError;
use crate::fonts::Fonts;
use crate::format;
use crate::locale::{Conventions, Labels, fill};
use crate::qr;
use crate::text::{Place, Text, clean};

const NAME: Place = Place { max_chars: 160, max_word: 24_000 };
const SENDER: Place = Place { max_chars: 60, max_word: 30_000 };
const DETAIL: Place = Place { max_chars: 160, max_word: 30_000 };
const NUMBER: Place = Place { max_chars: 64, max_word: 16_000 };
const OPERATOR: Place = Place { max_chars: 64, max_word: 12_500 };
const SERVICE: Place = Place { max_chars: 48, max_word: 9_800 };
const TAX: Place = Place { max_chars: 80, max_word: 14_000 };
const ID: Place = Place { max_chars: 64, max_word: 23_000 };
const REASON: Place = Place { max_chars: 500, max_word: 50_000 };

/// Longest numbers, in characters, that fit their place in one line.
const MAX_PRICE: usize = 12;
const MAX_COUNT: usize = 13;
const MAX_AMOUNT: usize = 18;
const MAX_TOTAL: usize = 18;
const NO_BREAK_SPACE: char = '\u{a0}';

const MAX_ADDRESS_LINES: usize = 8;
const MAX_MINOR_DIGITS: u8 = 6;
/// The totals stand together on one page.
const MAX_TAXES: usize = 20;

/// The template's data.
#[derive(Debug, Serialize)]
pub(crate) struct View<'a> {
    lang: &'a str,
    labels: Cow<'a, Labels>,
    /// Of the PDF's metadata, not printed.
    title: String,
    /// Of the PDF's metadata, not printed.
    author: String,
    number: Text,
    /// Or, of a credit note, what it credits.
    replaces: Option<Text>,
    /// Of a credit note.
    reason: Option<Text>,
    issued: String,
    /// None if there is nothing to pay.
    due: Option<String>,
    period: String,
    currency: Text,
    seller: PartyView,
    customer: PartyView,
    payable: Option<String>,
    id: Text,
    /// An SVG file.
    code: String,
    code_alt: String,
    chart: Option<Chart>,
    sections: Vec<Section>,
    adjustments: Vec<adjustments::Row>,
    /// Subtotal and taxes: label and amount.
    sums: Vec<(Text, String)>,
    total: String,
    in_your_favour: bool,
}

#[derive(Debug, Serialize)]
struct PartyView {
    name: Text,
    details: Vec<Text>,
}

/// Lines of one kind: the invoice's own month without a heading, or late usage under one.
#[derive(Debug, Serialize)]
struct Section {
    heading: Option<String>,
    rows: Vec<Row>,
}

/// Operator, direction with what is charged, unit price, messages, segments, amount; and whether each surely fits into one
/// line of its column.
#[derive(Debug, Serialize)]
struct Row(Text, Text, String, String, String, String, bool);

/// What stands at the foot of each page.
#[derive(Debug, Serialize)]
pub(crate) struct Feet<'a> {
    lang: &'a str,
    number: Text,
    /// The seller's name.
    sender: Text,
    /// For each page, which it is of how many.
    pages: Vec<String>,
}

impl<'a> Feet<'a> {
    pub(crate) fn new(document: &InvoiceDocument, pages: usize, fonts: &Fonts, c: &'a Conventions) -> Self {
        let total = pages.to_string();
        let page = |page: usize| fill(&c.page, &[("page", &page.to_string()), ("pages", &total)]);
        Self {
            lang: &c.lang,
            number: clean(fonts, &document.invoice_number, NUMBER),
            sender: clean(fonts, &document.seller.name, SENDER),
            pages: (1..=pages).map(page).collect(),
        }
    }
}

impl<'a> View<'a> {
    pub(crate) fn new(document: &InvoiceDocument, fonts: &Fonts, c: &'a Conventions) -> Result<Self, RenderError> {
        let unprintable = |field| RenderError::Unprintable { invoice_number: document.invoice_number.clone(), field };
        if document.minor_digits > MAX_MINOR_DIGITS {
            return Err(unprintable("minor digits"));
        }
        let months = document.lines.iter().map(|line| line.usage_month);
        let mut months = months.chain(document.adjustments.iter().map(|adjustment| adjustment.usage_month));
        if months.any(|(_, month)| !(1..=12).contains(&month)) {
            return Err(unprintable("usage month"));
        }
        if document.taxes.len() > MAX_TAXES {
            return Err(unprintable("number of taxes"));
        }
        let text = |text: &str, place| clean(fonts, text, place);
        let number = text(&document.invoice_number, NUMBER);
        let currency = text(&document.currency, NUMBER);
        let total = format::amount(document.total_minor, document.minor_digits, c);
        let total = format!("{}{NO_BREAK_SPACE}{}", currency.as_str(), format::breakable(total, MAX_TOTAL, c));
        let seller = party(&document.seller, fonts, c);
        let id = text(&document.invoice_id, ID);
        let credits = document.credits.as_ref();
        let (title, code_alt) = match credits {
            None => (&c.title, &c.code_alt),
            Some(_) => (&c.credit_note.title, &c.credit_note.code_alt),
        };
        let due = (document.total_minor > 0 && credits.is_none()).then(|| format::date(document.due_date, c));
        Ok(Self {
            lang: &c.lang,
            labels: c.labels(credits.is_some()),
            title: fill(title, &[("number", number.as_str())]),
            author: seller.name.as_str().to_owned(),
            replaces: reference(document, c).map(|sentence| text(&sentence, NUMBER)),
            reason: credits.map(|credited| text(&credited.reason, REASON)),
            issued: format::date(document.issue_date, c),
            period: format::period(document.period_start, document.period_end, c),
            total,
            seller,
            customer: party(&document.customer, fonts, c),
            payable: due.as_deref().map(|date| fill(&c.payable, &[("date", date)])),
            due,
            code: qr::svg(&document.invoice_id).ok_or_else(|| unprintable("invoice id"))?,
            code_alt: fill(code_alt, &[("id", id.as_str())]),
            chart: chart::chart(&document.daily, document.period_start, document.period_end, c),
            sections: sections(document, fonts, c),
            adjustments: adjustments::rows(document, fonts, c),
            sums: sums(document, fonts, c),
            in_your_favour: document.total_minor < 0 && credits.is_none(),
            number,
            currency,
            id,
        })
    }
}

/// Which other document it names: what it replaces, or of a credit note what it credits.
fn reference(document: &InvoiceDocument, c: &Conventions) -> Option<String> {
    let replaces = |number: &String| fill(&c.replaces, &[("number", number)]);
    document.credits.as_ref().map_or_else(
        || document.replaces.as_ref().map(replaces),
        |Credited { invoice_number, issue_date, .. }| {
            let date = format::date(*issue_date, c);
            Some(fill(&c.credit_note.credits, &[("number", invoice_number), ("date", &date)]))
        },
    )
}

fn party(party: &Party, fonts: &Fonts, c: &Conventions) -> PartyView {
    let mut details: Vec<Text> = party
        .address
        .iter()
        .map(|line| clean(fonts, line, DETAIL))
        .filter(|line| !line.as_str().is_empty())
        .take(MAX_ADDRESS_LINES)
        .collect();
    let mut detail = |sentence: &str, id: &str| details.push(clean(fonts, &fill(sentence, &[("id", id)]), DETAIL));
    if let Some(id) = &party.tax_id {
        detail(&c.tax_id, id);
    }
    if let Some(id) = party.account_id.as_ref().filter(|id| **id != party.name) {
        detail(&c.account, id);
    }
    PartyView { name: clean(fonts, &party.name, NAME), details }
}

/// The invoice's own month first, then late usage by month; the given order within each.
fn sections(document: &InvoiceDocument, fonts: &Fonts, c: &Conventions) -> Vec<Section> {
    let mut prices: Vec<String> = document
        .lines
        .iter()
        .map(|line| format::unit_price(line.unit_price_micros, document.minor_digits, c))
        .collect();
    format::align_decimals(&mut prices, c);
    let mut lines: Vec<(&DocumentLine, String)> = document.lines.iter().zip(prices).collect();
    let late_month = |line: &DocumentLine| line.late.then_some(line.usage_month);
    lines.sort_by_key(|(line, _)| late_month(line));
    let row = |(line, price): &(&DocumentLine, String)| row(line, price, document.minor_digits, fonts, c);
    lines
        .chunk_by(|(a, _), (b, _)| late_month(a) == late_month(b))
        .map(|group| {
            let late = group.first().and_then(|(line, _)| late_month(line));
            let heading = late.map(|month| fill(&c.late, &[("month", &format::month(month, c))]));
            Section { heading, rows: group.iter().map(row).collect() }
        })
        .collect()
}

fn row(line: &DocumentLine, price: &str, minor_digits: u8, fonts: &Fonts, c: &Conventions) -> Row {
    let operator = clean(fonts, &line.operator, OPERATOR);
    let service = clean(fonts, &fill(c.service(line.unit), &[("direction", &line.direction)]), SERVICE);
    let numbers = [
        (format::breakable(price.to_owned(), MAX_PRICE, c), MAX_PRICE),
        (format::breakable(format::count(line.messages, c), MAX_COUNT, c), MAX_COUNT),
        (format::breakable(format::count(line.segments, c), MAX_COUNT, c), MAX_COUNT),
        (format::breakable(format::amount(line.amount_minor, minor_digits, c), MAX_AMOUNT, c), MAX_AMOUNT),
    ];
    let flat = operator.fits_line(fonts, OPERATOR)
        && service.fits_line(fonts, SERVICE)
        && numbers.iter().all(|(number, fits)| number.chars().count() <= *fits);
    let [price, messages, segments, amount] = numbers.map(|(number, _)| number);
    Row(operator, service, price, messages, segments, amount, flat)
}

fn sums(document: &InvoiceDocument, fonts: &Fonts, c: &Conventions) -> Vec<(Text, String)> {
    let amount = |minor| format::breakable(format::amount(minor, document.minor_digits, c), MAX_AMOUNT, c);
    let subtotal = (Text::Plain(c.labels(false).subtotal.clone()), amount(document.subtotal_minor));
    let tax = |tax: &TaxLine| {
        let rate = format::plain_decimal(&tax.rate_percent, c);
        let label = fill(&c.tax, &[("label", &tax.label), ("rate", &rate)]);
        (clean(fonts, &label, TAX), amount(tax.amount_minor))
    };
    std::iter::once(subtotal).chain(document.taxes.iter().map(tax)).collect()
}
