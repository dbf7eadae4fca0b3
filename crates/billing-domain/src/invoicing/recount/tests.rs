//! Each value that is not what the events make of it is named, and nothing else is.

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::invoicing::{InvoiceStatus, InvoicedBefore, Percentage, PriceGroup};
use crate::pricing::{AdjustmentKind, Discount, sample_price};
use crate::usage::Direction;
use crate::{AccountId, Currency, Day, InvoiceId, Month, OperatorId, TenantId};

/// An October of two buckets at 0.0125 less 10 %, with a tax; and what their events add up to.
fn world() -> (InvoiceRecord, BTreeMap<i64, EventTally>) {
    let currency = Currency::new("USD").unwrap();
    let price = sample_price("0.0125").unwrap();
    let mut terms = price.terms;
    terms.monthly.discount = Discount::from_basis_points(1_000).unwrap();
    let bucket = |id: i64, day: &str, segments: u64| {
        let key = BucketKey {
            account: AccountId(Uuid::from_u128(1)),
            tenant: TenantId(Uuid::from_u128(2)),
            operator: OperatorId::new("41220").unwrap(),
            direction: Direction::Mt,
            currency,
            price: price.id,
            day: Day::parse(day).unwrap(),
        };
        let amount = MicrosSum(12_500 * i128::from(segments));
        let sums = BucketSums { messages: 2, segments, units: segments, amount, ..BucketSums::default() };
        SealedBucket { id, key, sums }
    };
    let sealed = vec![bucket(7, "2026-10-01", 4), bucket(8, "2026-10-02", 100)];
    let tally = |bucket: &SealedBucket| {
        let BucketSums { messages, segments, amount, .. } = bucket.sums;
        let places = Some((1, 9));
        (bucket.id, EventTally { messages, segments, amount, places, ..EventTally::default() })
    };
    let tallies = sealed.iter().map(tally).collect();
    let group = PriceGroup { terms, corrections: Vec::new() };
    let basis = InvoiceBasis {
        currency,
        usage: Vec::new(),
        before: InvoicedBefore::default(),
        prices: BTreeMap::from([(price.id, group)]),
        groups: BTreeSet::new(),
        waived: BTreeSet::new(),
    };
    let new = |bucket: &SealedBucket| SealedUsage { key: bucket.key.clone(), sums: bucket.sums, is_new: true };
    let mut contents = compose(&InvoiceBasis { usage: sealed.iter().map(new).collect(), ..basis.clone() }).unwrap();
    let subtotal = contents.subtotal(currency).unwrap();
    contents.taxes = taxes(subtotal, &[TaxRate::new("VAT", Percentage::parse("10").unwrap()).unwrap()]).unwrap();
    let invoice = Invoice {
        id: InvoiceId(Uuid::from_u128(3)),
        tenant: TenantId(Uuid::from_u128(2)),
        account: AccountId(Uuid::from_u128(1)),
        currency,
        period: Month::parse("2026-10").unwrap(),
        status: InvoiceStatus::Finalized,
        pinned: None,
        messages: 4,
        segments: 104,
        subtotal,
        total: total(subtotal, &contents.taxes).unwrap(),
        drafted_at: Timestamp::UNIX_EPOCH,
        finalized_at: None,
        object_key: None,
        pdf_sha256: None,
        replaces: None,
        replaced_by: None,
        voided: None,
        credit_note: None,
    };
    (InvoiceRecord { invoice, contents, sealed, basis }, tallies)
}

#[test]
fn each_difference_is_named() {
    type Change = fn(&mut InvoiceRecord, &mut BTreeMap<i64, EventTally>);
    let nothing: Change = |_, _| {};
    for (what, change, expected) in [
        ("nothing", nothing, ""),
        (
            "an event's amount, less than what is rounded away",
            |_, tallies| tallies.get_mut(&7).unwrap().amount = MicrosSum(50_001),
            "bucket amount, bucket events' amount by its price, line exact amount",
        ),
        (
            "an event is gone",
            |_, tallies| {
                tallies.insert(7, EventTally { messages: 1, segments: 4, ..tallies[&7] });
            },
            "bucket messages, line messages, invoice messages",
        ),
        (
            "an event of another key",
            |_, tallies| tallies.get_mut(&8).unwrap().misplaced = 1,
            "bucket events of another bucket's key",
        ),
        ("a bucket's sum", |record, _| record.sealed[0].sums.amount = MicrosSum(1), "bucket amount"),
        ("a bucket's units", |record, _| record.sealed[1].sums.units = 1, "bucket units"),
        (
            "a line's amount",
            |record, _| record.contents.lines[0].amount.minor += 1,
            "line amount, invoice sum of its parts",
        ),
        ("a line's exact amount", |record, _| record.contents.lines[0].exact = MicrosSum(1), "line exact amount"),
        ("a line is gone", |record, _| record.contents.lines.clear(), "line existence, invoice sum of its parts"),
        (
            "an adjustment is gone",
            |record, _| record.contents.adjustments.clear(),
            "adjustment existence, invoice sum of its parts",
        ),
        ("an adjustment's due", |record, _| record.contents.adjustments[0].due.minor = 0, "adjustment due"),
        (
            "an adjustment of another kind",
            |record, _| record.contents.adjustments[0].kind = AdjustmentKind::MonthlyFee,
            "adjustment existence, adjustment existence",
        ),
        ("a tax", |record, _| record.contents.taxes[0].amount.minor = 0, "tax amount"),
        ("the total", |record, _| record.invoice.total.minor += 1, "invoice total"),
        ("the messages", |record, _| record.invoice.messages += 1, "invoice messages"),
    ] {
        let (mut record, mut tallies) = world();
        change(&mut record, &mut tallies);
        let found = differences(&record, &tallies).unwrap();
        let named: Vec<_> = found.iter().map(|found| format!("{} {}", found.part.name(), found.field)).collect();
        assert_eq!(named.join(", "), expected, "{what}: {found:?}");
    }
}

#[test]
fn a_difference_reads_as_a_sentence() {
    let (mut record, tallies) = world();
    record.contents.taxes[0].amount.minor = 5;
    let told = differences(&record, &tallies).unwrap()[0].to_string();
    assert_eq!(told, "tax VAT 10 %: amount is stored as 0.05, found as 0.12");
}
