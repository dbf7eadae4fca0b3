//! From sealed usage to what an invoice asks for: lines and adjustments.
//!
//! Every amount is "round(due for all of the month so far) − what was invoiced before" (rules.md, "From usage to
//! invoice", 4). So however a month's usage is split over invoices, voided and issued again, the sum ends at one cent.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::tax::TaxLine;
use crate::pricing::{AdjustmentKind, Correction, PriceTerms, Stage, month_stages};
use crate::usage::{BucketKey, BucketSums, Direction};
use crate::{Currency, Day, Micros, MicrosSum, MinorAmount, MoneyError, Month, OperatorId, PriceId};

/// One line: a month's usage of one operator and direction at one price.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvoiceLine {
    /// The month of the usage: the invoice's own, or an earlier one whose usage came late.
    pub usage_month: Month,
    /// Who carried the messages.
    pub operator: OperatorId,
    /// To or from the mobile.
    pub direction: Direction,
    /// What priced them.
    pub price: PriceId,
    /// Messages.
    pub messages: u64,
    /// Their segments.
    pub segments: u64,
    /// The sum of its events' amounts.
    pub exact: MicrosSum,
    /// The same, rounded once: together with earlier lines of the same month, operator, direction and price.
    pub amount: MinorAmount,
}

/// What a month's total makes of a price, as one amount with its reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Adjustment {
    /// The month that it is for.
    pub usage_month: Month,
    /// The price whose terms ask for it.
    pub price: PriceId,
    /// Which of its terms.
    pub kind: AdjustmentKind,
    /// Units charged in the month so far.
    pub units: u64,
    /// What it comes to for all of the month so far.
    pub due: MinorAmount,
    /// `due` less what earlier invoices asked for it. Negative: a credit.
    pub amount: MinorAmount,
    /// Why the price was corrected, in the words of who did it.
    pub reason: Option<String>,
}

/// A bucket that counts for the month: sealed by the invoice that is being drafted, or by an earlier one that stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedUsage {
    /// Its key.
    pub key: BucketKey,
    /// Its sums.
    pub sums: BucketSums,
    /// Whether this invoice seals it.
    pub is_new: bool,
}

/// What a line is told apart by.
pub type LineKey = (Month, OperatorId, Direction, PriceId);
/// What an adjustment is told apart by.
pub type AdjustmentKey = (Month, PriceId, AdjustmentKind);

/// What invoices that are not void have asked for so far, in minor units.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InvoicedBefore {
    /// By line.
    pub lines: BTreeMap<LineKey, MinorAmount>,
    /// By adjustment.
    pub adjustments: BTreeMap<AdjustmentKey, MinorAmount>,
}

/// A price and what was mended of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PriceGroup {
    /// What it says.
    pub terms: PriceTerms,
    /// All of its corrections.
    pub corrections: Vec<Correction>,
}

/// Everything that an invoice is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvoiceBasis {
    /// Of the invoice.
    pub currency: Currency,
    /// All usage of its months that counts, new and old.
    pub usage: Vec<SealedUsage>,
    /// What was asked for before.
    pub before: InvoicedBefore,
    /// Every price of `usage` and of `groups`.
    pub prices: BTreeMap<PriceId, PriceGroup>,
    /// Months and prices to adjust although no new usage names them: corrected ones, fees and minimums.
    pub groups: BTreeSet<(Month, PriceId)>,
    /// Months whose own invoice was waived: minimum and fee were waived with it, and are asked of no later usage.
    pub waived: BTreeSet<Month>,
}

/// What an invoice is made of, in the order in which it is printed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InvoiceContents {
    /// A line for each month, operator, direction and price with new usage.
    pub lines: Vec<InvoiceLine>,
    /// What the months' totals add or take.
    pub adjustments: Vec<Adjustment>,
    /// On the subtotal.
    pub taxes: Vec<TaxLine>,
}

impl InvoiceContents {
    /// Whether there is nothing to ask for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.adjustments.is_empty()
    }

    /// The sum of the rounded amounts: what an invoice shows must add up to what it asks for.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn subtotal(&self, currency: Currency) -> Result<MinorAmount, MoneyError> {
        let lines = self.lines.iter().map(|line| line.amount);
        let adjustments = self.adjustments.iter().map(|adjustment| adjustment.amount);
        lines.chain(adjustments).try_fold(MinorAmount::zero(currency), MinorAmount::plus)
    }
}

