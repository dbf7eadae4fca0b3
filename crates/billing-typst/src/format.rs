//! Writes amounts, counts and dates the way a locale wants them. Pure; decides nothing about which values are shown.

use jiff::civil::Date;

use crate::locale::{Conventions, fill};

/// Decimals of a unit price that is stored in millionths.
const PRICE_DECIMALS: u8 = 6;
/// As wide as a digit: keeps decimal marks of a right-aligned column in one line.
const FIGURE_SPACE: char = '\u{2007}';
/// As wide as a decimal mark, for a number that has none.
const PUNCTUATION_SPACE: char = '\u{2008}';
/// Not the hyphen: as wide as the digits, and never broken off at the end of a line.
const MINUS: char = '\u{2212}';

/// An amount of minor units, for instance `1,234.50`.
pub(crate) fn amount(minor: i128, minor_digits: u8, c: &Conventions) -> String {
    decimal(minor, minor_digits, minor_digits, c)
}

/// A unit price with all decimals that it needs and at least those of the currency: `0.0125`, `0.50`.
pub(crate) fn unit_price(micros: i64, minor_digits: u8, c: &Conventions) -> String {
    decimal(i128::from(micros), PRICE_DECIMALS, minor_digits, c)
}

/// A count, for instance `12,345`.
pub(crate) fn count(n: u64, c: &Conventions) -> String {
    decimal(i128::from(n), 0, 0, c)
}

/// A decimal number that came as text (`7.50`), with the locale's mark and without needless zeros. Other text stays.
pub(crate) fn plain_decimal(text: &str, c: &Conventions) -> String {
    match text.split_once('.') {
        Some((whole, fraction)) => {
            let fraction = fraction.trim_end_matches('0');
            if fraction.is_empty() { whole.to_owned() } else { format!("{whole}{}{fraction}", c.decimal_mark) }
        }
        None => text.to_owned(),
    }
}

/// A day, for instance `1 November 2026`.
pub(crate) fn date(day: Date, c: &Conventions) -> String {
    let month = month_name(&c.months, day.month());
    fill(&c.date, &[("day", &day.day().to_string()), ("month", month), ("year", &day.year().to_string())])
}

/// First to last day, both included: `1–31 October 2026`, or both in full if they are not in one month.
pub(crate) fn period(start: Date, end: Date, c: &Conventions) -> String {
    if (start.year(), start.month()) == (end.year(), end.month()) {
        let days = fill(&c.days, &[("first", &start.day().to_string()), ("last", &end.day().to_string())]);
        let month = month_name(&c.months, start.month());
        return fill(&c.date, &[("day", &days), ("month", month), ("year", &start.year().to_string())]);
    }
    format!("{} \u{2013} {}", date(start, c), date(end, c))
}

/// A month in full, for instance `October 2026`.
pub(crate) fn month((year, month): (i16, i8), c: &Conventions) -> String {
    fill(&c.month, &[("month", month_name(&c.months, month)), ("year", &year.to_string())])
}

/// A month for a narrow column, for instance `Oct 2026`.
pub(crate) fn month_short((year, month): (i16, i8), c: &Conventions) -> String {
    fill(&c.month, &[("month", month_name(&c.months_short, month)), ("year", &year.to_string())])
}

/// Pads with figure spaces on the right, so that right-aligned numbers have their decimal marks below each other.
pub(crate) fn align_decimals(numbers: &mut [String], c: &Conventions) {
    let width_after_mark =
        |s: &str| s.rsplit_once(c.decimal_mark.as_str()).map_or(0, |(_, fraction)| fraction.chars().count());
    let widest = numbers.iter().map(|s| width_after_mark(s)).max().unwrap_or(0);
    for number in numbers {
        let missing = widest - width_after_mark(number);
        if widest > 0 && missing == widest {
            number.push(PUNCTUATION_SPACE);
        }
        number.extend(std::iter::repeat_n(FIGURE_SPACE, missing));
    }
}

/// Lets a number of more than `fits` characters go on in the next line after a group mark.
pub(crate) fn breakable(number: String, fits: usize, c: &Conventions) -> String {
    if number.chars().count() <= fits {
        return number;
    }
    number.replace(c.group_mark.as_str(), &format!("{}\u{200b}", c.group_mark))
}

