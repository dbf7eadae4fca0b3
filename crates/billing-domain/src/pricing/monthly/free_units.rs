//! Free units: the first of a month cost nothing, and do not count towards steps and packages either.

/// What is left of each amount of units, in their order, when the first `free` are taken away.
pub(super) fn without_first(units: impl Iterator<Item = u64>, mut free: u64) -> impl Iterator<Item = u64> {
    units.map(move |units| {
        let taken = units.min(free);
        free -= taken;
        units - taken
    })
}