/// Makes an invoice's lines and adjustments; its taxes are the profile's business.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn compose(basis: &InvoiceBasis) -> Result<InvoiceContents, MoneyError> {
    let mut so_far: BTreeMap<LineKey, BucketSums> = BTreeMap::new();
    let mut new: BTreeMap<LineKey, BucketSums> = BTreeMap::new();
    let mut groups: BTreeMap<(Month, PriceId), Group> = BTreeMap::new();
    for usage in &basis.usage {
        let key = &usage.key;
        let line = (key.day.month(), key.operator.clone(), key.direction, key.price);
        let group = groups.entry((key.day.month(), key.price)).or_insert_with(|| Group::empty(basis.currency));
        let units = group.units.entry(key.day).or_default();
        *units = units.checked_add(usage.sums.units).ok_or(MoneyError::Overflow)?;
        so_far.entry(line.clone()).or_default().merge(&usage.sums)?;
        if usage.is_new {
            new.entry(line).or_default().merge(&usage.sums)?;
        }
    }
    let zero = MinorAmount::zero(basis.currency);
    let mut contents = InvoiceContents::default();
    for (key, all) in &so_far {
        let due = all.amount.round_to_minor(basis.currency)?;
        if let Some(group) = groups.get_mut(&(key.0, key.3)) {
            group.list = group.list.plus(due)?;
        }
        if let Some(sums) = new.get(key) {
            let before = basis.before.lines.get(key).copied().unwrap_or(zero);
            contents.lines.push(line(key, sums, due.minus(before)?));
        }
    }
    let named = new.keys().map(|key| (key.0, key.3)).chain(basis.groups.iter().copied());
    for key in named.collect::<BTreeSet<_>>() {
        let group = groups.remove(&key).unwrap_or_else(|| Group::empty(basis.currency));
        adjust(basis, key, &group, &mut contents.adjustments)?;
    }
    Ok(contents)
}

/// A month's usage at one price.
struct Group {
    /// Charged so far, by day.
    units: BTreeMap<Day, u64>,
    /// The rounded amounts of its lines.
    list: MinorAmount,
}

impl Group {
    fn empty(currency: Currency) -> Self {
        Self { units: BTreeMap::new(), list: MinorAmount::zero(currency) }
    }
}

fn line(key: &LineKey, sums: &BucketSums, amount: MinorAmount) -> InvoiceLine {
    let (usage_month, operator, direction, price) = key.clone();
    let BucketSums { messages, segments, amount: exact, .. } = *sums;
    InvoiceLine { usage_month, operator, direction, price, messages, segments, exact, amount }
}

/// The adjustments of one month and price. Each is the step from one rounded total to the next, so that together they
/// end at the rounded total of all terms.
fn adjust(
    basis: &InvoiceBasis,
    (usage_month, price): (Month, PriceId),
    group: &Group,
    adjustments: &mut Vec<Adjustment>,
) -> Result<(), MoneyError> {
    let Some(PriceGroup { terms, corrections }) = basis.prices.get(&price) else { return Ok(()) };
    let mut terms = Cow::Borrowed(terms);
    if basis.waived.contains(&usage_month) {
        let monthly = &mut terms.to_mut().monthly;
        (monthly.minimum, monthly.fee) = (Micros::ZERO, Micros::ZERO);
    }
    let units = group.units.values().try_fold(0_u64, |sum, units| sum.checked_add(*units));
    let units = units.ok_or(MoneyError::Overflow)?;
    let mut total = group.list;
    for Stage { kind, after } in month_stages(&terms, corrections, usage_month, &group.units)? {
        let after = after.round_to_minor(basis.currency)?;
        let due = after.minus(total)?;
        total = after;
        let before = basis.before.adjustments.get(&(usage_month, price, kind));
        let amount = due.minus(before.copied().unwrap_or(MinorAmount::zero(basis.currency)))?;
        if amount.minor == 0 {
            continue;
        }
        let reason = (kind == AdjustmentKind::Correction).then(|| reasons(corrections, usage_month));
        adjustments.push(Adjustment { usage_month, price, kind, units, due, amount, reason });
    }
    Ok(())
}

/// What a month of one account comes to by one price: `list`, the rounded amounts of its lines, when units × unit price
/// is all.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn month_total(
    group: &PriceGroup,
    month: Month,
    units: &BTreeMap<Day, u64>,
    list: MinorAmount,
) -> Result<MinorAmount, MoneyError> {
    let stages = month_stages(&group.terms, &group.corrections, month, units)?;
    stages.last().map_or(Ok(list), |stage| stage.after.round_to_minor(list.currency))
}

/// Why, in the order in which they were made; one reason given twice is named once.
fn reasons(corrections: &[Correction], month: Month) -> String {
    let mut of_month: Vec<_> = corrections.iter().filter(|c| c.days.days_within(month) > 0).collect();
    of_month.sort_by_key(|correction| (correction.created_at, correction.id));
    let mut named: Vec<&str> = Vec::new();
    for correction in of_month {
        if !named.contains(&correction.reason.as_str()) {
            named.push(&correction.reason);
        }
    }
    named.join("; ")
}

#[cfg(test)]
mod tests;
