//! A price book as bytes: a format number, then postcard. Equal books give equal bytes.
//!
//! A change of the form needs a new number and no migration: bytes that cannot be read are treated as absent.

use billing_domain::pricing::{
    BookCost, BookError, BookPrice, ChargeOn, ChargeUnit, CostKey, OperatorMatch, PriceError, PriceKey, PriceScope,
    check_unit_amount,
};
use billing_domain::usage::Direction;
use billing_domain::{
    AccountId, CalendarError, CostId, Currency, Day, DayRange, IdError, Micros, OperatorId, PriceBook, PriceId, Tier,
    UnknownCurrency,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The first byte. 1 was JSON, which began with a brace.
const FORMAT: u8 = 2;

/// Bytes that are no book.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Of another format, or none at all.
    #[error("the snapshot has another format")]
    Format,
    /// The right format, but cut off, with something behind it, or otherwise not of this form.
    #[error("the snapshot has another form")]
    Form(#[from] postcard::Error),
    /// The book of another version.
    #[error("the snapshot is of version {0}")]
    Version(i64),
    /// An operator or tier that cannot be one.
    #[error("the snapshot holds an id that cannot be one")]
    Id(#[from] IdError),
    /// A currency that is none.
    #[error("the snapshot holds an unknown currency")]
    Currency(#[from] UnknownCurrency),
    /// A period that is none.
    #[error("the snapshot holds a period that is none")]
    Period(#[from] CalendarError),
    /// A unit amount that no price may have.
    #[error("the snapshot holds a unit amount that no price may have")]
    Amount(#[from] PriceError),
    /// Prices that contradict each other.
    #[error("the snapshot's prices do not make a book")]
    Book(#[from] BookError),
    /// More bytes than the cache takes.
    #[error("the snapshot is larger than the cache takes")]
    TooLarge,
}

#[derive(Serialize, Deserialize)]
struct BookRow<'a> {
    version: i64,
    #[serde(borrow)]
    prices: Vec<PriceRow<'a>>,
    #[serde(borrow)]
    costs: Vec<CostRow<'a>>,
}

#[derive(Serialize, Deserialize)]
struct PriceRow<'a> {
    #[serde(borrow)]
    scope: ScopeRow<'a>,
    /// Absent for any.
    operator: Option<&'a str>,
    #[serde(with = "DirectionForm")]
    direction: Direction,
    currency: &'a str,
    id: Uuid,
    unit_micros: i64,
    from: i32,
    until: Option<i32>,
    #[serde(with = "ChargeUnitForm")]
    unit: ChargeUnit,
    #[serde(with = "ChargeOnForm")]
    charge_on: ChargeOn,
}

#[derive(Serialize, Deserialize)]
enum ScopeRow<'a> {
    Account(Uuid),
    Tier(&'a str),
}

#[derive(Serialize, Deserialize)]
struct CostRow<'a> {
    operator: &'a str,
    #[serde(with = "DirectionForm")]
    direction: Direction,
    currency: &'a str,
    id: Uuid,
    unit_micros: i64,
    from: i32,
    until: Option<i32>,
}

// The compiler holds these to the domain's types. Another order or variant is another format.

#[derive(Serialize, Deserialize)]
#[serde(remote = "Direction")]
enum DirectionForm {
    Mt,
    Mo,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ChargeUnit")]
enum ChargeUnitForm {
    Segment,
    Message,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ChargeOn")]
enum ChargeOnForm {
    AnyTerminal,
    Delivered,
}

/// The book's bytes. A book gives its prices in key order, so equal books give equal bytes.
pub(crate) fn encode(book: &PriceBook) -> Result<Vec<u8>, SnapshotError> {
    let (prices, costs): (Vec<_>, Vec<_>) = (book.prices().collect(), book.costs().collect());
    let (prices, costs) = (prices.iter().map(price_row).collect(), costs.iter().map(cost_row).collect());
    write(&BookRow { version: book.version(), prices, costs })
}

/// The book of that version.
pub(crate) fn decode(bytes: &[u8], version: i64) -> Result<PriceBook, SnapshotError> {
    let Some((&FORMAT, bytes)) = bytes.split_first() else { return Err(SnapshotError::Format) };
    let (book, rest) = postcard::take_from_bytes::<BookRow<'_>>(bytes)?;
    if !rest.is_empty() {
        return Err(SnapshotError::Form(postcard::Error::DeserializeBadEncoding));
    }
    if book.version != version {
        return Err(SnapshotError::Version(book.version));
    }
    let prices = book.prices.iter().map(price).collect::<Result<_, _>>()?;
    let costs = book.costs.iter().map(cost).collect::<Result<_, _>>()?;
    Ok(PriceBook::build(version, prices, costs)?)
}

fn write(book: &BookRow<'_>) -> Result<Vec<u8>, SnapshotError> {
    Ok(postcard::to_extend(book, vec![FORMAT])?)
}

fn price_row(price: &BookPrice) -> PriceRow<'_> {
    PriceRow {
        scope: match &price.key.scope {
            PriceScope::Account(account) => ScopeRow::Account(account.0),
            PriceScope::Tier(tier) => ScopeRow::Tier(tier.as_str()),
        },
        operator: match &price.key.operator {
            OperatorMatch::Any => None,
            OperatorMatch::One(operator) => Some(operator.as_str()),
        },
        direction: price.key.direction,
        currency: price.key.currency.code(),
        id: price.id.0,
        unit_micros: price.unit_price.0,
        from: price.days.from().epoch_days(),
        until: price.days.until().map(Day::epoch_days),
        unit: price.unit,
        charge_on: price.charge_on,
    }
}

fn cost_row(cost: &BookCost) -> CostRow<'_> {
    CostRow {
        operator: cost.key.operator.as_str(),
        direction: cost.key.direction,
        currency: cost.key.currency.code(),
        id: cost.id.0,
        unit_micros: cost.cost_per_segment.0,
        from: cost.days.from().epoch_days(),
        until: cost.days.until().map(Day::epoch_days),
    }
}

fn price(row: &PriceRow<'_>) -> Result<BookPrice, SnapshotError> {
    let key = PriceKey {
        scope: match row.scope {
            ScopeRow::Account(account) => PriceScope::Account(AccountId(account)),
            ScopeRow::Tier(tier) => PriceScope::Tier(Tier::new(tier)?),
        },
        operator: match row.operator {
            None => OperatorMatch::Any,
            Some(operator) => OperatorMatch::One(OperatorId::new(operator)?),
        },
        direction: row.direction,
        currency: Currency::new(row.currency)?,
    };
    Ok(BookPrice {
        key,
        id: PriceId(row.id),
        unit_price: check_unit_amount(Micros(row.unit_micros))?,
        days: days(row.from, row.until)?,
        unit: row.unit,
        charge_on: row.charge_on,
    })
}

fn cost(row: &CostRow<'_>) -> Result<BookCost, SnapshotError> {
    let (operator, currency) = (OperatorId::new(row.operator)?, Currency::new(row.currency)?);
    Ok(BookCost {
        key: CostKey { operator, direction: row.direction, currency },
        id: CostId(row.id),
        cost_per_segment: check_unit_amount(Micros(row.unit_micros))?,
        days: days(row.from, row.until)?,
    })
}

fn days(from: i32, until: Option<i32>) -> Result<DayRange, SnapshotError> {
    Ok(DayRange::new(Day::from_epoch_days(from)?, until.map(Day::from_epoch_days).transpose()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_domain::pricing::sample_price;

    fn prices_and_costs() -> (Vec<BookPrice>, Vec<BookCost>) {
        let day = |text| Day::parse(text).unwrap();
        let mut own = BookPrice::from(&sample_price("0.5").unwrap());
        own.key.scope = PriceScope::Account(AccountId(Uuid::from_u128(7)));
        own.key.operator = OperatorMatch::One(OperatorId::new("op-20").unwrap());
        (own.unit, own.charge_on) = (ChargeUnit::Message, ChargeOn::Delivered);
        own.days = DayRange::inclusive(day("2026-03-01"), Some(day("2026-03-31"))).unwrap();
        let key = CostKey {
            operator: OperatorId::new("op-20").unwrap(),
            direction: Direction::Mo,
            currency: Currency::new("AFN").unwrap(),
        };
        let days = DayRange::new(day("2026-01-01"), None).unwrap();
        let cost = BookCost { key, id: CostId(Uuid::from_u128(9)), cost_per_segment: Micros(4_000), days };
        (vec![own, BookPrice::from(&sample_price("0.012").unwrap())], vec![cost])
    }

    fn book() -> PriceBook {
        let (prices, costs) = prices_and_costs();
        PriceBook::build(42, prices, costs).unwrap()
    }

    #[test]
    fn a_book_survives_the_way_to_bytes_and_back() {
        let bytes = encode(&book()).unwrap();
        assert_eq!(decode(&bytes, 42).unwrap(), book());
        assert_eq!(encode(&decode(&bytes, 42).unwrap()).unwrap(), bytes);
    }

    #[test]
    fn the_order_in_which_prices_came_does_not_show_in_the_bytes() {
        let (mut prices, costs) = prices_and_costs();
        prices.reverse();
        assert_eq!(encode(&PriceBook::build(42, prices, costs).unwrap()).unwrap(), encode(&book()).unwrap());
    }

    #[test]
    fn other_bytes_are_refused() {
        let bytes = encode(&book()).unwrap();
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(decode(bytes, 42).unwrap_err().to_string(), expected, "{bytes:?}");
        };
        check(b"", "the snapshot has another format");
        check(b"{\"version\":42}", "the snapshot has another format");
        check(&[bytes.as_slice(), b"\0"].concat(), "the snapshot has another form");
        for end in 1..bytes.len() {
            check(&bytes[..end], "the snapshot has another form");
        }
    }

    #[test]
    fn other_values_are_refused() {
        type Change = fn(&mut BookRow<'_>);
        let changes: [(Change, &str); 10] = [
            (|book| book.version = 41, "the snapshot is of version 41"),
            (|book| book.prices[0].unit_micros = -1, "the snapshot holds a unit amount that no price may have"),
            (|book| book.costs[0].unit_micros = i64::MAX, "the snapshot holds a unit amount that no price may have"),
            (|book| book.prices[0].operator = Some("*"), "the snapshot holds an id that cannot be one"),
            (|book| book.prices[0].scope = ScopeRow::Tier(" "), "the snapshot holds an id that cannot be one"),
            (|book| book.costs[0].operator = "", "the snapshot holds an id that cannot be one"),
            (|book| book.costs[0].currency = "ABC", "the snapshot holds an unknown currency"),
            (|book| book.prices[0].from = -1, "the snapshot holds a period that is none"),
            (|book| book.prices[0].until = Some(0), "the snapshot holds a period that is none"),
            (
                |book| {
                    let again = book.prices.iter().map(|row| PriceRow { scope: ScopeRow::Tier("T"), ..*row });
                    book.prices = again.map(|row| PriceRow { operator: None, from: 0, until: None, ..row }).collect();
                },
                "the snapshot's prices do not make a book",
            ),
        ];
        let whole = book();
        let (prices, costs): (Vec<_>, Vec<_>) = (whole.prices().collect(), whole.costs().collect());
        for (change, expected) in changes {
            let (prices, costs) = (prices.iter().map(price_row).collect(), costs.iter().map(cost_row).collect());
            let mut row = BookRow { version: 42, prices, costs };
            change(&mut row);
            assert_eq!(decode(&write(&row).unwrap(), 42).unwrap_err().to_string(), expected);
        }
    }
}
