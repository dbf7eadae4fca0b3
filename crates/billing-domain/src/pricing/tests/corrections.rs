//! "Which price" of the rules of money: what a correction may be, and which of several holds.

use super::*;
use crate::CorrectionId;

fn correction(number: u128, from: &str, last: Option<&str>) -> Correction {
    Correction {
        id: CorrectionId(Uuid::from_u128(number)),
        price: PriceId(id("p")),
        days: days(from, last),
        unit_price: Micros(1),
        model: PricingModel::PerSegment,
        reason: "typed wrongly".into(),
        created_by: "finance".into(),
        created_at: Timestamp::from_second(i64::try_from(number / 10).unwrap()).unwrap(),
    }
}

#[test]
fn a_correction_lies_within_its_price_and_ends_by_today_and_has_the_price_s_model() {
    let today = day("2026-10-20");
    let steps =
        |price| PricingModel::Graduated(Steps::new(vec![Step { above: 1, unit_price: Micros(price) }]).unwrap());
    let (segment, message) = (PricingModel::PerSegment, PricingModel::FlatPerMessage);
    for (from, last, price_last, of_price, right, expected) in [
        ("2026-10-01", Some("2026-10-19"), None, &segment, &segment, Ok(())),
        ("2026-10-01", Some("2026-10-20"), None, &segment, &segment, Ok(())),
        ("2026-10-01", Some("2026-10-21"), None, &segment, &segment, Err(CorrectionError::Future)),
        ("2026-10-01", None, None, &segment, &segment, Err(CorrectionError::Future)),
        ("2026-09-30", Some("2026-10-19"), None, &segment, &segment, Err(CorrectionError::OutsidePrice)),
        ("2026-10-01", Some("2026-10-10"), Some("2026-10-10"), &segment, &segment, Ok(())),
        ("2026-10-01", Some("2026-10-11"), Some("2026-10-10"), &segment, &segment, Err(CorrectionError::OutsidePrice)),
        ("2026-10-01", Some("2026-10-19"), None, &segment, &message, Err(CorrectionError::OtherModel)),
        ("2026-10-01", Some("2026-10-19"), None, &steps(1), &segment, Err(CorrectionError::OtherModel)),
        // The steps themselves may be the mistake.
        ("2026-10-01", Some("2026-10-19"), None, &steps(1), &steps(2), Ok(())),
    ] {
        let mut terms = price("p", "GROWTH", "*", "0.01", days("2026-10-01", price_last)).terms;
        terms.model = of_price.clone();
        let asked = Correction { model: right.clone(), ..correction(1, from, last) };
        assert_eq!(check_correction(&asked, &terms, today), expected, "{from} to {last:?}, {right:?}");
    }
}

#[test]
fn of_two_corrections_of_a_day_the_one_made_later_holds() {
    // By ten of the number in time, then by id.
    let all = [
        correction(11, "2026-10-01", Some("2026-10-31")),
        correction(30, "2026-10-10", Some("2026-10-12")),
        correction(20, "2026-10-12", Some("2026-10-20")),
        correction(21, "2026-10-20", Some("2026-10-20")),
    ];
    for (on, expected) in [
        ("2026-09-30", None),
        ("2026-10-01", Some(11)),
        ("2026-10-12", Some(30)),
        ("2026-10-13", Some(20)),
        ("2026-10-20", Some(21)),
        ("2026-10-31", Some(11)),
        ("2026-11-01", None),
    ] {
        for corrections in [all.to_vec(), all.iter().rev().cloned().collect()] {
            let found = in_force(&corrections, day(on)).map(|correction| correction.id.0.as_u128());
            assert_eq!(found, expected, "{on}");
        }
    }
}
