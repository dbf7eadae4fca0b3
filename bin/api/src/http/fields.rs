//! Strict reading of named values, from a query string or a JSON body: what is unknown, double, of the wrong type or of a
//! wrong value is refused by name, everything in one answer. What the values mean is the route's.

use std::fmt::Display;
use std::ops::RangeInclusive;

use billing_domain::pricing::check_unit_amount;
use billing_domain::{Day, Micros};
use serde_json::Number;
use uuid::Uuid;

use super::problem::{FieldError, Kind, Place, Problem};

/// Beyond so many, errors help nobody.
const ERRORS_MAX: usize = 20;
/// Names in pointers are cut to so many characters.
const NAME_SHOWN_MAX: usize = 64;

/// A value as it was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Given {
    /// Text: every plain value of these interfaces, money included.
    Text(String),
    /// JSON `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// An array.
    List(Vec<Given>),
    /// An object: its members in their order, doubled names included.
    Object(Vec<(String, Given)>),
}

impl Given {
    /// What it is, as a sentence names it.
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// The values of one request that have not been read yet, and what was wrong with those that have.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    place: Place,
    /// The pointer to the object whose members they are.
    within: String,
    given: Vec<(String, Given)>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Names and values in the order in which they came.
    pub(crate) fn new(place: Place, given: Vec<(String, Given)>) -> Self {
        Self { place, within: String::new(), given, errors: Vec::new() }
    }

