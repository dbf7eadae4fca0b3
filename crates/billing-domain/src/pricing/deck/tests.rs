//! Tables for what lines do to what stands, and for what is earned after it.

use super::*;
use crate::pricing::{ChargeOn, CostKey, MonthlyTerms, OperatorMatch, PriceTerms, PricingModel};
use crate::usage::Direction;
use crate::{Currency, OperatorId, Tier};

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn operator(text: &str) -> OperatorMatch {
    if text == "*" { OperatorMatch::Any } else { OperatorMatch::One(OperatorId::new(text).unwrap()) }
}

/// `GROWTH 20 0.01 2026-11-01..2026-11-30`, the last day perhaps absent.
fn price(text: &str) -> DeckPrice {
    let words: Vec<_> = text.split(' ').collect();
    let [tier, of, unit_price, days] = words[..] else { panic!("{text}") };
    let (from, last) = days.split_once("..").unwrap();
    DeckPrice {
        tier: Tier::new(tier).unwrap(),
        account: None,
        operator: operator(of),
        direction: Direction::Mt,
        is_flat: false,
        charge_on: None,
        unit_price: Micros::parse(unit_price).unwrap(),
        currency: Currency::new("USD").unwrap(),
        days: DayRange::inclusive(day(from), (!last.is_empty()).then(|| day(last))).unwrap(),
    }
}

fn cost(of: &str, amount: &str, from: &str) -> CostTerms {
    let currency = Currency::new("USD").unwrap();
    CostTerms {
        key: CostKey { operator: OperatorId::new(of).unwrap(), direction: Direction::Mt, currency },
        cost_per_segment: Micros::parse(amount).unwrap(),
        days: DayRange::inclusive(day(from), None).unwrap(),
    }
}

fn deck<E>(entries: Vec<E>) -> Deck<E> {
    let lines = (2..).zip(entries).map(|(number, entry)| DeckLine { number, entry }).collect();
    Deck { id: Uuid::from_u128(1), sha256: [0; 32], lines }
}

fn standing(texts: &[&str]) -> Vec<StandingVersion<PriceTerms>> {
    let version = |(number, text): (u128, &&str)| StandingVersion {
        id: Uuid::from_u128(number),
        version: 3,
        is_superseded: text.starts_with('!'),
        terms: price(text.trim_start_matches('!')).terms(None),
    };
    (100..).zip(texts).map(version).collect()
}

/// One word for each line, in order.
fn told(plan: &DeckPlan<DeckPrice>) -> Vec<String> {
    let mut words: Vec<(u32, String)> = Vec::new();
    for made in &plan.made {
        let word = match &made.old {
            None => format!("added v{}", made.version),
            Some(old) => {
                let end = old.days.and_then(DayRange::last).map_or("cancelled".into(), |last| format!("until {last}"));
                format!("changed v{} from {} {end}", made.version, old.unit_amount)
            }
        };
        words.push((made.line, word));
    }
    words.extend(plan.unchanged.iter().map(|(line, _)| (*line, "unchanged".to_owned())));
    words.extend(plan.refused.iter().map(|refused| (refused.line, format!("{:?}", refused.why))));
    words.sort();
    words.into_iter().map(|(_, word)| word).collect()
}

