//! What the columns of both sorts of decks mean.

use billing_domain::pricing::deck::{CostTerms, DeckPrice};
use billing_domain::pricing::{ChargeOn, CostKey, OperatorMatch, PriceTerms, check_unit_amount};
use billing_domain::{AccountId, Currency, DayRange, IdError, Micros, OperatorId, Tier};

use super::sheet::{Column, Row, SheetEntry};
use super::view::Shown;
use crate::http::fields::{day, one_of, uuid};
use crate::routes::terms::DIRECTIONS;

const CHARGE_ON: [(ChargeOn, &str); 2] = [(ChargeOn::AnyTerminal, "ANY_TERMINAL"), (ChargeOn::Delivered, "DELIVERED")];

const fn required(name: &'static str) -> Column {
    Column { name, is_required: true }
}

const fn optional(name: &'static str) -> Column {
    Column { name, is_required: false }
}

impl SheetEntry for DeckPrice {
    const COLUMNS: &'static [Column] = &[
        required("accountTier"),
        required("operatorId"),
        required("direction"),
        required("pricingModel"),
        required("unitPrice"),
        required("currency"),
        required("effectiveFrom"),
        optional("effectiveTo"),
        optional("accountId"),
        optional("chargeOn"),
    ];

    fn read(row: &mut Row<'_>) -> Option<Self> {
        let tier = row.required("accountTier", Tier::new);
        let operator = row.required("operatorId", operator);
        let direction = row.required("direction", one_of(&DIRECTIONS));
        let is_flat = row.required("pricingModel", is_flat);
        let unit_price = row.required("unitPrice", amount);
        let currency = row.required("currency", Currency::new);
        let days = days(row);
        let account = row.optional("accountId", uuid);
        let charge_on = row.optional("chargeOn", one_of(&CHARGE_ON));
        Some(Self {
            tier: tier?,
            account: account?.map(AccountId),
            operator: operator?,
            direction: direction?,
            is_flat: is_flat?,
            charge_on: charge_on?,
            unit_price: unit_price?,
            currency: currency?,
            days: days?,
        })
    }

    fn fields(terms: &PriceTerms) -> Vec<String> {
        vec![
            terms.tier.to_string(),
            terms.operator.to_string(),
            terms.direction.name().into(),
            terms.model.name().into(),
            terms.unit_price.to_string(),
            terms.currency.to_string(),
            terms.days.from().to_string(),
            last(terms.days),
            terms.account.map(|account| account.to_string()).unwrap_or_default(),
            terms.charge_on.name().into(),
        ]
    }

    fn show(terms: &PriceTerms) -> Shown {
        Shown {
            account_tier: Some(terms.tier.to_string()),
            account_id: terms.account.map(|account| account.0),
            operator_id: terms.operator.to_string(),
            direction: terms.direction.name().into(),
            currency: terms.currency.to_string(),
            pricing_model: Some(terms.model.name().into()),
            is_cost: false,
        }
    }
}

impl SheetEntry for CostTerms {
    const COLUMNS: &'static [Column] = &[
        required("operatorId"),
        required("direction"),
        required("costPerSegment"),
        required("currency"),
        required("effectiveFrom"),
        optional("effectiveTo"),
    ];

    fn read(row: &mut Row<'_>) -> Option<Self> {
        let operator = row.required("operatorId", OperatorId::new);
        let direction = row.required("direction", one_of(&DIRECTIONS));
        let cost_per_segment = row.required("costPerSegment", amount);
        let currency = row.required("currency", Currency::new);
        let days = days(row);
        let key = CostKey { operator: operator?, direction: direction?, currency: currency? };
        Some(Self { key, cost_per_segment: cost_per_segment?, days: days? })
    }

    fn fields(terms: &Self) -> Vec<String> {
        vec![
            terms.key.operator.to_string(),
            terms.key.direction.name().into(),
            terms.cost_per_segment.to_string(),
            terms.key.currency.to_string(),
            terms.days.from().to_string(),
            last(terms.days),
        ]
    }

    fn show(terms: &Self) -> Shown {
        Shown {
            account_tier: None,
            account_id: None,
            operator_id: terms.key.operator.to_string(),
            direction: terms.key.direction.name().into(),
            currency: terms.key.currency.to_string(),
            pricing_model: None,
            is_cost: true,
        }
    }
}

/// An operator or any, as prices name it.
pub(super) fn operator(text: &str) -> Result<OperatorMatch, IdError> {
    if text == "*" { Ok(OperatorMatch::Any) } else { OperatorId::new(text).map(OperatorMatch::One) }
}

fn is_flat(text: &str) -> Result<bool, &'static str> {
    match text {
        "PER_SEGMENT" => Ok(false),
        "FLAT_PER_MESSAGE" => Ok(true),
        "GRADUATED" | "VOLUME" | "PACKAGE" => Err("a deck cannot say what this model needs; make this price by itself"),
        _ => Err("is PER_SEGMENT or FLAT_PER_MESSAGE"),
    }
}

fn amount(text: &str) -> Result<Micros, String> {
    let amount = Micros::parse(text).map_err(|error| error.to_string())?;
    check_unit_amount(amount).map_err(|error| error.to_string())
}

fn days(row: &mut Row<'_>) -> Option<DayRange> {
    let from = row.required("effectiveFrom", day);
    let to = row.optional("effectiveTo", day);
    let days = DayRange::inclusive(from?, to?);
    if days.is_err() {
        row.refuse("effectiveTo", "is not before effectiveFrom");
    }
    days.ok()
}

fn last(days: DayRange) -> String {
    days.last().map(|day| day.to_string()).unwrap_or_default()
}
