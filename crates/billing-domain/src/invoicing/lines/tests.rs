//! Composing: what is asked for, and that no order of asking ends at another cent.

use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::pricing::{Discount, MonthlyTerms, Package, PricingModel, Step, Steps, check_unit_amount, sample_price};
use crate::{AccountId, CorrectionId, DayRange, Micros, TenantId};

fn usd() -> Currency {
    Currency::new("USD").unwrap()
}

fn bucket(day: &str, operator: &str, price: u128, units: u64, amount: i128) -> SealedUsage {
    let key = BucketKey {
        account: AccountId(Uuid::from_u128(1)),
        tenant: TenantId(Uuid::from_u128(2)),
        operator: OperatorId::new(operator).unwrap(),
        direction: Direction::Mt,
        currency: usd(),
        price: PriceId(Uuid::from_u128(price)),
        day: Day::parse(day).unwrap(),
    };
    let sums = BucketSums { messages: 1, segments: units, units, amount: MicrosSum(amount), ..BucketSums::default() };
    SealedUsage { key, sums, is_new: true }
}

fn basis(usage: Vec<SealedUsage>) -> InvoiceBasis {
    InvoiceBasis {
        currency: usd(),
        usage,
        before: InvoicedBefore::default(),
        prices: BTreeMap::new(),
        groups: BTreeSet::new(),
        waived: BTreeSet::new(),
    }
}

#[test]
fn a_line_for_each_month_operator_and_price_rounded_once() {
    let composed = compose(&basis(vec![
        bucket("2026-10-02", "op-20", 1, 2, 4_000),
        bucket("2026-10-01", "op-20", 1, 2, 4_000),
        bucket("2026-10-02", "op-20", 2, 2, 4_000),
        bucket("2026-10-02", "op-01", 1, 2, 15_000),
        bucket("2026-09-30", "op-20", 1, 2, 5_000),
    ]))
    .unwrap();
    let shown: Vec<_> = composed
        .lines
        .iter()
        .map(|l| format!("{} {} {} {}", l.usage_month, l.operator, l.messages, l.amount))
        .collect();
    assert_eq!(shown, ["2026-09 op-20 1 0.01", "2026-10 op-01 1 0.02", "2026-10 op-20 2 0.01", "2026-10 op-20 1 0.00"]);
    assert_eq!(composed.subtotal(usd()).unwrap().to_string(), "0.04");
}

#[test]
fn usage_shares_a_line_when_month_operator_direction_and_price_are_the_same() {
    type Change = fn(&mut BucketKey);
    let same: Change = |_| {};
    for (change, lines) in [
        (same, 1),
        (|key| key.day = Day::parse("2026-10-01").unwrap(), 1),
        (|key| key.day = Day::parse("2026-09-30").unwrap(), 2),
        (|key| key.day = Day::parse("2026-11-01").unwrap(), 2),
        (|key| key.operator = OperatorId::new("op-21").unwrap(), 2),
        (|key| key.direction = Direction::Mo, 2),
        (|key| key.price = PriceId(Uuid::from_u128(2)), 2),
    ] {
        let first = bucket("2026-10-31", "op-20", 1, 2, 4_000);
        let mut other = first.clone();
        change(&mut other.key);
        let composed = compose(&basis(vec![first, other.clone()])).unwrap();
        assert_eq!(composed.lines.len(), lines, "{:?}", other.key);
    }
}

#[test]
fn a_month_comes_to_what_its_invoices_ask_for_in_all() {
    let month = Month::parse("2026-10").unwrap();
    let none = MonthlyTerms::default();
    let off = Discount::from_basis_points(5_000).unwrap();
    for (monthly, units, expected) in [
        // Each operator's line is rounded by itself: 0.015 twice.
        (none, &[(1, 3), (2, 3)][..], "0.04"),
        (none, &[], "0.00"),
        (MonthlyTerms { fee: Micros(5_000_000), ..none }, &[(1, 100)], "5.50"),
        (MonthlyTerms { discount: off, fee: Micros(5_000_000), ..none }, &[(1, 100), (2, 100)], "5.50"),
        (MonthlyTerms { discount: off, minimum: Micros(2_000_000), ..none }, &[(1, 100)], "2.00"),
    ] {
        let mut terms = sample_price("0.005").unwrap().terms;
        terms.monthly = monthly;
        let group = PriceGroup { terms, corrections: Vec::new() };
        let mut history = History::new(group.clone());
        units.iter().for_each(|(operator, units)| history.comes(5, *operator, *units));
        history.invoice();
        let lines = history.invoices[0].as_ref().unwrap().lines.iter().map(|line| line.amount);
        let list = lines.reduce(|sum, amount| sum.plus(amount).unwrap()).unwrap_or(MinorAmount::zero(usd()));
        let used = BTreeMap::from([(Day::parse("2026-10-05").unwrap(), units.iter().map(|(_, units)| units).sum())]);
        let total = month_total(&group, month, &used, list).unwrap();
        assert_eq!((total.to_string().as_str(), total.minor), (expected, history.total()), "{monthly:?}");
    }
}

