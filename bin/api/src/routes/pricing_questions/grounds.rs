//! What both explanations show: the four candidates, the rule that won, the arithmetic, cost and margin.

use billing_domain::pricing::{
    Arithmetic, ChargeUnit, CostShare, MonthlyTerms, PricingModel, Resolution, Rule, margin,
};
use billing_domain::{Currency, Micros, Price};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// One of the four keys that are asked in order, and the price that stands for it on that day.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PriceCandidate {
    /// `ACCOUNT_OPERATOR`, `ACCOUNT_ANY`, `TIER_OPERATOR` or `TIER_ANY`.
    #[schema(example = "ACCOUNT_ANY")]
    rule: &'static str,
    /// Null: none stands.
    #[schema(required = true)]
    price: Option<PriceInForce>,
    /// Whether it is the first hit.
    wins: bool,
}

/// A price, as far as it decides.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PriceInForce {
    /// Of this version.
    pricing_table_id: Uuid,
    /// 1 for the first, one more for each change.
    version: u32,
    /// How units become an amount.
    #[schema(example = "PER_SEGMENT")]
    pricing_model: &'static str,
    /// `ANY_TERMINAL` or `DELIVERED`.
    #[schema(example = "ANY_TERMINAL")]
    charge_on: &'static str,
    /// Six decimals.
    #[schema(example = "0.012000", pattern = r"^\d+\.\d{6}$")]
    unit_price: String,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
    /// First day, inclusive, UTC.
    #[schema(format = Date)]
    effective_from: String,
    /// Last day, inclusive, UTC; null: no end.
    #[schema(required = true, format = Date)]
    effective_to: Option<String>,
    /// When it was taken out of the book; null: it was not.
    #[schema(required = true, format = DateTime)]
    cancelled_at: Option<String>,
}

/// How the amount comes about.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ArithmeticView {
    /// For people.
    #[schema(example = "3 segments × 0.012000 USD = 0.036000 USD")]
    text: String,
    /// Units that are charged; 0 when the outcome is not.
    units: u8,
    /// `SEGMENT` or `MESSAGE`.
    #[schema(example = "SEGMENT")]
    unit: &'static str,
    /// Of one unit.
    #[schema(example = "0.012000")]
    unit_price: String,
    /// Units × unit price.
    #[schema(example = "0.036000")]
    amount: String,
    /// Of both.
    #[schema(example = "USD")]
    currency: String,
    /// Whether the month's total may add a line to the invoice: steps, packages, free units, discount, minimum or fee.
    adjusted_monthly: bool,
}

/// What the operator charges.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CostView {
    /// Of the version that was in force.
    operator_cost_id: Uuid,
    /// Segments × cost per segment.
    #[schema(example = "0.024000")]
    amount: String,
    /// ISO 4217; may differ from the price's.
    #[schema(example = "USD")]
    currency: String,
}

/// What is left of the price.
#[derive(Serialize, ToSchema)]
#[schema(as = PriceMargin)]
#[serde(rename_all = "camelCase")]
pub(super) struct MarginView {
    /// Amount minus cost; null when it is unknown.
    #[schema(required = true, example = "0.012000", pattern = r"^-?\d+\.\d{6}$")]
    amount: Option<String>,
    /// Why it is unknown; null when it is known.
    #[schema(required = true)]
    unknown: Option<String>,
}

pub(super) fn candidates(resolution: &Resolution<'_>) -> Vec<PriceCandidate> {
    let wins = |rule: Rule| resolution.winner.is_some_and(|(winner, _)| winner == rule);
    let all = resolution.candidates.iter();
    all.map(|(rule, price)| PriceCandidate { rule: rule.name(), price: price.map(PriceInForce::of), wins: wins(*rule) })
        .collect()
}

impl PriceInForce {
    pub(super) fn of(price: &Price) -> Self {
        let terms = &price.terms;
        Self {
            pricing_table_id: price.id.0,
            version: price.version,
            pricing_model: terms.model.name(),
            charge_on: terms.charge_on.name(),
            unit_price: terms.unit_price.to_string(),
            currency: terms.currency.to_string(),
            effective_from: terms.days.from().to_string(),
            effective_to: terms.days.last().map(|day| day.to_string()),
            cancelled_at: price.cancelled_at.map(|at| at.to_string()),
        }
    }
}

impl ArithmeticView {
    pub(super) fn of(arithmetic: &Arithmetic, price: &Price) -> Self {
        let by_event = matches!(price.terms.model, PricingModel::PerSegment | PricingModel::FlatPerMessage);
        Self {
            text: arithmetic.to_string(),
            units: arithmetic.units,
            unit: match arithmetic.unit {
                ChargeUnit::Segment => "SEGMENT",
                ChargeUnit::Message => "MESSAGE",
            },
            unit_price: arithmetic.unit_price.to_string(),
            amount: arithmetic.amount.to_string(),
            currency: arithmetic.currency.to_string(),
            adjusted_monthly: !by_event || price.terms.monthly != MonthlyTerms::default(),
        }
    }
}

impl CostView {
    pub(super) fn of(cost: &CostShare) -> Self {
        Self { operator_cost_id: cost.cost.0, amount: cost.amount.to_string(), currency: cost.currency.to_string() }
    }
}

impl MarginView {
    pub(super) fn of(amount: Micros, currency: Currency, cost: Option<&CostShare>) -> Self {
        match margin(amount, currency, cost) {
            Ok(margin) => Self { amount: Some(margin.to_string()), unknown: None },
            Err(unknown) => Self { amount: None, unknown: Some(unknown.to_string()) },
        }
    }
}

/// What the API's document shows.
pub(super) mod example {
    use super::*;

    pub(in super::super) fn price() -> PriceInForce {
        PriceInForce {
            pricing_table_id: Uuid::from_u128(0x0192_8c3e_0000_7000_8000_0000_0000_0001),
            version: 2,
            pricing_model: "PER_SEGMENT",
            charge_on: "ANY_TERMINAL",
            unit_price: "0.012000".into(),
            currency: "USD".into(),
            effective_from: "2026-10-01".into(),
            effective_to: None,
            cancelled_at: None,
        }
    }

    pub(in super::super) fn candidates() -> Vec<PriceCandidate> {
        let wins = |rule| rule == Rule::AccountAny;
        let all = Rule::ALL.into_iter();
        all.map(|rule| PriceCandidate { rule: rule.name(), price: wins(rule).then(price), wins: wins(rule) }).collect()
    }

    pub(in super::super) fn arithmetic() -> ArithmeticView {
        ArithmeticView {
            text: "3 segments × 0.012000 USD = 0.036000 USD".into(),
            units: 3,
            unit: "SEGMENT",
            unit_price: "0.012000".into(),
            amount: "0.036000".into(),
            currency: "USD".into(),
            adjusted_monthly: false,
        }
    }

    pub(in super::super) fn cost() -> CostView {
        CostView {
            operator_cost_id: Uuid::from_u128(0x0192_8c3e_0000_7000_8000_0000_0000_0002),
            amount: "0.024000".into(),
            currency: "USD".into(),
        }
    }

    pub(in super::super) fn margin() -> MarginView {
        MarginView { amount: Some("0.012000".into()), unknown: None }
    }
}
