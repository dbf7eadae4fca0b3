//! Adjustments as the template prints them. Decides their words; whether there are any is decided before.

use serde::Serialize;

use crate::document::{DocumentAdjustment, InvoiceDocument};
use crate::fonts::Fonts;
use crate::format;
use crate::locale::{Conventions, fill};
use crate::text::{Place, Text, clean};

const KIND: Place = Place { max_chars: 40, max_word: 10_500 };
const OPERATOR: Place = Place { max_chars: 64, max_word: 8_000 };
const DIRECTION: Place = Place { max_chars: 16, max_word: 8_000 };
const REASON: Place = Place { max_chars: 600, max_word: 45_000 };

/// Longest numbers, in characters, that fit their place in one line.
const MAX_COUNT: usize = 12;
const MAX_DUE: usize = 15;
const MAX_AMOUNT: usize = 18;

/// Month, kind, operator, direction, units, due so far, amount, reason.
#[derive(Debug, Serialize)]
pub(crate) struct Row(String, Text, Text, Text, String, String, String, Option<Text>);

/// One row for each adjustment, in order.
pub(crate) fn rows(document: &InvoiceDocument, fonts: &Fonts, c: &Conventions) -> Vec<Row> {
    document.adjustments.iter().map(|adjustment| row(adjustment, document.minor_digits, fonts, c)).collect()
}

fn row(adjustment: &DocumentAdjustment, minor_digits: u8, fonts: &Fonts, c: &Conventions) -> Row {
    let operator = adjustment.operator.as_deref().unwrap_or(&c.any_operator);
    let amount = |minor, fits| format::breakable(format::amount(minor, minor_digits, c), fits, c);
    let count = format::breakable(format::count(adjustment.units, c), MAX_COUNT, c);
    Row(
        format::month_short(adjustment.usage_month, c),
        clean(fonts, c.adjustment(adjustment.kind), KIND),
        clean(fonts, operator, OPERATOR),
        clean(fonts, &adjustment.direction, DIRECTION),
        fill(c.counted(adjustment.unit), &[("count", &count)]),
        amount(adjustment.due_minor, MAX_DUE),
        amount(adjustment.amount_minor, MAX_AMOUNT),
        adjustment.reason.as_deref().map(|reason| clean(fonts, reason, REASON)),
    )
}