#[test]
fn a_line_does_what_a_single_change_does() {
    let open = &["G 20 0.01 2026-01-01.."][..];
    let changed_later = &["!G 20 0.01 2026-01-01..2026-11-30", "G 20 0.02 2026-12-01.."][..];
    for (stands, lines, expected) in [
        // Nothing of the key in force on its first day: added.
        (&[][..], &["G 20 0.02 2026-11-01.."][..], &["added v1"][..]),
        (open, &["G * 0.02 2026-11-01.."], &["added v1"]),
        (open, &["H 20 0.02 2026-11-01.."], &["added v1"]),
        (&["G 20 0.01 2026-01-01..2026-10-31"], &["G 20 0.02 2026-11-01.."], &["added v1"]),
        // In force: closed the day before; whole when it would begin no earlier.
        (open, &["G 20 0.02 2026-11-01.."], &["changed v4 from 0.010000 until 2026-10-31"]),
        (open, &["G 20 0.02 2026-01-02.."], &["changed v4 from 0.010000 until 2026-01-01"]),
        (open, &["G 20 0.02 2026-01-01.."], &["changed v4 from 0.010000 cancelled"]),
        (open, &["G 20 0.01 2026-11-01..2026-11-30"], &["changed v4 from 0.010000 until 2026-10-31"]),
        // Said already, from whenever, until the same day.
        (open, &["G 20 0.01 2026-01-01.."], &["unchanged"]),
        (open, &["G 20 0.010000 2026-11-01.."], &["unchanged"]),
        (changed_later, &["G 20 0.01 2026-01-01..2026-11-30", "G 20 0.02 2026-12-01.."], &["unchanged", "unchanged"]),
        // A version to come is not run over, and one that was replaced is not replaced again.
        (changed_later, &["G 20 0.03 2026-11-01.."], &["Overlap(Day(20788))"]),
        (changed_later, &["G 20 0.03 2026-11-01..2026-11-30"], &["Replaced(Day(20787))"]),
        (&["G 20 0.01 2026-12-01.."], &["G 20 0.03 2026-11-01.."], &["Overlap(Day(20788))"]),
        (&["G 20 0.01 2026-12-01.."], &["G 20 0.03 2026-11-01..2026-11-30"], &["added v1"]),
        (changed_later, &["G 20 0.03 2026-12-01.."], &["changed v4 from 0.020000 cancelled"]),
        // Lines of one key follow each other by day, wherever they stand in the file.
        (
            open,
            &["G 20 0.03 2026-12-01..", "G 20 0.02 2026-11-01..2026-11-30"],
            &["added v1", "changed v4 from 0.010000 until 2026-10-31"],
        ),
        (
            open,
            &["G 20 0.02 2026-11-01..2026-11-30", "G 20 0.01 2026-12-01.."],
            &["changed v4 from 0.010000 until 2026-10-31", "added v1"],
        ),
        // Two lines about one day are both wrong, each names the other.
        (open, &["G 20 0.02 2026-11-01..", "G 20 0.02 2026-11-01.."], &["Doubled(3)", "Doubled(2)"]),
        (open, &["G 20 0.02 2026-11-30..", "G 20 0.03 2026-11-01..2026-11-30"], &["Doubled(3)", "Doubled(2)"]),
        (
            &[],
            &[
                "G 20 1 2026-01-01..2026-12-31",
                "G 20 1 2026-02-01..2026-02-02",
                "G 20 1 2026-06-01..",
                "H 20 1 2026-06-01..",
            ],
            &["Doubled(3)", "Doubled(2)", "Doubled(2)", "added v1"],
        ),
    ] {
        let deck = deck(lines.iter().map(|line| price(line)).collect());
        assert_eq!(told(&plan(&deck, standing(stands))), expected, "{stands:?} {lines:?}");
    }
}

#[test]
fn a_line_keeps_what_it_cannot_say_and_replaces_nothing_that_it_cannot_show() {
    let mut delivered = standing(&["G 20 0.01 2026-01-01.."]);
    delivered[0].terms.charge_on = ChargeOn::Delivered;
    let mut flat = delivered.clone();
    flat[0].terms.model = PricingModel::FlatPerMessage;
    let mut monthly = delivered.clone();
    monthly[0].terms.monthly = MonthlyTerms { free_units: 5, ..MonthlyTerms::default() };
    for (stands, line, expected) in [
        (&delivered, price("G 20 0.01 2026-01-01.."), "unchanged"),
        (&delivered, price("G 20 0.02 2026-11-01.."), "changed v4 from 0.010000 until 2026-10-31"),
        (
            &delivered,
            DeckPrice { charge_on: Some(ChargeOn::AnyTerminal), ..price("G 20 0.01 2026-11-01..") },
            "changed v4 from 0.010000 until 2026-10-31",
        ),
        (&flat, price("G 20 0.01 2026-11-01.."), "changed v4 from 0.010000 until 2026-10-31"),
        (&flat, DeckPrice { is_flat: true, ..price("G 20 0.01 2026-11-01..") }, "unchanged"),
        (&monthly, price("G 20 0.01 2026-11-01.."), "NotForDecks"),
        (&monthly, price("G 01 0.01 2026-11-01.."), "added v1"),
    ] {
        let plan = plan(&deck(vec![line.clone()]), stands.clone());
        assert_eq!(told(&plan), [expected], "{line:?}");
        let keeps = plan.made.iter().all(|made| {
            made.terms.charge_on
                == line.charge_on.unwrap_or(if made.old.is_some() {
                    ChargeOn::Delivered
                } else {
                    ChargeOn::AnyTerminal
                })
        });
        assert!(keeps, "{line:?}");
    }
}