    /// The value of a field that may be absent or null. `None` also when it was refused: [`Self::finish`] tells.
    pub(crate) fn optional<T, E: Display>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        self.nullable(name, read).flatten()
    }

    /// The value of a field that must be there.
    pub(crate) fn required<T, E: Display>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        if matches!(self.peek(name), None | Some(Given::Null)) {
            self.refuse(name, "is required");
        }
        self.optional(name, read)
    }

    /// `None` when absent (or refused), `Some(None)` when null.
    pub(crate) fn nullable<T, E: Display>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        let text = match self.take(name)? {
            Given::Text(text) => text,
            Given::Null => return Some(None),
            other => {
                self.refuse(name, format!("must be a JSON string, not {}", other.kind()));
                return None;
            }
        };
        match read(&text) {
            Ok(value) => Some(Some(value)),
            Err(error) => {
                self.refuse(name, error.to_string());
                None
            }
        }
    }

    /// An amount of money that must be there.
    pub(crate) fn required_amount(&mut self, name: &str) -> Option<Micros> {
        if matches!(self.peek(name), None | Some(Given::Null)) {
            self.refuse(name, "is required");
        }
        self.amount(name)
    }

    /// A unit price or cost that may be absent.
    pub(crate) fn amount(&mut self, name: &str) -> Option<Micros> {
        self.amount_that(name, check_unit_amount)
    }

    /// An amount of money that may be absent, of whatever size `check` lets pass.
    pub(crate) fn amount_that<E: Display>(
        &mut self,
        name: &str,
        check: impl FnOnce(Micros) -> Result<Micros, E>,
    ) -> Option<Micros> {
        if matches!(self.peek(name), Some(Given::Number(_))) {
            self.take(name);
            self.refuse(name, "money is written as a JSON string, such as \"0.0125\", because numbers lose digits");
            return None;
        }
        self.optional(name, |text| {
            let amount = Micros::parse(text).map_err(|error| error.to_string())?;
            check(amount).map_err(|error| error.to_string())
        })
    }

    /// A whole number that must be there.
    pub(crate) fn required_count(&mut self, name: &str, range: RangeInclusive<u64>) -> Option<u64> {
        if matches!(self.peek(name), None | Some(Given::Null)) {
            self.refuse(name, "is required");
        }
        self.count(name, range)
    }

    /// A whole number that may be absent.
    pub(crate) fn count(&mut self, name: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let given = self.take(name)?;
        let number = match &given {
            Given::Null => return None,
            Given::Number(number) => number.as_u64(),
            other => {
                self.refuse(name, format!("must be a JSON number, not {}", other.kind()));
                return None;
            }
        };
        let found = number.filter(|number| range.contains(number));
        if found.is_none() {
            self.refuse(name, format!("is a whole number from {} to {}", range.start(), range.end()));
        }
        found
    }

    /// `true` or `false`, which may be absent.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.take(name)? {
            Given::Null => None,
            Given::Bool(value) => Some(value),
            other => {
                self.refuse(name, format!("must be a JSON boolean, not {}", other.kind()));
                None
            }
        }
    }

    /// What an object says. `None` when absent or refused.
    pub(crate) fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        match self.take(name)? {
            Given::Object(members) => self.inner(name, members, read),
            other => {
                self.refuse(name, format!("must be a JSON object, not {}", other.kind()));
                None
            }
        }
    }

    /// The texts of an array of at most `max`. `None` when absent or refused.
    pub(crate) fn texts<T, E: Display>(
        &mut self,
        name: &str,
        max: usize,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        self.entries(name, max, |place, entry, fields| {
            fields.given.push((place.to_owned(), entry));
            fields.required(place, &read)
        })
    }

    /// What the objects of an array of at most `max` say. `None` when absent or refused.
    pub(crate) fn objects<T>(
        &mut self,
        name: &str,
        max: usize,
        read: impl Fn(&mut Fields) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.entries(name, max, |place, entry, fields| {
            let Given::Object(members) = entry else {
                fields.refuse(place, format!("must be a JSON object, not {}", entry.kind()));
                return None;
            };
            fields.inner(place, members, &read)
        })
    }

    /// Reads the members of an object within, all of them.
    fn inner<T>(
        &mut self,
        name: &str,
        members: Vec<(String, Given)>,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let mut inner = Self { within: format!("{}{}", self.within, pointer(name)), ..Self::new(self.place, members) };
        let made = read(&mut inner);
        inner.refuse_rest();
        let room = ERRORS_MAX.saturating_sub(self.errors.len());
        self.errors.extend(inner.errors.into_iter().take(room));
        made
    }

    /// Reads an array entry by entry, with what stands for the array and the entry's place in it.
    fn entries<T>(
        &mut self,
        name: &str,
        max: usize,
        read: impl Fn(&str, Given, &mut Fields) -> Option<T>,
    ) -> Option<Vec<T>> {
        let entries = match self.take(name)? {
            Given::List(entries) if entries.len() <= max => entries,
            Given::List(_) => {
                self.refuse(name, format!("has at most {max} entries"));
                return None;
            }
            other => {
                self.refuse(name, format!("must be a JSON array, not {}", other.kind()));
                return None;
            }
        };
        let within = format!("{}{}", self.within, pointer(name));
        let mut array = Fields { within, ..Fields::new(self.place, Vec::new()) };
        let made: Vec<Option<T>> =
            entries.into_iter().enumerate().map(|(place, entry)| read(&place.to_string(), entry, &mut array)).collect();
        let room = ERRORS_MAX.saturating_sub(self.errors.len());
        self.errors.extend(array.errors.into_iter().take(room));
        made.into_iter().collect()
    }

    /// Refuses a field that is known and not welcome here, with the sentence that says why.
    pub(crate) fn forbid(&mut self, name: &str, why: &str) {
        if self.take(name).is_some() {
            self.refuse(name, why);
        }
    }

    /// Refuses null where only absence means "as before".
    pub(crate) fn forbid_null(&mut self, names: &[&str]) {
        for name in names {
            if self.peek(name) == Some(&Given::Null) {
                self.forbid(name, "is not null: leave it out to keep what it is");
            }
        }
    }

    /// Notes what is wrong with a field.
    pub(crate) fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        if self.errors.len() < ERRORS_MAX {
            let pointer = format!("{}{}", self.within, pointer(name));
            self.errors.push(FieldError { place: self.place, pointer, detail: detail.into() });
        }
    }

    /// Whether a field was given and has not been read.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.peek(name).is_some()
    }

    /// The value that was made of the fields, if every field was known and good.
    ///
    /// `made` is `None` only when a required field was refused.
    pub(crate) fn finish<T>(mut self, made: Option<T>) -> Result<T, Problem> {
        self.refuse_rest();
        if !self.errors.is_empty() {
            return Err(Problem::refused(Kind::Invalid, self.errors));
        }
        made.ok_or_else(|| Problem::from(Kind::Internal))
    }

    fn refuse_rest(&mut self) {
        for (name, _) in std::mem::take(&mut self.given) {
            self.refuse(&name, "is not known here");
        }
    }

    fn peek(&self, name: &str) -> Option<&Given> {
        self.given.iter().find_map(|(known, value)| (known == name).then_some(value))
    }

    fn take(&mut self, name: &str) -> Option<Given> {
        let mut taken = self.given.extract_if(.., |(known, _)| known == name);
        let first = taken.next().map(|(_, value)| value);
        let doubled = taken.count() > 0;
        if doubled {
            self.refuse(name, "is given more than once");
        }
        first
    }
}

/// A day on the wire.
pub(crate) fn day(text: &str) -> Result<Day, &'static str> {
    Day::parse(text).map_err(|_| "is a day of the calendar, written YYYY-MM-DD")
}

/// An id on the wire: the hyphenated form only, so that one id has one text.
pub(crate) fn uuid(text: &str) -> Result<Uuid, &'static str> {
    if text.len() != 36 {
        return Err("is a UUID");
    }
    Uuid::try_parse(text).map_err(|_| "is a UUID")
}

/// One of some names.
pub(crate) fn one_of<'a, T: Copy>(known: &'a [(T, &'static str)]) -> impl FnOnce(&str) -> Result<T, String> + 'a {
    move |text| {
        let found = known.iter().find_map(|(value, name)| (*name == text).then_some(*value));
        found.ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|(_, name)| *name).collect();
            format!("is one of {}", names.join(", "))
        })
    }
}

/// RFC 6901, of a name of any length and content.
fn pointer(name: &str) -> String {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(NAME_SHOWN_MAX).collect();
    format!("/{}", shown.replace('~', "~0").replace('/', "~1"))
}
