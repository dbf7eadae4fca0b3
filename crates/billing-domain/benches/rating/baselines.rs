//! What the book is measured against: going through every price, and a map by key texts.

use std::collections::HashMap;
use std::fmt::Write as _;

use billing_domain::pricing::{BookCost, BookPrice, ChargeUnit, CostShare, OperatorMatch, PriceScope, Rated, Rating};
use billing_domain::usage::UsageEvent;
use billing_domain::{Day, OperatorId};
use uuid::fmt::Hyphenated;

/// Goes through every price and every cost.
pub(crate) struct Scan<'a> {
    prices: &'a [BookPrice],
    costs: &'a [BookCost],
}

impl<'a> Scan<'a> {
    pub(crate) fn new(prices: &'a [BookPrice], costs: &'a [BookCost]) -> Self {
        Self { prices, costs }
    }

    pub(crate) fn rate(&self, event: &UsageEvent) -> Rating {
        let day = Day::of(event.charged_at);
        let in_force = self.prices.iter().filter(|price| {
            let key = &price.key;
            key.currency == event.currency && key.direction == event.direction && price.days.contains(day)
        });
        let ranked = in_force.filter_map(|price| {
            let whose = match &price.key.scope {
                PriceScope::Account(account) => (*account == event.account).then_some(0)?,
                PriceScope::Tier(tier) => (*tier == event.tier).then_some(2)?,
            };
            let operator = match &price.key.operator {
                OperatorMatch::One(operator) => (*operator == event.operator).then_some(0)?,
                OperatorMatch::Any => 1,
            };
            Some((whose + operator, price))
        });
        let price = ranked.min_by_key(|(rank, _)| *rank).map(|(_, price)| price);
        let costs = self.costs.iter().filter(|cost| {
            cost.key.operator == event.operator && cost.key.direction == event.direction && cost.days.contains(day)
        });
        let cost = costs.min_by_key(|cost| (cost.key.currency != event.currency, cost.key.currency));
        rating(event, price, cost)
    }
}

/// Finds prices and costs by texts such as `account/operator/direction/currency`, written into one buffer.
pub(crate) struct ByText<'a> {
    prices: HashMap<String, Vec<&'a BookPrice>>,
    costs: HashMap<String, Vec<&'a BookCost>>,
    text: String,
}

impl<'a> ByText<'a> {
    pub(crate) fn new(prices: &'a [BookPrice], costs: &'a [BookCost]) -> Self {
        let mut map = Self { prices: HashMap::new(), costs: HashMap::new(), text: String::new() };
        for price in prices {
            let key = &price.key;
            let operator = match &key.operator {
                OperatorMatch::Any => "*",
                OperatorMatch::One(operator) => operator.as_str(),
            };
            let scope = match &key.scope {
                PriceScope::Account(account) => account.to_string(),
                PriceScope::Tier(tier) => tier.to_string(),
            };
            let text = format!("{scope}/{operator}/{}/{}", key.direction.name(), key.currency);
            map.prices.entry(text).or_default().push(price);
        }
        for cost in costs {
            map.costs.entry(cost_text(&cost.key.operator, cost.key.direction.name())).or_default().push(cost);
        }
        map
    }

    pub(crate) fn rate(&mut self, event: &UsageEvent) -> Rating {
        let (operator, day) = (event.operator.as_str(), Day::of(event.charged_at));
        let mut account = [0; Hyphenated::LENGTH];
        let account = &*event.account.0.hyphenated().encode_lower(&mut account);
        let tier = event.tier.as_str();
        let candidates = [(account, operator), (account, "*"), (tier, operator), (tier, "*")];
        let price = candidates.into_iter().find_map(|(scope, operator)| {
            self.text.clear();
            for part in [scope, "/", operator, "/", event.direction.name(), "/", event.currency.code()] {
                self.text.push_str(part);
            }
            self.prices.get(&self.text)?.iter().find(|price| price.days.contains(day)).copied()
        });
        self.text.clear();
        let _infallible = write!(self.text, "{operator}/{}", event.direction.name());
        let costs = self.costs.get(&self.text).into_iter().flatten().filter(|cost| cost.days.contains(day));
        let cost = costs.min_by_key(|cost| (cost.key.currency != event.currency, cost.key.currency));
        rating(event, price, cost.copied())
    }
}

fn cost_text(operator: &OperatorId, direction: &str) -> String {
    format!("{operator}/{direction}")
}

fn rating(event: &UsageEvent, price: Option<&BookPrice>, cost: Option<&BookCost>) -> Rating {
    let Some(price) = price else { return Rating::NoPrice };
    let units = match (price.charge_on.charges(event.dlr_status), price.unit) {
        (false, _) => 0,
        (true, ChargeUnit::Segment) => event.segments.get(),
        (true, ChargeUnit::Message) => 1,
    };
    let cost = cost.map(|cost| CostShare {
        cost: cost.id,
        amount: cost.cost_per_segment.times(u32::from(event.segments.get())).expect("no overflow"),
        currency: cost.key.currency,
    });
    let amount = price.unit_price.times(u32::from(units)).expect("no overflow");
    Rating::Rated(Rated { price: price.id, units, amount, cost })
}
