//! A price book as bytes: JSON whose order and spelling depend on nothing but the book.
//!
//! A change of the form needs no migration: bytes that cannot be read are treated as absent.

use billing_domain::pricing::{
    BookError, ChargeOn, CostKey, OperatorMatch, PriceError, PriceTerms, PricingModel, check_unit_amount,
};
use billing_domain::usage::Direction;
use billing_domain::{
    AccountId, CalendarError, CostId, Currency, Day, DayRange, IdError, Micros, OperatorCost, OperatorId, Price,
    PriceBook, PriceId, Tier, UnknownCurrency,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Bytes that are no book.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Not this JSON.
    #[error("the snapshot has another form")]
    Form(#[from] serde_json::Error),
    /// The book of another version.
    #[error("the snapshot is of version {0}")]
    Version(i64),
    /// A name that is none of the known ones.
    #[error("the snapshot names no known {0}")]
    Name(&'static str),
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
#[serde(deny_unknown_fields)]
struct BookRow {
    version: i64,
    prices: Vec<PriceRow>,
    costs: Vec<CostRow>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceRow {
    id: Uuid,
    tier: String,
    account: Option<Uuid>,
    operator: String,
    direction: String,
    model: String,
    charge_on: String,
    unit_micros: i64,
    currency: String,
    from: i32,
    until: Option<i32>,
    version: u32,
    created_by: String,
    created_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CostRow {
    id: Uuid,
    operator: String,
    direction: String,
    unit_micros: i64,
    currency: String,
    from: i32,
    until: Option<i32>,
    version: u32,
    created_by: String,
    created_at: Timestamp,
}

/// The book's bytes. A book keeps its prices in key order, so equal books give equal bytes.
pub(crate) fn encode(book: &PriceBook) -> Result<Vec<u8>, SnapshotError> {
    let prices = book.prices().iter().map(price_row).collect();
    let costs = book.costs().iter().map(cost_row).collect();
    Ok(serde_json::to_vec(&BookRow { version: book.version(), prices, costs })?)
}

/// The book of that version.
pub(crate) fn decode(bytes: &[u8], version: i64) -> Result<PriceBook, SnapshotError> {
    let book: BookRow = serde_json::from_slice(bytes)?;
    if book.version != version {
        return Err(SnapshotError::Version(book.version));
    }
    let prices = book.prices.into_iter().map(price).collect::<Result<_, _>>()?;
    let costs = book.costs.into_iter().map(cost).collect::<Result<_, _>>()?;
    Ok(PriceBook::build(version, prices, costs)?)
}

fn price_row(price: &Price) -> PriceRow {
    let terms = &price.terms;
    PriceRow {
        id: price.id.0,
        tier: terms.tier.to_string(),
        account: terms.account.map(|account| account.0),
        operator: terms.operator.to_string(),
        direction: terms.direction.name().into(),
        model: terms.model.name().into(),
        charge_on: terms.charge_on.name().into(),
        unit_micros: terms.unit_price.0,
        currency: terms.currency.to_string(),
        from: terms.days.from().epoch_days(),
        until: terms.days.until().map(Day::epoch_days),
        version: price.version,
        created_by: price.created_by.clone(),
        created_at: price.created_at,
    }
}

fn cost_row(cost: &OperatorCost) -> CostRow {
    CostRow {
        id: cost.id.0,
        operator: cost.key.operator.to_string(),
        direction: cost.key.direction.name().into(),
        unit_micros: cost.cost_per_segment.0,
        currency: cost.key.currency.to_string(),
        from: cost.days.from().epoch_days(),
        until: cost.days.until().map(Day::epoch_days),
        version: cost.version,
        created_by: cost.created_by.clone(),
        created_at: cost.created_at,
    }
}

fn price(row: PriceRow) -> Result<Price, SnapshotError> {
    let operator = match row.operator.as_str() {
        "*" => OperatorMatch::Any,
        operator => OperatorMatch::One(OperatorId::new(operator)?),
    };
    let terms = PriceTerms {
        tier: Tier::new(&row.tier)?,
        account: row.account.map(AccountId),
        operator,
        direction: direction(&row.direction)?,
        model: PricingModel::from_name(&row.model).ok_or(SnapshotError::Name("model"))?,
        charge_on: ChargeOn::from_name(&row.charge_on).ok_or(SnapshotError::Name("charge rule"))?,
        unit_price: check_unit_amount(Micros(row.unit_micros))?,
        currency: Currency::new(&row.currency)?,
        days: days(row.from, row.until)?,
    };
    Ok(Price {
        id: PriceId(row.id),
        terms,
        version: row.version,
        created_by: row.created_by,
        created_at: row.created_at,
        cancelled_at: None,
    })
}

fn cost(row: CostRow) -> Result<OperatorCost, SnapshotError> {
    Ok(OperatorCost {
        id: CostId(row.id),
        key: CostKey {
            operator: OperatorId::new(&row.operator)?,
            direction: direction(&row.direction)?,
            currency: Currency::new(&row.currency)?,
        },
        cost_per_segment: check_unit_amount(Micros(row.unit_micros))?,
        days: days(row.from, row.until)?,
        version: row.version,
        created_by: row.created_by,
        created_at: row.created_at,
        cancelled_at: None,
    })
}

fn direction(name: &str) -> Result<Direction, SnapshotError> {
    Direction::from_name(name).ok_or(SnapshotError::Name("direction"))
}

fn days(from: i32, until: Option<i32>) -> Result<DayRange, SnapshotError> {
    Ok(DayRange::new(Day::from_epoch_days(from)?, until.map(Day::from_epoch_days).transpose()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_domain::pricing::sample_price;

    fn book() -> PriceBook {
        let day = |text| Day::parse(text).unwrap();
        let mut own = sample_price("0.5").unwrap();
        own.terms.account = Some(AccountId(Uuid::from_u128(7)));
        own.terms.operator = OperatorMatch::One(OperatorId::new("op-20").unwrap());
        own.terms.model = PricingModel::FlatPerMessage;
        own.terms.charge_on = ChargeOn::Delivered;
        own.terms.days = DayRange::inclusive(day("2026-03-01"), Some(day("2026-03-31"))).unwrap();
        let cost = OperatorCost {
            id: CostId(Uuid::from_u128(9)),
            key: CostKey {
                operator: OperatorId::new("op-20").unwrap(),
                direction: Direction::Mo,
                currency: Currency::new("AFN").unwrap(),
            },
            cost_per_segment: Micros(4_000),
            days: DayRange::new(day("2026-01-01"), None).unwrap(),
            version: 3,
            created_by: "a \"quoted\" name".into(),
            created_at: "2026-01-01T00:00:00.123456Z".parse().unwrap(),
            cancelled_at: None,
        };
        PriceBook::build(42, vec![own, sample_price("0.012").unwrap()], vec![cost]).unwrap()
    }

    #[test]
    fn a_book_survives_the_way_to_bytes_and_back() {
        let bytes = encode(&book()).unwrap();
        assert_eq!(decode(&bytes, 42).unwrap(), book());
        assert_eq!(encode(&decode(&bytes, 42).unwrap()).unwrap(), bytes);
    }

    #[test]
    fn other_bytes_are_refused() {
        let text = String::from_utf8(encode(&book()).unwrap()).unwrap();
        for (from, to, expected) in [
            ("\"version\":42", "\"version\":41", "the snapshot is of version 41"),
            ("\"unit_micros\":12000", "\"unit_micros\":-1", "the snapshot holds a unit amount that no price may have"),
            ("\"costs\"", "\"other\":1,\"costs\"", "the snapshot has another form"),
            ("FLAT_PER_MESSAGE", "FREE", "the snapshot names no known model"),
            ("AFN", "ABC", "the snapshot holds an unknown currency"),
        ] {
            assert!(text.contains(from), "{from}");
            let error = decode(text.replacen(from, to, 1).as_bytes(), 42).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