#[test]
fn a_correction_s_reason_is_named_once_and_for_its_months_only() {
    let correction = |number: u128, days: (&str, &str), reason: &str| Correction {
        id: CorrectionId(Uuid::from_u128(number)),
        price: PriceId(Uuid::from_u128(1)),
        days: DayRange::inclusive(Day::parse(days.0).unwrap(), Some(Day::parse(days.1).unwrap())).unwrap(),
        unit_price: Micros(i64::try_from(number).unwrap()),
        model: PricingModel::PerSegment,
        reason: reason.into(),
        created_by: "finance".into(),
        created_at: Timestamp::from_second(i64::try_from(number).unwrap()).unwrap(),
    };
    let (september, october) = (("2026-09-01", "2026-09-30"), ("2026-10-01", "2026-10-31"));
    for (corrections, expected) in [
        (vec![correction(1, october, "typed wrongly")], "typed wrongly"),
        (vec![correction(1, september, "of another month"), correction(2, october, "typed wrongly")], "typed wrongly"),
        (vec![correction(2, october, "second"), correction(1, october, "first")], "first; second"),
        (vec![correction(1, october, "again"), correction(2, october, "again")], "again"),
        (vec![correction(1, ("2026-09-30", "2026-10-01"), "both"), correction(2, october, "own")], "both; own"),
    ] {
        let mut history = History::new(PriceGroup { terms: sample_price("0.01").unwrap().terms, corrections });
        history.comes(5, 0, 1_000);
        history.invoice();
        let adjustments = &history.invoices[0].as_ref().unwrap().adjustments;
        assert_eq!(adjustments[0].reason.as_deref(), Some(expected));
    }
}

/// An account's month, as the database remembers it.
struct History {
    group: PriceGroup,
    usage: Vec<(SealedUsage, Option<usize>)>,
    invoices: Vec<Option<InvoiceContents>>,
}

impl History {
    fn new(group: PriceGroup) -> Self {
        Self { group, usage: Vec::new(), invoices: Vec::new() }
    }

    fn comes(&mut self, day: u8, operator: u8, units: u64) {
        let amount = i128::from(units) * i128::from(self.group.terms.unit_price.0);
        let bucket = bucket(&format!("2026-10-{day:02}"), &format!("op-{operator}"), 1, units, amount);
        self.usage.push((bucket, None));
    }

    fn invoice(&mut self) {
        let id = self.invoices.len();
        let mut usage = Vec::new();
        for (bucket, sealed_by) in &mut self.usage {
            bucket.is_new = sealed_by.is_none();
            sealed_by.get_or_insert(id);
            usage.push(bucket.clone());
        }
        let price = PriceId(Uuid::from_u128(1));
        let mut before = InvoicedBefore::default();
        for composed in self.invoices.iter().flatten() {
            for line in &composed.lines {
                let key = (line.usage_month, line.operator.clone(), line.direction, line.price);
                let sum = before.lines.entry(key).or_insert(MinorAmount::zero(usd()));
                *sum = sum.plus(line.amount).unwrap();
            }
            for adjustment in &composed.adjustments {
                let key = (adjustment.usage_month, adjustment.price, adjustment.kind);
                let sum = before.adjustments.entry(key).or_insert(MinorAmount::zero(usd()));
                *sum = sum.plus(adjustment.amount).unwrap();
            }
        }
        let composed = compose(&InvoiceBasis {
            currency: usd(),
            usage,
            before,
            prices: BTreeMap::from([(price, self.group.clone())]),
            groups: BTreeSet::from([(Month::parse("2026-10").unwrap(), price)]),
            waived: BTreeSet::new(),
        });
        self.invoices.push(Some(composed.unwrap()));
    }

