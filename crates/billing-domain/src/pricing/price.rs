//! One immutable price: whose, for which traffic, from which day until which, and how much.
//!
//! Finding the price of an event is the book's job; storing and changing prices is the outside's.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

use crate::usage::{Direction, DlrStatus};
use crate::{AccountId, Currency, Day, DayRange, Micros, OperatorId, PriceId, Tier};

use super::monthly::{MonthlyTerms, Package, Steps};

/// The highest unit price and unit cost: 999,999.999999 units, the platform's `NUMERIC(12,6)`.
pub const MAX_UNIT_PRICE: Micros = Micros(999_999_999_999);

/// Terms that no price can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PriceError {
    /// A unit amount below zero.
    #[error("a unit amount is not negative")]
    Negative,
    /// A unit amount above [`MAX_UNIT_PRICE`].
    #[error("a unit amount is at most 999999.999999")]
    TooHigh,
}

/// Refuses a unit price or cost that is negative or above [`MAX_UNIT_PRICE`].
///
/// # Errors
/// [`PriceError`].
pub fn check_unit_amount(amount: Micros) -> Result<Micros, PriceError> {
    match amount {
        amount if amount < Micros::ZERO => Err(PriceError::Negative),
        amount if amount > MAX_UNIT_PRICE => Err(PriceError::TooHigh),
        amount => Ok(amount),
    }
}

/// How units and a unit price become an amount.
///
/// An event's own amount is always units × unit price. What a month's total makes of GRADUATED, VOLUME and PACKAGE is an
/// adjustment on the invoice ("Which price" of rules.md).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PricingModel {
    /// Segments × unit price.
    PerSegment,
    /// The unit price, whatever the number of segments.
    FlatPerMessage,
    /// A month's segments above a step cost the step's price, those below it what they did.
    Graduated(Steps),
    /// All of a month's segments cost the price of the highest step that they reach.
    Volume(Steps),
    /// A month's segments are sold in packages; the last may be half used. The unit price is indicative.
    Package(Package),
}

/// What a price counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ChargeUnit {
    /// Each segment.
    Segment,
    /// Each message, whatever the number of its segments.
    Message,
}

impl PricingModel {
    /// Every model's name on the wire and in the database.
    pub const NAMES: [&'static str; 5] = ["PER_SEGMENT", "FLAT_PER_MESSAGE", "GRADUATED", "VOLUME", "PACKAGE"];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::PerSegment => "PER_SEGMENT",
            Self::FlatPerMessage => "FLAT_PER_MESSAGE",
            Self::Graduated(_) => "GRADUATED",
            Self::Volume(_) => "VOLUME",
            Self::Package(_) => "PACKAGE",
        }
    }

    /// What its units are.
    #[must_use]
    pub fn unit(&self) -> ChargeUnit {
        match self {
            Self::FlatPerMessage => ChargeUnit::Message,
            Self::PerSegment | Self::Graduated(_) | Self::Volume(_) | Self::Package(_) => ChargeUnit::Segment,
        }
    }
}

/// Which outcome of a message is charged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum ChargeOn {
    /// Every terminal status: the message was sent, whatever became of it.
    #[default]
    AnyTerminal,
    /// `DELIVERED` only. Other events are recorded with amount 0; the operator's cost still counts.
    Delivered,
}

impl ChargeOn {
    /// The name on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AnyTerminal => "ANY_TERMINAL",
            Self::Delivered => "DELIVERED",
        }
    }

    /// The rule of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::AnyTerminal, Self::Delivered].into_iter().find(|rule| rule.name() == name)
    }

    /// Whether a message that ended like this is charged.
    #[must_use]
    pub fn charges(self, status: DlrStatus) -> bool {
        match self {
            Self::AnyTerminal => true,
            Self::Delivered => status == DlrStatus::Delivered,
        }
    }
}

/// Whose price it is. An account's own price beats its tier's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PriceScope {
    /// One account's.
    Account(AccountId),
    /// Every account's of a tier.
    Tier(Tier),
}

/// Which operator a price is for. A named operator beats any.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum OperatorMatch {
    /// Every operator without a price of its own: `*` on the wire.
    Any,
    /// This one.
    One(OperatorId),
}

impl fmt::Display for OperatorMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::One(operator) => operator.fmt(f),
        }
    }
}

/// What two prices must not share on any day.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PriceKey {
    /// Account or tier.
    pub scope: PriceScope,
    /// One operator or any.
    pub operator: OperatorMatch,
    /// To or from the mobile.
    pub direction: Direction,
    /// In which the unit price is named.
    pub currency: Currency,
}

/// What a price says. A change of any of it is a new price.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PriceTerms {
    /// The tier it is listed under; the scope unless `account` is given.
    pub tier: Tier,
    /// The one account it is for, if any.
    pub account: Option<AccountId>,
    /// One operator or any.
    pub operator: OperatorMatch,
    /// To or from the mobile.
    pub direction: Direction,
    /// How an amount is made of it.
    pub model: PricingModel,
    /// Which outcome is charged.
    pub charge_on: ChargeOn,
    /// Per segment or per message, 0 to [`MAX_UNIT_PRICE`].
    pub unit_price: Micros,
    /// What a whole month adds to it.
    pub monthly: MonthlyTerms,
    /// ISO 4217.
    pub currency: Currency,
    /// The days on which it is in force.
    pub days: DayRange,
}

impl PriceTerms {
    /// What the book files it under.
    #[must_use]
    pub fn key(&self) -> PriceKey {
        let scope = match self.account {
            Some(account) => PriceScope::Account(account),
            None => PriceScope::Tier(self.tier.clone()),
        };
        PriceKey { scope, operator: self.operator.clone(), direction: self.direction, currency: self.currency }
    }
}

/// A stored price: terms and where they come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Price {
    /// Pinned on every event that it rates.
    pub id: PriceId,
    /// What it says.
    pub terms: PriceTerms,
    /// 1 for the first of its line, one more for each change.
    pub version: u32,
    /// The `sub` of who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was taken out of the book without ever having been in force; `None`: it was not.
    pub cancelled_at: Option<Timestamp>,
}

impl Price {
    /// Whether it is in force on that day.
    #[must_use]
    pub fn covers(&self, day: Day) -> bool {
        self.terms.days.contains(day)
    }
}

/// A price for examples and tests: STARTER, any operator, MT, USD a segment, from 2026-01-01 without end.
///
/// # Errors
/// When the text is not a unit price.
pub fn sample_price(unit_price: &str) -> Result<Price, Box<dyn std::error::Error>> {
    let terms = PriceTerms {
        tier: Tier::new("STARTER")?,
        account: None,
        operator: OperatorMatch::Any,
        direction: Direction::Mt,
        model: PricingModel::PerSegment,
        charge_on: ChargeOn::AnyTerminal,
        unit_price: check_unit_amount(Micros::parse(unit_price)?)?,
        monthly: MonthlyTerms::default(),
        currency: Currency::new("USD")?,
        days: DayRange::inclusive(Day::parse("2026-01-01")?, None)?,
    };
    let id = PriceId(Uuid::new_v5(&Uuid::NAMESPACE_OID, unit_price.as_bytes()));
    let (created_by, created_at) = ("example".into(), Timestamp::UNIX_EPOCH);
    Ok(Price { id, terms, version: 1, created_by, created_at, cancelled_at: None })
}
