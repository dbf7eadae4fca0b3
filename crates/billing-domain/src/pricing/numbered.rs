//! Values and their numbers. What they name is not known here.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Names come from staff, and an event's name is only looked up, never stored: nobody outside can fill a bucket, so the
/// fastest hash is safe enough. Its seed is fixed, so that a book costs the same number of instructions in every run.
type Hasher = rustc_hash::FxBuildHasher;

/// Distinct values, numbered from 0 in their own order: equal sets are numbered alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Numbered<T: Eq + Hash> {
    values: Vec<T>,
    numbers: HashMap<T, u32, Hasher>,
}

impl<T: Clone + Ord + Hash> Numbered<T> {
    pub(super) fn new<'a>(values: impl Iterator<Item = &'a T>) -> Self
    where
        T: 'a,
    {
        let distinct: HashSet<&T, Hasher> = values.collect();
        let mut values: Vec<T> = distinct.into_iter().cloned().collect();
        values.sort_unstable();
        let numbers = values.iter().cloned().zip(0..).collect();
        Self { values, numbers }
    }

    pub(super) fn number(&self, value: &T) -> Option<u32> {
        self.numbers.get(value).copied()
    }

    pub(super) fn value(&self, number: u32) -> Option<&T> {
        self.values.get(usize::try_from(number).ok()?)
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}
