//! Which invoices an account is due, oldest month first, and on which of them late usage goes.

use std::collections::{BTreeMap, BTreeSet};

use crate::Month;

/// One invoice to draft.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DraftPlan {
    /// The month it is for.
    pub month: Month,
    /// Earlier months whose invoices were out when this usage came.
    pub late: Vec<Month>,
}

/// The invoices due to one account in one currency when `period` is billed.
///
/// `open`: months with unsealed usage. `invoiced`: months with an invoice that is not void. A month without one gets
/// its own. Usage of a month that has one is late: it goes on the next invoice due, or on one for `period` that has
/// nothing else; when `period` itself has its invoice, it waits for the next run.
///
/// ```
/// use std::collections::BTreeSet;
///
/// use billing_domain::Month;
/// use billing_domain::invoicing::plan;
///
/// let month = |text| Month::parse(text);
/// let open = BTreeSet::from([month("2026-08")?, month("2026-09")?, month("2026-10")?]);
/// let invoiced = BTreeSet::from([month("2026-09")?]);
/// let drafts = plan(month("2026-10")?, &open, &invoiced);
/// assert_eq!((drafts[0].month, drafts[0].late.len()), (month("2026-08")?, 0));
/// assert_eq!((drafts[1].month, &drafts[1].late[..]), (month("2026-10")?, &[month("2026-09")?][..]));
/// # Ok::<(), billing_domain::CalendarError>(())
/// ```
#[must_use]
pub fn plan(period: Month, open: &BTreeSet<Month>, invoiced: &BTreeSet<Month>) -> Vec<DraftPlan> {
    let billed_until_now = open.range(..=period);
    let (late, due): (Vec<Month>, Vec<Month>) = billed_until_now.partition(|month| invoiced.contains(month));
    let mut drafts: BTreeMap<Month, Vec<Month>> = due.into_iter().map(|month| (month, Vec::new())).collect();
    for month in late {
        if let Some((_, later)) = drafts.range_mut(month.next()..).next() {
            later.push(month);
        } else if month < period && !invoiced.contains(&period) {
            drafts.insert(period, vec![month]);
        }
    }
    drafts.into_iter().map(|(month, late)| DraftPlan { month, late }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_first_and_late_usage_on_the_next_one() {
        for (period, open, invoiced, expected) in [
            ("2026-10", "2026-10", "", "2026-10"),
            ("2026-10", "", "2026-09", ""),
            ("2026-10", "2026-11", "", ""),
            ("2026-10", "2026-08 2026-10", "", "2026-08, 2026-10"),
            ("2026-10", "2026-09 2026-10", "2026-09", "2026-10 + 2026-09"),
            ("2026-10", "2026-09", "2026-09", "2026-10 + 2026-09"),
            ("2026-10", "2026-09", "2026-09 2026-10", ""),
            ("2026-10", "2026-10", "2026-10", ""),
            ("2026-11", "2026-10", "2026-10", "2026-11 + 2026-10"),
            ("2026-10", "2026-07 2026-08 2026-09 2026-10", "2026-07 2026-09", "2026-08 + 2026-07, 2026-10 + 2026-09"),
            ("2026-10", "2026-07 2026-08", "2026-07 2026-08", "2026-10 + 2026-07 + 2026-08"),
        ] {
            let months = |text: &str| text.split_whitespace().map(|m| Month::parse(m).unwrap()).collect();
            let plan = plan(Month::parse(period).unwrap(), &months(open), &months(invoiced));
            let shown: Vec<String> = plan
                .iter()
                .map(|draft| draft.late.iter().fold(draft.month.to_string(), |text, late| format!("{text} + {late}")))
                .collect();
            assert_eq!(shown.join(", "), expected, "period {period}, open {open}, invoiced {invoiced}");
        }
    }
}
