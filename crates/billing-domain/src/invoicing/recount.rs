//! An invoice made again from its events, and what differs from the one that is stored. Fetching either, and the document,
//! is the outside's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::invoice::Invoice;
use super::lines::{Adjustment, InvoiceBasis, InvoiceContents, InvoiceLine, SealedUsage, compose};
use super::proof::EventTally;
use super::tax::{TaxRate, taxes, total};
use crate::usage::{BucketKey, BucketSums};
use crate::{MicrosSum, MoneyError, PriceId};

/// A bucket that an invoice sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedBucket {
    /// As events name it.
    pub id: i64,
    /// What its events share.
    pub key: BucketKey,
    /// What it holds.
    pub sums: BucketSums,
}

/// An invoice as it is stored, and what it was made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvoiceRecord {
    /// The invoice.
    pub invoice: Invoice,
    /// What it asks for, as stored, whether or not it adds up.
    pub contents: InvoiceContents,
    /// What it sealed.
    pub sealed: Vec<SealedBucket>,
    /// What stood when it was drafted: the usage and the amounts of invoices before it, prices with the corrections of then.
    /// Without the usage that it sealed.
    pub basis: InvoiceBasis,
}

/// What a difference is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// A bucket and its events.
    Bucket,
    /// A line.
    Line,
    /// An adjustment.
    Adjustment,
    /// A tax.
    Tax,
    /// The invoice itself.
    Invoice,
    /// Its PDF.
    Document,
}

impl Part {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Line => "line",
            Self::Adjustment => "adjustment",
            Self::Tax => "tax",
            Self::Invoice => "invoice",
            Self::Document => "document",
        }
    }
}

/// One value that is not what it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// What sort of thing it is a value of.
    pub part: Part,
    /// Which one; empty when there is only one.
    pub subject: String,
    /// Which value.
    pub field: &'static str,
    /// As it is stored.
    pub stored: String,
    /// As it was found again.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.subject.is_empty() { "" } else { " " };
        let Self { subject, field, stored, found, .. } = self;
        write!(f, "{}{space}{subject}: {field} is stored as {stored}, found as {found}", self.part.name())
    }
}

/// Everything that differs between an invoice and the same made again from its events. `tallies` are those of the buckets
/// that it sealed.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn differences(record: &InvoiceRecord, tallies: &BTreeMap<i64, EventTally>) -> Result<Vec<Difference>, MoneyError> {
    let mut found = Differences::default();
    let mut basis = record.basis.clone();
    for bucket in &record.sealed {
        let tally = tallies.get(&bucket.id).copied().unwrap_or_default();
        let units = basis.prices.get(&bucket.key.price).map_or(0, |price| tally.units(&price.terms));
        compare_bucket(&mut found, &basis, bucket, &tally, units);
        let EventTally { messages, segments, amount, .. } = tally;
        let sums = BucketSums { messages, segments, units, amount, ..BucketSums::default() };
        basis.usage.push(SealedUsage { key: bucket.key.clone(), sums, is_new: true });
    }
    // A fee or minimum is due without usage: the stored adjustments say of which prices.
    basis.groups.extend(record.contents.adjustments.iter().map(|stored| (stored.usage_month, stored.price)));
    let made = compose(&basis)?;
    compare_lines(&mut found, &record.contents.lines, &made.lines);
    compare_adjustments(&mut found, &record.contents.adjustments, &made.adjustments);
    compare_totals(&mut found, record, &made)?;
    Ok(found.0)
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn compare<T: PartialEq + fmt::Display>(
        &mut self,
        (part, subject): (Part, &str),
        field: &'static str,
        stored: &T,
        found: &T,
    ) {
        if stored != found {
            let (stored, found) = (stored.to_string(), found.to_string());
            self.0.push(Difference { part, subject: subject.to_owned(), field, stored, found });
        }
    }

    fn absent(&mut self, (part, subject): (Part, &str), is_stored: bool) {
        let text = |is: bool| if is { "there" } else { "absent" }.to_owned();
        let (stored, found) = (text(is_stored), text(!is_stored));
        self.0.push(Difference { part, subject: subject.to_owned(), field: "existence", stored, found });
    }
}

