//! "Which price" of rules.md, its models beyond the contract: each rule a row, each model against its own arithmetic.

use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::pricing::sample_price;
use crate::{CorrectionId, Currency, DayRange, MinorAmount, PriceId};

fn micros(text: &str) -> Micros {
    Micros::parse(text).unwrap()
}

fn steps(text: &str) -> Steps {
    let step = |text: &str| {
        let (above, price) = text.split_once(':').unwrap();
        Step { above: above.parse().unwrap(), unit_price: micros(price) }
    };
    Steps::new(text.split_whitespace().map(step).collect()).unwrap()
}

fn terms(unit_price: &str, model: PricingModel, monthly: MonthlyTerms) -> PriceTerms {
    PriceTerms { model, monthly, ..sample_price(unit_price).unwrap().terms }
}

fn month() -> Month {
    Month::parse("2026-10").unwrap()
}

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn used(units: u64) -> BTreeMap<Day, u64> {
    BTreeMap::from([(day("2026-10-05"), units)])
}

fn shown(terms: &PriceTerms, corrections: &[Correction], units: &BTreeMap<Day, u64>) -> String {
    let usd = Currency::new("USD").unwrap();
    let stages = month_stages(terms, corrections, month(), units).unwrap();
    let stages = stages.iter().map(|s| format!("{} {}", s.kind.name(), s.after.round_to_minor(usd).unwrap()));
    stages.collect::<Vec<_>>().join(", ")
}

#[test]
fn what_a_month_costs_by_each_model() {
    let none = MonthlyTerms::default();
    let graduated = || PricingModel::Graduated(steps("100:0.8 1000:0.5"));
    let volume = || PricingModel::Volume(steps("100:0.8 1000:0.5"));
    let package = || PricingModel::Package(Package::new(100, micros("70")).unwrap());
    let free = |free_units| MonthlyTerms { free_units, ..none };
    let off = |points| MonthlyTerms { discount: Discount::from_basis_points(points).unwrap(), ..none };
    let least = |text| MonthlyTerms { minimum: micros(text), ..none };
    let fee = |text| MonthlyTerms { fee: micros(text), ..none };
    for (model, monthly, units, expected) in [
        (PricingModel::PerSegment, none, 100, ""),
        (PricingModel::FlatPerMessage, none, 100, ""),
        (graduated(), none, 0, "GRADUATED 0.00"),
        (graduated(), none, 100, "GRADUATED 100.00"),
        (graduated(), none, 101, "GRADUATED 100.80"),
        (graduated(), none, 1000, "GRADUATED 820.00"),
        (graduated(), none, 1001, "GRADUATED 820.50"),
        (volume(), none, 100, "VOLUME 100.00"),
        (volume(), none, 101, "VOLUME 80.80"),
        (volume(), none, 1000, "VOLUME 800.00"),
        (volume(), none, 1001, "VOLUME 500.50"),
        (package(), none, 0, "PACKAGE 0.00"),
        (package(), none, 1, "PACKAGE 70.00"),
        (package(), none, 100, "PACKAGE 70.00"),
        (package(), none, 101, "PACKAGE 140.00"),
        (PricingModel::PerSegment, free(30), 100, "FREE_UNITS 70.00"),
        (PricingModel::PerSegment, free(101), 100, "FREE_UNITS 0.00"),
        (graduated(), free(50), 150, "GRADUATED 140.00, FREE_UNITS 100.00"),
        (package(), free(1), 101, "PACKAGE 140.00, FREE_UNITS 70.00"),
        (PricingModel::PerSegment, off(1_250), 100, "DISCOUNT 87.50"),
        (PricingModel::PerSegment, off(10_000), 100, "DISCOUNT 0.00"),
        (PricingModel::PerSegment, off(3_333), 1, "DISCOUNT 0.67"),
        (PricingModel::PerSegment, least("50"), 49, "MONTHLY_MINIMUM 50.00"),
        (PricingModel::PerSegment, least("50"), 51, "MONTHLY_MINIMUM 51.00"),
        (PricingModel::PerSegment, fee("9.99"), 0, "MONTHLY_FEE 9.99"),
        (
            graduated(),
            MonthlyTerms { free_units: 10, fee: micros("5"), ..least("120") },
            110,
            "GRADUATED 108.00, FREE_UNITS 100.00, MONTHLY_MINIMUM 120.00, MONTHLY_FEE 125.00",
        ),
    ] {
        let name = model.name();
        assert_eq!(shown(&terms("1", model, monthly), &[], &used(units)), expected, "{name} {units}");
    }
}