#[test]
fn an_applied_deck_is_told_as_it_was_planned() {
    let deck = deck(vec![price("G 20 0.02 2026-11-01.."), price("G 01 1 2026-11-01.."), price("H 20 1 2026-01-01..")]);
    let stands = standing(&["G 20 0.01 2026-01-01..", "H 20 1 2026-01-01.."]);
    let planned = plan(&deck, stands.clone());
    let found = planned.made.iter().map(|made| (made.id, (made.version, made.old))).collect();
    let told_again = retell(&deck, stands, found);
    assert_eq!((told(&told_again), told_again.made), (told(&planned), planned.made));
}

#[test]
fn rated_lines_leave_the_plan() {
    let deck = deck(vec![price("G 20 1 2026-11-01.."), price("G 01 1 2026-11-01.."), price("G 40 1 2026-11-01..")]);
    let mut plan = plan(&deck, vec![]);
    plan.refuse_rated(&[2, 4]);
    assert_eq!(told(&plan), ["RatedUsage", "added v1", "RatedUsage"]);
    plan.refuse_rated(&[]);
    assert_eq!(plan.refused.len(), 2);
}

#[test]
fn margins_are_of_the_operators_that_a_price_is_paid_for() {
    let shown = |margins: &Margins| -> Vec<String> {
        assert_eq!(margins.losses, margins.listed.iter().filter(|row| row.is_loss()).count());
        let amount = |amount: Option<Micros>| amount.map_or("?".into(), |amount| amount.to_string());
        margins.listed.iter().map(|row| format!("{} {} {}", row.line, row.key.operator, amount(row.margin()))).collect()
    };
    let costs = [
        cost("01", "0.005", "2026-01-01"),
        cost("20", "0.03", "2026-01-01"),
        cost("40", "0.02", "2026-12-01"),
        CostTerms {
            key: CostKey { currency: Currency::new("AFN").unwrap(), ..cost("50", "1", "2026-01-01").key },
            ..cost("50", "1", "2026-01-01")
        },
    ];
    for (stands, lines, expected) in [
        (&[][..], &["G 01 0.01 2026-11-01.."][..], &["2 01 0.005000"][..]),
        (&[], &["G 20 0.01 2026-11-01..", "G 01 0.005 2026-11-01.."], &["2 20 -0.020000", "3 01 0.000000"]),
        // No cost on that day, or none in this currency.
        (&[], &["G 40 0.01 2026-11-01..", "G 50 1 2026-11-01.."], &["2 40 ?", "3 50 ?"]),
        (&[], &["G 01 1 2025-11-01..", "G * 1 2025-11-01.."], &["2 01 ?", "3 * ?"]),
        // Any operator: those with a cost, but for those with a price of their own, standing or of the deck.
        (&[], &["G * 0.01 2026-11-01.."], &["2 20 -0.020000", "2 01 0.005000"]),
        (&["G 20 0.05 2026-01-01.."], &["G * 0.01 2026-11-01.."], &["2 01 0.005000"]),
        (&["G 20 0.05 2026-01-01..2026-10-31"], &["G * 0.01 2026-11-01.."], &["2 20 -0.020000", "2 01 0.005000"]),
        (&["H 20 0.05 2026-01-01.."], &["G * 0.01 2026-11-01.."], &["2 20 -0.020000", "2 01 0.005000"]),
        (&[], &["G * 0.01 2026-11-01..", "G 20 0.04 2026-11-01.."], &["2 01 0.005000", "3 20 0.010000"]),
        // What is unchanged is shown too.
        (&["G 20 0.01 2026-01-01.."], &["G 20 0.01 2026-01-01.."], &["2 20 -0.020000"]),
    ] {
        let deck = deck(lines.iter().map(|line| price(line)).collect());
        assert_eq!(shown(&price_margins(&plan(&deck, standing(stands)), &costs)), expected, "{stands:?} {lines:?}");
    }
    let prices: Vec<_> =
        ["G 20 0.02 2026-01-01..", "G * 0.04 2026-01-01..", "H * 0.05 2026-01-01..", "I 20 9 2027-01-01.."]
            .into_iter()
            .map(|text| price(text).terms(None))
            .collect();
    let deck = deck(vec![cost("20", "0.03", "2026-11-01"), cost("01", "0.03", "2026-11-01")]);
    let expected = ["2 20 -0.010000", "2 20 0.020000", "3 01 0.010000", "3 01 0.020000"];
    assert_eq!(shown(&cost_margins(&plan(&deck, vec![]), &prices)), expected);
}