fn compare_bucket(
    found: &mut Differences,
    basis: &InvoiceBasis,
    bucket: &SealedBucket,
    tally: &EventTally,
    units: u64,
) {
    let SealedBucket { id, key, sums } = bucket;
    let subject = format!("{id} ({} {} {} {})", key.day, key.operator, key.direction.name(), key.price);
    let of = (Part::Bucket, subject.as_str());
    found.compare(of, "messages", &sums.messages, &tally.messages);
    found.compare(of, "segments", &sums.segments, &tally.segments);
    found.compare(of, "units", &sums.units, &units);
    found.compare(of, "amount", &sums.amount, &tally.amount);
    found.compare(of, "events of another bucket's key", &0, &tally.misplaced);
    match basis.prices.get(&key.price) {
        Some(price) => {
            let by_price = MicrosSum(i128::from(price.terms.unit_price.0) * i128::from(units));
            found.compare(of, "events' amount by its price", &tally.amount, &by_price);
        }
        None => found.compare(of, "price", &key.price.to_string(), &"absent".into()),
    }
}

fn compare_lines(found: &mut Differences, stored: &[InvoiceLine], made: &[InvoiceLine]) {
    let key = |line: &InvoiceLine| {
        let (operator, direction) = (&line.operator, line.direction.name());
        format!("{} {operator} {direction} {}", line.usage_month, line.price)
    };
    pair(found, Part::Line, (stored, made), key, |found, of, stored, made| {
        found.compare(of, "messages", &stored.messages, &made.messages);
        found.compare(of, "segments", &stored.segments, &made.segments);
        found.compare(of, "exact amount", &stored.exact, &made.exact);
        found.compare(of, "amount", &stored.amount, &made.amount);
    });
}

fn compare_adjustments(found: &mut Differences, stored: &[Adjustment], made: &[Adjustment]) {
    let key = |adjustment: &Adjustment| {
        let Adjustment { usage_month, price, kind, .. } = adjustment;
        format!("{usage_month} {} {price}", kind.name())
    };
    pair(found, Part::Adjustment, (stored, made), key, |found, of, stored, made| {
        found.compare(of, "units", &stored.units, &made.units);
        found.compare(of, "due", &stored.due, &made.due);
        found.compare(of, "amount", &stored.amount, &made.amount);
    });
}

/// Compares what is stored and what was made by their keys; what only one side has, and what one side has twice, is a
/// difference too.
fn pair<T>(
    found: &mut Differences,
    part: Part,
    (stored, made): (&[T], &[T]),
    key: impl Fn(&T) -> String,
    compare: impl Fn(&mut Differences, (Part, &str), &T, &T),
) {
    let mut left: BTreeMap<String, &T> = made.iter().map(|made| (key(made), made)).collect();
    for stored in stored {
        let subject = key(stored);
        match left.remove(&subject) {
            Some(made) => compare(found, (part, &subject), stored, made),
            None => found.absent((part, &subject), true),
        }
    }
    for subject in left.keys() {
        found.absent((part, subject), false);
    }
}

/// Taxes by the rates that the invoice states: which held then is the profile's, and profiles are entered later too.
fn compare_totals(found: &mut Differences, record: &InvoiceRecord, made: &InvoiceContents) -> Result<(), MoneyError> {
    let InvoiceRecord { invoice, contents, .. } = record;
    let of = (Part::Invoice, "");
    let subtotal = made.subtotal(invoice.currency)?;
    found.compare(of, "sum of its parts", &contents.subtotal(invoice.currency)?, &invoice.subtotal);
    found.compare(of, "subtotal", &invoice.subtotal, &subtotal);
    found.compare(of, "messages", &invoice.messages, &made.lines.iter().map(|line| line.messages).sum());
    found.compare(of, "segments", &invoice.segments, &made.lines.iter().map(|line| line.segments).sum());
    let rates: Vec<TaxRate> = contents.taxes.iter().filter_map(|tax| TaxRate::new(&tax.name, tax.rate).ok()).collect();
    if rates.len() != contents.taxes.len() {
        found.compare(of, "taxes", &contents.taxes.len(), &rates.len());
        return Ok(());
    }
    let taxes = taxes(subtotal, &rates)?;
    for (stored, made) in contents.taxes.iter().zip(&taxes) {
        let subject = format!("{} {} %", stored.name, stored.rate);
        found.compare((Part::Tax, &subject), "amount", &stored.amount, &made.amount);
    }
    found.compare(of, "total", &invoice.total, &total(subtotal, &taxes)?);
    Ok(())
}

/// The prices that an invoice names.
#[must_use]
pub fn prices_named(contents: &InvoiceContents, sealed: &[SealedBucket]) -> BTreeSet<PriceId> {
    let lines = contents.lines.iter().map(|line| line.price);
    let adjustments = contents.adjustments.iter().map(|adjustment| adjustment.price);
    lines.chain(adjustments).chain(sealed.iter().map(|bucket| bucket.key.price)).collect()
}

#[cfg(test)]
mod tests;
