//! How each locale words and writes things. Decides nothing itself: one JSON file per locale under `templates/locale`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use billing_domain::pricing::{AdjustmentKind, ChargeUnit};

use crate::document::Locale;
use crate::error::SetupError;

/// The contents of one locale file. Sentences hold `{placeholders}`, see [`fill`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Conventions {
    /// BCP 47 language of the document.
    pub(crate) lang: String,
    pub(crate) decimal_mark: String,
    pub(crate) group_mark: String,
    pub(crate) date: String,
    /// First to last day of one month, in the place of the day.
    pub(crate) days: String,
    pub(crate) month: String,
    pub(crate) months: [String; 12],
    pub(crate) months_short: [String; 12],
    pub(crate) title: String,
    pub(crate) replaces: String,
    pub(crate) late: String,
    pub(crate) tax: String,
    pub(crate) tax_id: String,
    pub(crate) account: String,
    pub(crate) payable: String,
    pub(crate) chart_alt: String,
    pub(crate) code_alt: String,
    pub(crate) page: String,
    per_segment: String,
    per_message: String,
    segments: String,
    messages: String,
    pub(crate) any_operator: String,
    adjustments: Adjustments,
    labels: Labels,
    pub(crate) credit_note: CreditNoteWords,
}

/// What a credit note says otherwise than an invoice.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreditNoteWords {
    pub(crate) title: String,
    /// Which invoice it credits.
    pub(crate) credits: String,
    pub(crate) code_alt: String,
    label: String,
    id: String,
    issued: String,
    bill_to: String,
    amount: String,
    charges: String,
}

/// What each kind of adjustment is called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Adjustments {
    correction: String,
    graduated: String,
    volume: String,
    package: String,
    free_units: String,
    discount: String,
    monthly_minimum: String,
    monthly_fee: String,
}

/// The words that the template prints as they are.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Labels {
    invoice: String,
    id: String,
    issued: String,
    due: String,
    period: String,
    currency: String,
    bill_to: String,
    amount_due: String,
    in_your_favour: String,
    reason: String,
    daily: String,
    charges: String,
    adjustments: String,
    month: String,
    operator: String,
    service: String,
    unit_price: String,
    messages: String,
    segments: String,
    amount: String,
    adjustment: String,
    units: String,
    due_so_far: String,
    adjustments_are: String,
    pub(crate) subtotal: String,
    total: String,
}

impl Conventions {
    /// The labels of an invoice, or of a credit note.
    pub(crate) fn labels(&self, is_credit_note: bool) -> Cow<'_, Labels> {
        if !is_credit_note {
            return Cow::Borrowed(&self.labels);
        }
        let words = &self.credit_note;
        Cow::Owned(Labels {
            invoice: words.label.clone(),
            id: words.id.clone(),
            issued: words.issued.clone(),
            bill_to: words.bill_to.clone(),
            amount_due: words.amount.clone(),
            charges: words.charges.clone(),
            ..self.labels.clone()
        })
    }

    /// What a unit price is for, with a place for the direction: `{direction}, per segment`.
    pub(crate) fn service(&self, unit: ChargeUnit) -> &str {
        match unit {
            ChargeUnit::Segment => &self.per_segment,
            ChargeUnit::Message => &self.per_message,
        }
    }

    /// A number of units, with a place for the number: `{count} segments`.
    pub(crate) fn counted(&self, unit: ChargeUnit) -> &str {
        match unit {
            ChargeUnit::Segment => &self.segments,
            ChargeUnit::Message => &self.messages,
        }
    }

    pub(crate) fn adjustment(&self, kind: AdjustmentKind) -> &str {
        let names = &self.adjustments;
        match kind {
            AdjustmentKind::Correction => &names.correction,
            AdjustmentKind::Graduated => &names.graduated,
            AdjustmentKind::Volume => &names.volume,
            AdjustmentKind::Package => &names.package,
            AdjustmentKind::FreeUnits => &names.free_units,
            AdjustmentKind::Discount => &names.discount,
            AdjustmentKind::MonthlyMinimum => &names.monthly_minimum,
            AdjustmentKind::MonthlyFee => &names.monthly_fee,
        }
    }
}

/// Every locale, read once.
#[derive(Debug)]
pub(crate) struct Locales {
    en: Conventions,
    de: Conventions,
}

impl Locales {
    pub(crate) fn load() -> Result<Self, SetupError> {
        Ok(Self {
            en: read(Locale::En, include_str!("../templates/locale/en.json"))?,
            de: read(Locale::De, include_str!("../templates/locale/de.json"))?,
        })
    }

    pub(crate) fn get(&self, locale: Locale) -> &Conventions {
        match locale {
            Locale::En => &self.en,
            Locale::De => &self.de,
        }
    }
}

/// Puts each value in the place of its `{name}`. A value is never searched for placeholders again.
pub(crate) fn fill(sentence: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(sentence.len() + 32);
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        out.push_str(values.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value));
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn read(locale: Locale, json: &str) -> Result<Conventions, SetupError> {
    serde_json::from_str(json).map_err(|source| SetupError::Locale { locale, source })
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn placeholders_are_filled_once() {
        let check = |sentence: &str, values: &[(&str, &str)], want: &str| assert_eq!(fill(sentence, values), want);
        check("Replaces {number}", &[("number", "INV-1")], "Replaces INV-1");
        check("{a}{b}", &[("a", "{b}"), ("b", "2")], "{b}2");
        check("{unknown}!", &[], "!");
        check("open {brace", &[("brace", "x")], "open {brace");
        check("plain", &[], "plain");
    }
}
