//! Which row of a key is in force on a day. A key is two numbers, scope and lane; what they stand for, and what a row
//! says beyond its days, is the book's affair.

use crate::{Day, DayRange};

/// A row that holds on some days.
pub(super) trait InForce {
    fn days(&self) -> DayRange;
}

/// A row and its key.
pub(super) struct Filed<R> {
    /// Below the number of scopes that the timetable is built with.
    pub(super) scope: u32,
    pub(super) lane: u32,
    pub(super) row: R,
}

/// Why rows make no timetable.
#[derive(Debug)]
pub(super) enum Unfit<R> {
    /// These two have one key and share a day.
    Overlap(R, R),
    /// More rows than 32 bits count.
    TooMany,
}

/// Rows by scope, lane and first day, in three arrays: eight bytes a key beside the rows, four a scope.
///
/// Whatever the size of the book, one look-up searches the lanes of one scope and then the periods of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Timetable<R> {
    /// Each scope's first key, and the end of the last one's.
    scopes: Vec<u32>,
    /// By scope and lane, and one beyond the last.
    keys: Vec<Key>,
    rows: Vec<R>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Key {
    lane: u32,
    /// Its first row; the next key's is its end.
    first: u32,
}

impl<R: InForce> Timetable<R> {
    /// # Errors
    /// [`Unfit`] when two rows of one key share a day, or there are too many.
    pub(super) fn build(scopes: usize, mut filed: Vec<Filed<R>>) -> Result<Self, Unfit<R>> {
        // Two words to compare, not three.
        let order = |f: &Filed<R>| (u64::from(f.scope) << 32 | u64::from(f.lane), f.row.days().from());
        filed.sort_unstable_by_key(order);
        let mut starts = Vec::with_capacity(scopes + 1);
        let mut keys: Vec<Key> = Vec::new();
        let mut rows: Vec<R> = Vec::with_capacity(filed.len());
        let mut last = None;
        for Filed { scope, lane, row } in filed {
            let count = |len: usize| u32::try_from(len).map_err(|_| Unfit::TooMany);
            if last != Some((scope, lane)) {
                last = Some((scope, lane));
                while starts.len() <= index(scope) {
                    starts.push(count(keys.len())?);
                }
                keys.push(Key { lane, first: count(rows.len())? });
            } else if let Some(before) = rows.pop_if(|before| before.days().overlaps(row.days())) {
                return Err(Unfit::Overlap(before, row));
            }
            rows.push(row);
        }
        let ends = |len: usize| u32::try_from(len).map_err(|_| Unfit::TooMany);
        starts.resize(scopes + 1, ends(keys.len())?);
        keys.push(Key { lane: u32::MAX, first: ends(rows.len())? });
        keys.shrink_to_fit();
        Ok(Self { scopes: starts, keys, rows })
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row of that key whose days hold the day.
    pub(super) fn in_force(&self, scope: u32, lane: u32, day: Day) -> Option<&R> {
        let (first, end) = self.keys_of(scope)?;
        let key = self.keys.get(first..end)?.binary_search_by_key(&lane, |key| key.lane).ok()?;
        self.row_on(first + key, day)
    }

    /// The row in force of the scope's lowest lane that has one.
    pub(super) fn first_in_force(&self, scope: u32, day: Day) -> Option<(u32, &R)> {
        let (first, end) = self.keys_of(scope)?;
        (first..end).find_map(|key| Some((self.keys.get(key)?.lane, self.row_on(key, day)?)))
    }

    /// Every row with its scope and lane, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u32, &R)> {
        let scopes = (0..).zip(self.scopes.windows(2));
        scopes.flat_map(move |(scope, ends)| {
            let keys = index(ends[0])..index(ends[1]);
            keys.flat_map(move |key| self.rows_of(key).iter().map(move |row| (scope, self.keys[key].lane, row)))
        })
    }

    fn keys_of(&self, scope: u32) -> Option<(usize, usize)> {
        let at = index(scope);
        Some((index(*self.scopes.get(at)?), index(*self.scopes.get(at + 1)?)))
    }

    fn rows_of(&self, key: usize) -> &[R] {
        let first = |key: usize| self.keys.get(key).map_or(0, |key| index(key.first));
        self.rows.get(first(key)..first(key + 1)).unwrap_or_default()
    }

    fn row_on(&self, key: usize, day: Day) -> Option<&R> {
        let rows = self.rows_of(key);
        let begun = rows.partition_point(|row| row.days().from() <= day);
        rows[..begun].last().filter(|row| row.days().contains(day))
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
