//! What several resources have in common, as requests give it: direction and days.

use billing_domain::usage::Direction;
use billing_domain::{Day, DayRange};

use crate::http::fields::{Fields, day};
use crate::http::problem::{Kind, Problem};

/// Both directions with their names on the wire.
pub(super) const DIRECTIONS: [(Direction, &str); 2] = [(Direction::Mt, "MT"), (Direction::Mo, "MO")];

/// The days of something new: `effectiveFrom` and, if it ends, `effectiveTo`, both inclusive.
pub(super) fn days_of_new(fields: &mut Fields) -> Option<DayRange> {
    let from = fields.required("effectiveFrom", day);
    let to = fields.optional("effectiveTo", day);
    range(fields, from?, to)
}

/// The days of the next version of something: from tomorrow, or from when the old one begins if that is later, until the
/// old one would have ended; `effectiveTo: null` lets it go on for ever.
///
/// # Errors
/// 409 when the old one has ended by then.
pub(super) fn days_of_next(fields: &mut Fields, old: DayRange, today: Day) -> Result<Option<DayRange>, Problem> {
    let from = fields.optional("effectiveFrom", day).unwrap_or_else(|| today.next().max(old.from()));
    let keeps_end = !fields.has("effectiveTo");
    let to = fields.nullable("effectiveTo", day).unwrap_or(old.last());
    if from < old.from() {
        fields.refuse("effectiveFrom", "is not before the first day of the version that it changes");
        return Ok(None);
    }
    if keeps_end && old.last().is_some_and(|last| last < from) {
        return Err(Kind::Ended.into());
    }
    Ok(range(fields, from, to))
}

/// The days that a question is about, `from` and `to`: both, or neither, which is this month until today.
pub(super) fn days_asked(query: &mut Fields, today: Day) -> Option<DayRange> {
    let (has_from, has_to) = (query.has("from"), query.has("to"));
    let (from, to) = (query.optional("from", day), query.optional("to", day));
    if has_from != has_to {
        query.refuse(if has_from { "to" } else { "from" }, "is required: from and to are given together or not at all");
        return None;
    }
    let (from, to) = if has_from { (from?, to?) } else { (today.month().first_day(), today) };
    match DayRange::inclusive(from, Some(to)) {
        Ok(days) => Some(days),
        Err(_) => {
            query.refuse("to", "is not before from");
            None
        }
    }
}

fn range(fields: &mut Fields, from: Day, to: Option<Day>) -> Option<DayRange> {
    match DayRange::inclusive(from, to) {
        Ok(days) => Some(days),
        Err(_) => {
            fields.refuse("effectiveTo", "is not before effectiveFrom");
            None
        }
    }
}