    fn void(&mut self, which: usize) {
        let Some(found) = self.invoices.get_mut(which) else { return };
        *found = None;
        for (_, sealed_by) in &mut self.usage {
            if *sealed_by == Some(which) {
                *sealed_by = None;
            }
        }
    }

    fn total(&self) -> i64 {
        self.invoices.iter().flatten().map(|composed| composed.subtotal(usd()).unwrap().minor).sum()
    }
}

#[derive(Clone, Debug)]
enum Happens {
    Usage(u8, u8, u64),
    Invoice,
    Void(usize),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (1_u8..28, 0_u8..3, 0_u64..400).prop_map(|(day, operator, units)| Happens::Usage(day, operator, units)),
        2 => Just(Happens::Invoice),
        1 => (0_usize..6).prop_map(Happens::Void),
    ]
}

fn any_model() -> impl Strategy<Value = PricingModel> {
    let steps = || {
        (1_u64..300, 0_i64..20_000, 1_u64..300, 0_i64..20_000).prop_map(|(a, p, b, q)| {
            let step = |above, price| Step { above, unit_price: check_unit_amount(Micros(price)).unwrap() };
            Steps::new(vec![step(a, p), step(a + b, q)]).unwrap()
        })
    };
    prop_oneof![
        Just(PricingModel::PerSegment),
        steps().prop_map(PricingModel::Graduated),
        steps().prop_map(PricingModel::Volume),
        (1_u64..200, 0_i64..3_000_000)
            .prop_map(|(size, price)| PricingModel::Package(Package::new(size, Micros(price)).unwrap())),
    ]
}

prop_compose! {
    fn any_group()(
        model in any_model(), unit_price in 0_i64..20_000, free_units in 0_u64..200, off in 0_u16..=10_000,
        minimum in 0_i64..9_000_000, fee in 0_i64..3_000_000, right in prop::option::of((0_i64..20_000, 1_u8..28)),
    ) -> PriceGroup {
        let mut terms = sample_price("0").unwrap().terms;
        terms.unit_price = Micros(unit_price);
        terms.model = model.clone();
        terms.monthly = MonthlyTerms {
            free_units,
            discount: Discount::from_basis_points(off).unwrap(),
            minimum: Micros(minimum),
            fee: Micros(fee),
        };
        let corrections = right.map(|(price, from)| Correction {
            id: CorrectionId(Uuid::from_u128(1)),
            price: PriceId(Uuid::from_u128(1)),
            days: DayRange::new(Day::parse(&format!("2026-10-{from:02}")).unwrap(), None).unwrap(),
            unit_price: Micros(price),
            model: model.clone(),
            reason: "typed wrongly".into(),
            created_by: "finance".into(),
            created_at: Timestamp::UNIX_EPOCH,
        });
        PriceGroup { terms, corrections: corrections.into_iter().collect() }
    }
}

