//! A month of one account by a graduated price with free units and a fee; usage that comes after the invoice; and what the
//! two invoices say. Together they ask for what one invoice would have asked for.
//!
//! `cargo run -p billing-domain --example month_of_an_account`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use billing_domain::invoicing::{InvoiceBasis, InvoiceContents, InvoicedBefore, PriceGroup, SealedUsage, compose};
use billing_domain::pricing::{PricingModel, Step, Steps, sample_price};
use billing_domain::usage::{BucketKey, BucketSums, Direction};
use billing_domain::{AccountId, Currency, Day, Micros, MicrosSum, MinorAmount, OperatorId, Price, TenantId};

fn main() -> Result<(), Box<dyn Error>> {
    let usd = Currency::new("USD")?;
    // 0.01 a segment, 0.008 above 1,000 segments of the month; 100 segments free; 5.00 a month.
    let mut price = sample_price("0.01")?;
    let step = Step { above: 1_000, unit_price: Micros::parse("0.008")? };
    price.terms.model = PricingModel::Graduated(Steps::new(vec![step])?);
    price.terms.monthly.free_units = 100;
    price.terms.monthly.fee = Micros::parse("5")?;

    let in_time = sealed(&price, "2026-10-14", 3_000)?;
    let first = compose(&basis(&price, vec![in_time.clone()], InvoicedBefore::default()))?;
    show("October", &first, usd)?;

    // Usage of October that the gateway reported in November.
    let known = SealedUsage { is_new: false, ..in_time.clone() };
    let late = sealed(&price, "2026-10-31", 500)?;
    let second = compose(&basis(&price, vec![known, late.clone()], asked_for(&first)))?;
    show("October, late", &second, usd)?;

    let at_once = compose(&basis(&price, vec![in_time, late], InvoicedBefore::default()))?;
    let both = first.subtotal(usd)?.plus(second.subtotal(usd)?)?;
    assert_eq!(first.subtotal(usd)?.to_string(), "30.20");
    assert_eq!(second.subtotal(usd)?.to_string(), "4.00");
    assert_eq!(both, at_once.subtotal(usd)?);
    println!("together {both} {usd}");
    Ok(())
}

/// A day's usage as rating sums it: segments × unit price.
fn sealed(price: &Price, day: &str, segments: u32) -> Result<SealedUsage, Box<dyn Error>> {
    let key = BucketKey {
        account: AccountId("0199a000-0000-7000-8000-000000000003".parse()?),
        tenant: TenantId("0199a000-0000-7000-8000-000000000006".parse()?),
        operator: OperatorId::new("41220")?,
        direction: Direction::Mt,
        currency: price.terms.currency,
        price: price.id,
        day: Day::parse(day)?,
    };
    let units = u64::from(segments);
    let amount = MicrosSum::of_units(units, price.terms.unit_price)?;
    let sums = BucketSums { messages: units, segments: units, units, amount, ..BucketSums::default() };
    Ok(SealedUsage { key, sums, is_new: true })
}

fn basis(price: &Price, usage: Vec<SealedUsage>, before: InvoicedBefore) -> InvoiceBasis {
    let group = PriceGroup { terms: price.terms.clone(), corrections: Vec::new() };
    let prices = BTreeMap::from([(price.id, group)]);
    InvoiceBasis {
        currency: price.terms.currency,
        usage,
        before,
        prices,
        groups: BTreeSet::new(),
        waived: BTreeSet::new(),
    }
}

/// What an issued invoice has asked for.
fn asked_for(contents: &InvoiceContents) -> InvoicedBefore {
    let lines = contents.lines.iter().map(|line| {
        let key = (line.usage_month, line.operator.clone(), line.direction, line.price);
        (key, line.amount)
    });
    let adjustments = contents.adjustments.iter().map(|adjustment| {
        let key = (adjustment.usage_month, adjustment.price, adjustment.kind);
        (key, adjustment.amount)
    });
    InvoicedBefore { lines: lines.collect(), adjustments: adjustments.collect() }
}

fn show(title: &str, contents: &InvoiceContents, currency: Currency) -> Result<(), Box<dyn Error>> {
    let row = |what: &str, amount: MinorAmount| println!("  {what:<16}{:>8}", amount.to_string());
    println!("{title}");
    for line in &contents.lines {
        row(&format!("{} segments", line.segments), line.amount);
    }
    for adjustment in &contents.adjustments {
        row(adjustment.kind.name(), adjustment.amount);
    }
    row("subtotal", contents.subtotal(currency)?);
    Ok(())
}