/// `value` / 10^`decimals`, grouped, with trailing zeros cut down to `min_decimals`.
fn decimal(value: i128, decimals: u8, min_decimals: u8, c: &Conventions) -> String {
    let decimals = usize::from(decimals);
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let needed = fraction.trim_end_matches('0').len().max(usize::from(min_decimals));
    let mut out = String::with_capacity(digits.len() * 2);
    if value < 0 {
        out.push(MINUS);
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push_str(&c.group_mark);
        }
        out.push(digit);
    }
    if needed > 0 {
        out.push_str(&c.decimal_mark);
        out.extend(fraction.chars().chain(std::iter::repeat('0')).take(needed));
    }
    out
}

/// The name of month 1 to 12; empty for any other number (the renderer has refused those before).
fn month_name(names: &[String; 12], month: i8) -> &str {
    usize::try_from(month).ok().and_then(|m| names.get(m.checked_sub(1)?)).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date as day;

    use super::*;
    use crate::document::Locale;
    use crate::locale::Locales;

    fn with_en(check: impl FnOnce(&Conventions)) {
        check(Locales::load().unwrap().get(Locale::En));
    }

    #[test]
    fn amounts() {
        with_en(|en| {
            let check = |minor, digits, want: &str| assert_eq!(amount(minor, digits, en), want);
            check(0, 2, "0.00");
            check(5, 2, "0.05");
            check(-5, 2, "\u{2212}0.05");
            check(99_999, 2, "999.99");
            check(100_000, 2, "1,000.00");
            check(123_456_789, 2, "1,234,567.89");
            check(-123_456_789, 2, "\u{2212}1,234,567.89");
            check(1_234_567, 0, "1,234,567");
            check(0, 0, "0");
            check(1_234_567, 3, "1,234.567");
            check(1, 3, "0.001");
            check(i128::MIN, 2, "\u{2212}1,701,411,834,604,692,317,316,873,037,158,841,057.28");
        });
    }

    #[test]
    fn unit_prices() {
        with_en(|en| {
            let check = |micros, digits, want: &str| assert_eq!(unit_price(micros, digits, en), want);
            check(0, 2, "0.00");
            check(12_500, 2, "0.0125");
            check(500_000, 2, "0.50");
            check(1, 2, "0.000001");
            check(1_000_000, 0, "1");
            check(1_500_000, 0, "1.5");
            check(1_500_000, 3, "1.500");
            check(1_234_567_890_000, 2, "1,234,567.89");
            check(-12_000, 2, "\u{2212}0.012");
            check(i64::MAX, 2, "9,223,372,036,854.775807");
        });
    }

    #[test]
    fn counts() {
        with_en(|en| {
            let check = |n, want: &str| assert_eq!(count(n, en), want);
            check(0, "0");
            check(999, "999");
            check(1_000, "1,000");
            check(7_000_000_000, "7,000,000,000");
            check(u64::MAX, "18,446,744,073,709,551,615");
        });
    }

    #[test]
    fn rates() {
        with_en(|en| {
            let check = |text, want: &str| assert_eq!(plain_decimal(text, en), want);
            check("10", "10");
            check("100", "100");
            check("7.50", "7.5");
            check("10.00", "10");
            check("exempt", "exempt");
        });
    }

    #[test]
    fn dates() {
        with_en(|en| {
            assert_eq!(date(day(2026, 11, 1), en), "1 November 2026");
            assert_eq!(date(day(2024, 2, 29), en), "29 February 2024");
            assert_eq!(month((2026, 12), en), "December 2026");
            assert_eq!(month_short((2026, 1), en), "Jan 2026");
            assert_eq!(month((2026, 13), en), " 2026");
        });
    }

    #[test]
    fn periods() {
        with_en(|en| {
            let check = |start, end, want: &str| assert_eq!(period(start, end, en), want);
            check(day(2026, 10, 1), day(2026, 10, 31), "1\u{2013}31 October 2026");
            check(day(2026, 12, 15), day(2027, 1, 14), "15 December 2026 \u{2013} 14 January 2027");
            check(day(2025, 10, 1), day(2026, 10, 31), "1 October 2025 \u{2013} 31 October 2026");
        });
    }

    #[test]
    fn decimal_marks_line_up() {
        with_en(|en| {
            let mut column = ["0.0125", "1.50", "3"].map(String::from);
            align_decimals(&mut column, en);
            assert_eq!(column, ["0.0125", "1.50\u{2007}\u{2007}", "3\u{2008}\u{2007}\u{2007}\u{2007}\u{2007}"]);
        });
    }
}