#[test]
fn a_minimum_and_a_fee_hold_for_the_part_of_the_month_that_the_price_is_in_force() {
    for (from, last, expected) in [
        ("2026-10-01", None, "MONTHLY_FEE 31.00"),
        ("2026-10-01", Some("2026-10-31"), "MONTHLY_FEE 31.00"),
        ("2026-10-11", None, "MONTHLY_FEE 21.00"),
        ("2026-01-01", Some("2026-10-10"), "MONTHLY_FEE 10.00"),
        ("2026-10-31", Some("2026-10-31"), "MONTHLY_FEE 1.00"),
        ("2026-11-01", None, "MONTHLY_FEE 0.00"),
        ("2026-01-01", Some("2026-09-30"), "MONTHLY_FEE 0.00"),
    ] {
        let monthly = MonthlyTerms { fee: micros("31"), ..MonthlyTerms::default() };
        let mut terms = terms("1", PricingModel::PerSegment, monthly);
        terms.days = DayRange::inclusive(day(from), last.map(day)).unwrap();
        assert_eq!(shown(&terms, &[], &used(0)), expected, "{from} {last:?}");
    }
}

fn correction(id: u128, days: (&str, &str), unit_price: &str, model: PricingModel) -> Correction {
    Correction {
        id: CorrectionId(Uuid::from_u128(id)),
        price: PriceId(Uuid::nil()),
        days: DayRange::inclusive(day(days.0), Some(day(days.1))).unwrap(),
        unit_price: micros(unit_price),
        model,
        reason: format!("reason {id}"),
        created_by: "finance".into(),
        created_at: Timestamp::from_second(i64::try_from(id).unwrap()).unwrap(),
    }
}

#[test]
fn a_correction_rates_its_days_as_another_version_would_have() {
    let per_segment = || PricingModel::PerSegment;
    let graduated = || PricingModel::Graduated(steps("100:0.5"));
    let none = MonthlyTerms::default();
    let all = ("2026-10-01", "2026-10-31");
    let units = BTreeMap::from([(day("2026-10-05"), 100), (day("2026-10-20"), 200)]);
    for (model, monthly, corrections, expected) in [
        (per_segment(), none, vec![], ""),
        (per_segment(), none, vec![correction(1, all, "0.9", per_segment())], "CORRECTION 270.00"),
        (
            per_segment(),
            none,
            vec![correction(1, ("2026-10-05", "2026-10-05"), "0.9", per_segment())],
            "CORRECTION 290.00",
        ),
        (per_segment(), none, vec![correction(1, ("2026-09-01", "2026-10-04"), "0.9", per_segment())], ""),
        // Of two corrections of a day the later made holds, in whichever order they are read.
        (
            per_segment(),
            none,
            vec![correction(2, all, "0.9", per_segment()), correction(1, all, "0.1", per_segment())],
            "CORRECTION 270.00",
        ),
        // A correction's days count their own units: 100 at 1, then 100 at 1 and 100 at 0.5.
        (
            graduated(),
            none,
            vec![correction(1, ("2026-10-20", "2026-10-20"), "1", graduated())],
            "CORRECTION 300.00, GRADUATED 250.00",
        ),
        // Its steps may be the mistake.
        (
            graduated(),
            none,
            vec![correction(1, all, "1", PricingModel::Graduated(steps("200:0.5")))],
            "CORRECTION 300.00, GRADUATED 250.00",
        ),
        // Free units are used up in the order of the days.
        (
            per_segment(),
            MonthlyTerms { free_units: 150, ..none },
            vec![correction(1, ("2026-10-20", "2026-10-31"), "2", per_segment())],
            "CORRECTION 500.00, FREE_UNITS 300.00",
        ),
    ] {
        assert_eq!(shown(&terms("1", model, monthly), &corrections, &units), expected);
    }
}

#[test]
fn terms_that_no_price_can_have_are_refused() {
    let step = |above, unit_price| Step { above, unit_price: Micros(unit_price) };
    for (list, expected) in [
        (vec![], StepError::Count),
        (vec![step(1, 1); 21], StepError::Count),
        (vec![step(0, 1)], StepError::Order),
        (vec![step(5, 1), step(5, 2)], StepError::Order),
        (vec![step(5, 1), step(4, 2)], StepError::Order),
        (vec![step(5, -1)], StepError::UnitPrice),
        (vec![step(5, 1_000_000_000_000)], StepError::UnitPrice),
    ] {
        assert_eq!(Steps::new(list).unwrap_err(), expected);
    }
    assert_eq!(Package::new(0, Micros(1)), Err(PackageError::Size));
    assert_eq!(Package::new(Package::MAX_SIZE + 1, Micros(1)), Err(PackageError::Size));
    assert_eq!(Package::new(1, Micros(-1)), Err(PackageError::Price));
    assert_eq!(Discount::from_basis_points(10_001), Err(DiscountError));
    assert_eq!(Discount::from_basis_points(1_205).unwrap().to_string(), "12.05");
}