proptest! {
    #[test]
    fn however_usage_is_split_voided_and_issued_again_it_ends_at_one_cent(
        group in any_group(), story in prop::collection::vec(happens(), 0..25),
    ) {
        let (mut told, mut at_once) = (History::new(group.clone()), History::new(group));
        for event in &story {
            match event {
                Happens::Usage(day, operator, units) => {
                    told.comes(*day, *operator, *units);
                    at_once.comes(*day, *operator, *units);
                }
                Happens::Invoice => told.invoice(),
                Happens::Void(which) => told.void(*which),
            }
        }
        told.invoice();
        at_once.invoice();
        prop_assert_eq!(told.total(), at_once.total());
    }

    #[test]
    fn a_correction_made_late_ends_at_the_cent_of_one_made_early(
        group in any_group(), usage in prop::collection::vec((1_u8..28, 0_u8..3, 0_u64..400), 0..12), cut in 0_usize..12,
    ) {
        let mut early = History::new(group.clone());
        let mut late = History::new(PriceGroup { corrections: Vec::new(), ..group.clone() });
        for (index, (day, operator, units)) in usage.iter().enumerate() {
            if index == cut {
                late.invoice();
            }
            early.comes(*day, *operator, *units);
            late.comes(*day, *operator, *units);
        }
        late.invoice();
        late.group.corrections = group.corrections;
        late.invoice();
        early.invoice();
        prop_assert_eq!(late.total(), early.total());
    }

    #[test]
    fn the_order_of_events_is_irrelevant(
        group in any_group(), usage in prop::collection::vec((1_u8..28, 0_u8..3, 0_u64..400), 0..12),
    ) {
        let (mut forwards, mut backwards) = (History::new(group.clone()), History::new(group));
        usage.iter().for_each(|(day, operator, units)| forwards.comes(*day, *operator, *units));
        usage.iter().rev().for_each(|(day, operator, units)| backwards.comes(*day, *operator, *units));
        forwards.invoice();
        backwards.invoice();
        prop_assert_eq!(&forwards.invoices, &backwards.invoices);
    }

    #[test]
    fn exact_amounts_are_neither_lost_nor_made(amounts in prop::collection::vec((1_u8..28, 0_i128..1_000_000_000), 0..60)) {
        let usage = amounts.iter().map(|(day, amount)| bucket(&format!("2026-10-{day:02}"), "op", u128::from(day % 3), 1, *amount));
        let composed = compose(&basis(usage.collect())).unwrap();
        let exact: i128 = composed.lines.iter().map(|line| line.exact.0).sum();
        prop_assert_eq!(exact, amounts.iter().map(|(_, amount)| amount).sum::<i128>());
        let rounded: i64 = composed.lines.iter().map(|line| line.amount.minor).sum();
        prop_assert_eq!(composed.subtotal(usd()).unwrap().minor, rounded);
    }
}

#[test]
fn an_adjustment_says_what_is_due_and_what_was_asked_before() {
    let mut terms = sample_price("0.01").unwrap().terms;
    terms.monthly.fee = Micros(5_000_000);
    let correction = Correction {
        id: CorrectionId(Uuid::from_u128(1)),
        price: PriceId(Uuid::from_u128(1)),
        days: terms.days,
        unit_price: Micros(8_000),
        model: PricingModel::PerSegment,
        reason: "typed wrongly".into(),
        created_by: "finance".into(),
        created_at: Timestamp::UNIX_EPOCH,
    };
    let mut history = History::new(PriceGroup { terms, corrections: Vec::new() });
    history.comes(1, 0, 1_000);
    history.invoice();
    history.group.corrections.push(correction);
    history.comes(2, 0, 500);
    history.invoice();
    let shown = |index: usize| {
        let composed = history.invoices[index].as_ref().unwrap();
        let lines = composed.lines.iter().map(|line| format!("{} {}", line.exact, line.amount));
        let adjustments = composed.adjustments.iter().map(|a| {
            format!("{} {} {} {} {}", a.kind.name(), a.units, a.due, a.amount, a.reason.as_deref().unwrap_or("-"))
        });
        lines.chain(adjustments).collect::<Vec<_>>()
    };
    assert_eq!(shown(0), ["10.000000 10.00", "MONTHLY_FEE 1000 5.00 5.00 -"]);
    assert_eq!(shown(1), ["5.000000 5.00", "CORRECTION 1500 -3.00 -3.00 typed wrongly"]);
}

#[test]
fn of_a_waived_month_minimum_and_fee_are_asked_no_more() {
    let month = Month::parse("2026-10").unwrap();
    let mut terms = sample_price("0.005").unwrap().terms;
    (terms.monthly.minimum, terms.monthly.fee) = (Micros(2_000_000), Micros(5_000_000));
    let group = PriceGroup { terms, corrections: Vec::new() };
    let price = PriceId(Uuid::from_u128(1));
    for (waived, late, expected) in [
        (None, 100, "7.00"),
        (Some(month), 100, "0.50"),
        (Some(month.previous()), 100, "7.00"),
        (Some(month), 0, "0.00"),
    ] {
        let usage =
            if late > 0 { vec![bucket("2026-10-05", "op-20", 1, late, i128::from(late) * 5_000)] } else { vec![] };
        let composed = compose(&InvoiceBasis {
            prices: BTreeMap::from([(price, group.clone())]),
            groups: BTreeSet::from([(month, price)]),
            waived: waived.into_iter().collect(),
            ..basis(usage)
        });
        assert_eq!(composed.unwrap().subtotal(usd()).unwrap().to_string(), expected, "{waived:?} {late}");
    }
}
