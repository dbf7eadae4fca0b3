//! Strict reading of named values, from a query string or a JSON body: what is unknown, double, of the wrong type or of a
//! wrong value is refused by name, everything in one answer. What the values mean is the route's.

use std::fmt::Display;

use billing_domain::pricing::check_unit_amount;
use billing_domain::{Day, Micros};
use uuid::Uuid;

use super::problem::{FieldError, Kind, Place, Problem};

/// Beyond so many, errors help nobody.
const ERRORS_MAX: usize = 20;
/// Names in pointers are cut to so many characters.
const NAME_SHOWN_MAX: usize = 64;

/// A value as it was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Given {
    /// Text: every value of these interfaces, money included.
    Text(String),
    /// JSON `null`.
    Null,
    /// JSON of another type, by its name.
    Other(&'static str),
}

/// The values of one request that have not been read yet, and what was wrong with those that have.
#[derive(Debug)]
pub(crate) struct Fields {
    place: Place,
    given: Vec<(String, Given)>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Names and values in the order in which they came.
    pub(crate) fn new(place: Place, given: Vec<(String, Given)>) -> Self {
        Self { place, given, errors: Vec::new() }
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
            Given::Other(kind) => {
                self.refuse(name, format!("must be a JSON string, not {kind}"));
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

    /// An amount of money that may be absent.
    pub(crate) fn amount(&mut self, name: &str) -> Option<Micros> {
        if self.peek(name) == Some(&Given::Other("a number")) {
            self.take(name);
            self.refuse(name, "money is written as a JSON string, such as \"0.0125\", because numbers lose digits");
            return None;
        }
        self.optional(name, |text| {
            let amount = Micros::parse(text).map_err(|error| error.to_string())?;
            check_unit_amount(amount).map_err(|error| error.to_string())
        })
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
            self.errors.push(FieldError { place: self.place, pointer: pointer(name), detail: detail.into() });
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
        for (name, _) in std::mem::take(&mut self.given) {
            self.refuse(&name, "is not known here");
        }
        if !self.errors.is_empty() {
            return Err(Problem::refused(Kind::Invalid, self.errors));
        }
        made.ok_or_else(|| Problem::from(Kind::Internal))
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