#[test]
fn amounts_that_do_not_fit_are_an_error() {
    let huge = terms("999999", PricingModel::PerSegment, MonthlyTerms { fee: Micros(1), ..MonthlyTerms::default() });
    let stages = month_stages(&huge, &[], month(), &used(u64::MAX)).unwrap();
    let usd = Currency::new("USD").unwrap();
    assert_eq!(stages[0].after.round_to_minor(usd), Err(MoneyError::Overflow));
}

/// Steps as a list of prices by unit, which no program of any size could use.
fn unit_by_unit(steps: &[(u64, i64)], first: i64, units: u64) -> i128 {
    let price = |unit: u64| steps.iter().rev().find(|(above, _)| unit > *above).map_or(first, |(_, price)| *price);
    (1..=units).map(|unit| i128::from(price(unit))).sum()
}

fn total(terms: &PriceTerms, units: u64) -> MinorAmount {
    let stages = month_stages(terms, &[], month(), &used(units)).unwrap();
    stages.last().unwrap().after.round_to_minor(terms.currency).unwrap()
}

prop_compose! {
    fn any_steps()(gaps in prop::collection::vec((1_u64..50, 0_i64..5_000_000), 1..6)) -> Vec<(u64, i64)> {
        gaps.into_iter().scan(0, |above, (gap, price)| { *above += gap; Some((*above, price)) }).collect()
    }
}

fn as_steps(list: &[(u64, i64)]) -> Steps {
    Steps::new(list.iter().map(|(above, price)| Step { above: *above, unit_price: Micros(*price) }).collect()).unwrap()
}

proptest! {
    #[test]
    fn graduated_is_what_unit_by_unit_would_cost(list in any_steps(), first in 0_i64..5_000_000, units in 0_u64..400) {
        let amount = graduated::amount(&as_steps(&list), Micros(first), units).unwrap();
        prop_assert_eq!(amount.0, unit_by_unit(&list, first, units));
    }

    #[test]
    fn graduated_never_falls(list in any_steps(), first in 0_i64..5_000_000, a in 0_u64..400, b in 0_u64..400) {
        let amount = |units| graduated::amount(&as_steps(&list), Micros(first), units).unwrap();
        prop_assert!(amount(a.min(b)) <= amount(a.max(b)));
    }

    #[test]
    fn volume_charges_every_unit_alike(list in any_steps(), first in 0_i64..5_000_000, units in 1_u64..400) {
        let amount = volume::amount(&as_steps(&list), Micros(first), units).unwrap().0;
        let price = list.iter().rev().find(|(above, _)| units > *above).map_or(first, |(_, price)| *price);
        prop_assert_eq!(amount, i128::from(units) * i128::from(price));
    }

    #[test]
    fn a_package_more_is_opened_by_the_first_unit_of_it(size in 1_u64..50, price in 0_i64..5_000_000, units in 0_u64..400) {
        let amount = package::amount(Package::new(size, Micros(price)).unwrap(), units).unwrap().0;
        let opened = (0..units).filter(|unit| unit % size == 0).count();
        prop_assert_eq!(amount, i128::try_from(opened).unwrap() * i128::from(price));
    }

    #[test]
    fn all_terms_together_are_an_independent_sum(
        list in any_steps(), first in 0_i64..5_000_000, units in 0_u64..400, free in 0_u64..100,
        off in 0_u16..=10_000, minimum in 0_i64..200_000_000, fee in 1_i64..20_000_000, start in 1_i32..=31,
    ) {
        let monthly = MonthlyTerms {
            free_units: free,
            discount: Discount::from_basis_points(off).unwrap(),
            minimum: Micros(minimum),
            fee: Micros(fee),
        };
        let mut terms = terms("1", PricingModel::Graduated(as_steps(&list)), monthly);
        terms.unit_price = Micros(first);
        terms.days = DayRange::inclusive(day(&format!("2026-10-{start:02}")), None).unwrap();
        // Everything over 10,000 × 31, so that it is whole.
        let paid = unit_by_unit(&list, first, units.saturating_sub(free)) * i128::from(10_000 - off) * 31;
        let share = |monthly: i64| i128::from(monthly) * i128::from(32 - start) * 10_000;
        let exact = paid.max(share(minimum)) + share(fee);
        let cent = 10_000 * 10_000 * 31;
        let rounded = (2 * exact + cent).div_euclid(2 * cent);
        prop_assert_eq!(i128::from(total(&terms, units).minor), rounded);
    }
}
