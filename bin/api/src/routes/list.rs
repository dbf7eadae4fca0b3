//! What every list has: `limit` and `cursor`.

use super::call::Call;
use crate::http::cursor::{Key, Question};
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::services::Store;

const LIMIT_MAX: u32 = 50;
const LIMIT_DEFAULT: u32 = 20;
/// Rows that a CSV file asks the store for at once.
const ROWS_AT_ONCE: u32 = 5_000;

/// Where in a list to go on, and how far; its rows are ordered by `K`.
pub(super) struct Place<K> {
    question: Question,
    pub(super) after: Option<K>,
    pub(super) limit: u32,
}

impl<K: Key> Place<K> {
    /// From `cursor` and `limit`; the cursor must come from the same list with the same filters, as the same readers see it.
    ///
    /// # Errors
    /// 400 when the query cannot be read.
    pub(super) fn read<S: Store>(list: &str, call: &Call<S>, query: &mut Fields) -> Result<Self, Problem> {
        let mut filters = call.query_pairs()?;
        filters.retain(|(name, _)| name != "cursor" && name != "limit");
        let question = Question::new(list, &call.caller.reach(), &filters);
        let after = query.optional("cursor", |text| question.read(text));
        let limit = query.optional("limit", limit).unwrap_or(LIMIT_DEFAULT);
        Ok(Self { question, after, limit })
    }

    /// The whole list, as a CSV file has it: it takes neither `cursor` nor `limit`.
    pub(super) fn whole<S: Store>(list: &str, call: &Call<S>, query: &mut Fields) -> Result<Self, Problem> {
        for name in ["cursor", "limit"] {
            query.forbid(name, "is for pages of JSON: a CSV file has every row");
        }
        Ok(Self {
            question: Question::new(list, &call.caller.reach(), &call.query_pairs()?),
            after: None,
            limit: ROWS_AT_ONCE,
        })
    }

    /// The cursor of the next page, if more rows follow the last one.
    pub(super) fn next(&self, last: Option<K>) -> Option<String> {
        last.map(|last| self.question.cursor(&last))
    }
}

/// `true` or `false`.
pub(super) fn flag(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "is true or false")
}

fn limit(text: &str) -> Result<u32, String> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(limit @ 1..=LIMIT_MAX) if plain => Ok(limit),
        _ => Err(format!("is a number from 1 to {LIMIT_MAX}")),
    }
}
