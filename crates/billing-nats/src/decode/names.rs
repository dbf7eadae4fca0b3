//! Names that the messages of a batch repeat: made once and shared. It is memory and time that are saved, nothing else.

use billing_domain::{Currency, OperatorId, Tier};

/// So many of a kind are looked through; the others are made anew each time.
const REMEMBERED_MAX: usize = 16;

/// The operators, tiers and currencies that have been read.
#[derive(Default)]
pub(crate) struct Names {
    operators: Vec<OperatorId>,
    tiers: Vec<Tier>,
    currencies: Vec<Currency>,
}

impl Names {
    pub(super) fn operator(&mut self, text: &str) -> Option<OperatorId> {
        remembered(&mut self.operators, text, OperatorId::as_str, |text| OperatorId::new(text).ok())
    }

    pub(super) fn tier(&mut self, text: &str) -> Option<Tier> {
        remembered(&mut self.tiers, text, Tier::as_str, |text| Tier::new(text).ok())
    }

    pub(super) fn currency(&mut self, text: &str) -> Option<Currency> {
        remembered(&mut self.currencies, text, Currency::code, |text| Currency::new(text).ok())
    }
}

fn remembered<T: Clone>(
    known: &mut Vec<T>,
    text: &str,
    name: fn(&T) -> &str,
    make: fn(&str) -> Option<T>,
) -> Option<T> {
    if let Some(found) = known.iter().find(|one| name(one) == text) {
        return Some(found.clone());
    }
    let made = make(text)?;
    if known.len() < REMEMBERED_MAX {
        known.push(made.clone());
    }
    Some(made)
}
